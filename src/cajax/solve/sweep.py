"""The solve in pure JAX: the reference for the native kernel, and what runs on accelerators or without it."""

from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from ..base.types import Array, Float
from .tree import Forest, Tree, cv_slices, edge_slices

_DISTINCT: dict[str, Any] = {
    "unique_indices": True,
    "mode": "promise_in_bounds",
    "wrap_negative_indices": False,
}


def solve(
    forest: Forest, a: Float[Array, " cv"], g: Float[Array, " edge"], b: Float[Array, " cv"]
) -> Float[Array, " cv"]:
    """Solve every tree by elimination towards the root and substitution back; any float dtype.

    One loop over the steps of a static schedule per direction and tree; `native/sweep.h` has the arithmetic.
    """
    parts = [
        _solve_tree(tree, a[cvs], g[edges], b[cvs])
        for tree, cvs, edges in zip(forest, cv_slices(forest), edge_slices(forest), strict=True)
    ]
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts)


@lru_cache(maxsize=64)
def schedule(tree: Tree) -> NDArray[np.int32]:
    """Order the nodes into elimination steps `[steps, width]`, padded with `n_nodes + column`.

    Children come before their parent and siblings in different steps, so that no two sums of one step meet at
    a parent: the order of summation is fixed, on an accelerator too. The width is about the mean number of
    nodes per level, which bounds the padding whatever the shape of the tree.
    """
    n, parent = tree.n_nodes, tree.parent.tolist()
    height = _heights(parent)
    width = 1 << int(np.log2(n / (height.max() + 1)))
    step = [0] * n  # of a node not placed yet: the earliest step after those of its children
    steps: list[list[int]] = []
    open_from = [0]  # a step with room at or after this one (compressed while searching)
    for k in np.lexsort((-np.arange(n), height)).tolist():
        p = parent[k]
        at = _first_open(open_from, max(step[k], step[p] if p >= 0 else 0))
        while len(steps) <= at:
            steps.append([])
        steps[at].append(k)
        if len(steps[at]) == width:
            open_from[at] = at + 1
        if p >= 0:
            step[p] = at + 1
    table = np.tile(np.arange(n, n + width, dtype=np.int32), (len(steps), 1))
    for row, nodes in zip(table, steps, strict=True):
        row[: len(nodes)] = nodes
    return table


def _first_open(open_from: list[int], at: int) -> int:
    open_from.extend(range(len(open_from), at + 2))
    root = at
    while open_from[root] != root:
        root = open_from[root]
        open_from.extend(range(len(open_from), root + 2))
    while open_from[at] != root:
        open_from[at], at = root, open_from[at]
    return root


def _heights(parent: list[int]) -> NDArray[np.int64]:
    height = [0] * len(parent)
    for k in range(len(parent) - 1, -1, -1):
        if parent[k] >= 0:
            height[parent[k]] = max(height[parent[k]], height[k] + 1)
    return np.array(height)


def _solve_tree(
    tree: Tree, a: Float[Array, " cv"], g: Float[Array, " edge"], b: Float[Array, " cv"]
) -> Float[Array, " cv"]:
    n, node = tree.n_nodes, schedule(tree)
    steps, width = node.shape
    # Rows n.. are spares, one per column: padding works on them and roots send their sums there.
    above = np.append(tree.parent, np.full(width, -1, np.int32))[node]
    rooted = above < 0
    above = np.where(rooted, np.arange(n, n + width, dtype=np.int32), above)

    def eliminate(i: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        s, y, w = state
        k, up = _row(node, i), _row(above, i)
        s_k, y_k, g_k = _get(s, k), _get(y, k), _get(w, k)
        r = 1 / (s_k + g_k)
        w_k = g_k * r
        s = s.at[up].add(w_k * s_k, **_DISTINCT)
        y = y.at[up].add(w_k * y_k, **_DISTINCT).at[k].set(y_k * r, **_DISTINCT)
        return s, y, w.at[k].set(w_k, **_DISTINCT)

    def substitute(i: Array, x: Array) -> Array:
        i = steps - 1 - i
        k, up = _row(node, i), _row(above, i)
        share = jnp.where(_row(rooted, i)[:, None], 0, _get(w, k) * _get(x, up))
        return x.at[k].set(_get(x, k) + share, **_DISTINCT)

    s = _rows(tree, a, width).at[n:].set(1)
    w = jnp.pad(g.reshape(n, tree.lanes), ((0, width), (0, 0)))
    w = jnp.where(np.append(tree.parent < 0, np.ones(width, bool))[:, None], 0, w)
    s, y, w = lax.fori_loop(0, steps, eliminate, (s, _rows(tree, b, width), w))
    x = lax.fori_loop(0, steps, substitute, y)
    return _get(x, _node_of_cv(tree)).reshape(-1)


def _rows(tree: Tree, flat: Float[Array, " cv"], spares: int) -> Float[Array, "row lane"]:
    """Spread a flat CV vector over the nodes, with zeros at junctions and in the spare rows."""
    rows = jnp.pad(flat.reshape(tree.n_cv, tree.lanes), ((0, 1), (0, 0)))
    return _get(rows, np.append(np.where(tree.cv < 0, tree.n_cv, tree.cv), np.full(spares, tree.n_cv)))


def _row(table: NDArray[Any], i: Array) -> Array:
    return lax.dynamic_index_in_dim(jnp.asarray(table), i, keepdims=False)


def _get(rows: Array, at: Array | NDArray[np.int32]) -> Array:
    return rows.at[at].get(mode="promise_in_bounds", wrap_negative_indices=False)


def _node_of_cv(tree: Tree) -> NDArray[np.int32]:
    return np.argsort(tree.cv, kind="stable")[tree.n_nodes - tree.n_cv :].astype(np.int32)
