"""What `from_neuron` returns, and how it is put together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...base.errors import ParameterError, unknown
from ...cell import Cell
from ...inputs.base import Input
from ...model.model import Model
from ...network import Network
from ...recipe.populations import SpikeSource
from .cells import Cells, Segments
from .densities import World
from .gaps import halves, paired, pointers
from .known import known, known_point
from .places import Places, Site
from .points import Points
from .report import Report
from .sources import Sources
from .stimulated import Stimuli
from .styles import Styles
from .trees import Tree, densities, points, populations, with_points
from .unseen import foreign
from .wires import Wiring

_V_INIT = -65.0
"""What NEURON's `finitialize` is usually given (mV)."""


@final
@dataclass(frozen=True, eq=False)
class Living:
    """What `from_neuron` took over.

    `recipe`: a `Cell`, or a `Network` where there are several or anything is connected; with its `policy` it is the
    `model`. `inputs` are electrodes and spikes; `dt` ms is NEURON's step; `places` says where its sections are.
    """

    recipe: Cell | Network
    policy: Segments
    model: Model
    inputs: tuple[Input, ...]
    report: Report
    dt: float
    places: Places

    @property
    def cell(self) -> Cell:
        """The recipe of the one cell; raises `ParameterError` where this is a network."""
        if not isinstance(self.recipe, Cell):
            raise ParameterError(f"this is a network, {self.recipe!r}; take its recipe")
        return self.recipe

    def at(self, segment: Any) -> Any:
        """Return the place of a segment, given by itself or by name as "dend[3](0.7)": to record, clamp, connect there.

        In a network it is that of every cell of the population: which of them, `number` says.
        """
        site = self._site(segment)
        return site.at if isinstance(self.recipe, Cell) else (site.population, site.at)

    def number(self, segment: Any) -> int:
        """Return which cell of its population a segment belongs to."""
        return self._site(segment).cell

    def _site(self, segment: Any) -> Site:
        return self.places.named(segment) if isinstance(segment, str) else self.places.given(segment)


@final
class Taking:
    """One model while it is taken over."""

    def __init__(self, h: Any, found: Sequence[Tree], left_out: Sequence[str], report: Report):
        self.h, self.left_out, self.report = h, left_out, report
        self.styles = Styles(h)
        self.points = Points(h, left_out, self.styles)
        self.trees = with_points(found, self.points.painted_ones())
        self.populations = populations(self.trees)
        self.places = Places(self.trees, self.populations)
        self.mechanisms = {k: known(h, k, secs, self.styles) for k, secs in self._inserted().items()}
        self._note_left_out()

    def living(self) -> Living:
        """Return the whole."""
        cells = Cells(self._world(), self.trees, self.populations)
        sources = Sources(self.h, self.populations, self.left_out, self.report)
        wiring = Wiring(self.h, self.places, sources, self.report)
        self._connect(wiring)
        is_cell = wiring.is_empty and len(self.trees) == 1
        sizes = {k: 0 if is_cell else len(own) for k, own in self.populations.items()}
        inputs = [*Stimuli(self.h, self.places, sizes, self.report).inputs(), *sources.inputs()]
        recipe: Cell | Network = cells.lone() if is_cell else cells.network()
        if isinstance(recipe, Network):
            for name, count in sources.sizes().items():
                recipe = recipe.add(name, SpikeSource(), count)
            recipe = wiring.connect(recipe)
        model = recipe.discretize(cells.policy)
        cells.check_areas(np.asarray(model.area, float), self.report)
        self._note_method()
        dt = float(self.h.dt)
        return Living(recipe, cells.policy, model, tuple(inputs), self.report, dt, self.places)

    def _world(self) -> World:
        celsius, start = self._temperature(), self._start()
        return World(self.h, self.mechanisms, self.styles, self.report, celsius, start, self.points.painted)

    def _inserted(self) -> dict[str, list[Any]]:
        """Return the sections of every density mechanism, in the order of their names."""
        found: dict[str, list[Any]] = {}
        for tree in self.trees:
            for piece, inside in zip(tree.pieces, tree.inside, strict=True):
                for name in inside:
                    found.setdefault(name, []).append(piece.sec)
        return dict(sorted(found.items()))

    def _note_left_out(self) -> None:
        """Note the mechanisms that were to be left out; raises `ParameterError` for a name of nothing."""
        foreigners = {name for name, _ in foreign(self.h, self.trees)}
        for name in (n for n in self.left_out if n not in foreigners):
            if name not in (known_here := {*densities(self.h), *points(self.h)}):
                raise unknown("mechanism", name, known_here)
            self.report.leave_out(f"{name}: left out, as asked")

    def _connect(self, wiring: Wiring) -> None:
        """Gather all connections."""
        shown = self.points.shown(self.places)
        for name, text in self.points.junctions.items():
            rows = [shown[p.hname()] for p in self.points.of(name)]
            gaps, rest = paired(halves(name, text, pointers(text)[0], self.points.of(name), rows))
            wiring.add_gaps(gaps)
            if rest:  # one that conducts one way, or differently, is a synapse that reads another's voltage
                found = known_point(self.h, name, self.styles)
                wiring.add_alone(name, found, [x.point for x in rest], shown)
        for name, found in self.points.graded.items():
            wiring.add_graded(name, found, [(p, shown[p.hname()]) for p in self.points.of(name)])
        wiring.add_events(self.points.events, shown, self.left_out)
        for name, found in self.points.events.items():
            wiring.add_alone(name, found, self.points.of(name), shown)

    def _temperature(self) -> float | None:
        """Return the temperature (°C), None where nothing depends on it."""
        celsius = float(self.h.celsius)
        needed = any(x.needs_celsius for x in (*self.mechanisms.values(), *self.points.every()))
        for name, x in self.mechanisms.items():
            if x.is_cold and not needed:
                return None
            q10 = x.q10
            if x.is_cold and q10 is not None and q10.at != celsius:
                raise ParameterError(
                    f"'{name}' was written for a model without a temperature, but others here depend on celsius ="
                    f" {celsius:g}; export it again from a model with one"
                )
        return celsius

    def _start(self) -> float:
        """Return the voltage (mV) that runs begin with."""
        try:
            return float(self.h.v_init)
        except (LookupError, AttributeError):
            self.report.overlook(
                f"the voltage at the start: h.v_init comes with stdrun.hoc, which is not loaded; {_V_INIT:g} mV here"
            )
            return _V_INIT

    def _note_method(self) -> None:
        if self.h.CVode().active() or self.h.secondorder:
            self.report.approximate(
                "the method: NEURON's own steps are not BackwardEuler's (cvode_active, secondorder); set both to 0 to"
                " compare runs"
            )
