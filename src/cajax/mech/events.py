"""Synapses that answer to spikes: what a spike does to their states, and how these run between spikes."""

import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ..base.errors import ParameterError
from ..base.objects import optional
from .base import Mechanism
from .gating import Gate
from .kinetics import States
from .ports import VOLTAGE, asked, is_reading

WEIGHT = "weight"
"""The argument that the weight of a connection (µS) is given to."""
V_PRE = "v_pre"
"""The argument that the presynaptic voltage (mV) is given to."""
CLOCK = ("t", "dt")
"""The arguments that the time and the step (ms) are given to."""


class EventSynapse(Mechanism):
    """A synapse whose states jump when a spike arrives and run freely in between.

    `start` gives the states at rest, `flow` runs them for a time, `event` is the jump, `release` the transmitter signal
    that a weight (µS) multiplies, `current` what flows; a synapse of several conductances releases several signals by
    name, and its current takes them so. With one delay for all, the states belong to the presynaptic
    cell and are shared by all its targets.

    Where `gates` takes an argument `v` it is given the postsynaptic voltage (mV, one value per synapse), and every
    synapse has states of its own; `start` and `flow` are then given `v` by name too.

    Where `event` takes an argument `weight` every connection has states and a current of its own: the weight goes to
    `event`, nothing multiplies the signal, and currents add up. Such a synapse is given whatever its methods name:
    `weight`, `v`, the presynaptic voltage `v_pre`, the time `t` and the step `dt` (ms), and what channels may read,
    such as `cai`, `eca` and `celsius`. An `event` that returns nothing makes a synapse that spikes do not concern.
    """

    @abstractmethod
    def gates(self, *args: Any, **voltage: Any) -> dict[str, Gate]:
        """Return, per state, where it goes between spikes and how fast (scalars, or one value per synapse).

        Define it as `gates(self)`, or as `gates(self, v)` where that depends on the postsynaptic voltage.
        """

    @abstractmethod
    def event(self, *args: Any, **states: Any) -> States:
        """Return the states just after a spike; those that do not jump may be left out.

        Define it as `event(self, weight, g)` for a synapse whose spikes do not act in proportion to the weight.
        """

    @classmethod
    def reads_voltage(cls) -> bool:
        """Whether the states depend on the postsynaptic voltage: whether `gates` takes `v`."""
        return VOLTAGE in asked(cls.gates, 0)

    @classmethod
    def takes_weight(cls) -> bool:
        """Whether every connection has states and a current of its own: whether `event` takes `weight`."""
        return WEIGHT in asked(cls.event, 0)

    def states(self) -> tuple[str, ...]:
        """Return the names of the states. Nothing is computed."""
        names: list[str] = []
        x = jax.ShapeDtypeStruct((), jnp.result_type(float))
        jax.eval_shape(lambda given: names.extend(self.start(**given)), dict.fromkeys(self._start_reads(), x))
        return tuple(names)

    def readings(self) -> tuple[str, ...]:
        """Return the names of what the methods take of the surroundings. Nothing is computed."""
        if not self.takes_weight():
            return (VOLTAGE,) if self.reads_voltage() else ()
        own = type(self)
        states, found = self.states(), list(self._start_reads())
        for method, skip in ((own.wake, 1), (own.flow, 1), (own.event, 0), (own.current, 2)):
            found += [name for name in asked(method, skip) if name not in states]
        return tuple(dict.fromkeys(found))

    def _start_reads(self) -> list[str]:
        own = type(self)
        return list(dict.fromkeys([*asked(own.gates, 0), *asked(own.start, 0)]))

    @optional
    def start(self, **voltage: Any) -> States:
        """Return the states of a synapse that has seen no spike for long."""
        return {name: gate.inf for name, gate in self.gates(**filled(self.gates, 0, voltage)).items()}

    @optional
    def wake(self, dt: Any, **states: Any) -> States:
        """Return the states that something changes by itself at the start of a step of `dt` ms, whatever arrives.

        With "v" (mV) among them the synapse sets the postsynaptic voltage there. Only a synapse whose `event` takes
        `weight` is asked.
        """
        return {}

    @optional
    def flow(self, dt: Any, *args: Any, **states: Any) -> States:
        """Return the states `dt` ms later if no spike comes; exact for a voltage that stands still."""
        gates = self.gates(**filled(self.gates, 0, states))
        return {name: gate.step(states[name], dt) for name, gate in gates.items()}

    @abstractmethod
    def release(self, *args: Any, **states: Any) -> Any:
        """Return the transmitter signal (no unit) from the states, or several by name."""

    @abstractmethod
    def current(self, v: Any, g: Any) -> Any:
        """Return the current (nA, outward positive) at postsynaptic `v` (mV); g = Σ weight · signal in µS.

        Where `event` takes `weight`, g is the signal of one connection, and the current that of this connection.
        """

    def check(self) -> None:
        """Raise `ParameterError` if the methods do not fit together. Nothing is computed."""
        name, x = type(self).__name__, jax.ShapeDtypeStruct((3,), jnp.result_type(float))
        plain = self.plain()
        given = dict.fromkeys(self._start_reads(), x)
        try:
            states = jax.eval_shape(lambda given: dict(plain.start(**given)), given)
        except TypeError as error:
            raise ParameterError(f"{name}.gates and start do not fit: {error}") from None
        if VOLTAGE in states:
            raise ParameterError(f"{name} has a state 'v', which is the voltage; name it otherwise")
        if self.takes_weight():
            self._check_readings(name, tuple(states))
            given = dict.fromkeys((*self.readings(), WEIGHT), x)
        now = dict.fromkeys(states, x)

        def after(method: Callable[..., Any], *args: Any) -> Any:
            more = filled(method, len(args), given)
            return jax.eval_shape(lambda s, m: method(*args, **s, **m), now, more)

        try:
            jumped, later, woken = after(plain.event), after(plain.flow, 0.1), after(plain.wake, 0.1)
            signal = jax.eval_shape(lambda s: plain.release(**s), now)
            if self.takes_weight():
                more = {n: x for n, x in filled(plain.current, 2, given).items() if n != VOLTAGE}
                jax.eval_shape(lambda v, g, m: plain.current(v, g, **m), x, signal, more)
        except TypeError as error:
            raise ParameterError(f"{name} has states {', '.join(states)}, but {error}") from None
        for stray in (set(jumped) | set(woken) - {VOLTAGE}) - set(states) or set(later) ^ set(states):
            raise ParameterError(
                f"{name} has states {', '.join(states)}; '{stray}' is not in both start and event or flow"
            )

    def _check_readings(self, name: str, states: tuple[str, ...]) -> None:
        for own in (VOLTAGE, V_PRE, WEIGHT, *CLOCK):
            if own in states:
                raise ParameterError(f"{name} has a state '{own}', which is given to it; name it otherwise")
        for read in self.readings():
            if read not in (VOLTAGE, V_PRE, WEIGHT, *CLOCK) and not is_reading(read):
                raise ParameterError(f"{name} takes '{read}', which is no state of it and nothing provides")


def filled(method: Callable[..., Any], skip: int, available: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a bound method takes by name of what is available, after `skip` arguments; all of it with `**`."""
    every = list(inspect.signature(method).parameters.values())
    first, taken = {p.name for p in every[:skip]}, every[skip:]
    if any(p.kind == p.VAR_KEYWORD for p in taken):
        return {name: x for name, x in available.items() if name not in first}
    return {p.name: available[p.name] for p in taken if p.name in available}


def call(method: Callable[..., Any], available: Mapping[str, Any], *args: Any) -> Any:
    """Return what a bound method returns for `args` and what it names of what is available."""
    return method(*args, **filled(method, len(args), available))
