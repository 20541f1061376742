"""Reading a few entries of a vector, and adding to them: two linear maps, each the transpose of the other.

JAX's own slice has a `pad` for its transpose, which XLA's CPU compiler fuses into the loops around it; a loop with a
pad in it is not vectorised and runs many times slower. The transpose here is a call that nothing fuses with.
"""

from typing import Any, final

import jax
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from numpy.typing import NDArray

from ..base.types import Array, Float
from . import native
from .backend import chosen_backend, run_on


@final
class Index:
    """A static index, compared by content so that compiled code is shared."""

    def __init__(self, entries: Any, size: int):
        self.entries = np.asarray(entries, np.int32).ravel()
        self.size = int(size)
        self._key = (self.entries.tobytes(), self.size)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Index) and self._key == other._key

    @property
    def span(self) -> slice | None:
        """The entries as a slice where they are contiguous."""
        if not len(self.entries):
            return slice(0, 0)
        start, stop = int(self.entries[0]), int(self.entries[0]) + len(self.entries)
        return slice(start, stop) if np.array_equal(self.entries, np.arange(start, stop)) else None


def take(x: Float[Array, " cv"], index: Index, *, backend: str | None = None) -> Float[Array, " site"]:
    """Return the entries of `x` at `index`. `backend`, of the transpose, as in `cajax.solve.solve`."""
    return _take.bind(x, index=index, backend=_chosen(x, backend))


def spread(x: Float[Array, " site"], index: Index, *, backend: str | None = None) -> Float[Array, " cv"]:
    """Return zeros `[index.size]` with `x` added at `index`; entries named twice add up. `backend` likewise."""
    return _spread.bind(x, index=index, backend=_chosen(x, backend))


def _chosen(x: Array, backend: str | None) -> str | None:
    # Whole numbers are counted, not computed with: they need no kernel, whoever asked for one.
    return chosen_backend(backend, x.dtype) if native.supports(x.dtype) else "jax"


_take, _spread = Primitive("cajax_take"), Primitive("cajax_spread")


def _taken(x: Array, *, index: Index, backend: str | None) -> Array:
    span = index.span
    return x[..., index.entries] if span is None else x[..., span]


def _spreaded(x: Array, *, index: Index, backend: str | None) -> Array:
    entries: NDArray[np.int32] = index.entries

    def plain(x: Array) -> Array:
        return jax.numpy.zeros((*x.shape[:-1], index.size), x.dtype).at[..., entries].add(x)

    if len(entries) == 1:
        # A mask vectorises and fuses, so a single site costs next to nothing.
        return jax.numpy.where(np.arange(index.size) == entries[0], x, 0)
    return run_on(backend, lambda x: native.spread(x, entries, index.size), plain, x)


def _define(primitive: Primitive, rule: Any, transpose: Primitive, length: Any) -> None:
    primitive.def_impl(jax.jit(rule, static_argnames=("index", "backend")))
    primitive.def_abstract_eval(
        lambda x, *, index, backend: jax.core.ShapedArray((*x.shape[:-1], length(index)), x.dtype)  # pyright: ignore
    )
    mlir.register_lowering(primitive, mlir.lower_fun(rule, multiple_results=False))
    ad.deflinear2(
        primitive, lambda ct, x, *, index, backend: [transpose.bind(ct, index=index, backend=backend)]
    )

    def batch(args: Any, dims: Any, **static: Any) -> Any:
        return primitive.bind(jax.numpy.moveaxis(args[0], dims[0], 0), **static), 0

    batching.primitive_batchers[primitive] = batch


_define(_take, _taken, _spread, lambda index: len(index.entries))
_define(_spread, _spreaded, _take, lambda index: index.size)
