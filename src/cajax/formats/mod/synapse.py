"""A point process with NET_RECEIVE as an `EventSynapse`.

Its states are those of a weight of 1: what a spike adds, and what flows, must be in proportion to the weight, so that a
weighted sum of states stands for all spikes.
"""

from collections.abc import Mapping
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from .design import Design
from .evaluate import Scope
from .faults import AtLine
from .signed import placed, signed

CLOCK = "t_own"
"""The state that counts time (ms) for a NET_RECEIVE that reads `t`."""


@final
class SynapseDesign:
    """What the methods of an imported synapse do."""

    def __init__(self, design: Design):
        self.design, self.file = design, design.file
        if self.file.receive is None or self.file.pointers:
            raise AtLine(1, "has no NET_RECEIVE, or a POINTER")
        self.receive = self.file.receive
        if not self.receive.args:
            raise AtLine(self.receive.line, "NET_RECEIVE takes no weight; write NET_RECEIVE(weight (uS))")
        self.weight, *own = self.receive.args
        self._check()
        flow = design.flow
        spikes = (*self.receive.body, *self.file.receive_initial)
        self.has_clock = "t" in flow.read(spikes)
        if "t" in flow.read((*design.solved, *design.after, *self.file.initial)):
            raise AtLine(self.receive.line, "a synapse that reads t outside NET_RECEIVE is not taken over")
        self.edge = tuple(n for n in own if n in flow.read(spikes) or n in flow.assigned(spikes))
        self.kept = self._kept()
        self.reads_voltage = "v" in flow.read(design.solved)
        if "celsius" in flow.read((*self.file.initial, *design.solved, *design.after, *spikes)):
            raise AtLine(self.receive.line, "reads celsius, which differs from cell to cell")

    def _check(self) -> None:
        file = self.file
        if self.design.draws:
            raise AtLine(1, "every connection draws random numbers of its own")
        if file.electrode:
            raise AtLine(
                1, "ELECTRODE_CURRENT is not taken over; write NONSPECIFIC_CURRENT with the other sign"
            )
        if not (file.nonspecific or any(ion.writes for ion in file.ions)):
            raise AtLine(1, "a synapse without a current is not taken over")
        names = (*file.nonspecific, *(n for ion in file.ions for n in ion.writes))
        if not set(names) <= self.design.flow.assigned(self.design.after):
            raise AtLine(1, "a current that BREAKPOINT does not assign")
        for ion in file.ions:
            if ion.reads:
                raise AtLine(ion.line, f"reads {ion.reads[0]}; a synapse here reads no ions")
            for name in ion.writes:
                if name != f"i{ion.name}":
                    raise AtLine(
                        ion.line, f"writes {name} from a point process; paint an ion for the concentration"
                    )
                self.design.approximated.append((ion.line, f"{name} flows, but no ion pool takes it up"))
        for s, routine in zip(self.design.solves, self.design.routines, strict=True):
            if routine.kind not in ("DERIVATIVE", "KINETIC"):
                raise AtLine(s.line, f"SOLVE of a {routine.kind} block is not taken over in a synapse")

    def _kept(self) -> tuple[str, ...]:
        """Return the variables that a spike assigns and others read: they are states too."""
        d, flow = self.design, self.design.flow
        found = flow.assigned(self.receive.body) & d.owned - set(self.file.states)
        wanted = flow.exposed((*d.solved, *d.after)) | flow.exposed(self.receive.body)
        solved = flow.assigned(d.solved) & flow.exposed(d.after) - set(self.file.states)
        wet = flow.tainted(d.solved, ("v", *self.file.states))
        if late := sorted(solved & wet & d.owned):
            raise AtLine(
                self.receive.line,
                f"BREAKPOINT reads {late[0]}, which SOLVE has left; compute it in BREAKPOINT",
            )
        names = tuple(sorted(n for n in found & wanted if not self.file.assigned.get(n, 0)))
        heavy = flow.tainted(self.receive.body, (self.weight, *self.file.states))
        self.scaled = (*d.states, *(n for n in names if n in heavy))
        for n in names:
            if n in heavy:
                continue
            if n in flow.exposed(d.after) or n in flow.exposed(d.solved):
                raise AtLine(
                    self.receive.line, f"BREAKPOINT reads {n}, which a spike sets whatever its weight"
                )
            d.approximated.append(
                (self.receive.line, f"{n} is each connection's own; in NEURON those to one synapse share it")
            )
        return names

    @property
    def states(self) -> tuple[str, ...]:
        """The names of all states."""
        return (*self.design.states, *self.kept, *self.edge, *((CLOCK,) if self.has_clock else ()))

    def _begun(self, values: Any, shape: tuple[int, ...], voltage: Mapping[str, Any], dt: Any) -> Scope:
        scope = self.design.scope(values, **voltage, dt=dt)
        self.design.solver.initial(scope, shape)
        return scope

    def start(self, values: Any, voltage: Mapping[str, Any]) -> dict[str, Any]:
        """Return the states after INITIAL, and those of a connection after the INITIAL of its NET_RECEIVE."""
        shape = jnp.shape(voltage.get("v", 0.0))
        scope = self._begun(values, shape, voltage, float("nan"))
        found = {n: self.design.solver.value(n, scope) for n in (*self.design.states, *self.kept)}
        if self.edge:
            local = {self.weight: 1.0, **dict.fromkeys(self.receive.args[1:], 0.0), "t": 0.0}
            inner = Scope(scope.shared, local)
            self.design.solver.machine.run(self.file.receive_initial, inner)
            found |= {n: inner.local[n] for n in self.edge}
        if self.has_clock:
            found[CLOCK] = 0.0
        return {n: jnp.asarray(x, dtype=float) + 0.0 for n, x in found.items()}

    def _now(self, values: Any, states: Mapping[str, Any], voltage: Mapping[str, Any], dt: Any) -> Scope:
        shape = jnp.shape(next(iter(states.values()), 0.0))
        scope = self._begun(values, shape, voltage, dt)
        for n in (*self.design.states, *self.kept):
            self.design.solver.put(n, states[n], scope)
        return scope

    def flow(self, values: Any, dt: Any, states: Mapping[str, Any]) -> dict[str, Any]:
        """Return the states `dt` ms later."""
        voltage = {"v": states["v"]} if self.reads_voltage else {}
        scope = self._now(values, states, voltage, dt)
        for s in self.design.solves:
            self.design.solver.step(s, scope, dt, 1)
        found = {n: states[n] for n in self.states}
        found |= {n: self.design.solver.value(n, scope) for n in self.design.states}
        if self.has_clock:
            found[CLOCK] = states[CLOCK] + dt
        return found

    def event(self, values: Any, states: Mapping[str, Any], weight: float = 1.0) -> dict[str, Any]:
        """Return the states just after a spike."""
        scope = self._now(values, states, {"v": 0.0 * next(iter(states.values()))}, float("nan"))
        local = {self.weight: weight, "flag": 0.0, **{n: states[n] for n in self.edge}}
        for n in self.receive.args[1:]:
            local.setdefault(n, 0.0)
        if self.has_clock:
            local["t"] = states[CLOCK]
        inner = Scope(scope.shared, local)
        self.design.solver.machine.run(self.receive.body, inner)
        found = {n: self.design.solver.value(n, scope) for n in (*self.design.states, *self.kept)}
        return found | {n: inner.local[n] for n in self.edge}

    def release(self, states: Mapping[str, Any]) -> dict[str, Any]:
        """Return the states that the current depends on."""
        return {n: states[n] for n in self.scaled}

    def current(self, values: Any, v: Any, g: Mapping[str, Any]) -> Any:
        """Return the current (nA) for weighted sums of states."""
        scope = self._now(values, {**dict.fromkeys(self.kept, 0.0), **g}, {"v": v}, float("nan"))
        scope.shared["v"] = v
        self.design.solver.machine.run(self.design.after, Scope(scope.shared))
        names = (*self.file.nonspecific, *(n for ion in self.file.ions for n in ion.writes))
        return sum(scope.shared[n] for n in names) + 0.0 * v

    def check(self, values: Any) -> None:
        """Raise `AtLine` unless spikes and currents are in proportion to the weight, by values at random points."""
        draw = np.random.default_rng(3)
        whole = {n: jnp.asarray(draw.uniform(0.2, 0.9)) for n in self.states}
        scaled = self.scaled
        twice = {n: x * (2.0 if n in scaled else 1.0) for n, x in whole.items()}
        once, double = self.event(values, whole, 1.0), self.event(values, twice, 2.0)
        good = all(np.allclose(double[n], once[n] * (2.0 if n in scaled else 1.0), rtol=1e-4) for n in once)
        still = self.event(values, {n: whole[n] * (0.0 if n in scaled else 1.0) for n in whole}, 0.0)
        good &= all(np.allclose(still[n], 0.0, atol=1e-7) for n in scaled)
        if not good:
            raise AtLine(
                self.receive.line,
                "what a spike does is not in proportion to the weight; only that is taken over",
            )
        v = jnp.asarray(-31.7)
        i, j = self.current(values, v, self.release(whole)), self.current(values, v, self.release(twice))
        rest = self.current(values, v, {n: jnp.zeros(()) for n in scaled})
        if not np.allclose(j, 2.0 * i, rtol=1e-4) or not np.allclose(rest, 0.0, atol=1e-9):
            raise AtLine(
                self.receive.line, "the current is not in proportion to the weight; only that is taken over"
            )


def members(own: SynapseDesign, source: Any) -> dict[str, Any]:
    """Return the fields and methods of the class; faults are told with the file and the line."""
    start, flow, event, current = (
        placed(method, source) for method in (own.start, own.flow, own.event, own.current)
    )

    def gates(self: Any, **voltage: Any) -> dict[str, Any]:
        return {}

    fields = own.design.fields()
    return {
        **fields,
        "gates": signed(gates, "self", *(("v",) if own.reads_voltage else ())),
        "start": lambda self, **voltage: start(self, voltage),
        "flow": lambda self, dt, **states: flow(self, dt, states),
        "event": lambda self, **states: event(self, states),
        "release": lambda self, **states: own.release(states),
        "current": lambda self, v, g: current(self, v, g),
        "__annotations__": dict.fromkeys(fields, Any),
    }
