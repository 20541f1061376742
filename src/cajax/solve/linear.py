"""The differentiable solve: one linear operator, its solve on the best backend, and derivatives by one more solve."""

import os
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from cajax._errors import CajaxError, ParameterError, unknown
from cajax._types import Array, Float
from cajax.solve import native, sweep
from cajax.solve.tree import Forest, as_forest, cv_slices, edge_slices, n_edges, n_entries

BACKENDS = ("native", "jax")
BACKEND_VARIABLE = "CAJAX_SOLVE"


def solve(
    forest: Forest,
    a: Float[Array, " cv"],
    g: Float[Array, " edge"],
    b: Float[Array, " cv"],
    *,
    backend: str | None = None,
) -> Float[Array, " cv"]:
    """Solve A x = b, where A x = a x + currents through the edge conductances g; see `matvec`.

    `a`, `b` and x are flat CV vectors, `g >= 0` is a flat edge vector (see `Forest`). A is symmetric; for `a > 0` it is
    positive definite and no digits cancel. Differentiable in a, g and b in both modes, to any order; batches come
    from `vmap`. A column's bits do not depend on the batch.

    `backend` is "native" (CPU only), "jax", or None for the environment's `CAJAX_SOLVE`, else native on the CPU where
    it was built. Raises `ParameterError` for wrong shapes or types.
    """
    forest = as_forest(forest)
    a, g, b = _checked(forest, a, g, b)
    chosen = _chosen(backend, b.dtype)

    def inverse(_: object, rhs: Array) -> Array:
        if chosen == "native":
            return native.solve(forest, a, g, rhs)
        if chosen == "jax":
            return sweep.solve(forest, a, g, rhs)
        return lax.platform_dependent(
            a,
            g,
            rhs,
            cpu=lambda a, g, rhs: native.solve(forest, a, g, rhs),
            default=lambda a, g, rhs: sweep.solve(forest, a, g, rhs),
        )

    return lax.custom_linear_solve(lambda x: matvec(forest, a, g, x), b, inverse, symmetric=True)


def matvec(
    forest: Forest, a: Float[Array, " cv"], g: Float[Array, " edge"], x: Float[Array, " cv"]
) -> Float[Array, " cv"]:
    """A x: the leak `a * x` plus, at every CV, the current that leaves it through its edges.

    A junction has no current of its own, so its value is the mean of its neighbours weighted by g; with that it is
    eliminated (Schur complement) and A acts on CVs only.
    """
    return a * x + _axial(_edges(forest), g, x)


class _Edges(NamedTuple):
    """Static index tables of a forest: edges between CVs, and edges between a CV and a junction."""

    g: NDArray[np.int32]  # entry of an edge between two CVs
    child: NDArray[np.int32]
    parent: NDArray[np.int32]
    g_hub: NDArray[np.int32]  # entry of an edge at a junction
    cv_hub: NDArray[np.int32]
    hub: NDArray[np.int32]  # number of the junction
    n_hubs: int


@lru_cache(maxsize=64)
def _edges(forest: Forest) -> _Edges:
    tables: list[list[NDArray[np.int64]]] = []
    first_hub = 0
    for tree, cvs, edges in zip(forest, cv_slices(forest), edge_slices(forest), strict=True):
        k = np.flatnonzero(tree.parent >= 0)
        here, above = tree.cv[k], tree.cv[tree.parent[k]]
        number = np.cumsum(tree.cv < 0) - 1  # of a junction, by node
        plain = (here >= 0) & (above >= 0)
        index = [
            (edges.start, k[plain]),
            (cvs.start, here[plain]),
            (cvs.start, above[plain]),
            (edges.start, k[~plain]),
            (cvs.start, np.maximum(here, above)[~plain]),
            (first_hub, np.where(here < 0, number[k], number[tree.parent[k]])[~plain]),
        ]
        tables.append([(base + i[:, None] * tree.lanes + np.arange(tree.lanes)).ravel() for base, i in index])
        first_hub += int(np.count_nonzero(tree.cv < 0)) * tree.lanes
    joined = [np.concatenate(parts).astype(np.int32) for parts in zip(*tables, strict=True)]
    return _Edges(*joined, n_hubs=first_hub)


def _axial(edges: _Edges, g: Array, x: Array) -> Array:
    y = jnp.zeros_like(x)
    flow = g[edges.g] * (x[edges.child] - x[edges.parent])
    y = y.at[edges.child].add(flow).at[edges.parent].add(-flow)
    if not edges.n_hubs:
        return y
    g, at_cv = g[edges.g_hub], x[edges.cv_hub]
    total = jax.ops.segment_sum(g, edges.hub, edges.n_hubs)
    mean = jax.ops.segment_sum(g * at_cv, edges.hub, edges.n_hubs) / total
    return y.at[edges.cv_hub].add(g * (at_cv - mean[edges.hub]))


def _checked(forest: Forest, a: Array, g: Array, b: Array) -> tuple[Array, Array, Array]:
    dtype = jnp.result_type(a, g, b)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ParameterError(f"solve: the operands are of type {dtype}; give floating-point arrays")
    entries, edges = n_entries(forest), n_edges(forest)
    operands = []
    for name, value, size in (("a", a, entries), ("g", g, edges), ("b", b, entries)):
        if jnp.shape(value) != (size,):
            raise ParameterError(
                f"solve: {name} has shape {jnp.shape(value)}, this forest needs ({size},); use vmap for batches"
            )
        operands.append(jnp.asarray(value, dtype))
    return operands[0], operands[1], operands[2]


def _chosen(backend: str | None, dtype: np.dtype) -> str | None:
    name = backend or os.environ.get(BACKEND_VARIABLE) or None
    if name is not None and name not in BACKENDS:
        raise unknown("solve backend", name, BACKENDS, "" if backend else f"the variable {BACKEND_VARIABLE}")
    if name == "native":
        if not native.supports(dtype):
            raise ParameterError(f"solve: the native backend has no {dtype}; use float32, float64 or backend='jax'")
        if not native.available():
            raise CajaxError("solve: the native backend was not built; reinstall with a compiler or use backend='jax'")
        return name
    if name == "jax" or not native.supports(dtype) or not native.available():
        return "jax"
    return None
