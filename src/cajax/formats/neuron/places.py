"""Where things are: segments of NEURON as populations, cells and control volumes here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...base.checks import shown
from ...base.errors import ParameterError, unknown
from ...morph import CVs, Location, Region, at
from .trees import Spot, Tree


@final
@dataclass(frozen=True)
class Sites(Location):
    """Control volumes by their numbers, the same in every cell of a population."""

    cvs: tuple[int, ...]
    single = False

    def resolve(self, cvs: CVs, labels: Mapping[str, Region] | None = None) -> np.ndarray:
        return np.array(self.cvs)

    def __str__(self) -> str:
        return f"the control volumes {', '.join(map(str, self.cvs))}"


@final
@dataclass(frozen=True)
class Site:
    """A segment here: `cell` number `cell` of a population, the control volume `cv` of that cell; `branch` and `x`."""

    population: str
    cell: int
    cv: int
    branch: int
    x: float

    @property
    def at(self) -> Location:
        """The place in every cell of the population."""
        return at(self.branch, self.x)


@final
class Places:
    """Where the sections of all trees are; `populations` has the numbers of the trees in each."""

    def __init__(self, trees: Sequence[Tree], populations: Mapping[str, Sequence[int]]):
        self._trees = trees
        self._home = {k: (name, n) for name, own in populations.items() for n, k in enumerate(own)}
        self.spots = {p.sec: Spot(k, b) for k, tree in enumerate(trees) for b, p in enumerate(tree.pieces)}
        self._names: dict[str, list[Any]] = {}
        for sec in self.spots:
            self._names.setdefault(str(sec), []).append(sec)
        self._first = [np.concatenate([[0], np.cumsum([p.sec.nseg for p in tree.pieces])]) for tree in trees]

    def site(self, seg: Any) -> Site:
        """Return where a segment of NEURON is here."""
        spot = self.spots[seg.sec]
        piece = self._trees[spot.tree].pieces[spot.branch]
        x, n = piece.place(float(seg.x)), int(piece.sec.nseg)
        cv = int(self._first[spot.tree][spot.branch]) + min(int(x * n), n - 1)
        return Site(*self._home[spot.tree], cv, spot.branch, x)

    def given(self, seg: Any) -> Site:
        """Return where a segment is here; raises `ParameterError` for what is none of this model."""
        try:
            return self.site(seg)
        except (AttributeError, KeyError, TypeError):
            raise ParameterError(
                f"{shown(seg)} is no segment that was taken over; give one such as dend(0.5), or its name"
            ) from None

    def named(self, name: str) -> Site:
        """Return where the segment is that NEURON calls by this name, such as "dend[3](0.7)"."""
        match = re.fullmatch(r"(.*?)(?:\(([\d.eE+-]+)\))?", name, re.DOTALL)
        section, x = (match[1], match[2]) if match else (name, None)
        if section not in self._names:
            raise unknown("section", section, self._names)
        first, *others = self._names[section]
        if others:
            raise ParameterError(f"{1 + len(others)} sections are called {section}; give the segment itself")
        try:
            return self.site(first(0.5 if x is None else float(x)))
        except ValueError:
            raise ParameterError(f"{name} is no segment; write for example {section}(0.5)") from None

    def is_at_a_joint(self, seg: Any) -> bool:
        """Whether a place is an end of its section where another is connected: a node without membrane."""
        if seg.x not in (0.0, 1.0):
            return False
        spot = self.spots[seg.sec]
        pieces = self._trees[spot.tree].pieces
        x = pieces[spot.branch].place(float(seg.x))
        if x == 0.0 and pieces[spot.branch].parent >= 0:
            return True
        return any(p.parent == spot.branch and p.attach == x for p in pieces)
