"""Synapses whose state lives at the presynaptic site."""

import jax.numpy as jnp

from .._types import Array, Param
from .base import Synapse
from .gating import Gate
from .params import param


class Graded(Synapse):
    """Graded chemical synapse: transmitter follows the presynaptic voltage, no spike is detected.

    s∞ = σ((v_pre − threshold)/slope), τ = (1 − s∞)/k, current g·s·(v − e). Source: Abbott & Marder (1998),
    in Koch & Segev (eds), Methods in Neuronal Modeling.
    """

    e: Param = param(0.0, "mV")
    k: Param = param(0.025, "1/ms", lo=0.0)
    threshold: Param = param(-35.0, "mV")
    slope: Param = param(10.0, "mV", lo=1e-3)

    def gates(self, v_pre: Array) -> dict[str, Gate]:
        # The same law as opening and closing rates: τ = (1 − s∞)/k ends in 0/0 at a strong depolarisation.
        # Past exp(40) s∞ is 1 to all digits; the cap keeps float32 finite whatever the voltage.
        opening = self.k * jnp.exp(jnp.minimum((v_pre - self.threshold) / self.slope, 40.0))
        return {"s": Gate.rates(opening, self.k)}

    def release(self, s: Array) -> Array:
        return s

    def current(self, v: Array, g: Array) -> Array:
        return g * (v - self.e)
