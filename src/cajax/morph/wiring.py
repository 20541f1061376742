"""The electrical tree of a discretized morphology: which nodes are joined, through which resistances."""

from typing import NamedTuple, final

import numpy as np

from .morphology import Morphology


@final
class Wiring(NamedTuple):
    """Nodes in Hines order, each with the edge to its parent; the fields are described in `CVs`."""

    node_parent: np.ndarray
    node_cv: np.ndarray
    res_child: np.ndarray
    res_parent: np.ndarray
    cv_child: np.ndarray
    cv_parent: np.ndarray


@final
class _Spot(NamedTuple):
    """Where a branch starts: at one end of a branch (`cv` is the CV there) or in the middle of a CV."""

    cv: int
    end: int  # 0: start of a root branch, 1: end of a branch, -1: the middle of `cv`


def wire(morph: Morphology, offsets: np.ndarray, resist_in: np.ndarray, resist_out: np.ndarray) -> Wiring:
    """Join the CVs as NEURON does.

    CVs of a branch are joined through both their halves. A branch that starts inside another is joined to the centre
    of the CV there. At an end of a branch, one branch is joined in series; two or more meet in a massless junction.
    A branch on the start of a branch that has a parent meets that branch where it starts.
    """
    spots = _spots(morph, offsets)
    meeting: dict[_Spot, list[int]] = {}
    for b, spot in enumerate(spots):
        if spot is not None and spot.end >= 0:
            meeting.setdefault(spot, []).append(b)
    junctions = {spot: children for spot, children in meeting.items() if len(children) > 1}
    nodes = _Nodes(offsets[-1], resist_in, resist_out)
    for b, spot in enumerate(spots):
        first, last = offsets[b], offsets[b + 1] - 1
        if spot is None and (start := _Spot(int(first), 0)) in junctions:
            nodes.add_junction(start, -1)
        if spot is not None and spot.end == 1 and b == junctions.get(spot, [-1])[0]:
            nodes.add_junction(spot, spot.cv)
        nodes.add_first(int(first), spot)
        nodes.add_rest(int(first), int(last))
    return nodes.wiring()


def _spots(morph: Morphology, offsets: np.ndarray) -> list[_Spot | None]:
    """Where each branch starts, None for a root."""
    spots: list[_Spot | None] = []
    for p, x in zip(morph.parent.tolist(), morph.attach.tolist(), strict=True):
        if p < 0:
            spots.append(None)
            continue
        first, n = int(offsets[p]), int(offsets[p + 1] - offsets[p])
        if x == 1:
            spots.append(_Spot(first + n - 1, 1))
        elif x > 0:
            spots.append(_Spot(first + int(x * n), -1))
        else:
            spots.append(spots[p] or _Spot(first, 0))
    return spots


@final
class _Nodes:
    """The nodes while they are numbered."""

    def __init__(self, n_cvs: int, resist_in: np.ndarray, resist_out: np.ndarray) -> None:
        self.blocks: list[np.ndarray] = []
        self.count = 0
        self.of_cv = np.full(n_cvs, -1)
        self.of_junction: dict[_Spot, int] = {}
        self.resist_in, self.resist_out = resist_in, resist_out

    def _add(self, block: np.ndarray) -> None:
        self.blocks.append(block)
        self.count += block.shape[1]

    def add_junction(self, spot: _Spot, parent_cv: int) -> None:
        """A junction at an end of a branch: below its last CV, or the root above its first one (`parent_cv` -1)."""
        self.of_junction[spot] = self.count
        parent, resist = (-1, 0.0) if parent_cv < 0 else (self.of_cv[parent_cv], self.resist_out[parent_cv])
        self._add(np.array([[parent], [-1], [0.0], [resist], [spot.cv], [spot.cv]]))

    def add_first(self, cv: int, spot: _Spot | None) -> None:
        """The first CV of a branch that starts at `spot`."""
        own, other, up = self.resist_in[cv], 0.0, cv
        if spot is None:
            parent = self.of_junction.get(_Spot(cv, 0), -1)
            own = own if parent >= 0 else 0.0
        elif spot in self.of_junction:
            parent, up = self.of_junction[spot], spot.cv
        else:
            parent, up = self.of_cv[spot.cv], spot.cv
            other = (self.resist_in[up], self.resist_out[up], 0.0)[spot.end]
        self.of_cv[cv] = self.count
        self._add(np.array([[parent], [cv], [own], [other], [cv], [up]]))

    def add_rest(self, first: int, last: int) -> None:
        """The CVs of a branch after its first."""
        cv = np.arange(first + 1, last + 1)
        node = self.count + np.arange(len(cv))
        self.of_cv[cv] = node
        self._add(np.array([node - 1, cv, self.resist_in[cv], self.resist_out[cv - 1], cv, cv - 1], float))

    def wiring(self) -> Wiring:
        parent, cv, res_child, res_parent, cv_child, cv_parent = np.concatenate(self.blocks, axis=1)
        as_int = (a.astype(np.int64) for a in (parent, cv, cv_child, cv_parent))
        parent, cv, cv_child, cv_parent = as_int
        return Wiring(parent, cv, res_child, res_parent, cv_child, cv_parent)
