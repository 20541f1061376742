"""Point neurons: currents with a threshold and a reset, painted like any channel on a cell of one control volume."""

from abc import abstractmethod
from typing import Any, ClassVar, final

import jax.numpy as jnp

from ..base.types import Array, Param
from .base import Channel
from .gating import Gate
from .kinetics import States
from .params import param
from .timer import Timer

_STEEPEST = 20.0
"""Beyond this multiple of the leak the exponential of `AdEx` is a runaway: a spike follows within a tenth of a ms."""


class PointNeuron(Channel):
    """A membrane that spikes by rule: past `threshold` it is reset.

    The spike is detected before the reset, at its time within the step, by every projection from the cell.
    """

    is_point: ClassVar[bool] = True

    @property
    @abstractmethod
    def threshold(self) -> Any:
        """The voltage (mV) at which a spike happens."""

    @abstractmethod
    def reset(self, v: Array, *args: Any, **states: Any) -> tuple[Array, States]:
        """Return the voltage and the states just after a spike."""


@final
class LIF(PointNeuron):
    """Leaky integrate-and-fire: leak to `e`, spike at `vth`, `vreset` held for `refractory` ms. Lapicque (1907).

    With 1 µF/cm² the membrane time constant is 1e-3/g ms.
    """

    g: Param = param(5e-5, "S/cm2")
    e: Param = param(-70.0, "mV")
    vth: Param = param(-50.0, "mV")
    vreset: Param = param(-65.0, "mV")
    refractory: Param = param(2.0, "ms", lo=0.0)

    def gates(self, v: Array) -> dict[str, Any]:
        return {"left": Timer(jnp.zeros_like(v))}

    def current(self, v: Array, left: Array) -> Array:
        # A conductance of 1 S/cm² holds the voltage to the microvolt; the input is shunted, as it should be.
        return jnp.where(left > 0, v - self.vreset, self.g * (v - self.e))

    @property
    def threshold(self) -> Any:
        return self.vth

    def reset(self, v: Array, left: Array) -> tuple[Array, States]:
        return jnp.broadcast_to(self.vreset, v.shape).astype(v.dtype), {"left": left * 0.0 + self.refractory}


@final
class AdEx(PointNeuron):
    """Adaptive exponential integrate-and-fire. Source: Brette & Gerstner, J Neurophysiol 94:3637 (2005).

    Defaults are the paper's, per area of a cell of 281 pF at 1 µF/cm²; `b` is what adaptation jumps by (mA/cm²).
    """

    g: Param = param(1.0676e-4, "S/cm2")
    e: Param = param(-70.6, "mV")
    vt: Param = param(-50.4, "mV")
    slope: Param = param(2.0, "mV", lo=1e-3)
    a: Param = param(1.4235e-5, "S/cm2")
    b: Param = param(2.8648e-4, "mA/cm2")
    tau: Param = param(144.0, "ms", lo=1e-3)
    vreset: Param = param(-70.6, "mV")
    peak: Param = param(0.0, "mV")

    def gates(self, v: Array) -> dict[str, Any]:
        return {"w": Gate.relax(self.a * (v - self.e), self.tau + 0.0 * v)}

    def current(self, v: Array, w: Array) -> Array:
        return self.g * (v - self.e) - self.g * self.slope * jnp.minimum(self._upstroke(v), _STEEPEST) + w

    def runaway(self, v: Array, w: Array) -> Array:
        # The slope of a spike's upstroke is so negative that the implicit step would turn the voltage round.
        return -self.g * self.slope * jnp.maximum(self._upstroke(v) - _STEEPEST, 0.0)

    def _upstroke(self, v: Array) -> Array:
        # Held above the peak, where the neuron is reset anyway: the exponential stays finite.
        return jnp.exp((jnp.minimum(v, self.peak + self.slope) - self.vt) / self.slope)

    @property
    def threshold(self) -> Any:
        return self.peak

    def reset(self, v: Array, w: Array) -> tuple[Array, States]:
        return jnp.broadcast_to(self.vreset, v.shape).astype(v.dtype), {"w": w + self.b}


@final
class Izhikevich(PointNeuron):
    """v' = 0.04 v² + 5 v + 140 − u, u' = a (b v − u); spike at 30 mV: v = c, u += d. At 1 µF/cm², in mA/cm² · 1e-3.

    Source: Izhikevich, IEEE Trans Neural Netw 14:1569 (2003); defaults are regular spiking. The paper's input of 10 is
    a current density of 10 µA/cm².
    """

    a: Param = param(0.02, "1/ms", lo=0.0)
    b: Param = param(0.2, "1")
    c: Param = param(-65.0, "mV")
    d: Param = param(8.0, "1")

    def gates(self, v: Array) -> dict[str, Any]:
        return {"u": Gate(self.b * v, self.a + 0.0 * v)}

    def current(self, v: Array, u: Array) -> Array:
        return -1e-3 * ((0.04 * v + 5.0) * v + 140.0 - u)

    @property
    def threshold(self) -> Any:
        return 30.0

    def reset(self, v: Array, u: Array) -> tuple[Array, States]:
        return jnp.broadcast_to(self.c, v.shape).astype(v.dtype), {"u": u + self.d}
