"""A state that counts down."""

from typing import Any, final

import jax.numpy as jnp

from ..base.types import Array
from .kinetics import Kinetics, States


@final
class Timer(Kinetics):
    """A state that counts down to zero, in ms, wherever a reset has set it; `start` gives its shape."""

    start: Array

    def names(self, own: str) -> tuple[str, ...]:
        return (own,)

    def rest(self, own: str) -> States:
        return {own: self.start}

    def advance(self, own: str, now: States, dt: Any, order: int) -> States:
        return {own: self.step(now[own], dt)}

    def scaled(self, factor: Any) -> "Timer":
        """Return the timer: time runs at one speed at every temperature."""
        return self

    def step(self, x: Array, dt: Any) -> Array:
        """Return what is left of `x` after `dt` ms."""
        return jnp.maximum(x - dt, 0.0)
