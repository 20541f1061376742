"""A population of cells as a recipe: its shapes, and what every section holds, painted with the values of segments."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from ...base.distributions import each
from ...base.errors import ParameterError
from ...cell import Cell
from ...mech import Channel, Fixed, Held, Ion, Reversal
from ...mech.potentials import VALENCE
from ...morph import Morphology, tag, volume
from .known import Known, readers
from .report import Report
from .styles import Styles
from .trees import Tree, unused


def shared(values: Sequence[float], scope: str = "cv") -> Any:
    """Return one value where all are the same, else one for every control volume, or what else the `scope` is."""
    array = np.asarray(values, float)
    return float(array[0]) if (array == array[0]).all() else each(scope, array)


@final
@dataclass(frozen=True)
class World:
    """What the cells have in common: NEURON's `h`, all `mechanisms` by name, the `styles` of ions, the `report`.

    `points`: point processes that are painted, by the name of their type.

    `celsius`: the temperature, None where nothing depends on it; `v_init` mV where runs begin.
    """

    h: Any
    mechanisms: Mapping[str, Known]
    styles: Styles
    report: Report
    celsius: float | None
    v_init: float
    points: Mapping[str, Known]


@final
class Painter:
    """A population of equal `trees` while it is painted."""

    def __init__(self, world: World, trees: Sequence[Tree]):
        self.world, self.trees, self.form = world, trees, trees[0]
        self.shapes = [tree.morphology() for tree in trees]
        self.is_one_shape = all(same_shape(self.shapes[0], x) for x in self.shapes[1:])

    def segments(self, where: Sequence[bool]) -> list[Any]:
        """Return the segments of all cells in the order of control volumes: equal cells are interleaved."""
        rows = [tree.segments(where) for tree in self.trees]
        if self.is_one_shape:
            return [seg for column in zip(*rows, strict=True) for seg in column]
        return [seg for row in rows for seg in row]

    def cells(self) -> list[Cell]:
        """Return the painted cells: one where all have the same shape, else one for each."""
        everywhere = [True] * len(self.form.pieces)
        segments = self.segments(everywhere)
        cell = Cell(self.shapes[0], temperature=self.world.celsius, v0=self.world.v_init)
        ra = {seg.sec: seg.sec.Ra for seg in segments}
        cell = cell.paint("all", ra=shared([ra[seg.sec] for seg in segments]))
        cell = cell.paint("all", cm=shared([seg.cm for seg in segments]))
        cell = self._diameters(cell)
        for name, mechanism in self.world.mechanisms.items():
            where = [name in x for x in self.form.inside]
            if any(where):
                own = self._paint_name(cell, name, mechanism)
                cell = self._painted(cell, own, name, where, self._made(mechanism, where))
        for species in sorted(frozenset().union(*self.form.ions)):
            cell = self._ion(cell, species)
        for number, stuck in enumerate(self.form.stuck):
            what = self._valued(
                self.world.points[stuck.kind], [tree.stuck[number].point for tree in self.trees]
            )
            self.world.report.took(f"{stuck.kind}: painted in single control volumes")
            for line in self.world.points[stuck.kind].approximated:
                self.world.report.approximate(line)
            label = f"{stuck.kind.lower()}_{number}"
            cell = cell.label(**{label: volume(stuck.branch, stuck.x)})
            cell = cell.paint(label, **{unused(label, {p.name for p in cell.paints}): what})
        return [cell] if self.is_one_shape else [replace(cell, morph=shape) for shape in self.shapes]

    def segments_with_points(self) -> list[tuple[int, Any]]:
        """Return (control volume, segment) of all that have their areas from points, or from one diameter."""
        everywhere = self.segments([True] * len(self.form.pieces))
        painted = {seg.sec for seg in self.segments([bool(p.diameters) for p in self.form.pieces])}
        return [(k, seg) for k, seg in enumerate(everywhere) if seg.sec not in painted]

    def _made(self, mechanism: Known, where: Sequence[bool]) -> Any:
        return self._valued(mechanism, self.segments(where))

    def _valued(self, mechanism: Known, carriers: Sequence[Any]) -> Any:
        """Return a mechanism with the values of segments or point processes."""
        try:
            return mechanism.made(carriers, shared)
        except ParameterError as error:
            raise ParameterError(f"NEURON's mechanism '{mechanism.name}': {error}") from None

    def _diameters(self, cell: Cell) -> Cell:
        """Paint the radii of sections without points whose segments have diameters of their own."""
        where = [bool(p.diameters) for p in self.form.pieces]
        if not any(where):
            return cell
        radii = [0.5 * seg.diam for seg in self.segments(where)]
        return self._on(cell, "profiles", where, lambda c, label: c.paint(label, radius=each("cv", radii)))

    def _paint_name(self, cell: Cell, name: str, mechanism: Known) -> str:
        taken = {p.name for p in cell.paints}
        if isinstance(mechanism.template, Ion):
            species = mechanism.species[0].lower()
            return species if species not in taken else unused(f"{species}_{name.lower()}", taken)
        return unused(re.sub(r"^cx_", "", name).lower(), taken)

    def _painted(self, cell: Cell, own: str, name: str, where: Sequence[bool], what: Channel | Ion) -> Cell:
        """Paint something on the sections `where` it is."""
        return self._on(cell, name, where, lambda c, label: c.paint(label, **{own: what}))

    def _on(self, cell: Cell, name: str, where: Sequence[bool], paint: Callable[[Cell, str], Cell]) -> Cell:
        if all(where):
            return paint(cell, "all")
        label = f"with_{name.lower()}"
        region: Any = None
        for own in dict.fromkeys(t for t, inside in zip(self.form.tags, where, strict=True) if inside):
            region = tag(own) if region is None else region | tag(own)
        return paint(cell.label(**{label: region}), label)

    def _ion(self, cell: Cell, species: str) -> Cell:
        """Paint what an ion has where no mechanism writes its concentrations."""
        pools = [k for k, x in self.world.mechanisms.items() if species in x.species]
        kinds: list[str] = []
        for piece, ions, inside in zip(self.form.pieces, self.form.ions, self.form.inside, strict=True):
            pooled = any(p in inside for p in pools)
            kinds.append(self._ion_kind(species, piece.sec, inside, pooled) if species in ions else "")
        for kind in sorted(set(kinds) - {""}):
            where = [k == kind for k in kinds]
            ion = self._still(species, kind, self.segments(where))
            taken = {p.name for p in cell.paints}
            own = (
                species.lower()
                if species.lower() not in taken
                else unused(f"{species}_{kind}".lower(), taken)
            )
            self.world.report.took(f"{species}: {kind}")
            cell = self._painted(cell, own, f"{species}_{kind}", where, ion)
        return cell

    def _ion_kind(self, species: str, sec: Any, inside: frozenset[str], pooled: bool) -> str:
        """Return which of our ions it is in a section; "" where nobody reads it, or a pool is there."""
        styles = self.world.styles
        reads_e, reads_c = _wanted(species, [self.world.mechanisms[k] for k in inside])
        if not (
            reads_e or reads_c or pooled
        ):  # what is there, though nobody reads it, as where somebody does
            reads_e, reads_c = _wanted(species, self.world.mechanisms.values())
        if pooled:
            if reads_e and not styles.follows(species, sec):
                raise ParameterError(
                    f"e{species} stands still in {sec} although a mechanism changes {species}i, by its ion_style; an"
                    " ion here has Nernst's potential then: let ion_style compute it"
                )
            return ""
        if not (reads_e or reads_c):
            return ""
        if reads_e and not styles.computes(species, sec):
            return "Held" if reads_c else "Reversal"
        return "Fixed"

    def _still(self, species: str, kind: str, segments: Sequence[Any]) -> Ion:
        """Return an ion that stands still, with the values of the segments."""
        low, styles = species.lower(), self.world.styles
        more: dict[str, Any] = {"species": low}
        if low not in VALENCE:
            more["valence"] = styles.charge(species)
        e = shared([getattr(seg, f"e{species}") for seg in segments])
        if kind == "Reversal":
            return Reversal(e, **more)
        ci, co = (shared(styles.concentration(f"{species}{x}")(segments)) for x in "io")
        return Fixed(ci, co, **more) if kind == "Fixed" else Held(e=e, ci=ci, co=co, **more)


def _wanted(species: str, mechanisms: Iterable[Known]) -> tuple[bool, bool]:
    """Return whether the reversal potential and the concentrations of an ion are read."""
    low, read = species.lower(), readers(mechanisms)
    return f"e{low}" in read, bool({f"{low}i", f"{low}o"} & read)


def same_shape(a: Morphology, b: Morphology) -> bool:
    """Whether two shapes are the same to the bit."""
    pairs = ((getattr(a, k), getattr(b, k)) for k in ("xyz", "radius", "offsets", "parent", "attach"))
    return a.tags == b.tags and all(np.array_equal(x, y) for x, y in pairs)
