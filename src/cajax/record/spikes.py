"""Spikes as times and counts, read off crossings of a threshold."""

from dataclasses import dataclass
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..base.errors import ProtocolError
from ..base.types import Array, Float, Int
from ..engine.crossing import Crossing, crossed
from ..engine.moment import Moment
from ..model.inserted import THRESHOLD, Detector
from .recordable import Bound, Reader, Recordable


@final
class SpikeTimes(eqx.Module):
    """The spikes of every site: `times` […, spike] ms, filled up with infinity, and how many there are, `counts` […].

    Where there are more spikes than `times` has room for, the last ones are missing in it, not in `counts`. Times have
    the derivatives of the crossing, through the voltage on both sides of it; counts have none.
    """

    times: Float[Array, "... spike"]
    counts: Int[Array, "..."]

    def raster(self, ts: Float[Array, "time"]) -> Float[Array, "time ..."]:
        """Return, for every interval that ends at one of `ts` (ms, rising), how many spikes fall in it."""
        before = jnp.concatenate([jnp.full_like(ts[:1], -jnp.inf), ts[:-1]])
        times = self.times[None]
        ends = (slice(None), *(None,) * self.times.ndim)
        inside = (times > before[ends]) & (times <= ts[ends])
        return jnp.sum(inside, axis=-1).astype(ts.dtype)


@final
@dataclass(frozen=True)
class SpikeTrain(Recordable):
    """The spikes at a place: upward crossings of `threshold` mV (by default a point neuron's own, else −20).

    Gives `SpikeTimes` with room for `most` spikes per site (by default a tenth of the number of steps).
    """

    at: Any
    threshold: float | None = None
    most: int | None = None

    def __post_init__(self) -> None:
        if self.most is not None and (isinstance(self.most, bool) or not self.most >= 1):
            raise ProtocolError(
                f"most = {self.most!r} must be the number of spikes to keep per site, at least 1"
            )

    def reader(self, bound: Bound) -> Reader:
        sites, shape = bound.sites(self.at)
        resets = bound.physics.part("resets")
        threshold: Any = self.threshold
        if threshold is None:
            threshold = _own_threshold(bound, sites.index)

        def read(moment: Moment) -> dict[str, Array]:
            peak = resets.observe("v", moment.parts["resets"], moment)
            found = {"v": moment.v, "peak": peak}
            sample = {name: sites.take(x).reshape(shape) for name, x in found.items()}
            level = jnp.broadcast_to(jnp.asarray(threshold, moment.v.dtype), sites.index.shape)
            return sample | {"threshold": level.reshape(shape)}

        return read

    def finished(self, samples: Any, ts: Float[Array, "time"]) -> SpikeTimes:
        """The line between the voltage after one step and that at the end of the next, before a reset, is crossed."""
        v, peak, level = samples["v"][:-1], samples["peak"][1:], samples["threshold"][1:]
        dt = ts[1] - ts[0]
        hit, age = crossed(v, peak, level, dt, None)
        end = ts[1:].reshape(-1, *(1 for _ in v.shape[1:]))
        times = jnp.sort(jnp.where(hit > 0, end - age, jnp.inf), axis=0)
        most = len(hit) // 10 + 2 if self.most is None else self.most
        return SpikeTimes(jnp.moveaxis(times[:most], 0, -1), jnp.sum(hit > 0, axis=0, dtype=jnp.int32))


def _own_threshold(bound: Bound, index: np.ndarray) -> Any:
    """Return the threshold (mV) [site]: that of the point neuron there, else the usual one."""
    value = jnp.full(index.shape, THRESHOLD)
    for membrane in bound.physics.membranes.channels:
        if membrane.channel.is_point:
            inside = np.isin(index, membrane.sites.index)
            detector = Detector(index[inside], point=membrane.path)
            own = Crossing.threshold_of(bound.physics.membranes, detector)
            value = value.at[np.flatnonzero(inside)].set(own)
    return value
