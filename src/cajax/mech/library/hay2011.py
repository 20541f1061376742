"""Channels of a thick-tufted layer-5 pyramidal cell (Hay et al., PLoS Comput. Biol. 7:e1002107, 2011).

Kinetics as in the paper's model files (ModelDB 139653). There the rates of sodium, transient and persistent potassium,
M and low-threshold calcium currents are measured at 21 °C and multiplied by 2.3^1.3 for 34 °C; here `temperature=34.0`
does that, and no temperature leaves them at 21 °C. The others hold at any temperature, as published. Paint the ions
beside them: `na=Reversal(50.0), k=Reversal(-85.0), ca=CaDynamics()`. Default conductances are those of the soma in the
paper's model of both BAC and step-current firing, or of the apical dendrite where the soma has none.
"""

from typing import Any, ClassVar, final

import equinox as eqx
import jax.numpy as jnp
from jax.nn import sigmoid

from ...base.types import Array, Param
from ..base import Channel
from ..gating import Q10, Gate, trap, vtrap
from ..ions import Pool
from ..params import param
from .pospischil2008 import reuveni_calcium

WARMED = Q10(2.3, at=21.0)
UNWARMED = Q10(1.0, at=34.0)
"""For channels whose published rates do not depend on temperature."""


def colbert_m(v: Any, half: Any) -> tuple[Array, Array]:
    """Return (opening, closing) rates (1/ms) of sodium activation with midpoint `half` (mV); Colbert & Pan (2002)."""
    z = (v - half) / 6.0
    e = jnp.exp(jnp.minimum(z, 40.0))  # shared by both directions; capped to keep float32 finite
    t = 6.0 * trap(z, e)  # t = vtrap(v - half, 6), and t e = vtrap(half - v, 6)
    return 0.182 * t * e, 0.124 * t


def persistent_h(v: Array) -> Gate:
    """Return the slow inactivation of the persistent sodium current; Magistretti & Alonso (1999)."""
    rate = 2.88e-6 * vtrap(v + 17.0, 4.63) + 6.94e-6 * vtrap(-(v + 64.4), 2.63)
    return Gate(sigmoid(-(v + 48.8) / 10.0), rate)


class ColbertPan(Channel):
    """Transient sodium current g m³ h (v − ena) with given midpoints of its gates (mV); Colbert & Pan (2002).

    `shift` (mV) moves both gates along the voltage, positive to the right.
    """

    g: eqx.AbstractVar[Param]
    m_half: eqx.AbstractVar[Param]
    h_half: eqx.AbstractVar[Param]
    shift: eqx.AbstractVar[Param]

    ion: ClassVar = "na"

    def gates(self, v: Array) -> dict[str, Gate]:
        # The shift moves the midpoints, not the voltage: one sum per parameter, not one per control volume.
        m_half, h_half = self.m_half + self.shift, self.h_half + self.shift
        z = (v - h_half) / 6.0
        e = jnp.exp(jnp.minimum(z, 40.0))
        # Both rates of h have the factor vtrap(v − half, 6), so its steady state is a plain sigmoid.
        h = Gate(1.0 / (1.0 + e), 0.09 * trap(z, e) * (1.0 + e))
        return {"m": Gate.rates(*colbert_m(v, m_half)), "h": h}

    def current(self, v: Array, m: Array, h: Array, ena: Array) -> Array:
        return self.g * m**3 * h * (v - ena)


@final
class NaTa(ColbertPan):
    """Transient sodium current, `NaTa_t`; Colbert & Pan (2002)."""

    g: Param = param(2.04, "S/cm2")
    m_half: Param = param(-38.0, "mV")
    h_half: Param = param(-66.0, "mV")
    shift: Param = param(0.0, "mV")

    q10 = WARMED


@final
class NaTs2(ColbertPan):
    """Transient sodium current, `NaTs2_t`: `NaTa` shifted by +6 mV."""

    g: Param = param(0.0213, "S/cm2")
    m_half: Param = param(-32.0, "mV")
    h_half: Param = param(-60.0, "mV")
    shift: Param = param(0.0, "mV")

    q10 = WARMED


@final
class NaP(Channel):
    """Persistent sodium current, `Nap_Et2`: opens six times slower than `NaTa`; Magistretti & Alonso (1999)."""

    g: Param = param(0.00172, "S/cm2")

    ion: ClassVar = "na"
    q10 = WARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        a, b = colbert_m(v, -38.0)
        return {"m": Gate(sigmoid((v + 52.6) / 4.6), (a + b) / 6.0), "h": persistent_h(v)}

    def current(self, v: Array, m: Array, h: Array, ena: Array) -> Array:
        return self.g * m**3 * h * (v - ena)


@final
class Nap(Channel):
    """Persistent sodium current that opens at once, the alternative to `NaP`; Magistretti & Alonso (1999).

    Not in the paper's cells; the Allen Institute's have it. The default conductance is that of `NaP`.
    """

    g: Param = param(0.00172, "S/cm2")

    ion: ClassVar = "na"
    q10 = WARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        return {"h": persistent_h(v)}

    def current(self, v: Array, h: Array, ena: Array) -> Array:
        return self.g * sigmoid((v + 52.6) / 4.6) * h * (v - ena)


@final
class KT(Channel):
    """Transient potassium current, `K_Tst`; Korngreen & Sakmann (2000), shifted by −10 mV."""

    g: Param = param(0.0812, "S/cm2")

    ion: ClassVar = "k"
    q10 = WARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        m_tau = 0.34 + 0.92 * jnp.exp(-(((v + 81.0) / 59.0) ** 2))
        h_tau = 8.0 + 49.0 * jnp.exp(-(((v + 83.0) / 23.0) ** 2))
        m, h = sigmoid((v + 10.0) / 19.0), sigmoid(-(v + 76.0) / 10.0)
        return {"m": Gate.relax(m, m_tau), "h": Gate.relax(h, h_tau)}

    def current(self, v: Array, m: Array, h: Array, ek: Array) -> Array:
        return self.g * m**4 * h * (v - ek)


def korngreen_tau(u: Any, h_slope: float = 24.0) -> tuple[Array, Array]:
    """Return the time constants (ms) of m and h of the persistent potassium current; Korngreen & Sakmann (2000).

    The published m_tau has two branches that meet, to 0.02 %, at u = −50 mV.
    """
    e = jnp.exp(0.026 * u)
    m_tau = 1.25 + jnp.where(u < -50.0, 175.03 * e, 13.0 / e)
    return m_tau, 360.0 + (1010.0 + h_slope * (u + 55.0)) * jnp.exp(-(((u + 75.0) / 48.0) ** 2))


@final
class KP(Channel):
    """Persistent potassium current, `K_Pst`; Korngreen & Sakmann (2000), shifted by −10 mV."""

    g: Param = param(0.00223, "S/cm2")

    ion: ClassVar = "k"
    q10 = WARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        m_tau, h_tau = korngreen_tau(v + 10.0)
        m, h = sigmoid((v + 11.0) / 12.0), sigmoid(-(v + 64.0) / 11.0)
        return {"m": Gate.relax(m, m_tau), "h": Gate.relax(h, h_tau)}

    def current(self, v: Array, m: Array, h: Array, ek: Array) -> Array:
        return self.g * m**2 * h * (v - ek)


@final
class SK(Channel):
    """Calcium-activated potassium current, `SK_E2`: half open at 0.43 µM, at any voltage; Köhler et al. (1996)."""

    g: Param = param(0.0441, "S/cm2")
    tau: Param = param(1.0, "ms", lo=1e-6)

    ion: ClassVar = "k"
    q10 = UNWARMED

    def gates(self, v: Array, cai: Array) -> dict[str, Gate]:
        # (0.00043/c)^4.8 by way of the logarithm; far below rest, and below zero, c does not matter.
        z = sigmoid(4.8 * jnp.log(jnp.maximum(cai, 1e-7) / 0.00043))
        return {"z": Gate.relax(z + 0.0 * v, self.tau + 0.0 * v)}

    def current(self, v: Array, z: Array, ek: Array) -> Array:
        return self.g * z * (v - ek)


@final
class Kv31(Channel):
    """Fast potassium current, `SKv3_1`; Rettig et al. (1992). `shift` (mV) moves it along the voltage."""

    g: Param = param(0.693, "S/cm2")
    shift: Param = param(0.0, "mV")

    ion: ClassVar = "k"
    q10 = UNWARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        u = v - self.shift
        return {"m": Gate(sigmoid((u - 18.7) / 9.7), 0.25 * (1.0 + jnp.exp(-(u + 46.56) / 44.14)))}

    def current(self, v: Array, m: Array, ek: Array) -> Array:
        return self.g * m * (v - ek)


@final
class Im(Channel):
    """Muscarinic potassium (M) current; Adams et al. (1982). `slow` multiplies its time constant."""

    g: Param = param(6.75e-5, "S/cm2")
    slow: Param = param(1.0, "1", lo=1e-3)

    ion: ClassVar = "k"
    q10 = WARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        e = jnp.exp(jnp.clip((v + 35.0) / 10.0, -20.0, 20.0))  # one exponential for both; finite in float32
        return {"m": Gate(e * e / (1.0 + e * e), (3.3e-3 / self.slow) * (e + 1.0 / e))}

    def current(self, v: Array, m: Array, ek: Array) -> Array:
        return self.g * m * (v - ek)


@final
class Ih(Channel):
    """Hyperpolarisation-activated cation current; Kole, Hallermann & Stuart (2006)."""

    g: Param = param(2e-4, "S/cm2")
    e: Param = param(-45.0, "mV")

    q10 = UNWARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        return {"m": Gate.rates(0.00643 * vtrap(v + 154.9, 11.9), 0.193 * jnp.exp(v / 33.1))}

    def current(self, v: Array, m: Array) -> Array:
        return self.g * m * (v - self.e)


@final
class CaHVA(Channel):
    """High-threshold calcium current, `Ca_HVA`; Reuveni et al. (1993). `slow` multiplies both time constants."""

    g: Param = param(9.92e-4, "S/cm2")
    slow: Param = param(1.0, "1", lo=1e-3)

    ion: ClassVar = "ca"
    q10 = UNWARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        m, h = reuveni_calcium(v)
        return {"m": m.scaled(1.0 / self.slow), "h": h.scaled(1.0 / self.slow)}

    def current(self, v: Array, m: Array, h: Array, eca: Array) -> Array:
        return self.g * m**2 * h * (v - eca)


@final
class CaLVA(Channel):
    """Low-threshold calcium current, `Ca_LVAst`; Avery & Johnston (1996), times of Randall & Tsien (1997), −10 mV.

    `slow` multiplies both time constants.
    """

    g: Param = param(0.00343, "S/cm2")
    slow: Param = param(1.0, "1", lo=1e-3)

    ion: ClassVar = "ca"
    q10 = WARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        m_tau = 5.0 * self.slow + 20.0 * self.slow * sigmoid(-(v + 35.0) / 5.0)
        h_tau = 20.0 * self.slow + 50.0 * self.slow * sigmoid(-(v + 50.0) / 7.0)
        m, h = sigmoid((v + 40.0) / 6.0), sigmoid(-(v + 90.0) / 6.4)
        return {"m": Gate.relax(m, m_tau), "h": Gate.relax(h, h_tau)}

    def current(self, v: Array, m: Array, h: Array, eca: Array) -> Array:
        return self.g * m**2 * h * (v - eca)


def CaDynamics(gamma: Any = 0.05, tau: Any = 80.0, depth: Any = 0.1, ci: Any = 1e-4, co: Any = 2.0) -> Pool:
    """Return the paper's calcium pool, `CaDynamics_E2`: paint it as `ca=CaDynamics()`.

    `gamma` is the share that stays free, `tau` the decay (ms), `depth` that of the shell (µm), `ci` calcium at rest and
    `co` outside (mM). Source: Destexhe et al. (1994), J Comput Neurosci 1:195, with the paper's numbers.
    """
    return Pool(ci=ci, co=co, gamma=gamma, depth=depth, tau=tau)
