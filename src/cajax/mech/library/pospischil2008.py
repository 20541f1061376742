"""Minimal channels of cortical and thalamic neurons (Pospischil et al., Biol. Cybern. 99:427, 2008).

Rates as in the paper's model files (ModelDB 123623), at 36 °C; default conductances are those of its cells.
With `Leak`, one compartment of these spikes regularly (Na, Kd, Km), bursts (and CaL) or rebounds (and CaT).
"""

from typing import Any, final

import jax.numpy as jnp
from jax.nn import sigmoid

from ...base.types import Array, Param
from ..base import Channel
from ..gating import Q10, Gate, trap, vtrap
from ..params import param


def traub_sodium(v: Array, vt: Any) -> dict[str, Gate]:
    """Return the gates `m`, `h` of the sodium current of Traub & Miles (1991), with thresholds shifted by `vt` (mV)."""
    u = v - vt
    z = (u - 40.0) / 5.0
    e = jnp.exp(jnp.minimum(z, 40.0))  # shared by the closing of m and h; capped to keep float32 finite
    am = 0.32 * vtrap(13.0 - u, 4.0)
    bm = 1.4 * trap(z, e)  # 0.28 vtrap(u - 40, 5)
    ah = 0.128 * jnp.exp((17.0 - u) / 18.0)
    bh = 4.0 * e / (1.0 + e)
    return {"m": Gate.rates(am, bm), "h": Gate.rates(ah, bh)}


def traub_potassium(v: Array, vt: Any) -> dict[str, Gate]:
    """Return the gate `n` of the delayed rectifier of Traub & Miles (1991), shifted by `vt` (mV)."""
    u = v - vt
    return {"n": Gate.rates(0.032 * vtrap(15.0 - u, 5.0), 0.5 * jnp.exp((10.0 - u) / 40.0))}


def reuveni_calcium(v: Array) -> tuple[Gate, Gate]:
    """Return activation and inactivation of the high-threshold calcium current of Reuveni et al. (1993)."""
    aq = 0.055 * vtrap(-27.0 - v, 3.8)
    bq = 0.94 * jnp.exp((-75.0 - v) / 17.0)
    ar = 0.000457 * jnp.exp((-13.0 - v) / 50.0)
    br = 0.0065 * sigmoid((v + 15.0) / 28.0)
    return Gate.rates(aq, bq), Gate.rates(ar, br)


@final
class Na(Channel):
    """Fast sodium current; Traub & Miles (1991). `vt` (mV) shifts the spike threshold."""

    g: Param = param(0.05, "S/cm2")
    e: Param = param(50.0, "mV")
    vt: Param = param(-60.0, "mV")

    q10 = Q10(3.0, at=36.0)

    def gates(self, v: Array) -> dict[str, Gate]:
        return traub_sodium(v, self.vt)

    def current(self, v: Array, m: Array, h: Array) -> Array:
        return self.g * m**3 * h * (v - self.e)


@final
class Kd(Channel):
    """Delayed-rectifier potassium current; Traub & Miles (1991). `vt` as in `Na`."""

    g: Param = param(5e-3, "S/cm2")
    e: Param = param(-90.0, "mV")
    vt: Param = param(-60.0, "mV")

    q10 = Q10(3.0, at=36.0)

    def gates(self, v: Array) -> dict[str, Gate]:
        return traub_potassium(v, self.vt)

    def current(self, v: Array, n: Array) -> Array:
        return self.g * n**4 * (v - self.e)


@final
class Km(Channel):
    """Slow non-inactivating potassium (M) current, which adapts the firing rate; Yamada et al. (1989).

    τ = tau_max / (3.3 exp((v+35)/20) + exp(−(v+35)/20)): it peaks near −47 mV, where it is tau_max / 3.63.
    """

    g: Param = param(7e-5, "S/cm2")
    e: Param = param(-90.0, "mV")
    tau_max: Param = param(1000.0, "ms", lo=1e-3)

    q10 = Q10(2.3, at=36.0)

    def gates(self, v: Array) -> dict[str, Gate]:
        w = jnp.exp(jnp.clip((v + 35.0) / 20.0, -20.0, 20.0))  # one exponential for both; finite in float32
        return {"p": Gate(w * w / (1.0 + w * w), (3.3 * w + 1.0 / w) / self.tau_max)}

    def current(self, v: Array, p: Array) -> Array:
        return self.g * p * (v - self.e)


@final
class CaL(Channel):
    """High-threshold (L-type) calcium current of bursting cells; Reuveni et al. (1993).

    The published model has no temperature dependence; the Q10 of 3 is the one its file leaves commented out.
    """

    g: Param = param(1e-4, "S/cm2")
    e: Param = param(120.0, "mV")

    q10 = Q10(3.0, at=36.0)

    def gates(self, v: Array) -> dict[str, Gate]:
        q, r = reuveni_calcium(v)
        return {"q": q, "r": r}

    def current(self, v: Array, q: Array, r: Array) -> Array:
        return self.g * q**2 * r * (v - self.e)


@final
class CaT(Channel):
    """Low-threshold (T-type) calcium current of rebound-bursting cells; Huguenard & McCormick (1992).

    Activation follows the voltage at once (s∞² in the current); only the inactivation gate `u` has a state.
    `vx` shifts both. The time constant was fitted at 24 °C; 3^1.2 ≈ 3.7 brings it to 36 °C, as in the file.
    """

    g: Param = param(4e-4, "S/cm2")
    e: Param = param(120.0, "mV")
    vx: Param = param(2.0, "mV")

    q10 = Q10(3.0, at=36.0)

    def gates(self, v: Array) -> dict[str, Gate]:
        x = jnp.minimum(v + self.vx, 150.0)  # the gate has long closed; above, the product below is ∞ · 0
        tau = 30.8 + (211.4 + jnp.exp((x + 113.2) / 5.0)) * sigmoid(-(x + 84.0) / 3.2)
        return {"u": Gate(sigmoid(-(x + 81.0) / 4.0), 3.0**1.2 / tau)}

    def current(self, v: Array, u: Array) -> Array:
        s = sigmoid((v + self.vx + 57.0) / 6.2)
        return self.g * s**2 * u * (v - self.e)
