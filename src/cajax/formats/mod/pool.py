"""A file that writes concentrations, as an `Ion`; what it writes of further species are the ion's companions."""

from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ...mech import FARADAY, Ion, nernst
from ...mech.params import param
from ...mech.ports import PLACE
from ...mech.potentials import VALENCE
from . import tree as t
from .design import DEFAULTS, Design
from .draws import CHANCE
from .evaluate import Scope
from .faults import AtLine
from .kinetic import every, of_kind
from .maths import like
from .memory import currents, memory, order_note
from .signed import placed, signed


@final
class PoolDesign:
    """What the methods of an imported ion do. `owned` are the species that it writes, of which the first is `ion`."""

    def __init__(self, design: Design):
        self.design, self.file = design, design.file
        self.owned = [ion for ion in self.file.ions if any(n != f"i{ion.name}" for n in ion.writes)]
        self.ion = self.owned[0]
        self.line = self.ion.line
        self.species = self.ion.name.lower()
        self.valences = {ion.name: self._valence(ion) for ion in self.owned}
        self.held_by_ion = {n: ion for ion in self.owned for n in _concentrations(ion)}
        self.flowing = currents(self.file)
        self.acts = bool(self.flowing)
        self.mentioned = design.flow.read((*self.file.initial, *design.solved, *design.after))
        self.readings = self._readings()
        self.written = [n for ion in self.owned for n in ion.writes if n != f"i{ion.name}"]
        loose = [n for n in self.written if n not in self.file.states and self.alias(n) is None]
        # A current that is written and not read is a variable of the file's own, not what the ion carries in all.
        self.carried = (f"i{self.ion.name}",) if f"i{self.ion.name}" in self.ion.reads else ()
        given = (*self.readings, *self.held_by_ion, *self.carried)
        found = memory(design, given, self.flowing, loose)
        order_note(design, found)
        self.kept, self.back, self.held = found.kept, found.back, found.held
        self.diffusing = [s for _, s in of_kind(design.solved, t.Diffusion)]
        if self.diffusing and self.kept:
            raise AtLine(
                self.diffusing[0].line,
                f"LONGITUDINAL_DIFFUSION beside {self.kept[0]}, which blocks keep, is not taken over",
            )
        self.fields = self._fields()

    def _valence(self, ion: t.UsedIon) -> int:
        valence = ion.valence or VALENCE.get(ion.name.lower())
        if not valence:
            raise AtLine(ion.line, f"the ion {ion.name} has no charge number; write VALENCE")
        return valence

    def _readings(self) -> dict[str, str]:
        """Return NMODL name → name here of what the file reads of its surroundings, but for what the ion has itself."""
        found = {n: n for n in ("v", *PLACE) if n in self.mentioned}
        if CHANCE in self.mentioned:
            raise AtLine(1, "random numbers are not taken over in a mechanism that writes a concentration")
        for ion in self.file.ions:
            kinds = {f"i{ion.name}": "i{}"}
            if ion not in self.owned:
                kinds |= {f"e{ion.name}": "e{}", f"{ion.name}i": "{}i", f"{ion.name}o": "{}o"}
            for name in ion.reads:
                if name in kinds and name in self.mentioned:
                    found[name] = kinds[name].format(ion.name.lower())
            if ion in self.owned and f"e{ion.name}" in self.mentioned:
                found["celsius"] = "celsius"
        found.pop(f"i{self.ion.name}", None)
        return found

    def alias(self, name: str) -> str | None:
        """Return the state that a written concentration equals, such as `ca[0]` in `cai = ca[0]`."""
        ends = [s for s in every((*self.design.solved, *self.design.after)) if isinstance(s, t.Assign)]
        ends = [s for s in ends if s.target.id == name]
        if len(ends) != 1 or name in self.file.states or name in self.design.flow.exposed(self.design.solved):
            return None
        match ends[0].value:
            case t.Name(id=source, index=None) if self._starts_alike(name, source):
                return source
            case t.Name(id=source, index=t.Number(value=k)) if self._starts_alike(name, source):
                return f"{source}_{int(k)}"
        return None

    def _starts_alike(self, name: str, source: str) -> bool:
        """Whether INITIAL sets the concentration to the state, or the state to the concentration."""
        same = {(name, source), (source, name)}
        for s in every(self.file.initial):
            match s:
                case t.Assign(target=t.Name(id=target), value=t.Name(id=value)) if (target, value) in same:
                    return source in self.file.states
        return False

    @property
    def states(self) -> tuple[str, ...]:
        """The names of all states."""
        return (*self.design.states, *self.kept)

    def _fields(self) -> dict[str, Any]:
        """Return parameters for what the file leaves to the ion: concentrations that start or stand still."""
        flow, initial = self.design.flow, self.file.initial
        found: dict[str, Any] = {}
        for name, ion in self.held_by_ion.items():
            start = DEFAULTS.get(name, 1.0)
            if name not in ion.writes:
                found[name] = param(start, "mM", lo=1e-12)
            elif name in flow.exposed(initial) or name not in flow.assigned(initial):
                found[f"{name}0"] = param(start, "mM", lo=1e-12)
        return {n: x for n, x in found.items() if n not in self.design.parameters.values()}

    def _begun(self, values: Any, around: Mapping[str, Any], flowing: Any) -> Scope:
        """Return the variables after INITIAL."""
        nothing = float("nan")
        given: dict[str, Any] = {"dt": nothing, "v": nothing, "diam": nothing, "area": nothing, "t": 0.0}
        given |= {n: around[own] for n, own in self.readings.items() if own in around}
        given |= dict.fromkeys(self.carried, flowing)
        scope = self.design.scope(values, **given)
        for name in self.held_by_ion:
            start = values.__dict__.get(name, values.__dict__.get(f"{name}0"))
            if start is not None:
                scope.shared[name] = start
            else:
                scope.shared.setdefault(name, DEFAULTS.get(name, 1.0))
        self._reverse(scope, around)
        shape = np.broadcast_shapes(*(np.shape(x) for x in given.values()))
        self.design.solver.initial(scope, shape)
        return scope

    def _reverse(self, scope: Scope, around: Mapping[str, Any]) -> None:
        """Give the scope the Nernst potentials of the ion's species where the file reads them."""
        for ion in self.owned:
            name, inner, outer = f"e{ion.name}", f"{ion.name}i", f"{ion.name}o"
            if name in self.mentioned and name not in ion.writes and around.get("celsius") is not None:
                inside, outside = scope.shared[inner], scope.shared[outer]
                scope.shared[name] = nernst(inside, outside, self.valences[ion.name], around["celsius"])

    def start(self, values: Any, around: Mapping[str, Any]) -> dict[str, Any]:
        """Return the states after INITIAL, one value each."""
        scope = self._begun(values, around, 0.0)
        if self.held and self.acts:
            self._breakpoint(scope)  # NEURON computes currents once before the first step
        return {n: self.design.solver.value(n, scope) for n in self.states}

    def rates_read(self) -> list[str]:
        """Return what the rates read; the step is given to `stepped` anyway."""
        return [own for own in self.readings.values() if own != "dt"]

    def start_reads(self) -> list[str]:
        """Return what the start depends on."""
        body = (*self.file.initial, *(self.design.after if self.held and self.acts else ()))
        read = self.design.flow.read(body)
        return [own for n, own in self.readings.items() if n in read]

    def concentration(self, values: Any, name: str, states: Mapping[str, Any]) -> Any:
        """Return the concentration, or the reversal potential, of that name at these states."""
        if name in states:
            return states[name]
        if (alias := self.alias(name)) is not None:
            return states[alias]
        return values.__dict__.get(name)

    def _now(self, values: Any, states: Mapping[str, Any], around: Mapping[str, Any], flowing: Any) -> Scope:
        scope = self._begun(values, around, flowing)
        for n in self.states:
            self.design.solver.put(n, states[n], scope)
        for name in self.held_by_ion:
            scope.shared[name] = self.concentration(values, name, states)
        self._reverse(scope, around)
        return scope

    def _present(self, values: Any, flux: Any, states: Any, around: Mapping[str, Any]) -> Scope:
        """Return the variables as SOLVE finds them."""
        # A flux in mM · µm/ms is 1e4/(z F) of an inward current in mA/cm².
        scope = self._now(values, states, around, flux * (-1e-4 * self.valences[self.ion.name] * FARADAY))
        if self.back or (self.held and self.acts):
            before = scope.copy()
            self._breakpoint(before)
            for n in (*self.back, *self.held):
                scope.shared[n] = before.shared[n]
        return scope

    def _breakpoint(self, scope: Scope) -> None:
        self.design.solver.machine.run(self.design.after, Scope(scope.shared))

    def rates(self, values: Any, flux: Any, states: Any, around: Mapping[str, Any]) -> dict[str, Any]:
        """Return d/dt of the states (1/ms)."""
        scope = self._present(values, flux, states, around)
        found = {n: jnp.zeros_like(x) for n, x in states.items()}
        for routine in self.design.routines:
            if routine.kind in ("DERIVATIVE", "KINETIC"):
                at = {n: states[n] for n in self.design.solver.ruled(routine)}
                change = self.design.solver.rates(routine, at, scope)
                found |= {n: jnp.broadcast_to(x, jnp.shape(states[n])) for n, x in change.items()}
        return found

    def stepped(self, values: Any, flux: Any, states: Any, around: Any, dt: Any, order: int) -> Any:
        """Return the states after a step by the file's own method; None to second order, where `rates` says all."""
        simple = not self.kept and all(r.kind in ("DERIVATIVE", "KINETIC") for r in self.design.routines)
        if order == 2 and simple:
            return None
        scope = self._present(values, flux, states, {**around, "dt": dt})
        scope.shared["dt"] = dt
        for s in self.design.solves:
            self.design.solver.step(s, scope, dt, order)
        after = (*self.file.after_solve, *(() if self.acts else self.design.after))
        self.design.solver.machine.run(after, Scope(scope.shared))
        return {n: like(self.design.solver.value(n, scope), states[n]) for n in states}

    def current_reads(self) -> list[str]:
        """Return what the ion's own current takes: all states, and what BREAKPOINT reads."""
        read = self.design.flow.read((*self.file.initial, *self.design.after))
        around = [own for n, own in self.readings.items() if n in read and n != "v"]
        exposed = self.design.flow.exposed(self.design.after)
        own = [f"i{self.species}" for name in self.carried if name in exposed]
        return [*self.states, *around, *own]

    def current(self, values: Any, v: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ion's own current (mA/cm²) by species."""
        scope = self._now(values, given, {**given, "v": v}, given.get(f"i{self.species}", 0.0))
        scope.shared["v"] = v
        self._breakpoint(scope)
        found: dict[str, Any] = {}
        for ion in self.file.ions:
            if f"i{ion.name}" in ion.writes:
                found[ion.name.lower()] = like(scope.shared[f"i{ion.name}"], v)
        other = [scope.shared[n] for n in self.file.nonspecific]
        other += [-scope.shared[n] for n in self.file.electrode]
        return {**found, "": like(sum(other), v)} if other else found

    def diffusion(self, values: Any) -> dict[str, Any]:
        """Return the coefficient (µm²/ms) of every state that diffuses: NMODL's, over the volume of its COMPARTMENT."""
        found: dict[str, Any] = {}
        machine = self.design.solver.machine
        around = {own: 1.0 for own in self.readings.values()}
        scope = self._begun(values, around, 0.0)
        scope.shared["diam"] = scope.shared["area"] = 1.0
        compartments = [s for _, s in of_kind(self.design.solved, t.Compartment)]
        for s in self.diffusing:
            for name in s.species:
                volume = next((c for c in compartments if name in c.species), None)
                for k in range(max(self.file.states.get(name, 0), 1)):
                    flat = f"{name}_{k}" if self.file.states.get(name, 0) else name
                    top = machine.number(s.coefficient, _indexed(scope, s.index, k), None)
                    under = 1.0
                    if volume is not None:
                        under = machine.number(volume.volume, _indexed(scope, volume.index, k), None)
                    found[flat] = top / under
        return found


def _concentrations(ion: t.UsedIon) -> tuple[str, str]:
    return f"{ion.name}i", f"{ion.name}o"


def _indexed(scope: Scope, name: str, k: int) -> Scope:
    there = scope.copy()
    if name:
        there.local[name] = float(k)
    return there


@final
class Companion(Ion):
    """A further species whose concentrations another ion's states hold."""

    owner: Any = eqx.field()
    name: str = eqx.field(static=True)
    design: PoolDesign = eqx.field(static=True)

    def _seen(self, name: str, states: Mapping[str, Any]) -> Any:
        return self.design.concentration(self.owner, name.format(self.name), states)

    def inside(self, *args: Any, **states: Any) -> Any:
        return self._seen("{}i", states)

    def outside(self, **states: Any) -> Any:
        return self._seen("{}o", states)

    def potential(self, *args: Any, **states: Any) -> Any:
        return states.get(f"e{self.name}")


def methods(own: PoolDesign, source: Any) -> dict[str, Any]:
    """Return the methods of the class; faults are told with the file and the line."""
    start, at, current = (placed(method, source) for method in (own.start, own.concentration, own.current))
    rates, stepped, diffusion = (placed(method, source) for method in (own.rates, own.stepped, own.diffusion))
    inner, outer = _concentrations(own.ion)

    def changed(self: Any, flux: Any, radius: Any, states: Any, **around: Any) -> Any:
        return rates(self, flux, states, around)

    def begun(self: Any, **around: Any) -> Any:
        return start(self, around)

    def flowing(self: Any, v: Any, **given: Any) -> Any:
        return current(self, v, given)

    def companions(self: Any) -> Any:
        return {
            ion.name.lower(): Companion(self, ion.name, own, valence=own.valences[ion.name])
            for ion in own.owned[1:]
        }

    found = {
        "start": signed(begun, "self", *own.start_reads()),
        "inside": lambda self, **states: at(self, inner, states),
        "outside": lambda self, **states: at(self, outer, states),
        "potential": lambda self, **states: states.get(f"e{own.ion.name}"),
        "rates": signed(changed, "self", "flux", "radius", "states", *own.rates_read()),
        "stepped": lambda self, flux, radius, states, dt, order, **around: stepped(
            self, flux, states, around, dt, order
        ),
        "diffusion": lambda self: diffusion(self) if own.diffusing else {},
        "companions": companions,
    }
    if own.acts:
        found["current"] = signed(flowing, "self", "v", *own.current_reads())
    return found


def members(own: PoolDesign, source: Any) -> dict[str, Any]:
    """Return the fields and methods of the class."""
    fields = {**own.design.fields(), **own.fields}
    choices = {
        "species": eqx.field(default=own.species, static=True, kw_only=True),
        "valence": eqx.field(default=own.valences[own.ion.name], static=True, kw_only=True),
    }
    return {
        **fields,
        **choices,
        **methods(own, source),
        "has_own_reversal": f"e{own.ion.name}" in own.ion.writes,
        "__annotations__": dict.fromkeys((*fields, *choices), Any),
    }


def check_start(cls: type[Ion], own: PoolDesign) -> None:
    """Raise `AtLine` where the states at the start depend on dt, which is not known then."""
    for name, x in cls().example().items():
        if not np.all(np.isfinite(np.asarray(x, dtype=float))):
            line = own.file.initial[0].line if own.file.initial else own.line
            raise AtLine(line, f"{name} has no finite value at the start; set it in INITIAL")
