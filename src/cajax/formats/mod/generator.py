"""A file that sends itself events and fires by them, as a `PointNeuron` without dynamics of its own.

Its voltage rests, and is high at the end of the step nearest to the time of a `net_event`. What it does is kinetics
that run one step ahead of the voltage: so a spike, which counts from the end of its step, is where NEURON delivers it.
"""

from collections.abc import Callable, Mapping
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp

from ...mech import Kinetics, PointNeuron, States
from ...mech.events import WEIGHT
from ...mech.ports import VOLTAGE
from . import rewrite
from . import tree as t
from .design import Design
from .faults import AtLine
from .flow import Flow
from .process import ProcessDesign
from .sending import FIRED
from .signed import placed, signed

ARTIFICIAL = "ARTIFICIAL_CELL"
TAKEN = frozenset(dir(PointNeuron)) - {"q10"} | {"report", "mod_text", "self"}
"""What no parameter may be called."""
REST, HIGH, THRESHOLD = -65.0, 60.0, 59.0
"""mV: between spikes, in a spike, and where it counts: just below, so that it counts from the end of the step."""
HOLD = 1e4
"""S/cm²: the conductance that holds the voltage; far above C/dt, so that the voltage is there within a step."""


def fires(file: t.File) -> bool:
    """Whether a file stands for a cell: what it sends to others is all that it does."""
    acts = file.nonspecific or file.electrode or any(ion.writes for ion in file.ions)
    sends = file.receive is not None and "net_event" in Flow(file).called(file.receive.body)
    return file.kind == ARTIFICIAL or (file.kind == "POINT_PROCESS" and sends and not acts)


@final
class GeneratorDesign:
    """What the methods of an imported spike generator do. Raises `AtLine` for what generates nothing by itself."""

    def __init__(self, design: Design):
        file = design.file
        received = () if file.receive is None else file.receive.body
        blocks = (*file.initial, *file.receive_initial, *received, *design.solved, *design.after)
        self.design = design
        self._check(received, blocks)
        self.process = ProcessDesign(design, None, fires=True)
        self.fired = self.process.own[FIRED]
        around = (*self.process.reads(blocks), "t", "dt")
        self.reads = tuple(n for n in dict.fromkeys(around) if n != VOLTAGE)
        if _reacts(received):
            line = design.file.receive.line if design.file.receive else 1
            design.approximated.append(
                (line, "nothing is received from other cells; it fires by what it sends to itself")
            )
        once = "net_event in the same step of a run counts once"
        design.notes.append((self.process.sending.emits or 1, once))

    def _check(self, received: t.Body, blocks: t.Body) -> None:
        file, flow = self.design.file, self.design.flow
        if "net_event" not in flow.called(received):
            raise AtLine(1, f"{file.suffix} sends no event to other cells; there is nothing to connect")
        if file.ions:
            raise AtLine(file.ions[0].line, f"{file.suffix} fires and uses ions, which only cells have")
        if VOLTAGE in flow.read(blocks) or VOLTAGE in flow.assigned(blocks) or rewrite.voltage_pointer(file):
            cure = "give connect a threshold in its place"
            raise AtLine(1, f"{file.suffix} fires by the voltage of a cell; {cure}")
        if "net_send" not in flow.called(file.initial):
            cure = "use a point neuron such as cx.mech.LIF"
            raise AtLine(1, f"{file.suffix} fires only by what it receives, which has no way in; {cure}")
        code = [s.line for s in flow.statements(blocks) if isinstance(s, t.Foreign)]
        if line := min([*code, *(line for line, _ in file.left_out)], default=0):
            raise AtLine(
                line, f"C code takes part in the events of {file.suffix}; give their times by cx.Spikes"
            )

    def begun(self, values: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the states after INITIAL."""
        return self.process.start(values, given)

    def advanced(
        self, values: Any, given: Mapping[str, Any], now: Mapping[str, Any], dt: Any
    ) -> dict[str, Any]:
        """Return the states at the end of a step, after what is due there."""
        given = {**given, "t": given["t"] + dt, "dt": dt}
        now = {**now, self.fired: jnp.zeros_like(now[self.fired])}
        later = self.process.flow_(values, dt, {**given, **now})
        return self.process.wake(values, dt, {**given, **later})


@final
class Generator(Kinetics):
    """What a spike generator goes through, for parameters `values` and surroundings `given` that hold "v".

    `begin(values, given)` and `run(values, given, states, dt)` return its `states`.
    """

    values: Any
    given: dict[str, Any]
    states: tuple[str, ...] = eqx.field(static=True)
    begin: Callable[..., States] = eqx.field(static=True)
    run: Callable[..., States] = eqx.field(static=True)

    def names(self, own: str) -> tuple[str, ...]:
        return self.states

    def rest(self, own: str) -> States:
        return self._shaped(self.begin(self.values, self.given))

    def advance(self, own: str, now: States, dt: Any, order: int) -> States:
        now = {n: now[n] for n in self.states}
        return self._shaped(self.run(self.values, self.given, now, dt))

    def scaled(self, factor: Any) -> "Generator":
        """Return the same: a file says itself what temperature does."""
        return self

    def needed(self, own: str) -> tuple[str, ...]:
        """Return nothing: only whether it fires acts."""
        return ()

    def _shaped(self, states: States) -> States:
        v = self.given[VOLTAGE]
        return {n: jnp.broadcast_to(x, jnp.shape(v)).astype(v.dtype) for n, x in states.items()}


def _reacts(body: t.Body) -> bool:
    """Whether NET_RECEIVE does something for flag 0, by what its conditions say."""
    for s in body:
        if not isinstance(s, t.If):
            return True
        if any(not _is_own(condition) for condition, _ in s.branches) or s.otherwise:
            return True
    return False


def _is_own(condition: t.Expr) -> bool:
    """Whether a condition holds for events of its own alone: `flag == 1`, and more."""
    match condition:
        case t.Binary(op="&&"):
            return _is_own(condition.a) or _is_own(condition.b)
        case t.Binary(op="==", a=t.Name(id="flag"), b=t.Number(value=flag)):
            return flag != 0.0
    return False


def members(own: GeneratorDesign, source: Any) -> dict[str, Any]:
    """Return the fields and methods of the class."""
    begin, run = placed(own.begun, source), placed(own.advanced, source)

    def gates(self: Any, v: Any, **read: Any) -> dict[str, Generator]:
        given = {**read, VOLTAGE: v, WEIGHT: jnp.zeros_like(v)}
        return {"states": Generator(self, given, own.process.states, begin, run)}

    fields = own.design.fields()

    def current(self: Any, v: Any, **states: Any) -> Any:
        return HOLD * (v - jnp.where(states[own.fired] > 0.5, HIGH, REST))

    return {
        **fields,
        "gates": signed(gates, "self", "v", *own.reads),
        "current": signed(current, "self", "v", own.fired),
        "reset": lambda self, v, **states: (jnp.full_like(v, REST), {}),
        "threshold": property(lambda self: THRESHOLD),
        "temperature_factor": lambda self, celsius: 1.0,
        "__annotations__": dict.fromkeys(fields, Any),
    }
