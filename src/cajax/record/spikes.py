"""Spikes as times and counts, read off crossings of a threshold."""

from dataclasses import dataclass
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from ..base.checks import count, number
from ..base.errors import ProtocolError
from ..base.types import Array, Float, Int
from ..engine.crossing import crossed, threshold_at
from ..engine.moment import Moment
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
        rows = self.times.reshape(-1, self.times.shape[-1])
        so_far = jax.vmap(lambda row: jnp.searchsorted(row, ts, side="right"))(rows).T
        counts = jnp.diff(so_far, axis=0, prepend=0).astype(ts.dtype)
        return counts.reshape(len(ts), *self.counts.shape)


@final
@dataclass(frozen=True)
class SpikeTrain(Recordable):
    """The spikes at a place: upward crossings of `threshold` mV (by default a point neuron's own, else −20).

    Gives `SpikeTimes` with room for `most` spikes per site (by default two more than a tenth of the steps).
    """

    at: Any
    threshold: float | str | None = None
    most: int | None = None

    def __post_init__(self) -> None:
        if self.most is not None:
            most = count(self.most, "SpikeTrain most (spikes to keep per site)", kind=ProtocolError)
            object.__setattr__(self, "most", most)
        if self.threshold is not None:
            object.__setattr__(self, "threshold", number(self.threshold, "mV", "SpikeTrain threshold"))

    def reader(self, bound: Bound) -> Reader:
        sites, shape = bound.sites(self.at)
        resets = bound.physics.part("resets")
        level = self.threshold
        if level is None:
            level = threshold_at(bound.physics.membranes, sites.index)
        # Of every moment the same, but a sample is all that `finished` sees.
        level = jnp.broadcast_to(jnp.asarray(level, bound.physics.v0.dtype), sites.index.shape)

        def read(moment: Moment) -> dict[str, Array]:
            peak = resets.observe("v", moment.parts["resets"], moment)
            found = {"v": moment.v, "peak": peak}
            sample = {name: sites.take(x).reshape(shape) for name, x in found.items()}
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
