"""Crossings: when within a step a voltage passes a threshold upwards, and with what derivatives."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..base.types import Array, Float
from ..mech import Surrogate
from ..model.inserted import THRESHOLD, Detector
from ..model.model import Model
from .membranes import Membranes
from .sites import Sites


@final
class Crossing(eqx.Module):
    """The cells at `sites` [cell] spike when their voltage passes `threshold` (mV) upwards."""

    sites: Sites = eqx.field(static=True)
    threshold: Float[Array, "..."] | float
    surrogate: Surrogate | None = eqx.field(static=True)

    @staticmethod
    def of(
        model: Model, membranes: Membranes, detector: Detector, surrogate: Surrogate | None = None
    ) -> "Crossing":
        """Return the crossing of a detector with its threshold."""
        path = detector.threshold
        threshold = model.params[path] if path else threshold_at(membranes, detector.cvs)
        return Crossing(Sites(detector.cvs, model.structure.size), threshold, surrogate)

    def within(
        self, v0: Float[Array, "cv"], v1: Float[Array, "cv"], dt: Array
    ) -> tuple[Float[Array, "cell"], Float[Array, "cell"]]:
        """Return whether each cell spikes between two voltages, as a number, and how long before the end, ms."""
        return crossed(self.sites.take(v0), self.sites.take(v1), self.threshold, dt, self.surrogate)


def threshold_at(membranes: Membranes, cvs: np.ndarray) -> Any:
    """Return the threshold (mV) at control volumes, one or [cell]: a point neuron's own, else the usual one."""
    threshold: Any = THRESHOLD
    for membrane in membranes.channels:
        inside = np.isin(cvs, membrane.sites.index)
        if not membrane.channel.is_point or not inside.any():
            continue
        point: Any = membrane.channel
        own = point.threshold
        if inside.all() and not jnp.ndim(own):
            return own
        entry = np.searchsorted(membrane.sites.index, cvs[inside])
        own = own[entry] if jnp.ndim(own) else own
        threshold = (
            jnp.broadcast_to(jnp.asarray(threshold, float), cvs.shape).at[np.flatnonzero(inside)].set(own)
        )
    return threshold


@jax.custom_jvp
def _happened(v0: Array, v1: Array, slope: Array) -> Array:
    return ((v0 < 0.0) & (v1 >= 0.0)).astype(v1.dtype)


@_happened.defjvp
def _happened_jvp(primals: Any, tangents: Any) -> Any:
    v0, v1, slope = primals
    return _happened(v0, v1, slope), slope * tangents[1]


def crossed(
    v0: Array, v1: Array, threshold: Any, dt: Array, surrogate: Surrogate | None
) -> tuple[Array, Array]:
    """Return whether the voltage crosses the threshold upwards in a step, as a number, and how long before its end, ms.

    The time is that of the straight line from `v0` to `v1`, and has its derivatives; whether it happened has only the
    surrogate's.
    """
    below, above = v0 - threshold, v1 - threshold
    # Every step near the threshold lets its share of gradient pass: per ms, so that the size does not depend on dt.
    slope = jnp.zeros_like(above) if surrogate is None else dt * surrogate.slope(above)
    hit = _happened(below, above, jax.lax.stop_gradient(slope))
    spiked = (below < 0.0) & (above >= 0.0)
    rise = jnp.where(spiked, v1 - v0, 1.0)
    return hit, jnp.where(spiked, dt * above / rise, 0.5 * dt)
