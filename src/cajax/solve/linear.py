"""The differentiable solve: one linear operator, and its solve on the best backend as its own derivative."""

from functools import lru_cache, partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, mlir
from numpy.typing import NDArray

from ..base.errors import ParameterError
from ..base.types import Array, Float
from . import native, sweep
from .backend import chosen_backend, run_on
from .lead import define_batches, lead_of, over_lead, summed_over_shared
from .tree import Forest, as_forest, cv_slices, n_edges, n_entries

VECTORS = 1, 1, 1
"""The axes of the operands of a solve but those of a batch."""

_swept = jax.jit(sweep.solve, static_argnums=0)  # traced once per forest, however often it is called

tree_solve_p = Primitive("cajax_tree_solve")
"""Operands a, g, b, each [..., entries] with as many leading axes, of length 1 where an operand is shared."""


def solve(
    forest: Forest,
    a: Float[Array, " cv"],
    g: Float[Array, " edge"],
    b: Float[Array, " cv"],
    *,
    backend: str | None = None,
) -> Float[Array, " cv"]:
    """Solve A x = b, where A x = a x + currents through the edge conductances g; see `matvec`.

    `a`, `b` and x are flat CV vectors, `g >= 0` is a flat edge vector (see `Forest`). A is symmetric; for
    `a > 0` it is positive definite and no digits cancel. Differentiable in a, g and b in both modes, to any
    order; batches come from `vmap`, and the bits of an element do not depend on its batch.

    `backend` is "native" (CPU only), "jax", or None for the environment's `CAJAX_SOLVE`, else native on the CPU
    where it was built; it is chosen while tracing. Raises `ParameterError` for wrong shapes or types.
    """
    forest = as_forest(forest)
    a, g, b = _checked(forest, a, g, b)
    return tree_solve_p.bind(a, g, b, forest=forest, backend=chosen_backend(backend, b.dtype))


def matvec(
    forest: Forest, a: Float[Array, " cv"], g: Float[Array, " edge"], x: Float[Array, " cv"]
) -> Float[Array, " cv"]:
    """A x: the leak `a * x` plus, at every CV, the current that leaves it through its edges.

    A junction has no current of its own, so its value is the mean of its neighbours weighted by g; with that it
    is eliminated (Schur complement) and A acts on CVs only.
    """
    a, g, x = jnp.asarray(a), jnp.asarray(g), jnp.asarray(x)
    return a * x + _axial(_edges(forest), g, x)


@final
class _Edges(NamedTuple):
    """Static tables of a forest; a *slot* is a CV, or N + the number of a junction."""

    child: NDArray[np.int32]  # [E] slot of every edge entry's node
    parent: NDArray[np.int32]  # [E] slot of its parent; of the node itself at a root
    root: NDArray[np.bool_]  # [E]
    g_hub: NDArray[np.int32]  # [H] the entries that have a junction at one end,
    cv_hub: NDArray[np.int32]  # [H] the CV at the other end
    hub: NDArray[np.int32]  # [H] and the number of the junction
    n_hubs: int


@lru_cache(maxsize=64)
def _edges(forest: Forest) -> _Edges:
    n, first_hub = n_entries(forest), 0
    child, parent, root = [], [], []
    for tree, cvs in zip(forest, cv_slices(forest), strict=True):
        junction = tree.cv < 0
        base = np.where(junction, n + first_hub, cvs.start)
        slot = base + np.where(junction, np.cumsum(junction) - 1, tree.cv) * tree.lanes
        above = np.where(tree.parent < 0, slot, slot[tree.parent])
        child.append((slot[:, None] + np.arange(tree.lanes)).ravel())
        parent.append((above[:, None] + np.arange(tree.lanes)).ravel())
        root.append(np.repeat(tree.parent < 0, tree.lanes))
        first_hub += int(junction.sum()) * tree.lanes
    ends = np.stack([np.concatenate(child), np.concatenate(parent)]).astype(np.int32)
    no_edge = np.concatenate(root)
    at_hub = np.flatnonzero((ends.max(axis=0) >= n) & ~no_edge).astype(np.int32)
    cv_hub, hub = np.sort(ends[:, at_hub], axis=0)
    return _Edges(ends[0], ends[1], no_edge, at_hub, cv_hub, hub - np.int32(n), first_hub)


def _axial(edges: _Edges, g: Array, x: Array) -> Array:
    g, n = jnp.where(edges.root, 0, g), x.shape[0]
    if edges.n_hubs:
        g_hub = _get(g, edges.g_hub)
        none = jnp.zeros_like(g, shape=(edges.n_hubs,))
        pull = _add(none, edges.hub, g_hub * _get(x, edges.cv_hub))
        x = jnp.concatenate([x, pull / _add(none, edges.hub, g_hub)])
    flow = g * (_get(x, edges.child) - _get(x, edges.parent))
    return _add(_add(jnp.zeros_like(x), edges.child, flow), edges.parent, -flow)[:n]


def _get(values: Array, at: NDArray[np.int32]) -> Array:
    return values.at[at].get(mode="promise_in_bounds", wrap_negative_indices=False)


def _add(values: Array, at: NDArray[np.int32], terms: Array) -> Array:
    return values.at[at].add(terms, mode="promise_in_bounds", wrap_negative_indices=False)


def _checked(forest: Forest, a: Array, g: Array, b: Array) -> tuple[Array, Array, Array]:
    dtype = jnp.result_type(a, g, b)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ParameterError(f"solve: the operands are of type {dtype}; give floating-point arrays")
    entries, edges = n_entries(forest), n_edges(forest)
    operands = []
    for name, value, size in (("a", a, entries), ("g", g, edges), ("b", b, entries)):
        if jnp.shape(value) != (size,):
            raise ParameterError(
                f"solve: {name} has shape {jnp.shape(value)}, its forest needs ({size},); batch by vmap"
            )
        operands.append(jnp.asarray(value, dtype))
    return operands[0], operands[1], operands[2]


def _rule(a: Array, g: Array, b: Array, *, forest: Forest, backend: str | None) -> Array:
    compiled = partial(native.solve, forest)
    return run_on(backend, compiled, partial(over_lead, partial(_swept, forest), VECTORS), a, g, b)


def _jvp(primals: Any, tangents: Any, *, forest: Forest, backend: str | None) -> tuple[Array, Any]:
    """A dx = db − dA x, and A is linear in neither a nor g alone only where a junction is eliminated."""
    a, g, b = primals
    da, dg, db = tangents
    x = tree_solve_p.bind(a, g, b, forest=forest, backend=backend)
    rhs = None if isinstance(db, ad.Zero) else db
    if (change := _changed(forest, a, g, da, dg, x)) is not None:
        rhs = -change if rhs is None else rhs - change
    if rhs is None:
        return x, ad.Zero(jax.typeof(x).to_tangent_aval())
    return x, tree_solve_p.bind(a, g, rhs, forest=forest, backend=backend)


def _changed(forest: Forest, a: Array, g: Array, da: Any, dg: Any, x: Array) -> Array | None:
    """Return dA x, None where the matrix stays."""
    if isinstance(dg, ad.Zero):
        return None if isinstance(da, ad.Zero) else da * x

    def axial(g: Array, dg: Array, x: Array) -> Array:
        return jax.jvp(lambda g: _axial(_edges(forest), g, x), (g,), (dg,))[1]

    change = over_lead(axial, VECTORS, g, dg, x)
    return change if isinstance(da, ad.Zero) else da * x + change


def _transpose(ct: Any, a: Array, g: Array, b: Any, *, forest: Forest, backend: str | None) -> list[Any]:
    """A is symmetric."""
    if isinstance(ct, ad.Zero):
        return [None, None, ad.Zero(b.aval)]
    found = tree_solve_p.bind(a, g, ct, forest=forest, backend=backend)
    return [None, None, summed_over_shared(found, b.aval)]


def _shape(a: Any, g: Any, b: Any, **_: Any) -> Any:
    return jax.core.ShapedArray((*lead_of(VECTORS, a, g, b), b.shape[-1]), b.dtype)  # pyright: ignore


tree_solve_p.def_impl(jax.jit(_rule, static_argnames=("forest", "backend")))
tree_solve_p.def_abstract_eval(_shape)
mlir.register_lowering(tree_solve_p, mlir.lower_fun(_rule, multiple_results=False))
ad.primitive_jvps[tree_solve_p] = _jvp
ad.primitive_transposes[tree_solve_p] = _transpose
define_batches(tree_solve_p)
