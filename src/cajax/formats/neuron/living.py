"""`from_neuron`: the cell that lives in this Python's NEURON, as a recipe."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...base.distributions import each
from ...base.errors import CajaxError, ParameterError
from ...cell import Cell
from ...inputs.base import Input
from ...inputs.clamps import IClamp
from ...mech import Channel, Fixed, Ion, Reversal
from ...model.model import Model
from ...morph import Branch, Morphology, at, tag
from .known import Known, known
from .report import Report

_TAGS = {"dend": "basal", "apic": "apical"}


@final
@dataclass(frozen=True)
class Living:
    """What `from_neuron` took over: the `cell` with its `policy`, its `model`, the `inputs`, and the `report`."""

    cell: Cell
    policy: "Segments"
    model: Model
    inputs: tuple[Input, ...]
    report: Report


@final
@dataclass(frozen=True, eq=False)
class Segments:
    """As many control volumes in every branch as its section has segments."""

    nseg: tuple[int, ...]

    def counts(self, morph: Morphology, ra: Any, cm: Any) -> np.ndarray:
        """Return the number of control volumes of each branch."""
        return np.array(self.nseg)


def from_neuron() -> Living:
    """Return the one cell that lives in this Python's NEURON.

    Taken over: sections with their points, `nseg`, `Ra`, `cm`; `pas`, `hh` and the mechanisms that `to_neuron` has
    written, with their values in every segment; ions with fixed reversal potentials or concentrations; `IClamp`s;
    `celsius` and `v_init`. Raises `CajaxError` where NEURON holds anything else that would act, naming it. What cannot
    be seen from outside (played Vectors, Python callbacks) is a line of the report.
    """
    h = _simulator()
    sections = _in_order(h)
    report = Report()
    _refuse_points(h)
    mechanisms = {k: known(h, k) for k in _present(sections)}
    cell, policy = _Reader(h, sections, mechanisms, report).cell()
    inputs = tuple(_clamps(h, sections))
    report.approximate(
        "not visible from outside: played Vectors, Python callbacks, LinearMechanism, extracellular, rxd"
    )
    return Living(cell, policy, cell.discretize(policy), inputs, report)


def _simulator() -> Any:
    try:
        from neuron import h
    except ImportError as error:
        raise ParameterError(
            "from_neuron needs NEURON in this Python; pip install 'cajax[neuron]'"
        ) from error
    return h


def _in_order(h: Any) -> list[Any]:
    """Return the sections of the one cell, parents first."""
    roots = [sec for sec in h.allsec() if sec.parentseg() is None]
    if len(roots) != 1:
        names = ", ".join(str(sec) for sec in roots[:3])
        raise ParameterError(
            f"NEURON holds {len(roots)} cells ({names or 'no sections'}), but from_neuron takes over one; delete the"
            " others, or build it first"
        )
    found, waiting = [], roots
    while waiting:
        sec = waiting.pop(0)
        if sec.orientation() != 0.0:
            raise ParameterError(f"section {sec} is connected by its end 1; connect it by its end 0")
        found.append(sec)
        waiting += reversed(sec.children())
    return found


def _refuse_points(h: Any) -> None:
    """Raise `ParameterError` for point processes that are not taken over."""
    types, name = h.MechanismType(1), h.ref("")
    for k in range(int(types.count())):
        types.select(k)
        types.selected(name)
        count = int(h.List(name[0]).count()) if not types.is_artificial(k) else 0
        if count and name[0] != "IClamp":
            raise ParameterError(
                f"NEURON holds {count} {name[0]}, but from_neuron takes over IClamp alone; connect them in a Network"
            )


def _present(sections: Iterable[Any]) -> list[str]:
    names = {k for sec in sections for k in sec.psection()["density_mechs"]}
    return sorted(names)


def _clamps(h: Any, sections: Sequence[Any]) -> Iterable[IClamp]:
    branch = {sec: k for k, sec in enumerate(sections)}
    for clamp in h.List("IClamp"):
        seg = clamp.get_segment()
        yield IClamp(at(branch[seg.sec], seg.x), clamp.delay, min(clamp.dur, 1e9), clamp.amp)


def shared(values: Sequence[float]) -> Any:
    """Return one value where all are the same, else one for every control volume."""
    array = np.asarray(values, float)
    return float(array[0]) if (array == array[0]).all() else each("cv", array)


@final
class _Reader:
    """The cell while it is put together."""

    def __init__(self, h: Any, sections: Sequence[Any], mechanisms: Mapping[str, Known], report: Report):
        self.h, self.sections, self.mechanisms, self.report = h, sections, mechanisms, report
        self.inside = [frozenset(sec.psection()["density_mechs"]) for sec in sections]
        self.ions = [frozenset(sec.psection()["ions"]) for sec in sections]
        self.tags = self._tags()

    def _tags(self) -> list[str]:
        """Return a tag for every section: that of its name, and a number where equal names hold other mechanisms."""
        found: list[str] = []
        kinds: dict[str, list[Any]] = {}
        for sec, inside, ions in zip(self.sections, self.inside, self.ions, strict=True):
            word = re.match(
                r"[A-Za-z]+", str(sec).rpartition("]." if "]." in str(sec) else ".")[2] or str(sec)
            )
            base = "dend" if word is None else word[0].lower()
            base = _TAGS.get(base, base)
            own = kinds.setdefault(base, [])
            if (inside, ions) not in own:
                own.append((inside, ions))
            number = own.index((inside, ions))
            found.append(f"{base}{number + 1}" if number else base)
        return found

    def cell(self) -> tuple[Cell, Segments]:
        """Return the painted cell, and into how many control volumes its branches are cut."""
        h, segments = self.h, [seg for sec in self.sections for seg in sec]
        ra = shared([sec.Ra for sec in self.sections for _ in sec])
        cm = shared([seg.cm for seg in segments])
        cell = Cell(self._morphology(), temperature=self._temperature(), v0=float(h.v_init))
        cell = cell.paint("all", ra=ra, cm=cm)
        for name, mechanism in self.mechanisms.items():
            where = [name in x for x in self.inside]
            cell = self._painted(cell, name, where, mechanism.made(self._segments(where), shared))
            self.report.took(f"{name}: {type(mechanism.template).__name__} on {sum(where)} sections")
        for species in sorted(frozenset().union(*self.ions)):
            cell = self._ion(cell, species)
        return cell, Segments(tuple(sec.nseg for sec in self.sections))

    def _temperature(self) -> float | None:
        """Return the temperature (°C), None where nothing depends on it."""
        celsius = float(self.h.celsius)
        needed = any(x.needs_celsius for x in self.mechanisms.values())
        for name, x in self.mechanisms.items():
            if x.is_cold and not needed:
                return None
            q10 = x.template.q10
            if x.is_cold and q10 is not None and q10.at != celsius:
                raise ParameterError(
                    f"'{name}' was written for a model without a temperature, but others here depend on celsius ="
                    f" {celsius:g}; export it again from a model with one"
                )
        if "hh" in self.mechanisms and self.h.usetable_hh:
            self.report.approximate(
                "hh: NEURON interpolates its rates in a table; h.usetable_hh = 0 makes both equal"
            )
        return celsius

    def _segments(self, where: Sequence[bool]) -> list[Any]:
        return [seg for sec, inside in zip(self.sections, where, strict=True) if inside for seg in sec]

    def _painted(self, cell: Cell, name: str, where: Sequence[bool], what: Channel | Ion) -> Cell:
        """Paint something on the sections `where` it is."""
        label, paint = "all", re.sub(r"^cx_", "", name).lower()
        if isinstance(what, Ion):
            paint = str(what.species)
        elif paint in {x.name for x in cell.paints}:
            paint = name.lower()
        if not all(where):
            label = f"with_{name.lower()}"
            region: Any = None
            for own in dict.fromkeys(t for t, inside in zip(self.tags, where, strict=True) if inside):
                region = tag(own) if region is None else region | tag(own)
            cell = cell.label(**{label: region})
        return cell.paint(label, **{paint: what})

    def _morphology(self) -> Morphology:
        number = {sec: k for k, sec in enumerate(self.sections)}
        branches = []
        for sec, own in zip(self.sections, self.tags, strict=True):
            parent = sec.parentseg()
            place = (-1, 1.0) if parent is None else (number[parent.sec], float(parent.x))
            branches.append(Branch(_points(sec), *place, own))
        return Morphology.of(branches)

    def _ion(self, cell: Cell, species: str) -> Cell:
        """Paint what an ion has where no mechanism writes its concentrations."""
        pools = [
            k for k, x in self.mechanisms.items() if isinstance(x.template, Ion) and x.species == species
        ]
        where = [
            species in ions and not any(p in inside for p in pools)
            for ions, inside in zip(self.ions, self.inside, strict=True)
        ]
        readers = [x for x in self.mechanisms.values() if isinstance(x.template, Channel)]
        reads = {name for x in readers for name in x.reads}
        wanted = reads & {f"e{species}", f"{species}i", f"{species}o"}
        if not any(where) or not wanted:
            return cell
        segments = self._segments(where)

        def values(name: str) -> Any:
            return shared([getattr(seg, name) for seg in segments])

        if wanted == {f"e{species}"}:
            ion: Ion = Reversal(values(f"e{species}"), species=species)
        else:
            ion = Fixed(values(f"{species}i"), values(f"{species}o"), species=species)
        self.report.took(f"{species}: {type(ion).__name__}")
        return self._painted(cell, f"{species}_ion", where, ion)


def _points(sec: Any) -> np.ndarray:
    """Return the points of a section, x y z and radius."""
    n = int(sec.n3d())
    if n >= 2:
        rows = [(sec.x3d(k), sec.y3d(k), sec.z3d(k), 0.5 * sec.diam3d(k)) for k in range(n)]
        return np.array(rows, float)
    diam = [seg.diam for seg in sec]
    if len(set(diam)) > 1:
        raise CajaxError(
            f"section {sec} has segments of different diameters and no 3-D points; give it points with pt3dadd"
        )
    return np.array([[0.0, 0.0, 0.0, 0.5 * diam[0]], [sec.L, 0.0, 0.0, 0.5 * diam[0]]])
