"""Noise: a fluctuating current or conductance, each site its own."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from ..base.checks import floats
from ..base.types import Array, Float
from .base import Electrode, as_key, as_place, check_fits, scalar


@final
class Noise(Electrode):
    """Ornstein–Uhlenbeck noise: a current of `mean` ± `std` nA with correlation time `tau` ms, each site its own.

    With `e` (mV) it is a conductance in µS instead, cut off below at 0. `key` is a JAX key; the same key gives the same
    noise, whatever the run is cut into. The step is exact, so the statistics do not depend on dt. Sources: Uhlenbeck &
    Ornstein (1930); as conductance Destexhe, Rudolph, Fellous & Sejnowski, Neuroscience 107:13 (2001).
    """

    at: Any = eqx.field(static=True)
    mean: Float[Array, "..."]
    std: Float[Array, "..."]
    tau: Float[Array, ""]
    key: Any
    e: Float[Array, ""] | None

    def __init__(self, at: Any, mean: Any, std: Any, tau: Any, key: Any, e: Any = None):
        unit = "nA" if e is None else "uS"
        self.at = as_place(at, "Noise")
        self.mean, self.std = floats(mean, unit, "Noise mean"), floats(std, unit, "Noise std", least=0.0)
        self.tau = scalar(tau, "ms", "Noise tau", above=0.0)
        self.e = None if e is None else scalar(e, "mV", "Noise e")
        self.key = as_key(key, "Noise")

    def start(self, shape: tuple[int, ...], dtype: Any) -> Any:
        for value in (self.mean, self.std):
            check_fits("Noise", self.at, value, shape)
        draw = jax.random.normal(jax.random.fold_in(self.key, 0), shape, dtype)
        return (self.mean + self.std * draw).astype(dtype)

    def drive(self, t: Array, dt: Array, memory: Any) -> tuple[Any, Any, Any]:
        return (memory, None, None) if self.e is None else (None, jnp.maximum(memory, 0.0), self.e)

    def advance(self, memory: Any, v: Array, t: Array, n: Array, dt: Array) -> Any:
        draw = jax.random.normal(jax.random.fold_in(self.key, n + 1), memory.shape, memory.dtype)
        x = dt / self.tau
        spread = self.std * jnp.sqrt(-jnp.expm1(-2.0 * x))
        return (self.mean + (memory - self.mean) * jnp.exp(-x) + spread * draw).astype(memory.dtype)
