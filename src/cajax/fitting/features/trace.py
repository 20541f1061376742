"""A trace and its spikes: where each begins, peaks and ends; features are computed from these, each when asked for."""

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple, TypeVar, final

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...base.types import Array, Float
from .events import Event, attached, crossing, later, samples, vertex
from .grid import Edges
from .marks import Marks, following, marks, ranked
from .search import Table, at_least, find, largest, table

K = TypeVar("K")

RISING, FALLING = 10.0, -12.0
"""A spike begins where dv/dt (V/s) reaches the first for three samples, and ends where it is back over the second."""

SLOW = 5.0
"""The slow after-hyperpolarisation is looked for from this time (ms) after a peak on."""

_UP, _DOWN, _TURN, _START, _CALM, _OVER, _UNDER = range(7)  # kinds of marked samples
_V, _DV, _MINUS_V, _MINUS_DV = range(4)  # signals that are searched


@final
class Places(NamedTuple):
    """Samples [spike] where something happens in every spike; what they are where it does not is of no use.

    `rise`, `fall` pass the middle between peak and low, `half_rise`, `half_fall` half of the height over the begin:
    from the first of the two on the voltage is above it, from the second on no longer. `steepest`, `falling`: the
    extremes of dv/dt. `slow`: the slow after-hyperpolarisation.
    """

    rise: Array
    half_rise: Array
    steepest: Array
    half_fall: Array
    fall: Array
    falling: Array
    end: Array
    slow: Array


@final
class Trace:
    """One trace on eFEL's clock, and its spikes in the order of time, as arrays of a fixed length [spike].

    `v` (mV) and its central difference `dv` (mV/ms) have `count` samples, and more in which nothing happens. The arrays
    of spikes beyond their number hold what a search returns that finds nothing, and every event says by `found` which
    of its entries are real.
    """

    def __init__(
        self,
        v: Float[Array, "sample"],
        clock: Any,
        edges: Edges,
        on: Any,
        off: Any,
        amplitude: Any,
        options: Any,
    ) -> None:
        self.halo, self.v = v, v[1:-2]  # with a sample before the trace and two after it
        self.dv = (v[2:-1] - v[:-3]) / clock.spans
        self.time, self.step, self.count = clock.time, options.step, options.samples
        self.edges, self.on, self.off, self.amplitude = edges, on, off, amplitude
        self.threshold, self.most, self.exact = options.threshold, options.most, options.exact
        self.rank = np.arange(self.most, dtype=np.int32)
        self._kept: dict[Any, Any] = {}

    def once(self, compute: Callable[["Trace"], K]) -> K:
        """Return what `compute` makes of this trace, computed once however many features are made of it."""
        if compute not in self._kept:
            self._kept[compute] = compute(self)
        return self._kept[compute]

    def at(self, index: Array) -> Array:
        """Return the times (ms) of samples."""
        return self.time[0] + self.step * index.astype(self.v.dtype)

    def event(self, index: Array, late: Array, here: Array, v: Array, found: Array) -> Event:
        """Return an event near a sample of the voltage `here`: in truth `late` samples after it, at `v` mV."""
        time = self.at(index)
        return Event(
            attached(time, time + late * self.step, self.exact), attached(here, v, self.exact), found
        )

    @cached_property
    def marks(self) -> Marks:
        """Samples that are of a kind.

        First over the threshold, first under it, one that neither of the next two undercuts, the start of three or more
        of steep rise (counted from the end), not in steep fall, over the threshold or at it, under it or at it.
        """
        v, dv, level = lax.stop_gradient(self.halo), lax.stop_gradient(self.dv), self.threshold
        before, here, ahead, far = v[:-3], v[1:-2], v[2:-1], v[3:]
        steep = jnp.pad(dv >= RISING, (1, 2))
        kinds = [
            (before < level) & (here > level),
            (before > level) & (here < level),
            (ahead >= here) & (far >= here),
            (~steep[:-3] & steep[1:-2] & steep[2:-1] & steep[3:])[::-1],
            dv >= FALLING,
            here >= level,
            here <= level,
        ]
        return marks(jnp.stack(kinds))

    @cached_property
    def table(self) -> Table:
        """Voltage and dv/dt, to be searched for extremes and levels."""
        return table(self.v, self.dv)

    @cached_property
    def spikes(self) -> tuple[Array, Array]:
        """The index of every peak [spike], past the end where there is none, and the number of spikes.

        A spike is the highest sample between a crossing of the threshold upwards and the next one downwards. A trace
        that starts or ends above the threshold has no spike there. As in eFEL, a sample that equals the threshold
        hides the crossing, and crossings are paired by their order from the first upward one on.
        """
        (up, down), (ups, downs) = ranked(self.marks, (_UP, _DOWN), self.most)
        early = (down < up[0]).sum(dtype=np.int32)
        down = jnp.roll(down, -early)  # those that come round are before their partner, and count for nothing
        pairs = jnp.minimum(ups, downs - early)
        fine = (self.rank < pairs) & (down > up)
        a, b = up[None], down[None]
        peak = find(self.table, (_V,), at_least(largest(self.table, (_V,), a, b)), a, b)[0]
        count = jnp.where(pairs > self.most, pairs, fine.sum(dtype=np.int32))
        return jnp.sort(jnp.where(fine, peak, self.count)), count

    @cached_property
    def real(self) -> Any:
        """Which entries of the arrays are spikes [spike]."""
        return self.rank < self.spikes[1]

    @cached_property
    def early(self) -> Array:
        """The number of spikes before the stimulus."""
        return (self.spikes[0] < self.edges.on).sum(dtype=np.int32)

    @cached_property
    def next_peak(self) -> Array:
        """The peak after each, or the last sample [spike]."""
        return jnp.minimum(later(self.spikes[0], fill=self.count), self.count - 1)

    @cached_property
    def lows(self) -> tuple[Array, Array]:
        """The sample of the after-hyperpolarisation and of the begin of every spike [spike]; −1 for no begin.

        The former is the first after the peak that neither of the next two undercuts, or the one before the next peak.
        The latter is the start of the last stretch of at least three samples in steep rise before the peak, not
        earlier than the stimulus and the after-hyperpolarisation before.
        """
        n, peak, last = len(self.v), self.spikes[0], self.next_peak
        low, start = following(self.marks, (_TURN, _START), jnp.stack([peak, n - peak]))
        ((before, here),) = samples(lax.stop_gradient(self.v), (last - 1, 2))
        low = jnp.where(low < last - 1, low, jnp.where(here < before, last, jnp.maximum(last - 1, peak)))
        since = jnp.maximum(later(low, -1), self.edges.on)
        begin = n - 1 - start
        return low, jnp.where(self.real & (begin >= since), begin, -1)

    @cached_property
    def previous(self) -> Array:
        """The sample of the after-hyperpolarisation of the spike before, −1 for the first [spike]."""
        return later(self.lows[0], -1, fill=-1)

    @cached_property
    def _shape(self) -> tuple[Event, Event, Event, Array]:
        """Peaks, after-hyperpolarisations, begins, and the middle between the former two in truth (mV)."""
        peak, (low, begin) = self.spikes[0], self.lows
        (slopes,) = samples(self.dv, (begin - 1, 2))
        tops, bottoms, starts = samples(self.v, (peak - 1, 3), (low - 1, 3), (begin - 1, 2))
        share = crossing(slopes, RISING)
        (late, high), (later, deep) = vertex(tops), vertex(bottoms)
        middle = 0.5 * (high + deep)
        return (
            self.event(peak, late, tops[1], high, self.real),
            self.event(low, later, bottoms[1], deep, self.real & (low < self.count - 1)),
            self.event(
                begin, share - 1.0, starts[1], starts[0] + share * (starts[1] - starts[0]), begin >= 0
            ),
            middle,
        )

    @property
    def peak(self) -> Event:
        """The peaks."""
        return self._shape[0]

    @property
    def low(self) -> Event:
        """The after-hyperpolarisations."""
        return self._shape[1]

    @property
    def begin(self) -> Event:
        """Where the spikes begin: dv/dt crosses `RISING` between this sample and the one before."""
        return self._shape[2]

    @property
    def levels(self) -> tuple[Array, Array, Array]:
        """The middle between peak and begin, that between peak and low, and the latter in truth (mV) [spike]."""
        return 0.5 * (self.peak.v + self.begin.v), 0.5 * (self.peak.v + self.low.v), self._shape[3]

    @cached_property
    def late(self) -> Array:
        """The first sample at least `SLOW` ms after every peak, but not after the next peak [spike]."""
        peak = self.spikes[0]
        late = peak + math.ceil(SLOW / self.step - 1e-6)
        then, now = (x[0] for x in samples(self.time, (late, 1), (peak, 1)))
        return jnp.minimum(late + (then < now + SLOW).astype(np.int32), self.next_peak)

    @cached_property
    def places(self) -> Places:
        """Where the spikes end, are steepest, and pass certain levels."""
        peak, (low, begin) = self.spikes[0], self.lows
        half, middle, _ = (lax.stop_gradient(level) for level in self.levels)
        on = self.edges.on
        since = jnp.where(self.previous < 0, jnp.where(on <= peak, on, 0), self.previous)
        looks = (_MINUS_DV, _MINUS_V, _DV, _MINUS_DV)
        a = jnp.stack([peak + 1, self.late, begin, peak])
        b = jnp.stack([self.next_peak, self.next_peak, peak, jnp.maximum(low, peak + 1)])
        level = at_least(largest(self.table, looks, a, b))
        at = find(
            self.table,
            (*looks, _V, _MINUS_V, _MINUS_V, _MINUS_V),
            jnp.concatenate([level, jnp.stack([middle, -middle, -half, -half])]),
            jnp.concatenate([a, jnp.stack([since, peak, begin, peak])]),
            jnp.concatenate([b, jnp.stack([peak, low, peak, self.next_peak])]),
            back=(6,),
        )
        steepest_fall, slow, steepest, falling, rise, fall, half_rise, half_fall = at
        end = following(self.marks, (_CALM,), steepest_fall[None])[0]
        return Places(rise, half_rise + 1, steepest, jnp.minimum(half_fall, end), fall, falling, end, slow)

    @cached_property
    def end(self) -> Event:
        """Where the spikes end: after the steepest fall, dv/dt crosses `FALLING` before this sample."""
        index = self.places.end
        (slopes,), (here,) = samples(self.dv, (index - 1, 2)), samples(self.v, (index - 1, 2))
        share = crossing(slopes, FALLING)
        share = jnp.where((share >= 0.0) & (share <= 1.0), share, 1.0)
        v = here[0] + share * (here[1] - here[0])
        return self.event(index, share - 1.0, here[1], v, self.real & (index < self.count))

    @cached_property
    def onset(self) -> tuple[Event, Event, Event]:
        """Begins, peaks and after-hyperpolarisations of the spikes from the stimulus on.

        So eFEL lists what it measures from the begin or to the end of spikes.
        """
        events = (self.begin, self.peak, self.low)
        values = self.shifted(jnp.stack([x for e in events for x in (e.t, e.v)]))
        found = self.shifted(jnp.stack([e.found for e in events]))
        begin, peak, low = (Event(values[2 * k], values[2 * k + 1], found[k]) for k in range(3))
        return begin, peak, low

    @cached_property
    def offset(self) -> Event:
        """Ends of the spikes from the stimulus on."""
        values = self.shifted(jnp.stack([self.end.t, self.end.v]))
        return Event(values[0], values[1], self.shifted(self.end.found))

    def shifted(self, x: Array) -> Array:
        """Return arrays [..., spike] without the spikes before the stimulus; past the end, whatever is not real."""
        place = jnp.minimum(self.rank + self.early, self.most - 1)
        here = x.at[..., place].get(mode="promise_in_bounds")
        inside = jnp.broadcast_to(self.rank + self.early < self.most, here.shape)
        return here & inside if x.dtype == bool else here

    @cached_property
    def above(self) -> tuple[Array, Array]:
        """Between which samples [spike] every spike is above the threshold of detection, a sample at it included."""
        up = following(self.marks, (_OVER,), jnp.maximum(self.previous, 0)[None])
        down = following(self.marks, (_UNDER,), up)[0]
        return jnp.minimum(up[0], self.lows[0]), jnp.minimum(down, self.lows[0])
