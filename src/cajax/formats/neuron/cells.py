"""All cells of a NEURON as populations of a recipe, and the discretization that gives them NEURON's segments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...base.errors import ParameterError
from ...cell import Cell
from ...morph import Morphology
from ...network import Network
from .densities import Painter, World, same_shape
from .report import Report
from .trees import Tree

_TOLERANCE = 1e-5
"""How far, relatively, the area of a segment may be from NEURON's, which computes it from single precision."""


@final
@dataclass(frozen=True, eq=False)
class Segments:
    """As many control volumes in every branch of these `shapes` as its section has segments: `nseg` of each shape."""

    shapes: tuple[Morphology, ...]
    nseg: tuple[tuple[int, ...], ...]

    def counts(self, morph: Morphology, ra: Any, cm: Any) -> np.ndarray:
        """Return the number of control volumes of each branch; raises `ParameterError` for another morphology."""
        for same in (lambda shape: shape is morph, lambda shape: same_shape(shape, morph)):
            for shape, n in zip(self.shapes, self.nseg, strict=True):
                if same(shape):
                    return np.array(n)
        raise ParameterError(
            "this discretization is that of the morphologies which from_neuron took over; use MaxLength(um) for others"
        )

    def __repr__(self) -> str:
        return f"Segments({len(self.shapes)} shapes, {sum(map(sum, self.nseg))} segments)"


@final
class Cells:
    """The cells of every population, painted."""

    def __init__(self, world: World, trees: Sequence[Tree], populations: Mapping[str, Sequence[int]]):
        self.painted: dict[str, tuple[list[Cell], int]] = {}
        self._painters: list[Painter] = []
        shapes: list[Morphology] = []
        nseg: list[tuple[int, ...]] = []
        for name, members in populations.items():
            painter = Painter(world, [trees[k] for k in members])
            cells = painter.cells()
            self.painted[name] = cells, len(members)
            own = tuple(int(p.sec.nseg) for p in trees[members[0]].pieces)
            shapes += [c.morph for c in cells]
            nseg += [own] * len(cells)
            self._painters.append(painter)
        self.policy = Segments(tuple(shapes), tuple(nseg))
        for name, x in world.mechanisms.items():
            sections = sum(name in inside for tree in trees for inside in tree.inside)
            world.report.took(f"{name}: {type(x.template).__name__} on {sections} sections")
            for line in x.approximated:
                world.report.approximate(line)

    def check_areas(self, area: np.ndarray, report: Report) -> None:
        """Note where the areas (µm²) of a model's control volumes are others than NEURON's."""
        start = 0
        for painter, (_, count) in zip(self._painters, self.painted.values(), strict=True):
            known = painter.segments_with_points()
            if known:
                numbers, segments = zip(*known, strict=True)
                there = np.array([seg.area() for seg in segments])
                far = np.abs(area[start + np.array(numbers)] - there) / there
                if far.max() > _TOLERANCE:
                    report.approximate(
                        f"areas: {segments[int(far.argmax())]} has points that say {100 * far.max():.2g} % another area"
                        " than NEURON's; the points are taken"
                    )
            start += count * sum(p.sec.nseg for p in painter.form.pieces)

    def lone(self) -> Cell:
        """Return the one cell."""
        ((cells, _),) = self.painted.values()
        return cells[0]

    def network(self) -> Network:
        """Return all populations of a network."""
        net = Network()
        for name, (cells, count) in self.painted.items():
            net = net.add(name, cells[0], count) if len(cells) == 1 else net.add(name, cells)
        return net
