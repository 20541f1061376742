"""Reward for plastic synapses."""

from typing import Any, final

import equinox as eqx

from ..base.checks import floats
from ..base.errors import ParameterError
from ..base.types import Array, Float
from .base import Teacher, as_name, check_reaches, sample, sampling


@final
class Reward(Teacher):
    """A reward for the plastic synapses of projection `at` ("pre->post.name"): `values` [sample], one each `dt` ms."""

    at: Any = eqx.field(static=True)
    values: Float[Array, "sample"]
    dt: Float[Array, ""]

    def __init__(self, at: Any, values: Any, dt: Any):
        self.at = as_name(at, "Reward")
        self.values = floats(values, "1", "Reward values")
        self.dt = sampling("Reward", self.values, dt)
        if self.values.ndim > 1:
            raise ParameterError(f"Reward values have shape {self.values.shape}; give [sample]")

    def check(self, start: float, end: float) -> None:
        check_reaches("Reward", self.at, self.values, self.dt, start)

    def value(self, t: Array, dt: Array) -> Array:
        return sample(self.values, self.dt, t + 0.5 * dt)
