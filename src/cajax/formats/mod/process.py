"""A point process as an `EventSynapse` of its own per connection, whatever its spikes do.

NMODL's variables keep their values from one block to the next, so that what a block leaves and another reads is a state
here. A step is NEURON's: what the process sent to itself and spikes first, then the current, then SOLVE at the voltage
of the step's end.
"""

import keyword
from collections.abc import Mapping
from typing import Any, final

import jax.numpy as jnp

from ...mech import ports
from ...mech.events import V_PRE, WEIGHT
from ...mech.ports import VOLTAGE, reading
from . import tree as t
from .design import Design, flats
from .draws import CHANCE
from .evaluate import Scope
from .faults import AtLine
from .memory import BEFORE
from .sending import DEPTH, FIRED, SINCE, Sending
from .signed import placed, signed
from .solving import EXPONENTIAL

CLOCK = "t_own"
"""The state that counts time (ms) as NEURON does, by half steps: rules such as q > 0 may hang on its last digits."""
SHORTEST = 1e-6
"""ms: a shorter way is none."""
AROUND = ("v", "t", "dt", "celsius", "diam", "area")
"""What surrounds a point process, beside ions."""
NOTHING: t.Routine = t.Routine("NET_RECEIVE", "NET_RECEIVE", (), (), 1)


@final
class ProcessDesign:
    """What the methods of an imported point process do; the POINTER `pre` stands for the presynaptic voltage.

    `fires`: whether it keeps the events that it sends to others.
    """

    def __init__(self, design: Design, pre: str | None = None, fires: bool = False):
        self.design, self.file, self.flow = design, design.file, design.flow
        self.receive = self.file.receive or NOTHING
        self.weight, *own = self.receive.args or (WEIGHT,)
        self.edge = tuple(n for n in own if n in self._spoken())
        self.owns_weight = self.weight in self.flow.assigned(self._spikes())
        self.names = (
            {n: n for n in AROUND} | {CHANCE: ports.CHANCE} | self._ions() | ({pre: V_PRE} if pre else {})
        )
        self.sets_voltage = VOLTAGE in self.flow.assigned(self.receive.body)
        self._check()
        self.sending = Sending(self.file, self.flow, fires)
        # Without a current NEURON runs all of BREAKPOINT where it solves the states.
        self.acts = bool(self._currents())
        self.stepped: t.Body = (*design.solved, *(() if self.acts else design.after))
        self.kept, after = self._kept()
        self.is_late = after and self.acts
        more = (*self.edge, *((self.weight,) if self.owns_weight else ()), *self.sending.start())
        more += (BEFORE,) if self.is_late else ()
        more += (CLOCK,) if "t" in self.reads(*self._spikes_and_steps()) else ()
        self.own = {n: _spelt(n) for n in (*design.states, *self.kept, *more)}
        if fires:
            self.own[FIRED] = "fired" if "fired" not in self.own else "fired_"
        self.is_whole = any(
            r.kind in ("PROCEDURE", "FUNCTION")
            or (
                r.kind == "DERIVATIVE" and not (s.method in EXPONENTIAL and design.solver.is_diagonal[r.name])
            )
            for s, r in zip(design.solves, design.routines, strict=True)
        )
        left = self.flow.assigned(self.stepped)
        self.is_whole |= self.is_late or any(n in left for n in self._bases(self.kept))
        self._tell()

    def _spikes(self) -> t.Body:
        return (*self.receive.body, *self.file.receive_initial)

    def _spikes_and_steps(self) -> tuple[t.Body, ...]:
        return (self.receive.body, self.file.receive_initial, self.stepped)

    def _spoken(self) -> set[str]:
        return self.flow.read(self._spikes()) | self.flow.assigned(self._spikes())

    def _ions(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for ion in self.file.ions:
            for name in ion.reads:
                own = {f"e{ion.name}": "e{}", f"{ion.name}i": "{}i", f"{ion.name}o": "{}o"}.get(name)
                if name in ion.writes:
                    continue
                if own is None or reading(own.format(ion.name.lower())) is None:
                    raise AtLine(ion.line, f"reads '{name}' of the ion {ion.name}, which has no place here")
                found[name] = own.format(ion.name.lower())
        return found

    def _check(self) -> None:
        file = self.file
        if file.electrode and len(self._currents()) > len(file.electrode):
            raise AtLine(1, "ELECTRODE_CURRENT beside other currents, whose signs are not told apart")
        for ion in file.ions:
            for name in ion.writes:
                if name != f"i{ion.name}":
                    raise AtLine(
                        ion.line, f"writes {name} from a point process; paint an ion for the concentration"
                    )
        if VOLTAGE in self.flow.assigned((*self.design.solved, *self.design.after)):
            raise AtLine(self.receive.line, "assigns v outside NET_RECEIVE, which sets no voltage")

    def _kept(self) -> tuple[tuple[str, ...], bool]:
        """Return the variables that keep their values, and whether BREAKPOINT computes some of them."""
        d, flow = self.design, self.flow
        received = flow.exposed(self.receive.body) - {*self.receive.args, "flag"}
        shown = tuple(t.Assign(t.Name("", None, 0), t.Name(n, None, 0), 0) for n in self._currents())
        after = flow.assigned(d.after)
        read = received | flow.exposed(d.solved) | flow.exposed((*d.after, *shown))
        given = {*self.names, *self.file.states, *self.file.constants}
        blocks = (*self.file.initial, *self.file.receive_initial, *self.receive.body, *d.solved, *d.after)
        mine = {*self.file.assigned, *self.file.parameters}
        found = sorted(read & flow.assigned(blocks) & d.owned & mine - given)
        return tuple(f for n in found for f in flats(n, self.file.assigned.get(n, 0))), bool(
            set(found) & after
        )

    def _bases(self, names: tuple[str, ...]) -> set[str]:
        """Return the variables that elements of arrays belong to, or the names themselves."""
        return {n if n in self.file.assigned else n.rpartition("_")[0] or n for n in names}

    def _currents(self) -> tuple[str, ...]:
        file = self.file
        return (*file.nonspecific, *file.electrode, *(n for ion in file.ions for n in ion.writes))

    def _tell(self) -> None:
        d = self.design
        for ion in self.file.ions:
            for name in ion.writes:
                d.approximated.append((ion.line, f"{name} flows, but no ion pool takes it up"))
        if self.sending.emits is not None and not self.sending.fires:
            d.approximated.append(
                (
                    self.sending.emits,
                    "net_event sends nothing here; connect what it drives by the cell's spikes",
                )
            )
        if deep := [site.call.line for site in self.sending.sites.values() if site.depth > 1]:
            d.approximated.append((deep[0], f"at most {DEPTH} events of one net_send wait at the same time"))
        if not self.acts and not self.sending.fires:
            d.notes.append((1, "no current: its states can be recorded"))
        if not self.file.receive:
            d.notes.append((1, "no NET_RECEIVE: connected like a synapse, on which spikes have no effect"))

    def reads(self, *bodies: t.Body) -> tuple[str, ...]:
        """Return the names here of what blocks read of the surroundings."""
        read = self.flow.read(tuple(s for body in bodies for s in body))
        return tuple(dict.fromkeys(own for name, own in self.names.items() if name in read))

    @property
    def states(self) -> tuple[str, ...]:
        """The names of all states."""
        return tuple(self.own.values())

    def _scope(self, values: Any, given: Mapping[str, Any], method: int = 0) -> Scope:
        """Return the variables with the states that are given."""
        around = {name: given[own] for name, own in self.names.items() if own in given}
        shape = jnp.broadcast_shapes(*(jnp.shape(given[own]) for own in self.own.values() if own in given))
        shape = jnp.broadcast_shapes(shape, jnp.shape(given.get(WEIGHT, 0.0)))
        scope = self.design.scope(values, method=method, shape=shape, **around)
        for name, own in self.own.items():
            if own in given:
                if name in self.design.states or name in self.kept:
                    self.design.solver.put(name, given[own], scope)
                else:
                    scope.shared[name] = given[own]
        return scope

    @staticmethod
    def _time(given: Mapping[str, Any]) -> Any:
        """Return the time, by the clock of its own where sums of steps keep their digits."""
        clock = given.get(CLOCK)
        return clock if clock is not None and clock.dtype == jnp.float64 else given.get("t", 0.0)

    def _found(self, scope: Scope) -> dict[str, Any]:
        value = self.design.solver.value
        return {own: value(name, scope) for name, own in self.own.items()}

    def start(self, values: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the states after INITIAL, and those of a connection after the INITIAL of its NET_RECEIVE."""
        scope = self._scope(values, given)
        scope.shared |= {**self.sending.start(), BEFORE: given.get(VOLTAGE, 0.0)}
        scope.shared |= {"t": given.get("t", 0.0), CLOCK: given.get("t", 0.0)}
        scope.shared.setdefault(VOLTAGE, 0.0)  # INITIAL may assign it, for itself alone
        weight = given.get(WEIGHT, 0.0)
        self.design.solver.initial(scope, jnp.shape(given.get(VOLTAGE, 0.0)), self.sending.hooks)
        inner = Scope(scope.shared, {**dict.fromkeys(self.receive.args, 0.0), self.weight: weight})
        self.sending.machine.run(self.file.receive_initial, inner)
        scope.shared |= {n: inner.local[n] for n in (*self.edge, self.weight)}
        return {n: jnp.asarray(x, dtype=float) + 0.0 for n, x in self._found(scope).items()}

    def _received(
        self, scope: Scope, given: Mapping[str, Any], flag: Any, when: Any, since: Any = 0.0
    ) -> None:
        """Run NET_RECEIVE for what comes at the time `when`, `since` ms after the start of the step."""
        local = {**dict.fromkeys(self.receive.args, 0.0), self.weight: given.get(WEIGHT, 0.0), "flag": flag}
        mine = (*self.edge, *((self.weight,) if self.owns_weight else ()))
        local |= {n: scope.shared[n] for n in mine}
        inner = Scope({**scope.shared, "t": when, SINCE: since, "watching": 0.0}, local)
        self.sending.machine.run(self.receive.body, inner)
        inner.shared["t"] = scope.shared.get("t", 0.0)
        scope.shared |= inner.shared | {n: inner.local[n] for n in mine}

    def event(self, values: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the states just after a spike."""
        if not self.file.receive:
            return {}
        scope = self._scope(values, given, 2)
        v = scope.shared.get(VOLTAGE)
        self._received(scope, given, 0.0, self._time(given))
        if scope.shared.get(VOLTAGE) is not v:
            raise AtLine(self.receive.line, "a spike assigns v; only events of its own may set the voltage")
        self._send_at_once(values, scope, given)
        return self._found(scope)

    def _send_at_once(self, values: Any, scope: Scope, given: Mapping[str, Any]) -> None:
        if any(s.is_instant for s in self.sending.sites.values()):
            self.sending.instant(
                scope, 0.0, lambda due, flag, left: self._handle(scope, given, due, flag, left)
            )

    def wake(self, values: Any, dt: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the states after what the process has sent to itself, at the start of a step."""
        if not self.sending.sites and not self.sending.watches:
            return {}
        scope = self._scope(values, given, 1)
        self.sending.due(scope, dt, lambda due, flag, left: self._handle(scope, given, due, flag, left))
        if not self.sets_voltage:
            return self._found(scope)
        v = scope.shared[VOLTAGE]
        return {**self._found(scope), **({BEFORE: v} if self.is_late else {}), VOLTAGE: v}

    def _handle(self, scope: Scope, given: Mapping[str, Any], due: Any, flag: Any, left: Any) -> None:
        """Run NET_RECEIVE where an event is due."""
        inner = scope.copy()
        self._received(inner, given, flag, self._time(given) + left, left)
        for name in (*self.own, *((VOLTAGE,) if self.sets_voltage else ())):
            old, new = (self.design.solver.value(name, x) for x in (scope, inner))
            self.design.solver.put(name, jnp.where(due, new, old), scope)

    def flow_(self, values: Any, dt: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the states `dt` ms later."""
        # A block that takes a step as it is written does nothing in a step of no length but rounding errors.
        moves = jnp.asarray(dt) > SHORTEST
        step = jnp.where(moves, dt, SHORTEST) if self.is_whole else dt
        scope = self._scope(values, {**given, "dt": step}, 3)
        if self.is_late:
            early = {"v": given[_spelt(BEFORE)], "t": given.get("t", 0.0) - 0.5 * step}
            scope.shared |= early
            self._run_currents(scope)
            scope.shared |= {n: given[n] for n in early if n in given} | {BEFORE: given[VOLTAGE]}
        if CLOCK in given:
            clock = self._time({CLOCK: (given[CLOCK] + 0.5 * step) + 0.5 * step, "t": given["t"]})
            scope.shared |= {"t": clock, CLOCK: clock}
        for s in self.design.solves:
            self.design.solver.step(s, scope, step, 1)
        if not self.acts:
            self.design.solver.machine.run(self.design.after, Scope(scope.shared))
        self.sending.passed(scope, step)
        found = self._found(scope)
        if self.is_whole:
            found = {n: jnp.where(moves, x, given[n]) for n, x in found.items()}
        return found

    def _run_currents(self, scope: Scope) -> None:
        """Run BREAKPOINT as often as NEURON does: first at a voltage a little higher, which may leave something."""
        after, v = self.design.after, scope.shared.get(VOLTAGE, 0.0)
        if self.flow.exposed(after) & self.flow.assigned(after) & {*self.kept}:
            scope.shared[VOLTAGE] = v + 1e-3
            self.design.solver.machine.run(after, Scope(scope.shared))
            scope.shared[VOLTAGE] = v
        self.design.solver.machine.run(after, Scope(scope.shared))

    def current(self, values: Any, v: Any, given: Mapping[str, Any]) -> Any:
        """Return the outward current (nA) of one connection."""
        scope = self._scope(values, {**given, VOLTAGE: v}, 4)
        self._run_currents(scope)
        names = (*self.file.nonspecific, *(n for ion in self.file.ions for n in ion.writes))
        inward = sum((scope.shared[n] for n in self.file.electrode), 0.0)
        return sum(scope.shared[n] for n in names) - inward + 0.0 * v


def members(own: ProcessDesign, source: Any) -> dict[str, Any]:
    """Return the fields and methods of the class; faults are told with the file and the line."""
    d, received = own.design, (own.receive.body, own.file.receive_initial)
    start, wake, flow, event, current = (
        placed(method, source) for method in (own.start, own.wake, own.flow_, own.event, own.current)
    )
    begun = own.reads(own.file.initial, own.file.receive_initial)
    late = (*own.reads(d.after), VOLTAGE) if own.is_late else ()
    late += ("t",) if CLOCK in own.states else ()
    spoken = (*own.reads(*received), *(("t",) if "net_move" in own.flow.called(own.receive.body) else ()))
    spoken += (VOLTAGE,) if own.sets_voltage else ()
    woken = (*(n for n in spoken if n != "dt"), WEIGHT)
    shown = [n for n in own.reads(d.after) if n != VOLTAGE]
    fields = d.fields()
    methods = {
        "gates": signed(lambda self, **given: {}, "self"),
        "start": signed(
            lambda self, **a: start(self, a),
            "self",
            *begun,
            *((VOLTAGE,) if own.is_late else ()),
            "t",
            WEIGHT,
        ),
        "wake": signed(
            lambda self, dt, **a: wake(self, dt, {**a, "dt": dt}), "self", "dt", *own.states, *woken
        ),
        "flow": signed(
            lambda self, dt, **a: flow(self, dt, a),
            *("self", "dt", *own.states, *(n for n in (*own.reads(own.stepped), *late) if n != "dt")),
        ),
        "event": signed(lambda self, **a: event(self, a), *("self", WEIGHT, *own.states, *spoken)),
        "release": lambda self, **states: states,
        "current": signed(lambda self, v, g, **a: current(self, v, {**g, **a}), "self", "v", "g", *shown),
    }
    return {**fields, **methods, "__annotations__": dict.fromkeys(fields, Any)}


def _spelt(name: str) -> str:
    """Return a name that an argument may have, and that means nothing else."""
    taken = {VOLTAGE, V_PRE, WEIGHT, "t", "dt", "celsius", "diam", "area", "self"}
    return f"{name}_" if name in taken or keyword.iskeyword(name) else name
