"""Electrodes of NEURON that only a model taken over from there needs; one value for each cell of a population."""

from typing import Any, final

import equinox as eqx
import jax.numpy as jnp

from ...base.checks import floats
from ...base.types import Array, Float
from ...inputs.base import Electrode, as_place


@final
class SEClamp(Electrode):
    """NEURON's `SEClamp`: a voltage clamp of up to three steps, which lets go after them.

    `g` µS is the conductance of the electrode [cell], 0 where there is none; `amp` mV [3, cell] its commands and `dur`
    ms [3, cell] how long each is held. As there, the command is that of the middle of a step.
    """

    at: Any = eqx.field(static=True)
    g: Float[Array, "..."]
    dur: Float[Array, "step ..."]
    amp: Float[Array, "step ..."]

    def __init__(self, at: Any, g: Any, dur: Any, amp: Any):
        self.at = as_place(at, "SEClamp")
        self.g = floats(g, "uS", "SEClamp g", least=0.0)
        self.dur = floats(dur, "ms", "SEClamp dur")
        self.amp = floats(amp, "mV", "SEClamp amp")

    def drive(self, t: Array, dt: Array, memory: Any) -> tuple[Any, Any, Any]:
        ends = jnp.cumsum(self.dur, axis=0)
        middle = t + 0.5 * dt
        held = jnp.where(middle < ends[0], self.amp[0], jnp.where(middle < ends[1], self.amp[1], self.amp[2]))
        return None, jnp.where(middle < ends[2], self.g, 0.0), held


@final
class AlphaSynapse(Electrode):
    """NEURON's `AlphaSynapse`: one conductance gmax · (t − onset)/tau · exp(1 − (t − onset)/tau) that reverses at `e`.

    `onset`, `tau` ms, `gmax` µS, `e` mV, each [cell].
    """

    at: Any = eqx.field(static=True)
    onset: Float[Array, "..."]
    tau: Float[Array, "..."]
    gmax: Float[Array, "..."]
    e: Float[Array, "..."]

    def __init__(self, at: Any, onset: Any, tau: Any, gmax: Any, e: Any):
        self.at = as_place(at, "AlphaSynapse")
        self.onset = floats(onset, "ms", "AlphaSynapse onset")
        self.tau = floats(tau, "ms", "AlphaSynapse tau", above=0.0)
        self.gmax = floats(gmax, "uS", "AlphaSynapse gmax")
        self.e = floats(e, "mV", "AlphaSynapse e")

    def drive(self, t: Array, dt: Array, memory: Any) -> tuple[Any, Any, Any]:
        x = (t + 0.5 * dt - self.onset) / self.tau
        # As in NEURON it is nothing before its onset, and from ten time constants on.
        on = (x >= 0.0) & (x <= 10.0)
        inside = jnp.where(on, x, 0.0)
        return None, self.gmax * inside * jnp.exp(1.0 - inside), jnp.broadcast_to(self.e, jnp.shape(x))
