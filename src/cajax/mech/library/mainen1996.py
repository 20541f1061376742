"""Neocortical neurons of Mainen & Sejnowski (Nature 382:363, 1996): sodium, potassium and calcium currents.

Rates were measured at 23 °C, with a Q10 of 2.3; the model runs at 37 °C. As in its files (ModelDB 2488), temperature
scales the conductances by the same factor, so a cell needs one: `Cell(…, temperature=37.0)`. The currents read "na",
"k" and "ca" by name (60, −90 and 140 mV in the files, calcium in `Pool(ci=1e-4, gamma=1.0, depth=0.1, tau=200.0)`).
Default conductances are those of the files' soma and dendrites; the axon has 3 S/cm² of `Na` and 0.2 S/cm² of `Kv`.
"""

from typing import Any, ClassVar, final

import jax.numpy as jnp
from jax.nn import sigmoid

from ...base.types import Array, Param
from ..base import Channel
from ..gating import Q10, Gate, vtrap
from ..params import param
from .pospischil2008 import reuveni_calcium

WARMER = Q10(2.3, at=23.0)


@final
class Na(Channel):
    """Fast sodium current, g m³ h (v − ena); `vshift` (mV) is added to the voltage that the gates see."""

    g: Param = param(0.002, "S/cm2")
    vshift: Param = param(-5.0, "mV")

    ion: ClassVar[str | None] = "na"
    q10 = WARMER

    def gates(self, v: Array) -> dict[str, Gate]:
        u = v + self.vshift
        m = Gate.rates(0.182 * vtrap(-35.0 - u, 9.0), 0.124 * vtrap(u + 35.0, 9.0))
        rate = 0.024 * vtrap(-50.0 - u, 5.0) + 0.0091 * vtrap(u + 75.0, 5.0)
        return {"m": m, "h": Gate(sigmoid(-(u + 65.0) / 6.2), rate)}

    def current(self, v: Array, m: Array, h: Array, ena: Array, celsius: Any) -> Array:
        return WARMER(celsius) * self.g * m**3 * h * (v - ena)


@final
class Kv(Channel):
    """Fast, non-inactivating potassium current, g n (v − ek)."""

    g: Param = param(0.02, "S/cm2")

    ion: ClassVar[str | None] = "k"
    q10 = WARMER

    def gates(self, v: Array) -> dict[str, Gate]:
        return {"n": Gate.rates(0.02 * vtrap(25.0 - v, 9.0), 0.002 * vtrap(v - 25.0, 9.0))}

    def current(self, v: Array, n: Array, ek: Array, celsius: Any) -> Array:
        return WARMER(celsius) * self.g * n * (v - ek)


@final
class Km(Channel):
    """Slow voltage-dependent potassium (M) current, g n (v − ek)."""

    g: Param = param(1e-5, "S/cm2")

    ion: ClassVar[str | None] = "k"
    q10 = WARMER

    def gates(self, v: Array) -> dict[str, Gate]:
        return {"n": Gate.rates(0.001 * vtrap(-30.0 - v, 9.0), 0.001 * vtrap(v + 30.0, 9.0))}

    def current(self, v: Array, n: Array, ek: Array, celsius: Any) -> Array:
        return WARMER(celsius) * self.g * n * (v - ek)


@final
class KCa(Channel):
    """Slow calcium-dependent potassium current, g n (v − ek), opened at a rate of 0.01 cai per ms and mM."""

    g: Param = param(3e-4, "S/cm2")

    ion: ClassVar[str | None] = "k"
    q10 = WARMER

    def gates(self, v: Array, cai: Array) -> dict[str, Gate]:
        return {"n": Gate.rates(0.01 * cai + jnp.zeros_like(v), jnp.full_like(v, 0.02))}

    def current(self, v: Array, n: Array, ek: Array, celsius: Any) -> Array:
        return WARMER(celsius) * self.g * n * (v - ek)


@final
class Ca(Channel):
    """High-voltage-activated calcium current, g m² h (v − eca); rates of Reuveni et al. (1993)."""

    g: Param = param(3e-5, "S/cm2")

    ion: ClassVar[str | None] = "ca"
    q10 = WARMER

    def gates(self, v: Array) -> dict[str, Gate]:
        m, h = reuveni_calcium(v)
        return {"m": m, "h": h}

    def current(self, v: Array, m: Array, h: Array, eca: Array, celsius: Any) -> Array:
        return WARMER(celsius) * self.g * m**2 * h * (v - eca)
