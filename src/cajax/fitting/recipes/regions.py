"""The regions of a morphology by which published models differ, whatever a file has or lacks."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...cell import Cell
from ...morph import Branch, Morphology, Region, branch_order, tag

KNOWN = ("soma", "axon", "basal", "apical")


@final
@dataclass(frozen=True, eq=False)
class Regions:
    """Which branches of a morphology are what: arrays of their numbers, rising; `other` has none of the four tags.

    Without a soma the roots are taken for it. `notes` says so, and what else was done about the morphology.
    """

    morph: Morphology
    soma: np.ndarray
    axon: np.ndarray
    basal: np.ndarray
    apical: np.ndarray
    other: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def dendrites(self) -> np.ndarray:
        """All branches but soma and axon."""
        return np.sort(np.concatenate([self.basal, self.apical, self.other]))

    def labels(self) -> dict[str, Region]:
        """Return the labels that name these regions on a cell: "soma", "axon", "basal", "apical", "dendrites"."""
        root = branch_order() < 1.0
        if "soma" in self.morph.tags:
            soma, rest = tag("soma"), {name: tag(name) for name in KNOWN[1:]}
        else:
            soma, rest = root, {name: tag(name) & ~root for name in KNOWN[1:]}
        return {"soma": soma, **rest, "dendrites": ~(soma | rest["axon"])}

    def cell(self, **settings: Any) -> Cell:
        """Return the bare cell of this morphology with its regions labelled."""
        return Cell(self.morph, **settings).label(**self.labels())


def regions_of(morph: Morphology, notes: tuple[str, ...] = ()) -> Regions:
    """Return the regions of a morphology."""
    names = np.array(morph.tags)
    if "soma" not in morph.tags:
        names[morph.parent < 0] = "soma"
        notes = (*notes, "there is no soma: the root branch is taken for it")
    places = {name: np.flatnonzero(names == name) for name in KNOWN}
    other = np.flatnonzero(~np.isin(names, KNOWN))
    return Regions(morph, **places, other=other, notes=notes)


STUB = ((30.0, 0.5), (30.0, 0.5))
"""Length and radius (µm) of the pieces of an axon that stands for one that is not modelled."""


def with_stub(morph: Morphology, pieces: tuple[tuple[float, float], ...] = STUB) -> Morphology:
    """Return the morphology with a straight unbranched axon from the middle of the soma, in place of its own.

    What grows on the old axon goes with it.
    """
    soma = int(regions_of(morph).soma[0])
    kept, number = [], {}
    for b, points in enumerate(np.split(_points(morph), morph.offsets[1:-1])):
        parent = int(morph.parent[b])
        if (morph.tags[b] == "axon" and parent >= 0) or (parent >= 0 and parent not in number):
            continue
        number[b] = len(kept)
        kept.append(Branch(points, number.get(parent, -1), float(morph.attach[b]), morph.tags[b]))
    first, last = morph.offsets[soma], morph.offsets[soma + 1] - 1
    start = 0.5 * (morph.xyz[first] + morph.xyz[last])
    parent, attach = number[soma], 0.5
    for length, radius in pieces:
        end = start - np.array([0.0, length, 0.0])
        kept.append(Branch(np.array([[*start, radius], [*end, radius]]), parent, attach, "axon"))
        start, parent, attach = end, len(kept) - 1, 1.0
    return Morphology.of(kept)


def _points(morph: Morphology) -> np.ndarray:
    return np.column_stack([morph.xyz, morph.radius])
