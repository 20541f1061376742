"""Synapses as point processes: those that answer to events, those that follow a voltage; junctions and clamps."""

from collections.abc import Mapping
from typing import Any, final

import jax
import numpy as np

from ...base.errors import ParameterError
from ...mech import EventSynapse, Gate, Synapse
from .expressions import Statements, statements
from .mod import Mod, assignments, block, functions, named, parameters, title

GAP = """TITLE An electrical synapse: half of it, at one of its two places
NEURON {
    POINT_PROCESS CajaxGap
    NONSPECIFIC_CURRENT i
    RANGE g
    POINTER vgap
}
PARAMETER {
    g = 0 (uS)
}
ASSIGNED {
    v (mV)
    vgap (mV)
    i (nA)
}
BREAKPOINT {
    i = g * (v - vgap)
}
"""
"""The point process `CajaxGap`: a conductance to the voltage that a pointer shows."""

CONDUCTANCE = """TITLE A dynamic clamp: a conductance that a Vector plays
NEURON {
    POINT_PROCESS CajaxConductance
    NONSPECIFIC_CURRENT i
    RANGE g, e
}
PARAMETER {
    g = 0 (uS)
    e = 0 (mV)
}
ASSIGNED {
    v (mV)
    i (nA)
}
BREAKPOINT {
    i = g * (v - e)
}
"""
"""The point process `CajaxConductance`."""


def synapse_mod(synapse: EventSynapse | Synapse, name: str) -> Mod:
    """Return the .mod file of a synapse: one instance of it is one edge, of the weight `gmax`.

    Raises `ParameterError` for what NMODL has no words for, or a current that is no multiple of the conductance.
    """
    _check_linear(synapse)
    if isinstance(synapse, EventSynapse):
        return _Event(synapse, name).mod()
    return _graded(synapse, name)


def _check_linear(synapse: EventSynapse | Synapse) -> None:
    """Raise `ParameterError` unless currents of edges at one place add up to that of their whole conductance."""
    v = np.array([-90.0, -60.0, -10.0, 30.0])
    with jax.enable_x64(True):
        plain = synapse.plain()
        one, two, both = (np.asarray(plain.current(v, np.full(4, g))) for g in (1e-3, 2e-3, 3e-3))
    if not np.allclose(one + two, both, rtol=1e-9, atol=0.0):
        raise ParameterError(
            f"{type(synapse).__name__}.current is not proportional to g, so edges don't add up in NEURON; let it be g"
            " times a function of v"
        )


def _gates(found: Mapping[str, Any], who: str) -> None:
    for own, kind in found.items():
        if not isinstance(kind, Gate):
            raise ParameterError(
                f"{who}: '{own}' is a {type(kind).__name__}, which a synapse's .mod file has no words for; write it as"
                " a Gate"
            )


@final
class _Event:
    """One event synapse while its file is written."""

    def __init__(self, synapse: EventSynapse, name: str):
        self.synapse, self.name, self.who = synapse, name, type(synapse).__name__
        self.specs = [spec.name for spec in synapse.specs()]
        self.states = list(synapse.states())
        self.names = named([*self.specs, *self.states], ["event"])
        self.voltage = {"v": "v"} if synapse.reads_voltage() else {}
        self.given = {k: self.names[k] for k in self.specs}
        self.all = {**self.given, **{k: self.names[k] for k in self.states}}

    def bound(self, given: Mapping[str, Any]) -> EventSynapse:
        """Return the synapse with the parameters that are `given`."""
        return self.synapse.with_params({k: given[k] for k in self.specs})

    def now(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the states that are `given`."""
        return {k: given[k] for k in self.states}

    def mod(self) -> Mod:
        who, volt = self.who, self.voltage

        def current(given: dict[str, Any]) -> dict[str, Any]:
            bound = self.bound(given)
            return {"i": bound.current(given["v"], given["gmax"] * bound.release(**self.now(given)))}

        def start(given: dict[str, Any]) -> dict[str, Any]:
            return dict(self.bound(given).start(**{k: given[k] for k in volt}))

        begun = statements(start, {**self.given, **volt}, f"{who}.start")
        flowing = statements(current, {**self.all, "v": "v", "gmax": "gmax"}, f"{who}.current")
        jump = statements(lambda g: dict(self.bound(g).event(**self.now(g))), self.all, f"{who}.event")
        solve, inner, extra = self._integrated()
        jumps = [(f"j{n}", self.names[k], x) for n, (k, x) in enumerate(jump.results.items(), 1)]
        event = [*jump.lines, *(f"{j} = {x}" for j, _, x in jumps), *(f"{k} = {j}" for j, k, _ in jumps)]
        ranges = ["gmax", *(self.names[k] for k in self.specs)]
        parts = [
            title(
                self.synapse,
                f"{who}, a synapse that answers to events; gmax is the weight of its one connection",
            ),
            block(
                "NEURON",
                [f"POINT_PROCESS {self.name}", "NONSPECIFIC_CURRENT i", f"RANGE {', '.join(ranges)}"],
            ),
            block("PARAMETER", [*parameters(self.synapse, self.names), "gmax = 0 (uS)"]),
            block("STATE", [self.names[k] for k in self.states]),
            block("ASSIGNED", ["v (mV)", "i (nA)", "dt (ms)", *extra.results]),
            block("INITIAL", assignments(begun, self.names), begun.locals),
            block("BREAKPOINT", [solve, *flowing.lines, f"i = {flowing.results['i']}"], flowing.locals),
            inner,
            block("NET_RECEIVE(weight (uS))", ["gmax = weight", "event()"]),
            block("PROCEDURE event()", event, [*jump.locals, *(j for j, _, _ in jumps)]),
            functions(begun, flowing, jump, extra),
        ]
        states = {k: self.names[k] for k in self.states}
        return Mod(self.name, "\n".join(x for x in parts if x), self.given, states)

    def _integrated(self) -> tuple[str, str, Statements]:
        """Return the SOLVE line, the blocks behind it, and the variables that a procedure assigns."""
        if type(self.synapse).flow is EventSynapse.flow:
            return self._relaxed()

        def flow(given: dict[str, Any]) -> dict[str, Any]:
            more = {k: given[k] for k in self.voltage}
            return dict(self.bound(given).flow(given["dt"], **more, **self.now(given)))

        found = statements(flow, {**self.all, **self.voltage, "dt": "dt"}, f"{self.who}.flow")
        new = [(f"f{n}", self.names[k], x) for n, (k, x) in enumerate(found.results.items(), 1)]
        lines = [*found.lines, *(f"{f} = {x}" for f, _, x in new), *(f"{k} = {f}" for f, k, _ in new)]
        inner = block("PROCEDURE flow()", lines, [*found.locals, *(f for f, _, _ in new)])
        return "SOLVE flow METHOD after_cvode", inner, Statements(found.lines)

    def _relaxed(self) -> tuple[str, str, Statements]:
        def rates(given: dict[str, Any]) -> dict[str, Any]:
            found = self.bound(given).gates(**{k: given[k] for k in self.voltage})
            _gates(found, f"{self.who}.gates")
            pairs = {self.names[k]: x for k, x in found.items()}
            return {f"{k}_{what}": getattr(x, what) for k, x in pairs.items() for what in ("inf", "rate")}

        found = statements(rates, {**self.given, **self.voltage}, f"{self.who}.gates")
        lines = [f"{n}' = ({n}_inf - {n}) * {n}_rate" for n in (self.names[k] for k in self.states)]
        procedure = block(
            "PROCEDURE rates()", assignments(found, {k: k for k in found.results}), found.locals
        )
        inner = f"{block('DERIVATIVE gates', ['rates()', *lines])}\n{procedure}"
        return "SOLVE gates METHOD cnexp", inner, found


def _graded(synapse: Synapse, name: str) -> Mod:
    """Return the .mod file of a graded synapse, whose gates follow the voltage that the pointer `vpre` shows."""
    who, specs = type(synapse).__name__, [spec.name for spec in synapse.specs()]
    states: list[str] = []

    def bound(given: Mapping[str, Any]) -> Synapse:
        return synapse.with_params({k: given[k] for k in specs})

    def rates(given: dict[str, Any]) -> dict[str, Any]:
        found = bound(given).gates(given["vpre"])
        _gates(found, f"{who}.gates")
        states[:] = list(found)
        return {f"{k} {what}": getattr(x, what) for k, x in found.items() for what in ("inf", "rate")}

    statements(rates, {**{k: k for k in specs}, "vpre": "vpre"}, f"{who}.gates")
    names = named([*specs, *states], ["vpre"])
    found = statements(rates, {**{k: names[k] for k in specs}, "vpre": "vpre"}, f"{who}.gates")
    shown = {f"{k} {what}": f"{names[k]}_{what}" for k in states for what in ("inf", "rate")}

    def current(given: dict[str, Any]) -> dict[str, Any]:
        one = bound(given)
        return {"i": one.current(given["v"], given["gmax"] * one.release(**{k: given[k] for k in states}))}

    flowing = statements(current, {**names, "v": "v", "gmax": "gmax"}, f"{who}.current")
    own = [names[k] for k in states]
    ranges = ["gmax", *(names[k] for k in specs)]
    head = [f"POINT_PROCESS {name}", "NONSPECIFIC_CURRENT i", f"RANGE {', '.join(ranges)}", "POINTER vpre"]
    parts = [
        title(synapse, f"{who}, a synapse that follows the voltage vpre; gmax is its weight"),
        block("NEURON", head),
        block("PARAMETER", [*parameters(synapse, names), "gmax = 0 (uS)"]),
        block("STATE", own),
        block("ASSIGNED", ["v (mV)", "vpre (mV)", "i (nA)", *shown.values()]),
        block("INITIAL", ["rates()", *(f"{n} = {n}_inf" for n in own)]),
        block(
            "BREAKPOINT",
            ["SOLVE gates METHOD cnexp", *flowing.lines, f"i = {flowing.results['i']}"],
            flowing.locals,
        ),
        block("DERIVATIVE gates", ["rates()", *(f"{n}' = ({n}_inf - {n}) * {n}_rate" for n in own)]),
        block("PROCEDURE rates()", assignments(found, shown), found.locals),
        functions(found, flowing),
    ]
    return Mod(
        name, "\n".join(x for x in parts if x), {k: names[k] for k in specs}, {k: names[k] for k in states}
    )
