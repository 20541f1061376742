"""Sums over groups of entries: which entries of an array add up to each entry of another."""

from typing import Any

import numpy as np

from .nodes import Node, Ref


def added_up(x: Ref, table: np.ndarray, size: int, key: Any) -> Ref:
    """Return zeros [size] with entry k of `x` added at table[k], in the order of k; −1 drops it."""
    kept = np.flatnonzero(table >= 0)
    to = table[kept]
    order = np.argsort(to, kind="stable")
    counts = np.bincount(to, minlength=size)
    if counts.max(initial=0) <= 1:
        source = np.full(size, -1, np.int32)
        source[to] = kept
        return x.at(source)
    return Ref(
        Node("sums", [x], size, x.node.dtype, key, ("add", offsets(counts), kept[order].astype(np.int32)))
    )


def offsets(counts: np.ndarray) -> np.ndarray:
    """Return where each of several groups begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
