"""The five gated currents of retinal ganglion cells; Fohlmeister & Miller (J Neurophysiol 78:1935, 1997).

Rates hold at the 22 °C of the salamander's retina; the paper has no Q10. The currents read "na", "k" and "ca" by name:
the paper has `Reversal(35.0)` and `Reversal(-75.0)`, a leak of 0.05 mS/cm² and calcium at its Nernst potential with
0.1 µM inside at rest and 1.8 mM outside, in a sphere of radius r from which it is removed with a time constant:
`Pool(ci=1e-4, co=1.8, gamma=1.0, depth=r/3, tau=…)`.
"""

from typing import ClassVar, final

import jax.numpy as jnp
from jax.nn import sigmoid

from ...base.types import Array, Param
from ..base import Channel
from ..gating import Gate, vtrap
from ..params import param


@final
class Na(Channel):
    """Sodium current, g m³ h (v − ena)."""

    g: Param = param(0.05, "S/cm2")

    ion: ClassVar[str | None] = "na"

    def gates(self, v: Array) -> dict[str, Gate]:
        m = Gate.rates(0.6 * vtrap(-30.0 - v, 10.0), 20.0 * jnp.exp((-55.0 - v) / 18.0))
        return {"m": m, "h": Gate.rates(0.4 * jnp.exp((-50.0 - v) / 20.0), 6.0 * sigmoid((v + 20.0) / 10.0))}

    def current(self, v: Array, m: Array, h: Array, ena: Array) -> Array:
        return self.g * m**3 * h * (v - ena)


@final
class K(Channel):
    """Delayed-rectifier potassium current, g n⁴ (v − ek)."""

    g: Param = param(0.012, "S/cm2")

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array) -> dict[str, Gate]:
        return {"n": Gate.rates(0.02 * vtrap(-40.0 - v, 10.0), 0.4 * jnp.exp((-50.0 - v) / 80.0))}

    def current(self, v: Array, n: Array, ek: Array) -> Array:
        return self.g * n**4 * (v - ek)


@final
class KA(Channel):
    """Inactivating (A-type) potassium current, g a³ b (v − ek)."""

    g: Param = param(0.036, "S/cm2")

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array) -> dict[str, Gate]:
        a = Gate.rates(0.006 * vtrap(-90.0 - v, 10.0), 0.1 * jnp.exp((-30.0 - v) / 10.0))
        return {"a": a, "b": Gate.rates(0.04 * jnp.exp((-70.0 - v) / 20.0), 0.6 * sigmoid((v + 40.0) / 10.0))}

    def current(self, v: Array, a: Array, b: Array, ek: Array) -> Array:
        return self.g * a**3 * b * (v - ek)


@final
class Ca(Channel):
    """Calcium current, g c³ (v − eca)."""

    g: Param = param(0.0022, "S/cm2")

    ion: ClassVar[str | None] = "ca"

    def gates(self, v: Array) -> dict[str, Gate]:
        return {"c": Gate.rates(0.3 * vtrap(-13.0 - v, 10.0), 10.0 * jnp.exp((-38.0 - v) / 18.0))}

    def current(self, v: Array, c: Array, eca: Array) -> Array:
        return self.g * c**3 * (v - eca)


@final
class KCa(Channel):
    """Calcium-gated potassium current without a gate of its own: g x²/(1 + x²) (v − ek) with x = cai/kd."""

    g: Param = param(5e-5, "S/cm2")
    kd: Param = param(1e-3, "mM", lo=1e-12)

    ion: ClassVar[str | None] = "k"

    def current(self, v: Array, cai: Array, ek: Array) -> Array:
        x = (cai / self.kd) ** 2
        return self.g * x / (1.0 + x) * (v - ek)
