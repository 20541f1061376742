"""Where the spikes of a trace are: the search for the samples at which each begins, peaks, ends and passes levels."""

import math
from functools import lru_cache, partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap

from ...base.types import Array, Float, Int
from .events import crossing, later, samples, vertex
from .grid import Clock, Edges, Options
from .marks import Marks, following, marks, ranked
from .search import Table, at_least, find, largest, table

RISING, FALLING = 10.0, -12.0
"""A spike begins where dv/dt (V/s) reaches the first for three samples, and ends where it is back over the second."""

SLOW = 5.0
"""The slow after-hyperpolarisation is looked for from this time (ms) after a peak on."""

TOGETHER = 8
"""Traces that are computed at a time."""

_UP, _DOWN, _TURN, _START, _CALM, _OVER, _UNDER = range(7)  # kinds of marked samples
_V, _DV, _MINUS_V, _MINUS_DV = range(4)  # signals that are searched


@final
class Spikes(NamedTuple):
    """Samples [spike] where something happens in every spike; what they are where it does not is of no use.

    There are `total` spikes. `low` is the after-hyperpolarisation (AHP), `late` where to begin to look for the
    slow one, `slow`. From `up` until before `down` a spike is above the threshold of detection, from `rise` until
    before `fall` above the middle between its peak and its AHP, from `half_rise` until before `half_fall` above half of
    its height over its begin. `steepest` and `falling` are the extremes of dv/dt.
    """

    total: Int[Array, ""]
    peak: Array
    low: Array
    begin: Array
    end: Array
    up: Array
    down: Array
    rise: Array
    fall: Array
    half_rise: Array
    half_fall: Array
    steepest: Array
    falling: Array
    late: Array
    slow: Array


def slope(halo: Float[Array, "sample"], clock: Clock) -> Float[Array, "sample"]:
    """Return dv/dt (mV/ms) by central differences, of a voltage with a sample more before and two more after it."""
    return (halo[2:-1] - halo[:-3]) / clock.spans


def spikes_of(options: Options, clock: Clock, halo: Float[Array, "sample"], edges: Edges) -> Spikes:
    """Return where the spikes of a trace are; under `vmap`, a few traces are searched at a time.

    Whole numbers only: nothing of this has a derivative.
    """
    one = jax.tree.map(lambda x: jnp.asarray(x)[None], (lax.stop_gradient(halo), edges))
    return jax.tree.map(lambda x: x[0], _search(options)(*one, clock))


def together(function: Any, *traces: Any) -> Any:
    """Return what a function makes of many traces, arrays with an axis of traces in front; it gets a few at a time.

    Of more, the intermediate results do not fit into the cache of a processor; accelerators get all.
    """
    count = len(jax.tree.leaves(traces)[0])
    if count <= TOGETHER or jax.default_backend() != "cpu":
        return function(*traces)
    rest = -count % TOGETHER

    def grouped(x: Array) -> Array:
        x = jnp.pad(x, [(0, rest), *[(0, 0)] * (x.ndim - 1)], mode="edge") if rest else x
        return x.reshape(-1, TOGETHER, *x.shape[1:])

    found = lax.map(lambda group: function(*group), jax.tree.map(grouped, traces))
    return jax.tree.map(lambda x: x.reshape(len(x) * TOGETHER, *x.shape[2:])[:count], found)


@lru_cache(maxsize=64)
def _search(options: Options) -> Any:
    """Return the search through traces [trace, sample], in which `vmap` only makes more traces of them."""

    @custom_vmap
    def search(halo: Array, edges: Edges, clock: Clock) -> Spikes:
        one = partial(_of_trace, options, clock)
        return together(jax.vmap(one), halo, edges)

    @search.def_vmap
    def rule(size: int, batched: Any, halo: Array, edges: Edges, clock: Clock) -> tuple[Spikes, Spikes]:
        def flat(x: Array, is_batched: bool) -> Array:
            x = x if is_batched else jnp.broadcast_to(x, (size, *x.shape))
            return x.reshape(-1, *x.shape[2:])

        found = search(*jax.tree.map(flat, (halo, edges), tuple(batched[:2])), clock)
        found = jax.tree.map(lambda x: x.reshape(size, -1, *x.shape[1:]), found)
        return found, jax.tree.map(lambda _: True, found)

    return search


def _of_trace(options: Options, clock: Clock, halo: Array, edges: Edges) -> Spikes:
    """Return where the spikes of one trace are."""
    v, dv = halo[1:-2], slope(halo, clock)
    bits, signals = _marks(halo, dv, options.threshold), table(v, dv)
    peak, count = _peaks(options, bits, signals, v)
    after = jnp.minimum(
        later(peak, fill=options.samples), options.samples - 1
    )  # the next peak, or the last sample
    low, begin = _lows_and_begins(bits, v, peak, after, edges.on)
    begin = jnp.where(np.arange(options.most) < count, begin, -1)
    late = jnp.minimum(_slow_start(options, clock, peak), after)
    before = later(low, -1, fill=-1)  # the AHP of the spike before
    up = following(bits, (_OVER,), jnp.maximum(before, 0)[None])
    down = jnp.minimum(following(bits, (_UNDER,), up)[0], low)
    half, middle = _levels(options, v, dv, peak, low, begin)
    since = jnp.where(before < 0, jnp.where(edges.on <= peak, edges.on, 0), before)
    looks = (_MINUS_DV, _MINUS_V, _DV, _MINUS_DV)
    a = jnp.stack([peak + 1, late, begin, peak])
    b = jnp.stack([after, after, peak, jnp.maximum(low, peak + 1)])
    at = find(
        signals,
        (*looks, _V, _MINUS_V, _MINUS_V, _MINUS_V),
        jnp.concatenate(
            [at_least(largest(signals, looks, a, b)), jnp.stack([middle, -middle, -half, -half])]
        ),
        jnp.concatenate([a, jnp.stack([since, peak, begin, peak])]),
        jnp.concatenate([b, jnp.stack([peak, low, peak, after])]),
        back=(6,),
    )
    steepest_fall, slow, steepest, falling, rise, fall, half_rise, half_fall = at
    end = following(bits, (_CALM,), steepest_fall[None])[0]
    return Spikes(
        count, peak, low, begin, end, jnp.minimum(up[0], low), down, rise, fall, half_rise + 1,
        jnp.minimum(half_fall, end), steepest, falling, late, slow,
    )  # fmt: skip


def _marks(halo: Array, dv: Array, level: float) -> Marks:
    """Return samples that are of a kind.

    First over the threshold, first under it, one that neither of the next two undercuts, the start of three or more of
    steep rise (counted from the end), not in steep fall, over the threshold or at it, under it or at it.
    """
    before, here, ahead, far = halo[:-3], halo[1:-2], halo[2:-1], halo[3:]
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


def _peaks(options: Options, bits: Marks, signals: Table, v: Array) -> tuple[Array, Array]:
    """Return the index of every peak [spike], past the end where there is none, and the number of spikes.

    A spike is the highest sample between a crossing of the threshold upwards and the next one downwards. A trace that
    starts or ends above the threshold has no spike there. As in eFEL, a sample that equals the threshold hides the
    crossing, and crossings are paired by their order from the first upward one on.
    """
    (up, down), (ups, downs) = ranked(bits, (_UP, _DOWN), options.most)
    early = (down < up[0]).sum(dtype=np.int32)
    down = jnp.roll(down, -early)  # those that come round are before their partner, and count for nothing
    pairs = jnp.minimum(ups, downs - early)
    fine = (np.arange(options.most) < pairs) & (down > up)
    a, b = up[None], down[None]
    peak = find(signals, (_V,), at_least(largest(signals, (_V,), a, b)), a, b)[0]
    count = jnp.where(pairs > options.most, pairs, fine.sum(dtype=np.int32))
    return jnp.sort(jnp.where(fine, peak, len(v))), count


def _lows_and_begins(bits: Marks, v: Array, peak: Array, after: Array, on: Array) -> tuple[Array, Array]:
    """Return the samples of the AHP and of the begin of every spike [spike], −1 for no begin.

    The former is the first after the peak that neither of the next two undercuts, or the one before the next peak. The
    latter is the start of the last stretch of at least three samples in steep rise before the peak, not earlier than
    the stimulus and the AHP before.
    """
    low, start = following(bits, (_TURN, _START), jnp.stack([peak, len(v) - peak]))
    ((before, here),) = samples(v, (after - 1, 2))
    low = jnp.where(low < after - 1, low, jnp.where(here < before, after, jnp.maximum(after - 1, peak)))
    begin = len(v) - 1 - start
    return low, jnp.where(begin >= jnp.maximum(later(low, -1), on), begin, -1)


def _slow_start(options: Options, clock: Clock, peak: Array) -> Array:
    """Return the first sample at least `SLOW` ms after every peak [spike]."""
    late = peak + math.ceil(SLOW / options.step - 1e-6)
    then, now = (x[0] for x in samples(clock.time, (late, 1), (peak, 1)))
    return late + (then < now + SLOW).astype(np.int32)


def _levels(
    options: Options, v: Array, dv: Array, peak: Array, low: Array, begin: Array
) -> tuple[Array, Array]:
    """Return the middle between peak and begin, and that between peak and AHP (mV) [spike]."""
    (tops, bottoms, starts), (slopes,) = (
        samples(v, (peak - 1, 3), (low - 1, 3), (begin - 1, 2)),
        samples(dv, (begin - 1, 2)),
    )
    if not options.exact:
        return 0.5 * (tops[1] + starts[1]), 0.5 * (tops[1] + bottoms[1])
    high, deep = vertex(tops)[1], vertex(bottoms)[1]
    start = starts[0] + crossing(slopes, RISING) * (starts[1] - starts[0])
    return 0.5 * (high + start), 0.5 * (high + deep)
