"""The differentiable solve: one linear operator, and its solve on the best backend as its own derivative."""

from functools import lru_cache, partial
from typing import NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from ..base.errors import ParameterError
from ..base.types import Array, Float
from . import native, sweep
from .backend import chosen_backend, run_on
from .tree import Forest, as_forest, cv_slices, n_edges, n_entries

_swept = jax.jit(sweep.solve, static_argnums=0)  # traced once per forest, however often it is called


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
    chosen = chosen_backend(backend, b.dtype)

    def inverse(_: object, rhs: Array) -> Array:
        return run_on(chosen, partial(native.solve, forest), partial(_swept, forest), a, g, rhs)

    return lax.custom_linear_solve(lambda x: matvec(forest, a, g, x), b, inverse, symmetric=True)


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
