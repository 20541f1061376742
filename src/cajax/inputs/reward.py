"""Reward for plastic synapses."""

from typing import Any, final

import equinox as eqx

from ..base.types import Array, Float
from .base import Teacher, check_reaches, check_waveform, number, sample


@final
class Reward(Teacher):
    """A reward for the plastic synapses of projection `at` ("pre->post.name"): `values` [sample], one each `dt` ms."""

    at: Any = eqx.field(static=True)
    values: Float[Array, "sample"]
    dt: Float[Array, ""]

    def __init__(self, at: Any, values: Any, dt: Any):
        self.at = at
        self.values, self.dt = number(values, "1", "Reward values"), number(dt, "ms", "Reward dt")
        check_waveform("Reward", self.values, self.dt)

    def check(self, start: float, end: float) -> None:
        check_reaches("Reward", self.at, self.values, self.dt, start)

    def value(self, t: Array, dt: Array) -> Array:
        return sample(self.values, self.dt, t + 0.5 * dt)
