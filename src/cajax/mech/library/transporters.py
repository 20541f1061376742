"""Transporters that carry charge uphill: the sodium–potassium pump and the sodium–calcium exchanger.

Both read and change concentrations, so "na", "k" and "ca" need ions that have them (`Fixed`, `Pool`, `Diffusive`, …),
and the cell a temperature. Source: Luo & Rudy, Circ Res 74:1071 (1994).
"""

from typing import Any, final

import jax.numpy as jnp

from ...base.types import Array, Param
from ..base import Channel
from ..params import param
from ..potentials import thermal


@final
class NaKPump(Channel):
    """3 Na⁺ out for 2 K⁺ in: an outward current of up to `imax`, half of it at `kna` mM inside and `kk` mM outside."""

    imax: Param = param(1.5e-3, "mA/cm2", lo=0.0)
    kna: Param = param(10.0, "mM", lo=1e-6)
    kk: Param = param(1.5, "mM", lo=1e-6)

    def current(self, v: Array, nai: Any, nao: Any, ko: Any, celsius: Any) -> dict[str, Array]:
        x = v / thermal(1, celsius)
        sigma = jnp.expm1(nao / 67.3) / 7.0
        electric = 1.0 / (1.0 + 0.1245 * jnp.exp(-0.1 * x) + 0.0365 * sigma * jnp.exp(-x))
        bound = nai**1.5 / (nai**1.5 + self.kna**1.5) * ko / (ko + self.kk)
        i = self.imax * electric * bound
        return {"na": 3.0 * i, "k": -2.0 * i}


@final
class NCX(Channel):
    """3 Na⁺ in for 1 Ca²⁺ out, or the other way round: the direction follows the gradients and the voltage.

    `imax` scales it; `kna`, `kca` mM are the affinities outside, `eta` is where in the field the barrier lies, and
    `ksat` keeps the current finite at very negative voltages.
    """

    imax: Param = param(2.0, "mA/cm2", lo=0.0)
    kna: Param = param(87.5, "mM", lo=1e-6)
    kca: Param = param(1.38, "mM", lo=1e-6)
    ksat: Param = param(0.1, "1", lo=0.0)
    eta: Param = param(0.35, "1", lo=0.0, hi=1.0)

    def current(self, v: Array, nai: Any, nao: Any, cai: Any, cao: Any, celsius: Any) -> dict[str, Array]:
        x = v / thermal(1, celsius)
        into, out = jnp.exp((self.eta - 1.0) * x), jnp.exp(self.eta * x)
        scale = (self.kna**3 + nao**3) * (self.kca + cao) * (1.0 + self.ksat * into)
        i = self.imax * (out * nai**3 * cao - into * nao**3 * cai) / scale
        return {"na": 3.0 * i, "ca": -2.0 * i}
