"""The fast-spiking hippocampal interneuron of Wang & Buzsáki (J Neurosci 16:6402, 1996).

One compartment of cm = 1 µF/cm² with `Na`, `K` and `Leak(g=1e-4, e=-65.0)` spikes at some 60 Hz for 1 µA/cm². The
temperature enters by `phi` alone: there is no Q10.
"""

from typing import final

import jax.numpy as jnp
from jax.nn import sigmoid

from ...base.types import Array, Param
from ..base import Channel
from ..gating import Gate, vtrap
from ..params import param


@final
class Na(Channel):
    """Sodium current whose activation follows the voltage at once: g m∞³ h (v − e)."""

    g: Param = param(0.035, "S/cm2")
    e: Param = param(55.0, "mV")
    phi: Param = param(5.0, "1", lo=1e-6)

    def gates(self, v: Array) -> dict[str, Gate]:
        opening = 0.07 * jnp.exp((-58.0 - v) / 20.0)
        return {"h": Gate.rates(self.phi * opening, self.phi * sigmoid((v + 28.0) / 10.0))}

    def current(self, v: Array, h: Array) -> Array:
        opening = 0.1 * vtrap(-35.0 - v, 10.0)
        m = opening / (opening + 4.0 * jnp.exp((-60.0 - v) / 18.0))
        return self.g * m**3 * h * (v - self.e)


@final
class K(Channel):
    """Delayed-rectifier potassium current, g n⁴ (v − e)."""

    g: Param = param(0.009, "S/cm2")
    e: Param = param(-90.0, "mV")
    phi: Param = param(5.0, "1", lo=1e-6)

    def gates(self, v: Array) -> dict[str, Gate]:
        opening, closing = 0.01 * vtrap(-34.0 - v, 10.0), 0.125 * jnp.exp((-44.0 - v) / 80.0)
        return {"n": Gate.rates(self.phi * opening, self.phi * closing)}

    def current(self, v: Array, n: Array) -> Array:
        return self.g * n**4 * (v - self.e)
