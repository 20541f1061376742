"""Trees of nodes with interleaved lanes, and the layout of their flat vectors: what is static in a solve."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ..base.errors import MorphologyError
from ..base.names import on_disk


@final
@on_disk
@dataclass(frozen=True, eq=False)
class Tree:
    """A tree shared by `lanes` equal cells; hashable by content, so that it can be static under `jit`.

    Node k is joined to node `parent[k]`, with `parent[k] < k` and -1 for a root (several roots are allowed).
    It carries control volume `cv[k]`, each of 0..n_cv-1 exactly once, or -1 for a massless junction. A junction
    touches control volumes only. Raises `MorphologyError` for anything else.
    """

    parent: NDArray[np.int32]
    cv: NDArray[np.int32]
    lanes: int = 1

    def __post_init__(self) -> None:
        parent, cv = _indices(self.parent, "parent"), _indices(self.cv, "cv")
        _check(parent, cv)
        if isinstance(self.lanes, bool) or int(self.lanes) != self.lanes or self.lanes < 1:
            raise MorphologyError(f"tree: lanes is {self.lanes!r}; give a whole number of cells >= 1")
        object.__setattr__(self, "parent", parent)
        object.__setattr__(self, "cv", cv)
        object.__setattr__(self, "lanes", int(self.lanes))

    @property
    def n_nodes(self) -> int:
        """Nodes of one lane, junctions included."""
        return len(self.parent)

    @cached_property
    def n_cv(self) -> int:
        """Control volumes of one lane."""
        return int(np.count_nonzero(self.cv >= 0))

    @cached_property
    def digest(self) -> bytes:
        """Content digest: equal for trees of equal tables and lanes, in every process."""
        text = hashlib.blake2b(f"{self.n_nodes},{self.lanes};".encode(), digest_size=16)
        text.update(self.parent.tobytes())
        text.update(self.cv.tobytes())
        return text.digest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Tree) and self.digest == other.digest)

    def __reduce__(self) -> tuple[Any, ...]:
        return Tree, (np.asarray(self.parent), np.asarray(self.cv), self.lanes)

    def __repr__(self) -> str:
        return f"Tree(n_nodes={self.n_nodes}, n_cv={self.n_cv}, lanes={self.lanes})"


Forest = tuple[Tree, ...]
"""Flat CV vectors hold tree after tree, within a tree `cv * lanes + lane`; edge vectors `node * lanes + lane`."""


def as_forest(trees: Tree | Iterable[Tree]) -> Forest:
    """Return a forest, also of a single tree; raises `MorphologyError` for other members or none."""
    forest = (trees,) if isinstance(trees, Tree) else tuple(trees)
    for tree in forest:
        if not isinstance(tree, Tree):
            raise MorphologyError(f"forest: a {type(tree).__name__} is no Tree; give Tree(parent, cv, lanes)")
    if not forest:
        raise MorphologyError("forest: it is empty; give at least one Tree")
    return forest


def n_entries(forest: Forest) -> int:
    """Length N of a flat CV vector."""
    return sum(tree.n_cv * tree.lanes for tree in forest)


def n_edges(forest: Forest) -> int:
    """Length E of a flat edge vector: one entry per node and lane; those of roots are ignored."""
    return sum(tree.n_nodes * tree.lanes for tree in forest)


def cv_slices(forest: Forest) -> tuple[slice, ...]:
    """Where each tree lies in a flat CV vector."""
    return _slices([tree.n_cv * tree.lanes for tree in forest])


def edge_slices(forest: Forest) -> tuple[slice, ...]:
    """Where each tree lies in a flat edge vector."""
    return _slices([tree.n_nodes * tree.lanes for tree in forest])


def _slices(sizes: list[int]) -> tuple[slice, ...]:
    ends = np.cumsum([0, *sizes]).tolist()
    return tuple(slice(start, end) for start, end in pairwise(ends))


def _indices(values: Any, name: str) -> NDArray[np.int32]:
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
        raise MorphologyError(
            f"tree: {name} has shape {array.shape} and type {array.dtype}; give a flat list of whole numbers"
        )
    if array.size >= np.iinfo(np.int32).max:
        raise MorphologyError(f"tree: {array.size} nodes are too many for 32-bit indices; split the forest")
    bad = np.flatnonzero((array < -1) | (array >= array.size))
    if bad.size:
        k = bad[0]
        raise MorphologyError(f"tree: {name}[{k}] is {array[k]}; it must lie in -1..{array.size - 1}")
    array = np.array(array, np.int32)
    array.setflags(write=False)
    return array


def _check(parent: NDArray[np.int32], cv: NDArray[np.int32]) -> None:
    if parent.shape != cv.shape:
        raise MorphologyError(f"tree: {parent.size} parents but {cv.size} cv entries; give one each per node")
    late = np.flatnonzero(parent >= np.arange(parent.size))
    if late.size:
        k = late[0]
        raise MorphologyError(f"tree: parent[{k}] is {parent[k]}; number parents before children")
    numbers = np.sort(cv[cv >= 0])
    if numbers.size == 0 or not np.array_equal(numbers, np.arange(numbers.size)):
        raise MorphologyError(
            f"tree: cv must hold 0..{max(numbers.size - 1, 0)} once each, and -1 for junctions"
        )
    child = np.flatnonzero(parent >= 0)
    joined = child[(cv[child] < 0) & (cv[parent[child]] < 0)]
    if joined.size:
        raise MorphologyError(
            f"tree: nodes {parent[joined[0]]} and {joined[0]} are adjoining junctions; merge them"
        )
    alone = np.setdiff1d(np.flatnonzero((cv < 0) & (parent < 0)), parent[child])
    if alone.size:
        raise MorphologyError(f"tree: junction {alone[0]} touches nothing; leave it out")
