"""Random forests, operands for them, and the dense matrix that the solve must invert."""

from dataclasses import dataclass

import jax
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from cajax.solve import Tree, cv_slices, edge_slices, linear, n_edges, n_entries, native

# Compiling each example is what takes the time, operation by operation most of all.
few = settings(max_examples=max(4, settings.default.max_examples // 4))
solve = jax.jit(linear.solve, static_argnames=("forest", "backend"))
matvec = jax.jit(linear.matvec, static_argnames="forest")

BACKENDS = [
    pytest.param("native", marks=pytest.mark.skipif(not native.available(), reason="native solve not built")),
    "jax",
]


def random_tree(rng: np.random.Generator, n: int, lanes: int = 1) -> Tree:
    """A tree of n nodes, unbranched stretches, forks and several roots; some nodes are junctions."""
    reach = int(rng.integers(1, 5))
    parent = [-1] + [
        int(rng.integers(max(0, k - reach), k)) if rng.random() < 0.93 else -1 for k in range(1, n)
    ]
    near: list[set[int]] = [set() for _ in range(n)]
    for k, p in enumerate(parent):
        if p >= 0:
            near[k].add(p)
            near[p].add(k)
    junctions: set[int] = set()
    for k in range(n):
        if near[k] and not near[k] & junctions and rng.random() < 0.25:
            junctions.add(k)
    cv = np.full(n, -1)
    cv[[k for k in range(n) if k not in junctions]] = rng.permutation(n - len(junctions))
    return Tree(np.array(parent), cv, lanes)


@dataclass(frozen=True)
class Case:
    """A forest and operands of a diagonally dominant, stiff system."""

    forest: tuple[Tree, ...]
    rng: np.random.Generator

    def operands(self, *batch: int, dtype: type = np.float64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        n, e = n_entries(self.forest), n_edges(self.forest)
        a = self.rng.uniform(0.2, 2.0, (*batch, n))
        g = 10.0 ** self.rng.uniform(-2, 2, (*batch, e))
        b = self.rng.normal(size=(*batch, n))
        return a.astype(dtype), g.astype(dtype), b.astype(dtype)


def case(seed: int, sizes: list[tuple[int, int]]) -> Case:
    rng = np.random.default_rng(seed)
    return Case(tuple(random_tree(rng, n, lanes) for n, lanes in sizes), rng)


@st.composite
def cases(draw: st.DrawFn, max_nodes: int = 30, max_lanes: int = 3, max_trees: int = 2) -> Case:
    sizes = draw(
        st.lists(
            st.tuples(st.integers(1, max_nodes), st.integers(1, max_lanes)), min_size=1, max_size=max_trees
        )
    )
    return case(draw(st.integers(0, 2**32 - 1)), sizes)


def dense(forest: tuple[Tree, ...], a: np.ndarray, g: np.ndarray) -> np.ndarray:
    """The matrix [N, N] in float64, its junctions eliminated by dense algebra."""
    matrix = np.zeros((a.size, a.size))
    for tree, cvs, edges in zip(forest, cv_slices(forest), edge_slices(forest), strict=True):
        a_tree = np.asarray(a[cvs], np.float64).reshape(tree.n_cv, tree.lanes)
        g_tree = np.asarray(g[edges], np.float64).reshape(tree.n_nodes, tree.lanes)
        for lane in range(tree.lanes):
            at = cvs.start + np.arange(tree.n_cv) * tree.lanes + lane
            matrix[np.ix_(at, at)] = dense_lane(tree, a_tree[:, lane], g_tree[:, lane])
    return matrix


def dense_lane(tree: Tree, a: np.ndarray, g: np.ndarray) -> np.ndarray:
    full = np.diag(np.where(tree.cv < 0, 0.0, a[tree.cv]))
    for k, p in enumerate(tree.parent):
        if p >= 0:
            full[[k, p], [k, p]] += g[k]
            full[[k, p], [p, k]] -= g[k]
    node = np.argsort(tree.cv, kind="stable")
    hubs, cvs = np.split(node, [tree.n_nodes - tree.n_cv])
    return full[np.ix_(cvs, cvs)] - full[np.ix_(cvs, hubs)] @ np.linalg.solve(
        full[np.ix_(hubs, hubs)], full[np.ix_(hubs, cvs)]
    )
