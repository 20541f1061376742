"""A file that writes a concentration, as an `Ion`."""

from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ...mech import FARADAY, Ion
from ...mech.ions import VALENCE
from ...mech.params import param
from . import tree as t
from .design import CELSIUS, DEFAULTS, Design
from .evaluate import Scope
from .faults import AtLine
from .kinetic import every
from .signed import placed, signed


@final
class PoolDesign:
    """What the methods of an imported ion do. `inner` and `outer` are the names of its concentrations in the file."""

    def __init__(self, design: Design):
        self.design, self.file = design, design.file
        writing = [ion for ion in self.file.ions if any(n != f"i{ion.name}" for n in ion.writes)]
        self.ion = writing[0]
        self.line = self.ion.line
        if len(writing) > 1:
            raise AtLine(
                writing[1].line, "writes the concentrations of two ions; one ion is one mechanism here"
            )
        self._check()
        self.inner, self.outer = f"{self.ion.name}i", f"{self.ion.name}o"
        self.current = f"i{self.ion.name}"
        self.species = self.ion.name.lower()
        valence = self.ion.valence or VALENCE.get(self.species)
        if not valence:
            raise AtLine(self.line, f"the ion {self.ion.name} has no charge number; write VALENCE")
        self.valence = valence
        body = (*self.file.initial, *design.solved, *design.after)
        self.mentioned = design.flow.read(body)
        self.reads_voltage = "v" in self.mentioned
        self.fields = self._fields()

    def _check(self) -> None:
        d = self.design
        for ion in self.file.ions:
            if ion is not self.ion and (ion.writes or ion.reads):
                raise AtLine(
                    ion.line, f"a pool that reads or writes the ion {ion.name} too is not taken over"
                )
        if f"i{self.ion.name}" in self.ion.writes or self.file.nonspecific or self.file.electrode:
            raise AtLine(
                self.line, "writes a current and a concentration; an ion carries no current of its own here"
            )
        if f"e{self.ion.name}" in (*self.ion.reads, *self.ion.writes):
            raise AtLine(self.line, f"reads or writes e{self.ion.name} beside a concentration")
        for s, routine in zip(d.solves, d.routines, strict=True):
            if routine.kind not in ("DERIVATIVE", "KINETIC", "PROCEDURE"):
                raise AtLine(s.line, f"SOLVE of a {routine.kind} block is not taken over in an ion pool")
        if not d.states:
            raise AtLine(self.line, f"writes {self.ion.writes[0]} without a STATE")

    def _fields(self) -> dict[str, Any]:
        """Return parameters for what the file leaves to the ion: concentrations that start or stand still."""
        flow, initial = self.design.flow, self.file.initial
        found: dict[str, Any] = {}
        for name in (self.inner, self.outer):
            start = DEFAULTS.get(name, 1.0)
            if name not in self.ion.writes:
                found[name] = param(start, "mM", lo=1e-12)
            elif name in flow.exposed(initial) or name not in flow.assigned(initial):
                found[f"{name}0"] = param(start, "mM", lo=1e-12)
        if "celsius" in self.mentioned:
            found["celsius"] = param(6.3, "degC")
            self.design.approximated.append((self.line, CELSIUS))
        return found

    def _begun(self, values: Any, **given: Any) -> Scope:
        """Return the variables after INITIAL."""
        given.setdefault("diam", float("nan"))
        given.setdefault("dt", float("nan"))
        if "celsius" in self.mentioned:
            given["celsius"] = values.celsius
        own = given | {self.current: given.pop(self.current, 0.0)}
        scope = self.design.scope(values, **own)
        for name in (self.inner, self.outer):
            start = values.__dict__.get(name, values.__dict__.get(f"{name}0"))
            if start is not None:
                scope.shared[name] = start
            else:
                scope.shared.setdefault(name, DEFAULTS.get(name, 1.0))
        shape = np.shape(given.get(self.current, 0.0))
        self.design.solver.initial(scope, shape)
        return scope

    def start(self, values: Any) -> dict[str, Any]:
        """Return the states after INITIAL, one value each."""
        scope = self._begun(values, **({"v": float("nan")} if self.reads_voltage else {}))
        return {n: self.design.solver.value(n, scope) for n in self.design.states}

    def concentration(self, values: Any, name: str, states: Mapping[str, Any]) -> Any:
        """Return the concentration `name` at these states."""
        if name not in self.ion.writes:
            return values.__dict__[name]
        if name in states:
            return states[name]
        for s in every((*self.design.solved, *self.design.after)):
            match s:
                case t.Assign(target=t.Name(id=target), value=t.Name(id=source, index=None)) if (
                    target == name
                ):
                    if source in states:
                        return states[source]
        like = next(iter(states.values()))
        scope = self._begun(values, **({"v": jnp.zeros_like(like)} if self.reads_voltage else {}))
        self._set(scope, states)
        for routine in self.design.routines:
            if routine.kind == "PROCEDURE":
                raise AtLine(routine.line, f"{name} is computed in a PROCEDURE; write {name} = state")
            self.design.solver.rates(routine, self._ruled(routine, states), scope, keep=True)
        self.design.solver.machine.run(self.design.after, Scope(scope.shared))
        return scope.shared[name]

    def _ruled(self, routine: t.Routine, states: Mapping[str, Any]) -> dict[str, Any]:
        return {n: states[n] for n in self.design.solver.ruled(routine)}

    def _set(self, scope: Scope, states: Mapping[str, Any]) -> None:
        for n, x in states.items():
            self.design.solver.put(n, x, scope)

    def _present(self, values: Any, flux: Any, radius: Any, states: Any, voltage: Any, dt: Any) -> Scope:
        # A flux in mM · µm/ms is 1e4/(z F) of an inward current in mA/cm².
        current = flux * (-1e-4 * self.valence * FARADAY)
        given = {self.current: current, "diam": 2.0 * radius, "dt": dt, **voltage}
        scope = self._begun(values, **given)
        self._set(scope, states)
        for name in (self.inner, self.outer):
            if name in self.ion.writes and name not in states:
                scope.shared[name] = self.concentration(values, name, states)
        if self.design.flow.exposed(self.design.solved) & self.design.flow.assigned(self.design.after):
            self.design.solver.machine.run(self.design.after, Scope(scope.shared))
        return scope

    def rates(self, values: Any, flux: Any, radius: Any, states: Any, voltage: Any) -> dict[str, Any]:
        """Return d/dt of the states (1/ms)."""
        scope = self._present(values, flux, radius, states, voltage, float("nan"))
        found = {n: jnp.zeros_like(x) for n, x in states.items()}
        for routine in self.design.routines:
            if routine.kind != "PROCEDURE":
                change = self.design.solver.rates(routine, self._ruled(routine, states), scope)
                found |= {n: jnp.broadcast_to(x, jnp.shape(states[n])) for n, x in change.items()}
        return found

    def stepped(
        self, values: Any, flux: Any, radius: Any, states: Any, dt: Any, order: int, voltage: Any
    ) -> Any:
        """Return the states after a step by the file's own method; None to second order, where `rates` says all."""
        if order == 2 and all(r.kind != "PROCEDURE" for r in self.design.routines):
            return None
        scope = self._present(values, flux, radius, states, voltage, dt)
        for s in self.design.solves:
            self.design.solver.step(s, scope, dt, order)
        found = {n: self.design.solver.value(n, scope) for n in states}
        return {
            n: jnp.broadcast_to(x, jnp.shape(states[n])).astype(states[n].dtype) for n, x in found.items()
        }


def methods(own: PoolDesign, source: Any) -> dict[str, Any]:
    """Return the methods of the class; faults are told with the file and the line."""
    start, at = placed(own.start, source), placed(own.concentration, source)
    rates, stepped = placed(own.rates, source), placed(own.stepped, source)

    def changed(self: Any, flux: Any, radius: Any, states: Any, **voltage: Any) -> Any:
        return rates(self, flux, radius, states, voltage)

    return {
        "start": lambda self: start(self),
        "inside": lambda self, **states: at(self, own.inner, states),
        "outside": lambda self, **states: at(self, own.outer, states),
        "rates": signed(changed, "self", "flux", "radius", "states", *(("v",) if own.reads_voltage else ())),
        "stepped": lambda self, flux, radius, states, dt, order, **voltage: stepped(
            self, flux, radius, states, dt, order, voltage
        ),
    }


def members(own: PoolDesign, source: Any) -> dict[str, Any]:
    """Return the fields and methods of the class."""
    fields = {**own.design.fields(), **own.fields}
    choices = {
        "species": eqx.field(default=own.species, static=True, kw_only=True),
        "valence": eqx.field(default=own.valence, static=True, kw_only=True),
    }
    return {
        **fields,
        **choices,
        **methods(own, source),
        "__annotations__": dict.fromkeys((*fields, *choices), Any),
    }


def check_start(cls: type[Ion], own: PoolDesign) -> None:
    """Raise `AtLine` where the states at the start depend on what is not known then."""
    for name, x in cls().start().items():
        if not np.all(np.isfinite(np.asarray(x, dtype=float))):
            line = own.file.initial[0].line if own.file.initial else own.line
            raise AtLine(
                line,
                f"{name} starts from the diameter, the voltage or dt, which an ion's start does not know",
            )
