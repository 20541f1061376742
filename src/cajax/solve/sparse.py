"""The product of weighted edges with a vector: bilinear, with a compiled kernel for it and for both its transposes.

One trilinear form holds all that is needed: T(w, s, c) = Σ w[edge] · s[pre of edge] · c[site of edge]. Its derivative
by c is the product, those by s and by w are the transposes of the product, and the derivatives of these are again among
the three. So one primitive is closed under differentiation: it takes two of the operands and returns the derivative by
the third. Each operand has all the axes of the batch, of length 1 where it is shared; where that is the result, it is
summed. So the gradient of weights that a batch shares never exists per element of the batch.
"""

import hashlib
from functools import cached_property
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from numpy.typing import ArrayLike, NDArray

from ..base.errors import ParameterError
from ..base.types import Array, Float
from . import native
from .backend import chosen_backend, run_on

EDGE, PRE, SITE = 0, 1, 2  # the operands w, s and c of the form


@final
class Graph:
    """Edges from `n_pre` entries to `n_site` sites, sorted by site; compared by content, so that it can be static.

    `pre` and `site` are `[edge]`. Edges may repeat, sites may have none. Raises `ParameterError` for edges that are not
    sorted by site or come from or lead to where nothing is.
    """

    def __init__(self, pre: ArrayLike, site: ArrayLike, n_pre: int, n_site: int):
        ends = [np.asarray(x) for x in (pre, site)]
        if any(x.ndim != 1 or (x.size and x.dtype.kind not in "iu") for x in ends):
            raise ParameterError(
                "graph: pre and site need to be vectors of whole numbers, one entry per edge"
            )
        if len(ends[0]) != len(ends[1]) or len(ends[0]) > np.iinfo(np.int32).max:
            raise ParameterError(
                f"graph: {len(ends[0])} edges begin and {len(ends[1])} end; give each both ends"
            )
        for name, x, size in zip(("pre", "site"), ends, (n_pre, n_site), strict=True):
            if x.size and (x.min() < 0 or x.max() >= size):
                raise ParameterError(
                    f"graph: {name} goes from {x.min()} to {x.max()}, outside 0 to {size - 1}"
                )
        if (np.diff(ends[1].astype(np.int64)) < 0).any():
            raise ParameterError(
                "graph: its edges are not sorted by site; sort pre and site by np.argsort(site)"
            )
        self.pre: NDArray[np.int32] = ends[0].astype(np.int32)
        self.site: NDArray[np.int32] = ends[1].astype(np.int32)
        self.n_pre, self.n_site = int(n_pre), int(n_site)

    @property
    def n_edge(self) -> int:
        """How many edges there are."""
        return len(self.pre)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Entries of w, s and c."""
        return self.n_edge, self.n_pre, self.n_site

    @cached_property
    def offset(self) -> NDArray[np.int32]:
        """Where the edges of each site begin, and after the last one where they end; `[site + 1]`."""
        return np.searchsorted(self.site, np.arange(self.n_site + 1)).astype(np.int32)

    @cached_property
    def digest(self) -> bytes:
        """Content digest: equal for graphs of equal edges and sizes."""
        text = hashlib.blake2b(f"{self.sizes};".encode(), digest_size=16)
        text.update(self.pre.tobytes())
        text.update(self.site.tobytes())
        return text.digest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Graph) and self.digest == other.digest)

    def __repr__(self) -> str:
        return f"Graph(n_edge={self.n_edge}, n_pre={self.n_pre}, n_site={self.n_site})"


def product(
    weight: Float[Array, " edge"], s: Float[Array, " pre"], graph: Graph, *, backend: str | None = None
) -> Float[Array, " site"]:
    """Return at every site the sum of `weight` · `s` over its edges.

    Differentiable in both to any order and in both modes; batches of either or both come from `vmap`, and the bits of
    an element do not depend on its batch. `backend` as in `cajax.solve.solve`. Raises `ParameterError` for wrong shapes
    or types.
    """
    dtype = jnp.result_type(weight, s)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ParameterError(f"product: the operands are of type {dtype}; give floating-point arrays")
    for name, value, size in (("weight", weight, graph.n_edge), ("s", s, graph.n_pre)):
        if jnp.shape(value) != (size,):
            raise ParameterError(
                f"product: {name} has shape {jnp.shape(value)}, its graph needs ({size},); batch by vmap"
            )
    operands = (jnp.asarray(weight, dtype), jnp.asarray(s, dtype))
    return _form.bind(*operands, out=SITE, lead=(), graph=graph, backend=chosen_backend(backend, dtype))


_form = Primitive("cajax_sparse")


def _others(out: int) -> tuple[int, int]:
    """The operands that remain when `out` is the result."""
    first, second = (side for side in (EDGE, PRE, SITE) if side != out)
    return first, second


def _plain(x: Array, y: Array, *, out: int, lead: tuple[int, ...], graph: Graph) -> Array:
    """The form without a kernel."""
    at = {EDGE: np.arange(graph.n_edge), PRE: graph.pre, SITE: graph.site}
    first, second = _others(out)
    x = x if first == EDGE else _get(x, at[first])
    terms = x * _get(y, at[second])
    folded = tuple(i for i, n in enumerate(lead) if n != terms.shape[i])
    terms = jnp.sum(terms, folded, keepdims=True) if folded else terms
    if out == EDGE:
        return terms
    zeros = jnp.zeros((*lead, graph.sizes[out]), x.dtype)
    return zeros.at[..., at[out]].add(
        terms, mode="promise_in_bounds", indices_are_sorted=out == SITE, wrap_negative_indices=False
    )


def _get(x: Array, at: NDArray[np.int32]) -> Array:
    return x.at[..., at].get(mode="promise_in_bounds", wrap_negative_indices=False)


def _rule(x: Array, y: Array, *, out: int, lead: tuple[int, ...], graph: Graph, backend: str | None) -> Array:
    def compiled(x: Array, y: Array) -> Array:
        shape = (*lead, graph.sizes[out])
        return native.product(x, y, shape, graph.offset, graph.pre, graph.n_pre, out)

    def plain(x: Array, y: Array) -> Array:
        return _plain(x, y, out=out, lead=lead, graph=graph)

    return run_on(backend, compiled, plain, x, y)


def _transposed(by: int) -> Any:
    """The transpose by the first (0) or second (1) operand: of the form too, with what was the result as an operand."""

    def rule(
        ct: Array, x: Any, y: Any, *, out: int, lead: tuple[int, ...], graph: Graph, backend: Any
    ) -> Array:
        sides = _others(out)
        operands = {sides[1 - by]: (x, y)[1 - by], out: ct}
        first, second = (operands[side] for side in _others(sides[by]))
        lead = (x, y)[by].aval.shape[:-1]
        return _form.bind(first, second, out=sides[by], lead=lead, graph=graph, backend=backend)

    return rule


def _batched(args: Any, dims: Any, *, lead: tuple[int, ...], **static: Any) -> tuple[Array, int]:
    (size,) = {x.shape[d] for x, d in zip(args, dims, strict=True) if d is not None}
    first, second = (x[None] if d is None else jnp.moveaxis(x, d, 0) for x, d in zip(args, dims, strict=True))
    return _form.bind(first, second, lead=(size, *lead), **static), 0


_form.def_impl(jax.jit(_rule, static_argnames=("out", "lead", "graph", "backend")))
_form.def_abstract_eval(
    lambda x, y, *, out, lead, graph, backend: jax.core.ShapedArray(  # pyright: ignore
        (*lead, graph.sizes[out]), x.dtype
    )
)
mlir.register_lowering(_form, mlir.lower_fun(_rule, multiple_results=False))
ad.defbilinear(_form, _transposed(0), _transposed(1))
batching.primitive_batchers[_form] = _batched
