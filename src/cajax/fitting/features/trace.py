"""A trace and the events of its spikes, with derivatives; features are computed from these, each when asked for."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar, final

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...base.types import Array, Float
from .events import Event, Signal, attached, extreme, passing, polynomial, powers, samples
from .grid import Clock, Edges, Options, sampled
from .spikes import FALLING, RISING, Spikes, slope, spikes_of

K = TypeVar("K")


@final
class Trace:
    """One trace on eFEL's clock, and its spikes in the order of time, as arrays of a fixed length [spike].

    `v` (mV) has `count` samples, and more in which nothing happens; `signal` is the trace as it was sampled. Of the
    entries of the arrays of spikes, `real` ones are spikes; every event says by `found` in which of them it is.
    """

    def __init__(
        self, options: Options, clock: Clock, v: Float[Array, "sample"], edges: Edges, on: Array, off: Array,
        amplitude: Array,
    ) -> None:  # fmt: skip
        self.options, self.clock = options, clock
        self.halo = sampled(v, clock, options.stride)  # a sample more before the trace, two more after it
        self.v = self.halo[1:-2]
        given = (v, options.stride) if options.stride else (self.v, 1)
        self.signal = Signal(*given, options.step, clock.time[0])
        self.step, self.count, self.most, self.exact = (
            options.step,
            options.samples,
            options.most,
            options.exact,
        )
        self.edges, self.on, self.off, self.amplitude = edges, on, off, amplitude
        self.rank = jnp.arange(options.most, dtype=np.int32)
        self._kept: dict[Any, Any] = {}

    def once(self, compute: Callable[["Trace"], K]) -> K:
        """Return what `compute` makes of this trace, computed once however many features are made of it."""
        if compute not in self._kept:
            self._kept[compute] = compute(self)
        return self._kept[compute]

    def at(self, index: Array) -> Array:
        """Return the times (ms) of samples."""
        return self.clock.time[0] + self.step * index.astype(self.v.dtype)

    def event(self, index: Array, t: Array, v: Array, found: Array) -> Event:
        """Return an event at a sample of the clock, in truth at `t` ms, `v` mV."""
        here = samples(self.v, (index, 1))[0][0]
        return Event(attached(self.at(index), t, self.exact), attached(here, v, self.exact), found)

    def extremes(self, index: Array, sign: Array, found: Array) -> Event:
        """Return events of largest (`sign` −1: least) voltage at samples of the clock [event, spike]."""
        place, v = extreme(self.signal.voltage, self.signal.stride, index, sign)
        return self.event(index, self.signal.time(place), v, found)

    def turns(self, index: Array, level: float, found: Array) -> Event:
        """Return events at which dv/dt passes a level between a sample of the clock and the one before [spike]."""
        levels = jnp.full(index.shape, level, self.v.dtype)
        late, middle, _ = passing(self.signal.slope, self.signal.stride, index, levels)
        v = polynomial(powers(self.signal.voltage, middle), late)
        return self.event(index, self.signal.time(middle + late), v, found)

    def passes(self, index: Array, level: Array) -> Array:
        """Return when (ms) the voltage passes levels between samples of the clock and those before [event, spike].

        Where it does not, when those samples are.
        """
        late, middle, _ = passing(self.signal.voltage, self.signal.stride, index, level)
        return self.signal.time(middle + late)

    @cached_property
    def dv(self) -> Array:
        """dv/dt (mV/ms) on the clock, by central differences; it has no derivative."""
        return slope(lax.stop_gradient(self.halo), self.clock)

    @cached_property
    def spikes(self) -> Spikes:
        """Where the spikes are."""
        return spikes_of(self.options, self.clock, self.halo, self.edges)

    @cached_property
    def real(self) -> Array:
        """Which entries of the arrays are spikes [spike]."""
        return self.rank < self.spikes.total

    @cached_property
    def early(self) -> Array:
        """The number of spikes before the stimulus."""
        return (self.spikes.peak < self.edges.on).sum(dtype=np.int32)

    @cached_property
    def _extremes(self) -> Event:
        low = self.spikes.low
        found = jnp.stack([self.real, self.real & (low < self.count - 1)])
        return self.extremes(jnp.stack([self.spikes.peak, low]), _sides(found).astype(self.v.dtype), found)

    @property
    def peak(self) -> Event:
        """The peaks."""
        return Event(*(x[0] for x in self._extremes))

    @property
    def low(self) -> Event:
        """The after-hyperpolarisations."""
        return Event(*(x[1] for x in self._extremes))

    @cached_property
    def begin(self) -> Event:
        """Where the spikes begin: dv/dt passes `RISING` between this sample and the one before."""
        index = self.spikes.begin
        return self.turns(index, RISING, index >= 0)

    @cached_property
    def end(self) -> Event:
        """Where the spikes end: dv/dt passes `FALLING` between this sample and the one before."""
        index = self.spikes.end
        return self.turns(index, FALLING, self.real & (index < self.count))

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


def _sides(like: Array) -> Array:
    """Return 1 for the first of two rows, −1 for the other."""
    return jnp.broadcast_to(jnp.array([1.0, -1.0]).reshape(2, *[1] * (like.ndim - 1)), like.shape)
