"""A state without memory."""

from typing import Any, final

import jax.numpy as jnp

from ..base.types import Array
from .kinetics import Kinetics, States


@final
class Instant(Kinetics):
    """A state that is a function of voltage and concentrations now, x = value(v, …): it has no time constant.

    Gates much faster than a time step are such (m = m∞(v)). A channel's current takes the state at its own voltage and
    concentrations, so the implicit step sees its slope, and `Staggered` stays second order. At a graded synapse the
    state is that of the presynaptic voltage at the start of a step, which is first order.
    """

    value: Array

    def names(self, own: str) -> tuple[str, ...]:
        return (own,)

    def rest(self, own: str) -> States:
        return {own: self.value}

    def advance(self, own: str, now: States, dt: Any, order: int) -> States:
        return {own: jnp.broadcast_to(self.value, jnp.shape(now[own]))}

    def scaled(self, factor: Any) -> "Instant":
        """Return the same state: a temperature scales rates, and it has none."""
        return self

    def instant(self, own: str) -> States:
        return {own: self.value}
