"""Tables of places that are runs of neighbours but for a few breaks, as where a channel sits on some regions only."""

from typing import NamedTuple, final

import numpy as np

MOST = 2
"""Runs that a vector may read from: beyond, a gather is as fast."""


@final
class Runs(NamedTuple):
    """A table of places in which the entries of every vector lie in few runs: entry i is at i + shift.

    `which` [entry] is the number of its run, from 1, or 0 for none; `shifts` [run][vector].
    """

    which: np.ndarray
    shifts: list[np.ndarray]


def runs_of(table: np.ndarray, width: int) -> Runs | None:
    """Return the runs of a table, −1 for no place, in vectors of `width`; None where one has more than `MOST`."""
    count = -(-len(table) // width)
    which = np.zeros(len(table), np.int32)
    shifts = np.zeros((MOST, count), np.int32)
    for k in range(count):
        part = slice(k * width, (k + 1) * width)
        places = table[part]
        apart = np.where(places >= 0, places - np.arange(k * width, k * width + len(places)), 0)
        found = np.unique(apart[places >= 0])
        if len(found) > MOST:
            return None
        for run, shift in enumerate(found):
            shifts[run, k] = shift
            which[part][(places >= 0) & (apart == shift)] = run + 1
    return Runs(which, [shifts[k] for k in range(max(1, int(which.max())))])
