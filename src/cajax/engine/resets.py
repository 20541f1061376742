"""Resets: point neurons that have passed their threshold in a step jump back at its end."""

from typing import Any, final

import jax.numpy as jnp

from ..base.types import Array
from .membranes import Membrane, Membranes
from .moment import Moment
from .part import Load, Part, checked


@final
class Resets(Part):
    """All point neurons. What is remembered is the voltage (mV) that each had at the end of a step before its reset."""

    points: tuple[Membrane, ...]

    @staticmethod
    def of(membranes: Membranes) -> "Resets":
        """Return the point neurons among the channels."""
        return Resets(tuple(m for m in membranes.channels if m.channel.is_point))

    def start(self, moment: Moment) -> dict[str, Array]:
        return {m.path: m.sites.take(moment.v) for m in self.points}

    def load(self, state: Any, moment: Moment, dt: Array) -> Load:
        return state, None, None

    def settle(self, state: Any, before: Moment, after: Moment, dt: Array) -> dict[str, Array]:
        return {m.path: m.sites.take(after.v) for m in self.points}

    def jump(self, moment: Moment) -> Moment:
        """Reset voltage and states of those whose voltage has reached the threshold."""
        if not self.points:
            return moment
        v, gates = moment.v, dict(moment.parts["membranes"])
        for m in self.points:
            point: Any = m.channel
            now = m.sites.take(v)
            spiked = now >= point.threshold
            after, states = point.reset(now, **gates[m.path])
            v = m.sites.add(v, jnp.where(spiked, after - now, 0.0))
            gates[m.path] = {
                k: jnp.where(spiked, states[k], x) if k in states else x for k, x in gates[m.path].items()
            }
        return moment.but(v=v, parts={**moment.parts, "membranes": gates})

    def observe(self, what: str, state: Any, moment: Moment) -> Array:
        """Return "v": the voltage (mV) [cv] of the end of the step before the reset."""
        checked(what, ("v",), "resets")
        v = moment.v
        for m in self.points:
            v = m.sites.add(v, state[m.path] - m.sites.take(v))
        return v
