"""Channels of the perisomatic models in the Allen Cell Types Database (Gouwens et al., Nat. Commun. 9:710, 2018).

Kinetics as in the database's model files; their names there are the ones in quotes. Rates hold at the temperature of
each channel's `q10`; the fits were made at `temperature=34.0`. Names that are imported here are the channels of Hay et
al. (2011) unchanged, apart from their default conductances. Paint the ions beside them:
`na=Reversal(53.0), k=Reversal(-107.0), ca=CaDynamics(gamma, tau)`. Default conductances are those of specimen model
472430904 where it has the channel.
"""

from typing import ClassVar, final

import jax.numpy as jnp
from jax.nn import sigmoid

from ...base.types import Array, Param
from ..base import Channel
from ..gating import Q10, Gate, vtrap
from ..params import param
from ..scheme import Scheme
from .hay2011 import SK as SK
from .hay2011 import UNWARMED, WARMED, ColbertPan, korngreen_tau
from .hay2011 import CaDynamics as CaDynamics
from .hay2011 import CaHVA as CaHVA
from .hay2011 import CaLVA as CaLVA
from .hay2011 import Ih as Ih
from .hay2011 import Im as Im
from .hay2011 import Kv31 as Kv31
from .hay2011 import Nap as Nap


@final
class NaTs(ColbertPan):
    """Transient sodium current of the soma, "NaTs"; Colbert & Pan (2002)."""

    g: Param = param(0.5, "S/cm2")
    m_half: Param = param(-40.0, "mV")
    h_half: Param = param(-66.0, "mV")
    shift: Param = param(0.0, "mV")

    q10 = Q10(2.3, at=23.0)


@final
class NaTa(ColbertPan):
    """Transient sodium current of the axon, "NaTa"; Colbert & Pan (2002)."""

    g: Param = param(0.5, "S/cm2")
    m_half: Param = param(-48.0, "mV")
    h_half: Param = param(-69.0, "mV")
    shift: Param = param(0.0, "mV")

    q10 = Q10(2.3, at=23.0)


@final
class NaV(Channel):
    """Sodium current of mouse pyramidal cells, "NaV": Markov scheme of 12 states; Carter et al. (2012), Neuron 75:1081.

    C1 … C5 are closed with none to all four sensors moved, I1 … I6 the same and the open channel inactivated. Sensors
    move at `alpha` exp(v/24 mV) and `beta` exp(−v/24 mV); inactivated, faster out by `a_factor` and slower back by
    `b_factor`, which also drive inactivation from `c_on` and `c_off` of the resting state.
    """

    g: Param = param(0.127905, "S/cm2")
    alpha: Param = param(400.0, "1/ms", lo=0.0)
    beta: Param = param(12.0, "1/ms", lo=0.0)
    gamma: Param = param(250.0, "1/ms", lo=0.0)
    delta: Param = param(60.0, "1/ms", lo=0.0)
    c_on: Param = param(0.01, "1/ms", lo=0.0)
    c_off: Param = param(40.0, "1/ms", lo=0.0)
    o_on: Param = param(8.0, "1/ms", lo=0.0)
    o_off: Param = param(0.05, "1/ms", lo=0.0)
    a_factor: Param = param(2.51, "1", lo=1e-3)
    b_factor: Param = param(5.32, "1", lo=1e-3)
    slope: Param = param(24.0, "mV", lo=1e-3)

    ion: ClassVar = "na"
    q10 = Q10(2.3, at=37.0)

    def gates(self, v: Array) -> dict[str, Scheme]:
        e = jnp.exp(jnp.clip(v / self.slope, -20.0, 20.0))  # one exponential for both; keeps float32 finite
        up, down, same = self.alpha * e, self.beta / e, jnp.ones_like(e)
        steps = {}
        for k in range(1, 5):
            steps[f"C{k} <-> C{k + 1}"] = ((5 - k) * up, k * down)
            steps[f"I{k} <-> I{k + 1}"] = ((5 - k) * self.a_factor * up, k * down / self.b_factor)
        for k in range(1, 6):
            into, back = self.c_on * self.a_factor ** (k - 1), self.c_off / self.b_factor ** (k - 1)
            steps[f"C{k} <-> I{k}"] = (into * same, back * same)
        for closed, opened in (("C5", "O"), ("I5", "I6")):
            steps[f"{closed} <-> {opened}"] = (self.gamma * same, self.delta * same)
        steps["O <-> I6"] = (self.o_on * same, self.o_off * same)
        return {"sodium": Scheme.of(steps)}

    def current(self, v: Array, O: Array, ena: Array) -> Array:
        return self.g * O * (v - ena)


@final
class Kv2(Channel):
    """Slow delayed rectifier, "Kv2like", with two times of inactivation; Keren et al. (2005), Liu & Bean (2014)."""

    g: Param = param(0.0447338, "S/cm2")

    ion: ClassVar = "k"
    q10 = WARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        a, b = 0.12 * vtrap(43.0 - v, 11.0), 0.02 * jnp.exp(-(v + 1.27) / 120.0)
        h = sigmoid(-(v + 58.0) / 11.0)
        fast = 360.0 + (1010.0 + 23.7 * (v + 54.0)) * jnp.exp(-(((v + 75.0) / 48.0) ** 2))
        # The published fit turns negative below −119 mV and is held at 1 µs there; so is ours.
        slow = 2350.0 + 1380.0 * jnp.exp(-0.011 * v) - 210.0 * jnp.exp(-0.03 * v)
        return {
            "m": Gate(a / (a + b), 0.4 * (a + b)),
            "h1": Gate.relax(h, fast),
            "h2": Gate.relax(h, jnp.maximum(slow, 1e-3)),
        }

    def current(self, v: Array, m: Array, h1: Array, h2: Array, ek: Array) -> Array:
        return self.g * m**2 * 0.5 * (h1 + h2) * (v - ek)


@final
class KT(Channel):
    """Transient potassium current, "K_T"; Korngreen & Sakmann (2000). `shift` (mV) moves it along the voltage."""

    g: Param = param(0.0352815, "S/cm2")
    shift: Param = param(0.0, "mV")
    m_slow: Param = param(1.0, "1", lo=0.0)
    h_slow: Param = param(1.0, "1", lo=0.0)

    ion: ClassVar = "k"
    q10 = WARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        u = v - self.shift
        m_tau = 0.34 + self.m_slow * 0.92 * jnp.exp(-(((u + 71.0) / 59.0) ** 2))
        h_tau = 8.0 + self.h_slow * 49.0 * jnp.exp(-(((u + 73.0) / 23.0) ** 2))
        m, h = sigmoid((u + 47.0) / 29.0), sigmoid(-(u + 66.0) / 10.0)
        return {"m": Gate.relax(m, m_tau), "h": Gate.relax(h, h_tau)}

    def current(self, v: Array, m: Array, h: Array, ek: Array) -> Array:
        return self.g * m**4 * h * (v - ek)


@final
class KP(Channel):
    """Persistent potassium current, "K_P"; Korngreen & Sakmann (2000). `slow` multiplies the time of activation."""

    g: Param = param(0.05, "S/cm2")
    shift: Param = param(0.0, "mV")
    slow: Param = param(1.0, "1", lo=1e-3)

    ion: ClassVar = "k"
    q10 = WARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        u = v - self.shift
        m_tau, h_tau = korngreen_tau(u)
        m, h = sigmoid((u + 14.3) / 14.6), sigmoid(-(u + 54.0) / 11.0)
        return {"m": Gate.relax(m, self.slow * m_tau), "h": Gate.relax(h, h_tau)}

    def current(self, v: Array, m: Array, h: Array, ek: Array) -> Array:
        return self.g * m**2 * h * (v - ek)


@final
class Kd(Channel):
    """Slowly inactivating D-type potassium current, "Kd"; Foust et al. (2011). Its rates have no temperature."""

    g: Param = param(2.09484e-4, "S/cm2")

    ion: ClassVar = "k"
    q10 = UNWARMED

    def gates(self, v: Array) -> dict[str, Gate]:
        m, h, one = sigmoid((v + 43.0) / 8.0), sigmoid(-(v + 67.0) / 7.3), jnp.ones_like(v)
        return {"m": Gate(m, one), "h": Gate(h, one / 1500.0)}

    def current(self, v: Array, m: Array, h: Array, ek: Array) -> Array:
        return self.g * m * h * (v - ek)


@final
class ImV2(Channel):
    """Muscarinic potassium (M) current, "Im_v2"; Vervaeke et al. (2006)."""

    g: Param = param(0.00410904, "S/cm2")

    ion: ClassVar = "k"
    q10 = Q10(2.3, at=30.0)

    def gates(self, v: Array) -> dict[str, Gate]:
        # Opening grows with exp(0.4 x), closing with exp(−0.6 x), x = 6 (v + 48)/26.12: powers of one exponential.
        x = 6.0 * (v + 48.0) / 26.12
        e = jnp.exp(jnp.clip(0.2 * x, -8.0, 12.0))  # keeps the third powers of the sum finite in float32
        both = 0.007 * (e**2 + 1.0 / e**3)
        return {"m": Gate(sigmoid(x), both / (15.0 * both + 1.0))}

    def current(self, v: Array, m: Array, ek: Array) -> Array:
        return self.g * m * (v - ek)
