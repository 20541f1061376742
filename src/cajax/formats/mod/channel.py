"""A density mechanism as a `Channel`."""

from collections.abc import Mapping
from typing import Any, final

import jax.numpy as jnp

from ...mech import Channel, Gate, Kinetics, ports
from ...mech.ports import PLACE, reading
from . import linear
from . import tree as t
from .block import FRESH, Block
from .design import Design
from .draws import CHANCE
from .evaluate import Machine, Scope
from .faults import AtLine
from .kinetic import every
from .maths import Mask, like
from .memory import BEFORE, currents, memory, order_note
from .solving import EXPONENTIAL, prime

AREA = "area"


@final
class ChannelDesign:
    """What the methods of an imported channel do."""

    def __init__(self, design: Design):
        self.design, self.file, self.flow = design, design.file, design.flow
        self.ions = self._ions()
        self.flowing = currents(self.file)
        self.acts = bool(self.flowing)
        self.is_point = self.file.kind == "POINT_PROCESS"
        found = memory(design, self.ions, self.flowing)
        order_note(design, found)
        self.kept, self.back, self.held, self.needs_initial = (
            found.kept,
            found.back,
            found.held,
            found.needs_initial,
        )
        self.are_gates = self._are_gates()
        self.is_late = False
        has_memory = design.states or self.kept
        ran = design.after if self.is_back or (has_memory and not self.acts) else ()
        self.gates_read = self._readings((*self.file.initial, *design.solved, *ran)) if has_memory else {}
        before = self.file.initial if self.needs_initial else ()
        self.current_reads = self._readings((*design.after, *before)) if self.acts else {}
        if self.is_point and self.acts:
            self.current_reads[AREA] = AREA

    def _ions(self) -> dict[str, str]:
        """Return NMODL name → name here of what the mechanism reads of ions; raises `AtLine` for what has no place."""
        found: dict[str, str] = {}
        for ion in self.file.ions:
            for name in ion.reads:
                if name in ion.writes:
                    continue
                kinds = {f"e{ion.name}": "e{}", f"{ion.name}i": "{}i", f"{ion.name}o": "{}o"}
                own = {**kinds, f"i{ion.name}": "i{}"}.get(name)
                if own is None or reading(own.format(ion.name.lower())) is None:
                    raise AtLine(ion.line, f"reads '{name}' of the ion {ion.name}, which has no place here")
                found[name] = own.format(ion.name.lower())
            for name in ion.writes:
                if name != f"i{ion.name}":
                    raise AtLine(
                        ion.line, f"writes {name} beside a current; paint an ion for the concentration"
                    )
        return found

    def _are_gates(self) -> bool:
        d = self.design
        if self.kept or self.back or any(self.file.states.values()) or not d.states or self.file.after_solve:
            return False
        wet = self.flow.tainted(d.solved, self.file.states)
        if CHANCE in self.flow.read(d.solved):
            return False
        by_step = self.flow.tainted(d.solved, ("dt", "t"))
        if any(self.design.depends(s.value, by_step) for s in every(d.solved) if isinstance(s, t.Rate)):
            return False
        ruled: list[str] = []
        for s, routine in zip(d.solves, d.routines, strict=True):
            if routine.kind != "DERIVATIVE" or s.method not in EXPONENTIAL:
                return False
            for rate in every(routine.body):
                if isinstance(rate, t.Rate):
                    ruled.append(rate.state.id)
                    others = wet - {rate.state.id}
                    if self.design.depends(rate.value, others) or not _is_gate(rate.value, rate.state.id, d):
                        return False
                elif isinstance(rate, t.Assign) and rate.target.id in self.file.states:
                    return False
        return sorted(ruled) == sorted(d.states)

    def _readings(self, body: t.Body) -> dict[str, str]:
        mentioned = self.flow.read(body)
        found = {n: own for n, own in self.ions.items() if n in mentioned}
        found |= {CHANCE: ports.CHANCE} if CHANCE in mentioned else {}
        return found | {n: n for n in PLACE if n in mentioned}

    def _given(self, values: Any, reads: Mapping[str, str], read: Mapping[str, Any]) -> dict[str, Any]:
        return {n: read[own] for n, own in reads.items() if own in read}

    def begun(self, values: Any, v: Any, read: Mapping[str, Any], reads: Mapping[str, str]) -> Scope:
        """Return the variables after INITIAL at the voltage `v`."""
        scope = self.design.scope(values, shape=jnp.shape(v), v=v, **self._given(values, reads, read))
        self.design.solver.initial(scope, jnp.shape(v))
        scope.shared["v"] = v
        return scope

    def gates(self, values: Any, v: Any, read: Mapping[str, Any]) -> dict[str, Kinetics]:
        """Return the kinetics at the voltage `v`."""
        d = self.design
        if not d.states and not self.kept:
            return {}
        scope = self.begun(values, v, read, self.gates_read)
        if self.are_gates and not self.is_late:
            return self._gates(scope, v)
        first = scope.copy()
        if self.held and self.acts:
            self._breakpoint(first)  # NEURON computes currents once before the first step
        start = {n: like(d.solver.value(n, first), v) for n in (*d.states, *self.kept)}
        if self.is_back:
            start[BEFORE] = v
        if self.is_late:
            start[FRESH] = jnp.zeros_like(v)
        return {"states": Block(start, lambda now, dt, order: self._advanced(scope, v, now, dt, order))}

    def _gates(self, scope: Scope, v: Any) -> dict[str, Kinetics]:
        def rate(s: t.Rate, scope: Scope, mask: Mask) -> None:
            found = linear.gate(self.design.solver.machine, s, scope, mask)
            if found is None:
                raise AtLine(s.line, f"{s.state.id}' is not linear in {s.state.id}")
            x = prime(s.state.id)
            scope.shared[f"{x}end"], scope.shared[f"{x}rate"] = found

        scope = scope.copy()
        for routine in self.design.routines:
            Machine(self.file, {t.Rate: rate}).run(routine.body, Scope(scope.shared))
        found = {}
        for n in self.design.states:
            end, speed = (like(scope.shared[f"{prime(n)}{part}"], v) for part in ("end", "rate"))
            found[n] = Gate(end, speed)
        return found

    def _advanced(self, begun: Scope, v: Any, now: Mapping[str, Any], dt: Any, order: int) -> dict[str, Any]:
        d = self.design
        scope = begun.copy()
        scope.shared["dt"] = dt
        for n in (*d.states, *self.kept):
            d.solver.put(n, now[n], scope)
        if self.is_back:
            before = scope.copy()
            before.shared |= {"v": now[BEFORE], "t": scope.shared.get("t", 0.0) - 0.5 * dt}
            self._breakpoint(before)
            for n in (*self.back, *self.held):
                scope.shared[n] = before.shared[n]
        for s in d.solves:
            d.solver.step(s, scope, dt, order)
        d.solver.machine.run((*self.file.after_solve, *(() if self.acts else d.after)), Scope(scope.shared))
        found = {n: d.solver.value(n, scope) for n in (*d.states, *self.kept)}
        return {**found, BEFORE: v} if self.is_back else found

    @property
    def is_back(self) -> bool:
        """Whether blocks read what BREAKPOINT has left in the step before."""
        return bool(self.back or (self.held and self.acts))

    def _breakpoint(self, scope: Scope) -> None:
        """Run BREAKPOINT's own statements; twice, as NEURON does for the slope, where they add to what they left."""
        if self.held and self.acts:
            v = scope.shared["v"]
            scope.shared["v"] = v + 0.001
            self.design.solver.machine.run(self.design.after, Scope(scope.shared))
            scope.shared["v"] = v
        self.design.solver.machine.run(self.design.after, Scope(scope.shared))

    def currents(self, values: Any, v: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the current density (mA/cm²) by ion, "" for what none carries."""
        d, file = self.design, self.file
        if not self.acts:
            return {"": jnp.zeros_like(v)}
        if self.needs_initial:
            scope = self.begun(values, v, given, self.current_reads)
        else:
            more = self._given(values, self.current_reads, given)
            scope = d.scope(values, method=1, shape=jnp.shape(v), v=v, **more)
        for n in (*d.states, *self.kept):
            d.solver.put(n, given[n], scope)
        self._breakpoint(scope)
        found: dict[str, Any] = {}
        for ion in file.ions:
            for n in ion.writes:
                name = ion.name.lower()
                found[name] = found.get(name, 0.0) + like(scope.shared[n], v)
        for n in file.nonspecific:
            found[""] = found.get("", 0.0) + like(scope.shared[n], v)
        for n in file.electrode:
            found[""] = found.get("", 0.0) - like(scope.shared[n], v)
        if self.is_point:
            # A point process has a current in nA; 1 nA through 1 µm² is 100 mA/cm².
            found = {name: i * (100.0 / given[AREA]) for name, i in found.items()}
        return found

    def shown(self) -> tuple[str, ...]:
        """Return the names of all states as the current takes them."""
        d = self.design
        own = (
            *d.states,
            *self.kept,
            *((BEFORE,) if self.is_back else ()),
            *((FRESH,) if self.is_late else ()),
        )
        return own if d.states or self.kept else ()

    def settle_start(self, cls: type[Channel]) -> None:
        """Find out whether INITIAL is a steady state, by values at several voltages."""
        has_states = bool(self.design.states or self.kept)
        self.is_late = has_states and (self._times() or not self._is_steady(cls))

    def _times(self) -> bool:
        """Whether what SOLVE does reads the time."""
        after = (*self.design.solved, *(() if self.acts else self.design.after))
        return "t" in self.flow.read(after)

    def _is_steady(self, cls: type[Channel]) -> bool:
        values, v = cls(), jnp.linspace(-91.3, 41.7, 9)
        read: dict[str, Any] = {
            "celsius": 23.7,
            "t": 0.0,
            "dt": 0.025,
            "diam": 7.1,
            "area": 731.0,
            "chance": 1.0,
        }
        for own in self.ions.values():
            read[own] = -40.0 if own.startswith("e") and own not in ("ei", "eo") else 0.3
        with_states = self.begun(values, v, read, self.gates_read)
        start = {
            n: like(self.design.solver.value(n, with_states), v) for n in (*self.design.states, *self.kept)
        }
        if self.are_gates:
            later = {n: g.rest(n)[n] for n, g in self._gates(with_states, v).items()}
        else:
            later = self._advanced(with_states, v, {**start, BEFORE: v}, 0.05, 1)
        return all(
            bool(jnp.allclose(like(later[n], v), start[n], rtol=1e-4, atol=1e-6, equal_nan=True))
            for n in (*self.design.states, *self.kept)
        )


def _is_gate(expr: t.Expr, x: str, design: Design) -> bool:
    """Whether x' is written as a + b x with a decay: what a `Gate` needs."""
    wet = {x}
    return linear.mentions(expr, x) and design.is_sum(expr, wet)


def members(own: ChannelDesign, source: Any) -> dict[str, Any]:
    """Return the methods of the class."""

    def gates(self: Any, v: Any, **read: Any) -> Any:
        try:
            return own.gates(self, v, read)
        except AtLine as error:
            raise source.fault(error) from None

    def current(self: Any, v: Any, **given: Any) -> Any:
        try:
            return own.currents(self, v, given)
        except AtLine as error:
            raise source.fault(error) from None

    return {"gates": gates, "current": current}
