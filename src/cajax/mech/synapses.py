"""Synapses: graded ones that follow the presynaptic voltage, and those that answer to spikes."""

from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
from jax.nn import sigmoid

from ..base.objects import optional
from ..base.types import Array, Param
from .base import Mechanism, Synapse
from .events import EventSynapse
from .gating import Gate, exp_difference, trap
from .kinetics import States
from .params import param


@final
class Graded(Synapse):
    """Graded chemical synapse: transmitter follows the presynaptic voltage, no spike is detected.

    s∞ = σ((v_pre − threshold)/slope), τ = (1 − s∞)/k, current g·s·(v − e). Source: Abbott & Marder (1998),
    in Koch & Segev (eds), Methods in Neuronal Modeling.
    """

    e: Param = param(0.0, "mV")
    k: Param = param(0.025, "1/ms", lo=0.0)
    threshold: Param = param(-35.0, "mV")
    slope: Param = param(10.0, "mV", lo=1e-3)

    def gates(self, v_pre: Array) -> dict[str, Gate]:
        # The same law as opening and closing rates: τ = (1 − s∞)/k ends in 0/0 at a strong depolarisation.
        # Past exp(40) s∞ is 1 to all digits; the cap keeps float32 finite whatever the voltage.
        opening = self.k * jnp.exp(jnp.minimum((v_pre - self.threshold) / self.slope, 40.0))
        return {"s": Gate.rates(opening, self.k)}

    def release(self, s: Array) -> Array:
        return s

    def current(self, v: Array, g: Array) -> Array:
        return g * (v - self.e)


@final
class Rate(Synapse):
    """The output of a rate unit: a current that follows a sigmoid of the presynaptic voltage.

    With `Leak` alone on the cells, C v' = −g (v − e) + drive Σ weight · s is the classic rate network (Wilson & Cowan
    1972); a negative `drive` (mV) inhibits.
    """

    drive: Param = param(10.0, "mV")
    threshold: Param = param(-50.0, "mV")
    slope: Param = param(5.0, "mV", lo=1e-3)
    tau: Param = param(1.0, "ms", lo=1e-3)

    def gates(self, v_pre: Array) -> dict[str, Any]:
        return {"s": Gate.relax(sigmoid((v_pre - self.threshold) / self.slope), self.tau + 0.0 * v_pre)}

    def release(self, s: Array) -> Array:
        return s

    def current(self, v: Array, g: Array) -> Array:
        return -g * self.drive + 0.0 * v


@final
class ExpSyn(EventSynapse):
    """A conductance that jumps by the weight and decays with `tau`; NEURON's `ExpSyn`."""

    tau: Param = param(2.0, "ms", lo=1e-3)
    e: Param = param(0.0, "mV")

    def gates(self) -> dict[str, Gate]:
        return {"g": Gate.relax(jnp.zeros_like(self.tau), self.tau)}

    def event(self, g: Array) -> States:
        return {"g": g + 1.0}

    def release(self, g: Array) -> Array:
        return g

    def current(self, v: Array, g: Array) -> Array:
        return g * (v - self.e)


@final
class Alpha(EventSynapse):
    """The alpha function g = (t/tau) exp(1 − t/tau), which peaks at the weight. Source: Rall (1967), J Neurophysiol."""

    tau: Param = param(1.0, "ms", lo=1e-3)
    e: Param = param(0.0, "mV")

    def gates(self) -> dict[str, Gate]:
        gate = Gate.relax(jnp.zeros_like(self.tau), self.tau)
        return {"a": gate, "g": gate}

    def flow(self, dt: Any, a: Array, g: Array) -> States:
        x = dt / self.tau
        fall = jnp.exp(-x)
        return {"a": a * fall, "g": (g + a * x) * fall}

    def event(self, a: Array, g: Array) -> States:
        return {"a": a + jnp.e}

    def release(self, a: Array, g: Array) -> Array:
        return g

    def current(self, v: Array, g: Array) -> Array:
        return g * (v - self.e)


class _TwoExponentials(EventSynapse):
    """exp(−t/decay) − exp(−t/rise), scaled so that one spike peaks at the weight.

    `a` decays with `rise` and feeds `g`, which decays with `decay`: g' = a − g/decay. So nothing cancels where both
    times are nearly equal, and at rise = decay it is the alpha function. Swapping them changes nothing.
    """

    rise: eqx.AbstractVar[Param]
    decay: eqx.AbstractVar[Param]
    e: eqx.AbstractVar[Param]

    @property
    def jump(self) -> Any:
        """What `a` (1/ms) jumps by, so that g peaks at 1: exp(−r ln(r)/(1 − r))/rise with r = rise/decay."""
        r = jnp.asarray(self.rise / self.decay)
        return jnp.exp(r * trap(jnp.log(r), r)) / self.rise

    def gates(self) -> dict[str, Gate]:
        zeros = jnp.zeros_like
        return {
            "a": Gate.relax(zeros(self.rise), self.rise),
            "g": Gate.relax(zeros(self.decay), self.decay),
        }

    def flow(self, dt: Any, a: Array, g: Array) -> States:
        rising, falling = dt / self.rise, dt / self.decay
        fed = a * dt * exp_difference(falling, rising)
        return {"a": a * jnp.exp(-rising), "g": g * jnp.exp(-falling) + fed}

    @optional
    def event(self, a: Array, g: Array) -> States:
        return {"a": a + self.jump}

    def release(self, a: Array, g: Array) -> Array:
        return g

    @optional
    def current(self, v: Array, g: Array) -> Array:
        return g * (v - self.e)


@final
class Exp2Syn(_TwoExponentials):
    """A conductance that rises with `rise` and decays with `decay` and peaks at the weight; NEURON's `Exp2Syn`."""

    rise: Param = param(0.5, "ms", lo=1e-3)
    decay: Param = param(2.0, "ms", lo=1e-3)
    e: Param = param(0.0, "mV")


@final
class AMPA(_TwoExponentials):
    """Fast glutamatergic excitation (Hay et al. 2011, PLoS Comput Biol 7:e1002107: 0.2 and 1.7 ms)."""

    rise: Param = param(0.2, "ms", lo=1e-3)
    decay: Param = param(1.7, "ms", lo=1e-3)
    e: Param = param(0.0, "mV")


@final
class GABAA(_TwoExponentials):
    """Fast GABAergic inhibition: 0.2 and 8 ms, reversing at −80 mV (Ramaswamy & Markram 2015, Front Cell Neurosci)."""

    rise: Param = param(0.2, "ms", lo=1e-3)
    decay: Param = param(8.0, "ms", lo=1e-3)
    e: Param = param(-80.0, "mV")


@final
class NMDA(_TwoExponentials):
    """Slow glutamatergic excitation, blocked by magnesium outside and saturating.

    With `saturation` 1 a spike opens what is still closed: one peaks at 1, and a train stays below what both
    exponentials would jump by (1.04 for the default times); with 0 spikes add up. The block is 1/(1 + [Mg]/3.57 mM ·
    exp(−0.062 v)). Source: Jahr & Stevens, J Neurosci 10:3178 (1990); times of Hay et al. (2011).
    """

    rise: Param = param(0.29, "ms", lo=1e-3)
    decay: Param = param(43.0, "ms", lo=1e-3)
    e: Param = param(0.0, "mV")
    mg: Param = param(1.0, "mM", lo=0.0)
    saturation: Param = param(1.0, "1", lo=0.0, hi=1.0)

    def event(self, a: Array, g: Array) -> States:
        # The slower exponential, from 1 down, is the envelope: held below `jump`, it keeps the signal below it too.
        apart = jnp.maximum(1.0 / self.rise - 1.0 / self.decay, 0.0)
        share = 1.0 - self.saturation * (a + apart * g) / self.jump
        return {"a": a + self.jump * share}

    def current(self, v: Array, g: Array) -> Array:
        block = 1.0 / (1.0 + self.mg / 3.57 * jnp.exp(-0.062 * v))
        return g * block * (v - self.e)


@final
class GABAB(EventSynapse):
    """Slow GABAergic inhibition through a G protein: signal s^n/(s^n + kd), s driven by activated receptors r.

    A spike activates the share `bound` of the receptors that are still free, as 0.3 ms of 0.5 mM transmitter do.
    Source: Destexhe & Sakmann's scheme in Destexhe, Mainen & Sejnowski (1998), in Koch & Segev (eds), Methods in
    Neuronal Modeling; the rates are its.
    """

    bound: Param = param(0.0134, "1", lo=0.0, hi=1.0)
    k2: Param = param(0.0012, "1/ms", lo=1e-9)
    k3: Param = param(0.18, "1/ms", lo=0.0)
    k4: Param = param(0.034, "1/ms", lo=1e-9)
    kd: Param = param(100.0, "1", lo=1e-12)
    e: Param = param(-95.0, "mV")

    def gates(self) -> dict[str, Gate]:
        k2, k4 = jnp.asarray(self.k2), jnp.asarray(self.k4)
        return {"r": Gate(jnp.zeros_like(k2), k2), "s": Gate(jnp.zeros_like(k4), k4)}

    def flow(self, dt: Any, r: Array, s: Array) -> States:
        slow, fast = jnp.exp(-self.k2 * dt), jnp.exp(-self.k4 * dt)
        gain = dt * exp_difference(self.k2 * dt, self.k4 * dt)
        return {"r": r * slow, "s": s * fast + self.k3 * r * gain}

    def event(self, r: Array, s: Array) -> States:
        return {"r": r + self.bound * (1.0 - r)}

    def release(self, r: Array, s: Array) -> Array:
        s4 = (s * s) * (s * s)
        return s4 / (s4 + self.kd)

    def current(self, v: Array, g: Array) -> Array:
        return g * (v - self.e)


@final
class ShortTerm(EventSynapse):
    """A conductance that jumps by u·x: short-term depression and facilitation, and decays with `tau`.

    Between spikes the resources x recover with `recovery`, the release probability u relaxes to 0 with `facilitation`;
    at a spike u += u0 (1 − u), then the share u of x is released. Source: Tsodyks, Uziel & Markram, J Neurosci 20:RC50
    (2000).
    """

    u0: Param = param(0.5, "1", lo=0.0, hi=1.0)
    recovery: Param = param(800.0, "ms", lo=1e-3)
    facilitation: Param = param(1.0, "ms", lo=1e-3)
    tau: Param = param(3.0, "ms", lo=1e-3)
    e: Param = param(0.0, "mV")

    def gates(self) -> dict[str, Gate]:
        return {
            "g": Gate.relax(jnp.zeros_like(self.tau), self.tau),
            "x": Gate.relax(jnp.ones_like(self.recovery), self.recovery),
            "u": Gate.relax(jnp.zeros_like(self.facilitation), self.facilitation),
        }

    def event(self, g: Array, x: Array, u: Array) -> States:
        u = u + self.u0 * (1.0 - u)
        return {"g": g + u * x, "x": x - u * x, "u": u}

    def release(self, g: Array, x: Array, u: Array) -> Array:
        return g

    def current(self, v: Array, g: Array) -> Array:
        return g * (v - self.e)


@final
class GapJunction(Mechanism):
    """An electrical synapse: a conductance between two places, solved with the cable equation, not after it."""

    def check(self) -> None:
        """Nothing: it has no methods that could fail to fit together."""
