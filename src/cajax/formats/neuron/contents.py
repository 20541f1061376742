"""A model as the plain values that the script reads: sections, mechanisms, points, connections; and the .mod files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from ...base.errors import ParameterError
from ...engine.geometry import geometry
from ...engine.physics import Physics
from ...inputs.base import Electrode, Input, Teacher, Trigger
from ...mech import AMPA, GABAA, EventSynapse, Exp2Syn, ExpSyn, Mechanism
from ...model.inserted import (
    THRESHOLD,
    ChannelSites,
    EventProjection,
    GapProjection,
    GradedProjection,
    IonSites,
    Wires,
)
from ...model.model import Model
from .cable import Cable
from .channels import channel_mod
from .drives import on_grid, stimuli, trains
from .mod import Mod, choices
from .pools import pool_mod
from .report import Report
from .synapses import CONDUCTANCE, GAP, synapse_mod

_AS_EXP2SYN = (Exp2Syn, AMPA, GABAA)
_NEARLY_EQUAL = 0.999
"""Above this share of the decay NEURON's `Exp2Syn` takes another rise than the one it is given."""


def listed(values: Any) -> Any:
    """Return values as plain numbers: one where all are the same."""
    array = np.asarray(values, float)
    if array.size and (array == array.flat[0]).all():
        return float(array.flat[0])
    return array.tolist()


@final
@dataclass(frozen=True)
class Run:
    """The run that goes with a model: `steps` of `dt` ms under `inputs`; the gates in its first step, by channel.

    `pointers`: whether gap junctions are point processes.
    """

    inputs: Sequence[Input]
    dt: float
    steps: int
    gates: Mapping[str, Any]
    pointers: bool


@final
class Contents:
    """Everything that is written; `model` is the content of model.json without what a run is, `mods` name → text."""

    def __init__(self, model: Model, physics: Physics, run: Run):
        self.params, self.structure, self.physics, self.run = model.params, model.structure, physics, run
        self.report, self.mods = Report(), {}
        self._known: dict[Any, Mod] = {}
        self._check(model)
        s, values = (
            self.structure,
            {n: f.assemble(model.params) for n, f in self.structure.properties.items()},
        )
        ra = np.broadcast_to(np.asarray(values["ra"], float), (s.size,))
        self.celsius = self._temperature(values.get("temperature"))
        self.cable = Cable(model, geometry(model, values), ra, self._painted(), self.report)
        self.valences = {ion.species: ion.template.charge(ion.species) for ion in s.ions}
        self.densities: list[dict[str, Any]] = []
        self.ions: list[dict[str, Any]] = []
        self.points: list[dict[str, Any]] = []
        self.connections: list[dict[str, Any]] = []
        self.stimuli: list[dict[str, Any]] = []
        self.gaps: list[dict[str, Any]] = []
        self._used: dict[str, set[int]] = {}
        for ion in s.ions:
            self._ion(ion)
        for channel in s.channels:
            self._channel(channel)
        self._projections()
        self._inputs()
        self.cm, self.v_init = (
            listed(np.broadcast_to(np.asarray(values[x], float), (s.size,))) for x in ("cm", "v0")
        )

    def json(self) -> dict[str, Any]:
        """Return what the script builds the model from."""
        sections = []
        for x in self.cable.sections:
            shape = (
                {"L": x.profile.length, "diam": x.profile.diam}
                if x.profile.points is None
                else {"points": x.profile.points.tolist()}
            )
            sections.append({"name": x.name, "nseg": len(x.cvs), "Ra": x.ra, "parent": x.parent, **shape})
        return {
            "mechanisms": sorted(self.mods),
            "celsius": self.celsius,
            "v_init": self.v_init,
            "cm": self.cm,
            "sections": sections,
            "segments": [self.cable.segment[cv] for cv in range(self.structure.size)],
            "ions": self.ions,
            "densities": self.densities,
            "points": self.points,
            "connections": self.connections,
            "stimuli": self.stimuli,
            "gaps": self.gaps,
        }

    def _check(self, model: Model) -> None:
        """Raise `ParameterError` for what has no counterpart in NEURON."""
        if model.structure.parts:
            part = model.structure.parts[0]
            raise ParameterError(
                f"the part '{part.name}' is not written to NEURON; export a model without it"
            )
        for p in model.structure.events:
            if p.plastic is not None:
                raise ParameterError(
                    f"the plasticity of '{p.wires.path}' is not written to NEURON; connect it without, at the"
                    " weights it has reached"
                )

    def _temperature(self, celsius: Any) -> float | None:
        if celsius is None:
            return None
        array = np.asarray(celsius, float)
        if not (array == array.flat[0]).all():
            raise ParameterError(
                "the cells have different temperatures, but NEURON has one; export them one by one"
            )
        return float(array.flat[0])

    def _painted(self) -> np.ndarray:
        """Return [cv] a number for each combination of mechanisms."""
        s = self.structure
        rows = np.zeros((s.size, len(s.channels) + len(s.ions) + 1), bool)
        for k, m in enumerate((*s.channels, *s.ions)):
            rows[m.index, k] = True
        return np.unique(rows, axis=0, return_inverse=True)[1].ravel()

    def _mod(self, mechanism: Mechanism, cvs: set[int] | None, key: Any, write: Callable[[str], Mod]) -> Mod:
        """Return the file of a mechanism: one for all equal ones, but in NEURON it is only once at any place."""
        base = "cx_" + "".join(
            c for c in type(mechanism).__name__ if c.isascii() and (c.isalnum() or c == "_")
        )
        for copy in range(1000):
            whole = (type(mechanism), choices(mechanism), key, copy)
            known = self._known.get(whole)
            if known is None:
                name, n = base, 1
                while name in self.mods:
                    n += 1
                    name = f"{base}_{n}"
                known = self._known[whole] = write(name)
                self.mods[name] = known.text
            used = self._used.setdefault(known.name, set())
            if cvs is None or not used & cvs:
                used |= cvs or set()
                return known
        raise ParameterError(
            f"{type(mechanism).__name__} is painted a thousand times at one place; merge some"
        )

    def _values(self, m: ChannelSites | IonSites, mod: Mod) -> dict[str, Any]:
        return {mod.parameters[k]: listed(field.assemble(self.params)) for k, field in m.fields.items()}

    def _channel(self, m: ChannelSites) -> None:
        warm = self.celsius is not None
        mod = self._mod(
            m.template,
            set(m.index.tolist()),
            "channel",
            lambda name: channel_mod(m.template, m.outline, name, warm, self.valences),
        )
        own = {mod.states[k]: x for k, x in self.run.gates[m.path].items() if mod.states.get(k) in mod.late}
        start = {k: np.broadcast_to(np.asarray(x, float), m.index.shape).tolist() for k, x in own.items()}
        self.report.took(
            f"'{m.path}': {type(m.template).__name__} on {len(m.index)} segments, as {mod.name}.mod"
        )
        self.densities.append(
            {"name": mod.name, "cvs": m.index.tolist(), "values": self._values(m, mod), "start": start}
        )

    def _ion(self, m: IonSites) -> None:
        bound = next(ion for ion in self.physics.ions.ions if ion.path == m.path)
        cvs = m.index.tolist()
        if m.template.plain().start():
            mod = self._mod(
                m.template, set(cvs), m.species, lambda name: pool_mod(m.template, m.species, name)
            )
            values = {**self._values(m, mod), "radius": listed(bound.radius)}
            self.densities.append({"name": mod.name, "cvs": cvs, "values": values, "start": {}})
            self.report.took(f"'{m.path}': {type(m.template).__name__} of {m.species}, as {mod.name}.mod")
            return
        celsius = None if self.celsius is None else jnp.asarray(self.celsius)
        values = {}
        for kind, name in (("i", f"{m.species}i"), ("o", f"{m.species}o"), ("e", f"e{m.species}")):
            known = kind != "e" or m.template.has_own_reversal or celsius is not None
            value = bound.reading(kind, {}, celsius) if known else None
            if value is not None:
                values[name] = listed(np.broadcast_to(np.asarray(value, float), m.index.shape))
        self.ions.append({"species": m.species, "cvs": cvs, "values": values, "fixed": True})
        self.report.took(f"'{m.path}': {', '.join(values)} of {m.species} as they stand")

    def _projections(self) -> None:
        s = self.structure
        for p in s.graded:
            self._graded(p)
        for p in s.events:
            self._events(p)
        for p in s.gaps:
            self._gap(p)

    def _edges(self, wires: Wires) -> np.ndarray:
        """Return (pre, site) [edge, 2] of a projection."""
        if wires.edges is not None:
            return np.asarray(wires.edges)
        return np.indices((len(wires.pre), len(wires.post))).reshape(2, -1).T

    def _by_edge(self, wires: Wires, path: str, edges: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.asarray(wires.sorted(self.params, path), float).ravel(), (len(edges),))

    def _graded(self, p: GradedProjection) -> None:
        wires = p.wires
        edges = self._edges(wires)
        mod = self._mod(p.template, None, "graded", lambda name: synapse_mod(p.template, name))
        values = {
            mod.parameters[k]: listed(self._by_edge(wires, path, edges)) for k, path in p.fields.items()
        }
        values["gmax"] = listed(self._by_edge(wires, wires.weight, edges))
        self.points.append({
            "name": mod.name,
            "cvs": wires.post[edges[:, 1]].tolist(),
            "values": values,
            "pointers": {"vpre": wires.pre[edges[:, 0]].tolist()},
        })  # fmt: skip
        self.report.took(f"'{wires.path}': {len(edges)} graded synapses, as {mod.name}.mod")

    def _gap(self, p: GapProjection) -> None:
        wires = p.wires
        edges = self._edges(wires)
        g = self._by_edge(wires, wires.weight, edges)
        ends = wires.pre[edges[:, 0]], wires.post[edges[:, 1]]
        if not self.run.pointers:
            self.gaps += [{"cvs": [int(a), int(b)], "g": float(x)} for a, b, x in zip(*ends, g, strict=True)]
            self.report.took(f"'{wires.path}': {len(edges)} gap junctions, each a LinearMechanism")
            return
        self.mods["CajaxGap"] = GAP
        self.points.append({
            "name": "CajaxGap",
            "cvs": np.concatenate(ends).tolist(),
            "values": {"g": listed(np.concatenate([g, g]))},
            "pointers": {"vgap": np.concatenate(ends[::-1]).tolist()},
        })  # fmt: skip
        self.report.approximate(
            f"'{wires.path}': {len(edges)} gap junctions take the other side's voltage at the start of a step, ours at"
            " its end"
        )

    def _events(self, p: EventProjection) -> None:
        wires = p.wires
        edges = self._edges(wires)
        template, fields = p.template, {k: self._by_edge(wires, path, edges) for k, path in p.fields.items()}
        name, values, places = self._receivers(template, fields, wires.post[edges[:, 1]])
        weight, delay = (self._by_edge(wires, path, edges) for path in (wires.weight, p.delay))
        targets = np.arange(len(edges)) if places is None else places[1]
        cvs = wires.post[edges[:, 1]] if places is None else places[0]
        layout = self.structure.layout(wires.pre_population)
        fired = [x for x in self.run.inputs if isinstance(x, Trigger) and x.at == wires.pre_population]
        moments = trains(fired, layout.size, self.run.dt, self.run.steps) if fired else []
        self._check_grid(wires.path, delay, moments)
        self.points.append(
            {"name": name, "cvs": cvs.tolist(), "values": {k: listed(x) for k, x in values.items()}}
        )
        self.connections.append({
            "points": len(self.points) - 1,
            "sources": None if p.pre is None else p.pre.cvs.tolist(),
            "threshold": self._threshold(p),
            "edges": np.stack([edges[:, 0], targets], axis=1).tolist(),
            "weight": listed(weight),
            "delay": listed(delay),
            "trains": moments,
        })  # fmt: skip
        self.report.took(
            f"'{wires.path}': {len(edges)} connections to {type(template).__name__}, as {len(cvs)} {name}"
        )

    def _receivers(self, template: EventSynapse, fields: Mapping[str, np.ndarray], post: np.ndarray) -> Any:
        """Return the point process, its values, and (control volume per point, point per edge).

        NEURON's own where it is ours; edges on the same place with the same values then share one.
        """
        own: dict[str, np.ndarray] | None = None
        if type(template) is ExpSyn:
            own, name = {"tau": fields["tau"], "e": fields["e"]}, "ExpSyn"
        elif type(template) in _AS_EXP2SYN:
            fast, slow = (f(fields["rise"], fields["decay"]) for f in (np.minimum, np.maximum))
            if (fast < _NEARLY_EQUAL * slow).all():
                own, name = {"tau1": fast, "tau2": slow, "e": fields["e"]}, "Exp2Syn"
        if own is not None:
            rows, first, point = np.unique(
                np.stack([post, *own.values()], axis=1), axis=0, return_index=True, return_inverse=True
            )
            return name, {k: x[first] for k, x in own.items()}, (rows[:, 0].astype(int), point.ravel())  # pyright: ignore[reportPossiblyUnboundVariable]
        mod = self._mod(template, None, "events", lambda name: synapse_mod(template, name))
        return mod.name, {mod.parameters[k]: x for k, x in fields.items()}, None

    def _threshold(self, p: EventProjection) -> float:
        if p.pre is None or not p.pre.threshold:
            return THRESHOLD
        threshold = float(self.params[p.pre.threshold])
        for other in self.connections:
            shared = set(other["sources"] or ()) & set(p.pre.cvs.tolist())
            if shared and other["threshold"] != threshold:
                raise ParameterError(
                    f"'{p.wires.path}' detects spikes at {threshold:g} mV where another projection does at"
                    f" {other['threshold']:g} mV, but NEURON has one threshold per place; let them be equal"
                )
        return threshold

    def _check_grid(self, path: str, delay: np.ndarray, moments: Sequence[Sequence[float]]) -> None:
        flat = [t for times in moments for t in times]
        if not (on_grid(delay, self.run.dt) and on_grid(flat, self.run.dt)):
            self.report.approximate(
                f"'{path}': events that arrive within a step of {self.run.dt:g} ms are moved to its nearer end, as"
                " NEURON's fixed step does"
            )

    def _inputs(self) -> None:
        for x in self.run.inputs:
            if isinstance(x, Teacher) or not isinstance(x, (Electrode, Trigger)):
                raise ParameterError(f"{type(x).__name__} at {x.at!r} is not written to NEURON; leave it out")
            if isinstance(x, Electrode):
                self.stimuli += stimuli(self.structure, x, self.run.dt, self.run.steps, self.report)
        if any(x["name"] == "CajaxConductance" for x in self.stimuli):
            self.mods["CajaxConductance"] = CONDUCTANCE
