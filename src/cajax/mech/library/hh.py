"""The squid axon of Hodgkin and Huxley, as in NEURON."""

import math
from typing import final

import jax.numpy as jnp

from ...base.types import Array, Param
from ..base import Channel
from ..gating import Q10, Gate, trap
from ..params import param


@final
class HH(Channel):
    """Sodium, delayed-rectifier potassium and leak currents of the squid axon; NEURON's `hh`.

    Source: Hodgkin & Huxley, J. Physiol. 117:500 (1952), shifted to a rest of −65 mV, at 6.3 °C with Q10 = 3.
    """

    gna: Param = param(0.12, "S/cm2")
    gk: Param = param(0.036, "S/cm2")
    gl: Param = param(0.0003, "S/cm2")
    ena: Param = param(50.0, "mV")
    ek: Param = param(-77.0, "mV")
    el: Param = param(-54.3, "mV")

    q10 = Q10(3.0, at=6.3)

    def gates(self, v: Array) -> dict[str, Gate]:
        # Five of the six exponentials are powers of one: exponentials are most of a step's cost. The cap, far
        # below any voltage that occurs, keeps the powers within float32; `where` is faster back than `maximum`.
        u = v + 65.0
        u = jnp.where(u < -600.0, -600.0, u)
        e80 = jnp.exp(-u / 80.0)
        e20 = (e80 * e80) * (e80 * e80)
        e10 = e20 * e20  # exp(-(v + 65) / 10)
        am = trap((25.0 - u) / 10.0, e10 * math.exp(2.5))
        bm = 4.0 * jnp.exp(-u / 18.0)
        ah = 0.07 * e20
        bh = 1.0 / (e10 * math.exp(3.0) + 1.0)
        an = 0.1 * trap((10.0 - u) / 10.0, e10 * math.exp(1.0))
        bn = 0.125 * e80
        return {"m": Gate.rates(am, bm), "h": Gate.rates(ah, bh), "n": Gate.rates(an, bn)}

    def current(self, v: Array, m: Array, h: Array, n: Array) -> Array:
        parts = self.parts(v, m, h, n)
        return parts["na"] + parts["k"] + parts["l"]

    def parts(self, v: Array, m: Array, h: Array, n: Array) -> dict[str, Array]:
        """Return what sodium, potassium and the leak carry of the current (mA/cm²).

        Recordings alone ask for it: the potentials are the channel's own, so it says nothing to painted ions.
        """
        return {
            "na": self.gna * m**3 * h * (v - self.ena),
            "k": self.gk * n**4 * (v - self.ek),
            "l": self.gl * (v - self.el),
        }
