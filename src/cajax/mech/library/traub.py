"""Hippocampal pyramidal cells of Traub and colleagues: the fast pair of Traub & Miles (1991), and the CA3 set of 1991.

`TraubNa` and `TraubKd` are the rates of Traub & Miles, Neuronal Networks of the Hippocampus (1991), with the values of
the one-compartment reduction of Ermentrout & Kopell (PNAS 95:1259, 1998): `Reversal(50.0)` and `Reversal(-100.0)` for
"na" and "k", cm = 1 µF/cm², `Leak(g=1e-4, e=-67.0)`.

`CA3Na` … `CA3KC` are those of Traub, Wong, Miles & Michelson (J Neurophysiol 66:635, 1991), with the soma's densities.
Voltages count from `rest`; the paper's reversal potentials are 115 (na), −15 (k) and 140 mV (ca) above it; cm is
3 µF/cm², and the leak 0.1 mS/cm² at rest. The paper's calcium χ is in arbitrary units, with dχ/dt = −17.402 I/nA −
χ/13.33 ms at the soma (3320 µm²): one unit is taken as 1 nM (`per`), which makes it
`Pool(ci=1e-9, gamma=0.01115, depth=1.0, tau=13.33)`. No rate has a Q10.
"""

from typing import ClassVar, final

import jax.numpy as jnp
from jax.nn import sigmoid

from ...base.types import Array, Param
from ..base import Channel
from ..gating import Gate, vtrap
from ..params import param
from .pospischil2008 import traub_potassium, traub_sodium


@final
class TraubNa(Channel):
    """Fast sodium current, g m³ h (v − ena); `vt` (mV) shifts the spike threshold."""

    g: Param = param(0.1, "S/cm2")
    vt: Param = param(-67.0, "mV")

    ion: ClassVar[str | None] = "na"

    def gates(self, v: Array) -> dict[str, Gate]:
        return traub_sodium(v, self.vt)

    def current(self, v: Array, m: Array, h: Array, ena: Array) -> Array:
        return self.g * m**3 * h * (v - ena)


@final
class TraubKd(Channel):
    """Delayed-rectifier potassium current, g n⁴ (v − ek); `vt` as in `TraubNa`."""

    g: Param = param(0.08, "S/cm2")
    vt: Param = param(-67.0, "mV")

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array) -> dict[str, Gate]:
        return traub_potassium(v, self.vt)

    def current(self, v: Array, n: Array, ek: Array) -> Array:
        return self.g * n**4 * (v - ek)


@final
class CA3Na(Channel):
    """Sodium current of CA3, g m² h (v − ena)."""

    g: Param = param(0.03, "S/cm2")
    rest: Param = param(-60.0, "mV")

    ion: ClassVar[str | None] = "na"

    def gates(self, v: Array) -> dict[str, Gate]:
        u = v - self.rest
        m = Gate.rates(0.32 * vtrap(13.1 - u, 4.0), 0.28 * vtrap(u - 40.1, 5.0))
        return {"m": m, "h": Gate.rates(0.128 * jnp.exp((17.0 - u) / 18.0), 4.0 * sigmoid((u - 40.0) / 5.0))}

    def current(self, v: Array, m: Array, h: Array, ena: Array) -> Array:
        return self.g * m**2 * h * (v - ena)


@final
class CA3Kdr(Channel):
    """Delayed-rectifier potassium current of CA3, g n (v − ek)."""

    g: Param = param(0.015, "S/cm2")
    rest: Param = param(-60.0, "mV")

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array) -> dict[str, Gate]:
        u = v - self.rest
        return {"n": Gate.rates(0.016 * vtrap(35.1 - u, 5.0), 0.25 * jnp.exp((20.0 - u) / 40.0))}

    def current(self, v: Array, n: Array, ek: Array) -> Array:
        return self.g * n * (v - ek)


@final
class CA3KA(Channel):
    """Transient (A-type) potassium current of CA3, g a b (v − ek)."""

    g: Param = param(0.005, "S/cm2")
    rest: Param = param(-60.0, "mV")

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array) -> dict[str, Gate]:
        u = v - self.rest
        a = Gate.rates(0.02 * vtrap(13.1 - u, 10.0), 0.0175 * vtrap(u - 40.1, 10.0))
        b = Gate.rates(0.0016 * jnp.exp((-13.0 - u) / 18.0), 0.05 * sigmoid((u - 10.1) / 5.0))
        return {"a": a, "b": b}

    def current(self, v: Array, a: Array, b: Array, ek: Array) -> Array:
        return self.g * a * b * (v - ek)


@final
class CA3Ca(Channel):
    """High-threshold calcium current of CA3, g s² r (v − rest − 140 mV); χ has no Nernst potential."""

    g: Param = param(0.004, "S/cm2")
    rest: Param = param(-60.0, "mV")

    ion: ClassVar[str | None] = "ca"

    def gates(self, v: Array) -> dict[str, Gate]:
        u = v - self.rest
        s = Gate.rates(1.6 * sigmoid(0.072 * (u - 65.0)), 0.02 * vtrap(u - 51.1, 5.0))
        # α + β is 5 per second everywhere; α falls from there above rest.
        return {"s": s, "r": Gate(jnp.exp(-jnp.maximum(u, 0.0) / 20.0), jnp.full_like(u, 0.005))}

    def current(self, v: Array, s: Array, r: Array) -> Array:
        return self.g * s**2 * r * (v - self.rest - 140.0)


@final
class CA3KAHP(Channel):
    """Slow calcium-dependent potassium current of CA3, g q (v − ek); `per` is χ per mM."""

    g: Param = param(8e-4, "S/cm2")
    per: Param = param(1e6, "1/mM", lo=0.0)

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array, cai: Array) -> dict[str, Gate]:
        opening = jnp.minimum(2e-5 * self.per * cai, 0.01) + jnp.zeros_like(v)
        return {"q": Gate.rates(opening, jnp.full_like(v, 0.001))}

    def current(self, v: Array, q: Array, ek: Array) -> Array:
        return self.g * q * (v - ek)


@final
class CA3KC(Channel):
    """Voltage- and calcium-dependent potassium current of CA3, g c min(1, χ/250) (v − ek); `per` is χ per mM."""

    g: Param = param(0.01, "S/cm2")
    rest: Param = param(-60.0, "mV")
    per: Param = param(1e6, "1/mM", lo=0.0)

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array) -> dict[str, Gate]:
        u = v - self.rest
        # Below 50 mV α + β is this `rate`; above, β is 0 and α the rate. The paper's α reaches it within 1e-4 at 50 mV.
        rate = 2.0 * jnp.exp((6.5 - u) / 27.0)
        share = jnp.exp((jnp.minimum(u, 50.0) - 10.0) / 11.0) / 37.95
        return {"c": Gate(jnp.minimum(share, 1.0), rate)}

    def current(self, v: Array, c: Array, cai: Array, ek: Array) -> Array:
        return self.g * c * jnp.minimum(self.per * cai / 250.0, 1.0) * (v - ek)
