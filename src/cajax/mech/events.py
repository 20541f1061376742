"""Synapses that answer to spikes: what a spike does to their states, and how these run between spikes."""

from abc import abstractmethod
from typing import Any

import jax
import jax.numpy as jnp

from ..base.errors import ParameterError
from ..base.types import Array
from .base import Mechanism
from .gating import Gate
from .kinetics import States


class EventSynapse(Mechanism):
    """A synapse whose states jump when a spike arrives and run freely in between.

    `start` gives the states at rest, `flow` runs them for a time, `event` is the jump, `release` the transmitter signal
    that a weight (µS) multiplies, `current` what flows. With one delay for all, the states belong to the presynaptic
    cell and are shared by all its targets.
    """

    @abstractmethod
    def gates(self) -> dict[str, Gate]:
        """Return, per state, where it goes between spikes and how fast (scalars, or one value per synapse)."""

    @abstractmethod
    def event(self, *args: Any, **states: Any) -> States:
        """Return the states just after a spike; those that do not jump may be left out."""

    def start(self) -> States:
        """Return the states of a synapse that has seen no spike for long."""
        return {name: gate.inf for name, gate in self.gates().items()}

    def flow(self, dt: Any, *args: Any, **states: Any) -> States:
        """Return the states `dt` ms later if no spike comes; exact."""
        return {name: gate.step(states[name], dt) for name, gate in self.gates().items()}

    @abstractmethod
    def release(self, *args: Any, **states: Any) -> Array:
        """Return the transmitter signal (no unit) from the states."""

    @abstractmethod
    def current(self, v: Any, g: Any) -> Any:
        """Return the current (nA, outward positive) at postsynaptic `v` (mV); g = Σ weight · signal in µS."""

    def check(self) -> None:
        """Raise `ParameterError` if the methods do not fit together. Nothing is computed."""
        name, x = type(self).__name__, jax.ShapeDtypeStruct((3,), jnp.result_type(float))
        plain = self.with_params({spec.name: spec.default for spec in self.specs()})
        states = jax.eval_shape(lambda: {k: jnp.asarray(s, float) for k, s in plain.start().items()})
        now = dict.fromkeys(states, x)
        try:
            after = jax.eval_shape(lambda s: plain.event(**s), now)
            later = jax.eval_shape(lambda s: plain.flow(0.1, **s), now)
            jax.eval_shape(lambda s: plain.release(**s), now)
        except TypeError as error:
            raise ParameterError(f"{name} has states {', '.join(states)}, but {error}") from None
        for stray in set(after) - set(states) or set(later) ^ set(states):
            raise ParameterError(
                f"{name} has states {', '.join(states)}; '{stray}' is not in both start and event or flow"
            )
