"""Synapses that answer to spikes: what a spike does to their states, and how these run between spikes."""

from abc import abstractmethod
from typing import Any

import jax
import jax.numpy as jnp

from ..base.errors import ParameterError
from ..base.objects import optional
from .base import Mechanism
from .gating import Gate
from .kinetics import States
from .ports import VOLTAGE, asked


class EventSynapse(Mechanism):
    """A synapse whose states jump when a spike arrives and run freely in between.

    `start` gives the states at rest, `flow` runs them for a time, `event` is the jump, `release` the transmitter signal
    that a weight (µS) multiplies, `current` what flows; a synapse of several conductances releases several signals by
    name, and its current takes them so. With one delay for all, the states belong to the presynaptic
    cell and are shared by all its targets.

    Where `gates` takes an argument `v` it is given the postsynaptic voltage (mV, one value per synapse), and every
    synapse has states of its own; `start` and `flow` are then given `v` by name too.
    """

    @abstractmethod
    def gates(self, *args: Any, **voltage: Any) -> dict[str, Gate]:
        """Return, per state, where it goes between spikes and how fast (scalars, or one value per synapse).

        Define it as `gates(self)`, or as `gates(self, v)` where that depends on the postsynaptic voltage.
        """

    @abstractmethod
    def event(self, *args: Any, **states: Any) -> States:
        """Return the states just after a spike; those that do not jump may be left out."""

    @classmethod
    def reads_voltage(cls) -> bool:
        """Whether the states depend on the postsynaptic voltage: whether `gates` takes `v`."""
        return VOLTAGE in asked(cls.gates, 0)

    def states(self) -> tuple[str, ...]:
        """Return the names of the states. Nothing is computed."""
        voltage = {VOLTAGE: jax.ShapeDtypeStruct((), jnp.result_type(float))} if self.reads_voltage() else {}
        names: list[str] = []
        jax.eval_shape(lambda v: names.extend(self.start(**v)), voltage)
        return tuple(names)

    @optional
    def start(self, **voltage: Any) -> States:
        """Return the states of a synapse that has seen no spike for long."""
        return {name: gate.inf for name, gate in self.gates(**voltage).items()}

    @optional
    def flow(self, dt: Any, *args: Any, **states: Any) -> States:
        """Return the states `dt` ms later if no spike comes; exact for a voltage that stands still."""
        voltage = {VOLTAGE: states[VOLTAGE]} if self.reads_voltage() else {}
        return {name: gate.step(states[name], dt) for name, gate in self.gates(**voltage).items()}

    @abstractmethod
    def release(self, *args: Any, **states: Any) -> Any:
        """Return the transmitter signal (no unit) from the states, or several by name."""

    @abstractmethod
    def current(self, v: Any, g: Any) -> Any:
        """Return the current (nA, outward positive) at postsynaptic `v` (mV); g = Σ weight · signal in µS."""

    def check(self) -> None:
        """Raise `ParameterError` if the methods do not fit together. Nothing is computed."""
        name, x = type(self).__name__, jax.ShapeDtypeStruct((3,), jnp.result_type(float))
        plain = self.plain()
        voltage = {VOLTAGE: x} if self.reads_voltage() else {}
        try:
            states = jax.eval_shape(lambda v: dict(plain.start(**v)), voltage)
        except TypeError as error:
            raise ParameterError(f"{name}.gates and start do not fit: {error}") from None
        if VOLTAGE in states:
            raise ParameterError(f"{name} has a state 'v', which is the voltage; name it otherwise")
        now = dict.fromkeys(states, x)
        try:
            after = jax.eval_shape(lambda s: plain.event(**s), now)
            later = jax.eval_shape(lambda v, s: plain.flow(0.1, **v, **s), voltage, now)
            jax.eval_shape(lambda s: plain.release(**s), now)
        except TypeError as error:
            raise ParameterError(f"{name} has states {', '.join(states)}, but {error}") from None
        for stray in set(after) - set(states) or set(later) ^ set(states):
            raise ParameterError(
                f"{name} has states {', '.join(states)}; '{stray}' is not in both start and event or flow"
            )
