"""Plasticity: weights that change with the spikes on both sides of a synapse, and with reward."""

from abc import abstractmethod
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp

from ..base.kinks import bounded
from ..base.objects import optional
from ..base.types import Array, Param
from .base import Mechanism
from .gating import Gate
from .kinetics import States
from .params import param


class Plasticity(Mechanism):
    """A rule for the weights of a projection: traces on both sides, and what a spike on either side does to a weight.

    `pre_traces` live at the presynaptic cells, `post_traces` at the postsynaptic ones; a spike lets each jump by 1.
    Weights are `[edge]`, in units of their start: 1 is the weight that was connected, so that one rule serves
    every strength. An eligibility `tag` is one more state per edge.
    """

    @abstractmethod
    def pre_traces(self) -> dict[str, Gate]:
        """Return where every presynaptic trace goes between spikes, and how fast."""

    @abstractmethod
    def post_traces(self) -> dict[str, Gate]:
        """Return the same for the postsynaptic traces."""

    @abstractmethod
    def on_pre(self, w: Array, pre: States, post: States) -> Array:
        """Return the change that the arrival of a presynaptic spike asks for, with the traces just before it."""

    @abstractmethod
    def on_post(self, w: Array, pre: States, post: States) -> Array:
        """Return the change that a postsynaptic spike asks for, with the traces just before it."""

    @optional
    def tag(self) -> Gate | None:
        """Return how an eligibility tag fades, None where changes take effect at once."""
        return None

    @optional
    def gain(self, reward: Any) -> Any:
        """Return d(weight)/dt per tag at this reward (1/ms)."""
        return 0.0 * reward

    @optional
    def bounded(self, w: Array) -> Array:
        """Return the weights within what the rule allows."""
        return w


def _share(x: Any) -> Any:
    """Return the share of the way to a soft bound: past 1 a step would go beyond it, and weights turn negative."""
    return jnp.minimum(x, 1.0)


class _Pairs(Plasticity):
    """A rule of one trace on either side: `x` of presynaptic spikes, `y` of postsynaptic ones."""

    tau_plus: eqx.AbstractVar[Param]
    tau_minus: eqx.AbstractVar[Param]

    def pre_traces(self) -> dict[str, Gate]:
        return {"x": Gate.relax(jnp.zeros_like(self.tau_plus), self.tau_plus)}

    def post_traces(self) -> dict[str, Gate]:
        return {"y": Gate.relax(jnp.zeros_like(self.tau_minus), self.tau_minus)}


@final
class STDP(_Pairs):
    """Pair-based spike-timing-dependent plasticity with soft bounds 0 and `wmax`.

    After − before: +`a_plus` (wmax − w) exp(−Δt/tau_plus) when the presynaptic spike comes first, else
    −`a_minus` w exp(−Δt/tau_minus); all pairs add up, to the whole way to the bound at most.
    Sources: Song, Miller & Abbott, Nat Neurosci 3:919 (2000); Gütig et al., J Neurosci 23:3697 (2003).
    """

    a_plus: Param = param(0.005, "1", lo=0.0)
    a_minus: Param = param(0.00525, "1", lo=0.0)
    tau_plus: Param = param(20.0, "ms", lo=1e-3)
    tau_minus: Param = param(20.0, "ms", lo=1e-3)
    wmax: Param = param(2.0, "1", lo=0.0)

    def on_pre(self, w: Array, pre: States, post: States) -> Array:
        return -w * _share(self.a_minus * post["y"])

    def on_post(self, w: Array, pre: States, post: States) -> Array:
        return (self.wmax - w) * _share(self.a_plus * pre["x"])


@final
class TripletSTDP(Plasticity):
    """Triplet rule: pairs, and potentiation that grows with the postsynaptic rate. Bounds 0 and `wmax` are soft.

    Source: Pfister & Gerstner, J Neurosci 26:9673 (2006), the minimal model of visual cortex.
    """

    a2_minus: Param = param(7.1e-3, "1", lo=0.0)
    a3_plus: Param = param(6.5e-3, "1", lo=0.0)
    tau_plus: Param = param(16.8, "ms", lo=1e-3)
    tau_minus: Param = param(33.7, "ms", lo=1e-3)
    tau_y: Param = param(114.0, "ms", lo=1e-3)
    wmax: Param = param(2.0, "1", lo=0.0)

    def pre_traces(self) -> dict[str, Gate]:
        return {"r": Gate.relax(jnp.zeros_like(self.tau_plus), self.tau_plus)}

    def post_traces(self) -> dict[str, Gate]:
        zeros = jnp.zeros_like
        return {
            "o1": Gate.relax(zeros(self.tau_minus), self.tau_minus),
            "o2": Gate.relax(zeros(self.tau_y), self.tau_y),
        }

    def on_pre(self, w: Array, pre: States, post: States) -> Array:
        return -w * _share(self.a2_minus * post["o1"])

    def on_post(self, w: Array, pre: States, post: States) -> Array:
        return (self.wmax - w) * _share(self.a3_plus * pre["r"] * post["o2"])


@final
class RewardSTDP(_Pairs):
    """Pair-based changes are held in an eligibility tag that fades with `tau_tag`, and become weight with reward.

    dw/dt = rate · reward(t) · tag. Without a `Reward` input nothing changes. Source: Izhikevich, Cereb Cortex 17:2443
    (2007).
    """

    a_plus: Param = param(0.005, "1", lo=0.0)
    a_minus: Param = param(0.00525, "1", lo=0.0)
    tau_plus: Param = param(20.0, "ms", lo=1e-3)
    tau_minus: Param = param(20.0, "ms", lo=1e-3)
    tau_tag: Param = param(1000.0, "ms", lo=1e-3)
    rate: Param = param(1e-3, "1/ms")
    wmax: Param = param(2.0, "1", lo=0.0)

    def on_pre(self, w: Array, pre: States, post: States) -> Array:
        return -self.a_minus * w * post["y"]

    def on_post(self, w: Array, pre: States, post: States) -> Array:
        return self.a_plus * (self.wmax - w) * pre["x"]

    def tag(self) -> Gate:
        return Gate.relax(jnp.zeros_like(self.tau_tag), self.tau_tag)

    def gain(self, reward: Any) -> Any:
        return self.rate * reward

    def bounded(self, w: Array) -> Array:
        return bounded(w, 0.0, self.wmax)
