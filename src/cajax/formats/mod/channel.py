"""A density mechanism as a `Channel`."""

from collections.abc import Mapping
from typing import Any, final

import jax.numpy as jnp

from ...mech import Channel, Gate, Kinetics
from ...mech.ports import reading
from . import linear
from . import tree as t
from .block import FRESH, Block
from .design import Design, flats
from .evaluate import Machine, Scope
from .faults import AtLine
from .kinetic import every
from .maths import Mask
from .solving import EXPONENTIAL, prime

BEFORE = "v_before"
"""The state that keeps the voltage of the last step, for blocks that read what BREAKPOINT has computed there."""


@final
class ChannelDesign:
    """What the methods of an imported channel do."""

    def __init__(self, design: Design):
        self.design, self.file, self.flow = design, design.file, design.flow
        self.ions = self._ions()
        self._flows()
        self.are_gates = self._are_gates()
        self.is_late = False
        self.gates_read = self._readings(
            (*self.file.initial, *design.solved, *(design.after if self.back else ()))
        )
        self.current_reads = self._readings(
            (*design.after, *(self.file.initial if self.needs_initial else ()))
        )

    def _ions(self) -> dict[str, str]:
        """Return NMODL name → name here of what the mechanism reads of ions; raises `AtLine` for what has no place."""
        found: dict[str, str] = {}
        for ion in self.file.ions:
            for name in ion.reads:
                if name in ion.writes or name == f"i{ion.name}":
                    if name not in ion.writes:
                        raise AtLine(ion.line, f"reads the current {name} without a concentration of its own")
                    continue
                own = {f"e{ion.name}": "e{}", f"{ion.name}i": "{}i", f"{ion.name}o": "{}o"}.get(name)
                if own is None or reading(own.format(ion.name.lower())) is None:
                    raise AtLine(ion.line, f"reads '{name}' of the ion {ion.name}, which has no place here")
                found[name] = own.format(ion.name.lower())
            for name in ion.writes:
                if name != f"i{ion.name}":
                    raise AtLine(
                        ion.line, f"writes {name} beside a current; paint an ion for the concentration"
                    )
        return found

    def _flows(self) -> None:
        """Find the variables that flow from one block to another."""
        d, flow = self.design, self.flow
        settled = {
            *self.file.states,
            *(set(d.parameters) - d.owned),
            *self.file.constants,
            *self.ions,
            "v",
            "celsius",
            "dt",
            "t",
        }
        after, solved = flow.exposed(d.after) - settled, flow.exposed(d.solved) - settled
        by_solve, by_initial, by_after = (
            flow.assigned(body) & (d.owned | {"f_flux", "b_flux"})
            for body in (d.solved, self.file.initial, d.after)
        )
        seeds = ("v", "dt", *self.ions, *self.file.states)
        wet = flow.tainted((*self.file.initial, *d.solved), seeds)
        kept = (after | solved) & (by_solve - (by_initial - wet))
        kept |= (after | solved) & by_initial & wet
        self.back = tuple(sorted(solved & by_after - by_solve))
        variables = [
            n for n in sorted(kept - {*self.back}) if n in {*self.file.assigned, *self.file.parameters}
        ]
        self.kept = tuple(f for n in variables for f in flats(n, self.file.assigned.get(n, 0)))
        self.needs_initial = bool(after & by_initial - kept)
        if d.solves and self.back:
            line = d.solves[0].line
            d.notes.append(
                (line, f"{', '.join(self.back)}: of the step before, as in NEURON's order of blocks")
            )

    def _are_gates(self) -> bool:
        d = self.design
        if self.kept or self.back or any(self.file.states.values()) or not d.states:
            return False
        wet = self.flow.tainted(d.solved, self.file.states)
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
        return found | ({"celsius": "celsius"} if "celsius" in mentioned else {})

    def _given(self, values: Any, reads: Mapping[str, str], read: Mapping[str, Any]) -> dict[str, Any]:
        return {n: read[own] for n, own in reads.items() if own in read}

    def begun(self, values: Any, v: Any, read: Mapping[str, Any], reads: Mapping[str, str]) -> Scope:
        """Return the variables after INITIAL at the voltage `v`."""
        scope = self.design.scope(values, v=v, dt=float("nan"), **self._given(values, reads, read))
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
        start = {n: _full(d.solver.value(n, scope), v) for n in (*d.states, *self.kept)}
        if self.back:
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
        scope.shared.pop("dt", None)
        for routine in self.design.routines:
            Machine(self.file, {t.Rate: rate}).run(routine.body, Scope(scope.shared))
        found = {}
        for n in self.design.states:
            end, speed = (_full(scope.shared[f"{prime(n)}{part}"], v) for part in ("end", "rate"))
            found[n] = Gate(end, speed)
        return found

    def _advanced(self, begun: Scope, v: Any, now: Mapping[str, Any], dt: Any, order: int) -> dict[str, Any]:
        d = self.design
        scope = begun.copy()
        scope.shared["dt"] = dt
        for n in (*d.states, *self.kept):
            d.solver.put(n, now[n], scope)
        if self.back:
            before = scope.copy()
            before.shared["v"] = now[BEFORE]
            d.solver.machine.run(d.after, before)
            for n in self.back:
                scope.shared[n] = before.shared[n]
        for s in d.solves:
            d.solver.step(s, scope, dt, order)
        found = {n: d.solver.value(n, scope) for n in (*d.states, *self.kept)}
        return {**found, BEFORE: v} if self.back else found

    def currents(self, values: Any, v: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the current density (mA/cm²) by ion, "" for what none carries."""
        d, file = self.design, self.file
        if self.needs_initial:
            scope = self.begun(values, v, given, self.current_reads)
        else:
            scope = d.scope(values, v=v, **self._given(values, self.current_reads, given))
        scope.shared.pop("dt", None)
        for n in (*d.states, *self.kept):
            d.solver.put(n, given[n], scope)
        d.solver.machine.run(d.after, Scope(scope.shared))
        found: dict[str, Any] = {}
        for ion in file.ions:
            for n in ion.writes:
                name = ion.name.lower()
                found[name] = found.get(name, 0.0) + _full(scope.shared[n], v)
        for n in file.nonspecific:
            found[""] = found.get("", 0.0) + _full(scope.shared[n], v)
        for n in file.electrode:
            found[""] = found.get("", 0.0) - _full(scope.shared[n], v)
        return found or {"": jnp.zeros_like(v)}

    def shown(self) -> tuple[str, ...]:
        """Return the names of all states as the current takes them."""
        d = self.design
        own = (*d.states, *self.kept, *((BEFORE,) if self.back else ()), *((FRESH,) if self.is_late else ()))
        return own if d.states or self.kept else ()

    def settle_start(self, cls: type[Channel]) -> None:
        """Find out whether INITIAL is a steady state, by values at several voltages."""
        self.is_late = bool(self.design.states) and not self._is_steady(cls)

    def _is_steady(self, cls: type[Channel]) -> bool:
        values, v = cls(), jnp.linspace(-91.3, 41.7, 9)
        read: dict[str, Any] = {"celsius": 23.7}
        for own in self.ions.values():
            read[own] = -40.0 if own.startswith("e") and own not in ("ei", "eo") else 0.3
        with_states = self.begun(values, v, read, self.gates_read)
        start = {
            n: _full(self.design.solver.value(n, with_states), v) for n in (*self.design.states, *self.kept)
        }
        if self.are_gates:
            later = {n: g.rest(n)[n] for n, g in self._gates(with_states, v).items()}
        else:
            later = self._advanced(with_states, v, {**start, BEFORE: v}, 0.05, 1)
        return all(
            bool(jnp.allclose(_full(later[n], v), start[n], rtol=1e-4, atol=1e-6, equal_nan=True))
            for n in self.design.states
        )


def _is_gate(expr: t.Expr, x: str, design: Design) -> bool:
    """Whether x' is written as a + b x with a decay: what a `Gate` needs."""
    wet = {x}
    return linear.mentions(expr, x) and design.is_sum(expr, wet)


def _full(x: Any, v: Any) -> Any:
    x = jnp.asarray(x, dtype=v.dtype) if not isinstance(x, jnp.ndarray) else x
    return jnp.broadcast_to(x, jnp.shape(v)).astype(v.dtype)


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
