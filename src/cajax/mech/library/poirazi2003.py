"""CA1 pyramidal cells of Poirazi, Brannon & Mel (Neuron 37:977 and 37:989, 2003).

Equations are those of the model's files (ModelDB 20212) at 34 °C. Time constants have no Q10 but where a channel reads
`celsius`; so a cell needs a temperature, `Cell(…, temperature=34.0)`. Currents read "na", "k" and "ca" by name: the
model has about 50, −80 and 140 mV, and calcium in `Pool(ci=1e-4, gamma=1/18, depth=0.1, tau=200/7)`. Default
conductances are orders of magnitude to start from, not the paper's densities, which vary along the cell.
"""

from typing import Any, ClassVar, final

import jax.numpy as jnp
from jax.nn import sigmoid

from ...base.types import Array, Param
from ..base import Channel
from ..gating import Q10, Gate, trap, vtrap
from ..params import param
from ..potentials import thermal


def _exponent(v: Any, half: Any, valence: float, celsius: Any) -> Any:
    """Return valence · (v − half) F/(RT), with the constants of the model's files, kept where exp is finite."""
    return jnp.clip(valence * (v - half) * 9.648e4 / (8315.0 * (273.16 + celsius)), -60.0, 60.0)


def _attenuation(v: Array, ar: Any, celsius: Any) -> Gate:
    """Return the slow gate `s` of sodium (Migliore 1996): down to `ar` while v > −60 mV, back over some 100 ms."""
    x = _exponent(v, -60.0, 12.0, celsius)
    tau = jnp.exp(0.2 * x) / (0.0003 * (1.0 + jnp.exp(x)))
    free = sigmoid(-(v + 60.0) / 2.0)
    return Gate.relax(free + ar * (1.0 - free), jnp.maximum(tau, 3.0))


def _sigmoids(v: Array, m: tuple[float, float, float], h: tuple[float, float, float]) -> dict[str, Gate]:
    """Return gates m and h from (half, slope, tau): m opens and h closes with voltage."""
    tau = jnp.ones_like(v)
    return {
        "m": Gate.relax(sigmoid((v - m[0]) / m[1]), m[2] * tau),
        "h": Gate.relax(sigmoid((h[0] - v) / h[1]), h[2] * tau),
    }


def _drive(v: Array, cai: Any, cao: Any, celsius: Any) -> Array:
    """Return calcium's Goldman–Hodgkin–Katz driving force (mV) for a conductance, as the model's files write it."""
    f = 12.5 * (celsius + 273.15) / 293.15
    x = jnp.clip(v / f, -80.0, 80.0)
    t = trap(x, jnp.exp(x))
    return f * (cai / cao * (t + x) - t)


@final
class NaSoma(Channel):
    """Sodium current of soma and axon, g m² h s (v − ena). `ar` is what the slow gate `s` leaves; 1 is all."""

    g: Param = param(0.007, "S/cm2")
    ar: Param = param(1.0, "1", lo=0.0, hi=1.0)

    ion: ClassVar[str | None] = "na"

    def gates(self, v: Array, celsius: Any) -> dict[str, Gate]:
        gates = _sigmoids(v, (-44.0, 3.0, 0.05), (-49.0, 3.5, 1.0))
        return gates | {"s": _attenuation(v, self.ar, celsius)}

    def current(self, v: Array, m: Array, h: Array, s: Array, ena: Array) -> Array:
        return self.g * m**2 * h * s * (v - ena)


@final
class NaDend(Channel):
    """Sodium current of dendrites, g m² h s (v − ena), `ar` as in `NaSoma`: it falls along the apical trunk."""

    g: Param = param(0.007, "S/cm2")
    ar: Param = param(0.95, "1", lo=0.0, hi=1.0)

    ion: ClassVar[str | None] = "na"

    def gates(self, v: Array, celsius: Any) -> dict[str, Gate]:
        gates = _sigmoids(v, (-40.0, 3.0, 0.05), (-45.0, 3.0, 0.5))
        return gates | {"s": _attenuation(v, self.ar, celsius)}

    def current(self, v: Array, m: Array, h: Array, s: Array, ena: Array) -> Array:
        return self.g * m**2 * h * s * (v - ena)


@final
class KdrSoma(Channel):
    """Delayed-rectifier potassium current of soma and axon, g n² (v − ek)."""

    g: Param = param(0.0014, "S/cm2")

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array) -> dict[str, Gate]:
        return {"n": Gate.relax(sigmoid((v + 46.3) / 3.0), jnp.full_like(v, 3.5))}

    def current(self, v: Array, n: Array, ek: Array) -> Array:
        return self.g * n**2 * (v - ek)


@final
class KdrDend(Channel):
    """Delayed-rectifier potassium current of dendrites, g n² (v − ek)."""

    g: Param = param(0.000867, "S/cm2")

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array) -> dict[str, Gate]:
        return {"n": Gate.relax(sigmoid((v + 42.0) / 2.0), jnp.full_like(v, 2.2))}

    def current(self, v: Array, n: Array, ek: Array) -> Array:
        return self.g * n**2 * (v - ek)


def _a_type(
    v: Array, halves: tuple[Any, Any], zeta: float, share: float, a0: float, celsius: Any
) -> dict[str, Gate]:
    """Return the gates n and l of an A-type current (Hoffman et al. 1997) as Migliore et al. (1999) write them."""
    z = zeta - sigmoid(-(v + 40.0) / 5.0)
    x = _exponent(v, halves[0], 1.0, celsius) * z
    tau_n = jnp.exp(share * x) / (5.0 ** ((celsius - 24.0) / 10.0) * a0 * (1.0 + jnp.exp(x)))
    inf_l = sigmoid(-_exponent(v, halves[1], 3.0, celsius))
    n = Gate.relax(sigmoid(-x), jnp.maximum(tau_n, 0.1))
    return {"n": n, "l": Gate.relax(inf_l, jnp.maximum(0.26 * (v + 50.0), 2.0))}


@final
class KAProximal(Channel):
    """A-type potassium current within 100 µm of the soma, g n l (v − ek); half-activation `vn`, inactivation `vl`."""

    g: Param = param(0.0075, "S/cm2")
    vn: Param = param(11.0, "mV")
    vl: Param = param(-56.0, "mV")

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array, celsius: Any) -> dict[str, Gate]:
        return _a_type(v, (self.vn, self.vl), -1.5, 0.55, 0.05, celsius)

    def current(self, v: Array, n: Array, l: Array, ek: Array) -> Array:
        return self.g * n * l * (v - ek)


@final
class KADistal(Channel):
    """A-type potassium current beyond 100 µm, g n l (v − ek); `vn` and `vl` as in `KAProximal`."""

    g: Param = param(0.0075, "S/cm2")
    vn: Param = param(-1.0, "mV")
    vl: Param = param(-56.0, "mV")

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array, celsius: Any) -> dict[str, Gate]:
        return _a_type(v, (self.vn, self.vl), -1.8, 0.39, 0.1, celsius)

    def current(self, v: Array, n: Array, l: Array, ek: Array) -> Array:
        return self.g * n * l * (v - ek)


@final
class H(Channel):
    """Hyperpolarisation-activated cation current, g n (v − e); its time constant drops to 1 ms above −30 mV."""

    g: Param = param(5e-5, "S/cm2")
    e: Param = param(-10.0, "mV")
    vhalf: Param = param(-90.0, "mV")
    k: Param = param(8.5, "mV", lo=1e-3)

    def gates(self, v: Array) -> dict[str, Gate]:
        tau = 2.0 / (jnp.exp((v + 145.0) / -17.5) + jnp.exp((v + 16.8) / 16.5)) + 10.0
        return {"n": Gate.relax(sigmoid((self.vhalf - v) / self.k), jnp.where(v > -30.0, 1.0, tau))}

    def current(self, v: Array, n: Array) -> Array:
        return self.g * n * (v - self.e)


@final
class CaL(Channel):
    """L-type calcium current of soma and proximal dendrites, g m ki/(ki + cai) · drive (Jaffe et al. 1994)."""

    g: Param = param(0.0007, "S/cm2")
    ki: Param = param(0.001, "mM", lo=1e-12)

    ion: ClassVar[str | None] = "ca"

    def gates(self, v: Array) -> dict[str, Gate]:
        return {"m": Gate.rates(0.275 * vtrap(-27.01 - v, 3.8), 4.7 * jnp.exp((-63.01 - v) / 17.0))}

    def current(self, v: Array, m: Array, cai: Array, cao: Array, celsius: Any) -> Array:
        return self.g * m * self.ki / (self.ki + cai) * _drive(v, cai, cao, celsius)


@final
class CaLDistal(Channel):
    """High-threshold L-type calcium current of distal dendrites, g m³ h (v − eca)."""

    g: Param = param(0.0003, "S/cm2")

    ion: ClassVar[str | None] = "ca"

    def gates(self, v: Array) -> dict[str, Gate]:
        return _sigmoids(v, (-37.0, 1.0, 3.6), (-41.0, 0.5, 29.0))

    def current(self, v: Array, m: Array, h: Array, eca: Array) -> Array:
        return self.g * m**3 * h * (v - eca)


@final
class CaT(Channel):
    """T-type calcium current, g m² h ki/(ki + cai) · drive. As in the model it reads calcium but brings none in."""

    g: Param = param(5e-5, "S/cm2")
    ki: Param = param(0.001, "mM", lo=1e-12)

    def gates(self, v: Array) -> dict[str, Gate]:
        m = Gate.rates(0.1967 * vtrap(19.88 - v, 10.0), 0.046 * jnp.exp(-v / 22.73))
        opening, closing = 1.6e-4 * jnp.exp((-57.0 - v) / 19.0), sigmoid((v - 15.0) / 10.0)
        return {"m": m, "h": Gate.rates(0.68 * opening, 0.68 * closing)}

    def current(self, v: Array, m: Array, h: Array, cai: Array, cao: Array, celsius: Any) -> Array:
        return self.g * m**2 * h * self.ki / (self.ki + cai) * _drive(v, cai, cao, celsius)


@final
class CaRSoma(Channel):
    """R-type calcium current of the soma, g m³ h (v − eca)."""

    g: Param = param(0.003, "S/cm2")

    ion: ClassVar[str | None] = "ca"

    def gates(self, v: Array) -> dict[str, Gate]:
        return _sigmoids(v, (-60.0, 3.0, 100.0), (-62.0, 1.0, 5.0))

    def current(self, v: Array, m: Array, h: Array, eca: Array) -> Array:
        return self.g * m**3 * h * (v - eca)


@final
class CaRDend(Channel):
    """R-type calcium current of dendrites, g m³ h (v − eca)."""

    g: Param = param(0.0003, "S/cm2")

    ion: ClassVar[str | None] = "ca"

    def gates(self, v: Array) -> dict[str, Gate]:
        return _sigmoids(v, (-48.5, 3.0, 50.0), (-53.0, 1.0, 5.0))

    def current(self, v: Array, m: Array, h: Array, eca: Array) -> Array:
        return self.g * m**3 * h * (v - eca)


@final
class SAHP(Channel):
    """Slow calcium-dependent potassium current, g m³ (v − ek), half open at cai = `ca` (Destexhe et al. 1994)."""

    g: Param = param(0.0005, "S/cm2")
    ca: Param = param(0.025, "mM", lo=1e-12)

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array, cai: Array, celsius: Any) -> dict[str, Gate]:
        x = (cai / self.ca) ** 2 + jnp.zeros_like(v)
        tau = 1.0 / (3.0 ** ((celsius - 22.0) / 10.0) * 0.03 * (1.0 + x))
        return {"m": Gate.relax(x / (1.0 + x), jnp.maximum(tau, 0.5))}

    def current(self, v: Array, m: Array, ek: Array) -> Array:
        return self.g * m**3 * (v - ek)


@final
class MAHP(Channel):
    """Fast calcium- and voltage-dependent potassium current, g o (v − ek); rates of Moczydlowski & Latorre (1983)."""

    g: Param = param(0.09, "S/cm2")

    ion: ClassVar[str | None] = "k"

    def gates(self, v: Array, cai: Array, celsius: Any) -> dict[str, Gate]:
        x = v / thermal(2, celsius)
        opening = 0.48 * cai / (cai + 0.18 * jnp.exp(-0.84 * x))
        return {"o": Gate.rates(opening, 0.28 / (1.0 + cai / (0.011 * jnp.exp(-x))))}

    def current(self, v: Array, o: Array, ek: Array) -> Array:
        return self.g * o * (v - ek)


@final
class Km(Channel):
    """Slow voltage-dependent potassium (M) current, g n (v − ek); the rates of Mainen & Sejnowski (1996)."""

    g: Param = param(0.06, "S/cm2")

    ion: ClassVar[str | None] = "k"
    q10 = Q10(2.3, at=23.0)

    def gates(self, v: Array) -> dict[str, Gate]:
        return {"n": Gate.rates(0.001 * vtrap(-30.0 - v, 9.0), 0.001 * vtrap(v + 30.0, 9.0))}

    def current(self, v: Array, n: Array, ek: Array) -> Array:
        return self.g * n * (v - ek)
