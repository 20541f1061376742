"""Features of when spikes occur: counts, latencies, intervals between spikes (ISIs), adaptation, bursts."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...base.types import Array
from .events import divided, later
from .trace import Trace

SKIPPED_SHARE, MOST_SKIPPED = 0.1, 2
"""`adaptation_index` leaves out this share of the spikes, but not more than that many."""

BURST_FACTOR = 1.5
"""An ISI ends a burst when it is this many times the median of those before and the one after it."""


def only(x: Array, found: Array) -> Array:
    """Return `x` where it was found, NaN with a derivative of zero elsewhere."""
    return jnp.where(found, x, jnp.nan)


def of_rank(x: Array, rank: int | Array, found: Array) -> Array:
    """Return the entry of a given rank of an array [spike], NaN where it was not found."""
    if isinstance(rank, int):
        return only(x[rank], found[rank])
    place = jnp.maximum(rank, 0)
    return only(
        x.at[place].get(mode="promise_in_bounds"), found.at[place].get(mode="promise_in_bounds") & (rank >= 0)
    )


def mean(x: Array, found: Array, least: int = 1) -> Array:
    """Return the mean of the entries that were found, NaN where there are fewer than `least`."""
    count = found.sum(dtype=np.int32)
    return only(jnp.where(found, x, 0.0).sum() / jnp.maximum(count, 1).astype(x.dtype), count >= least)


def spike_count(x: Trace) -> Array:
    """Number of spikes, before and after the stimulus too."""
    return x.spikes.total.astype(x.v.dtype)


def _counted(x: Trace, first: Array, last: Array) -> Array:
    """The number of spikes whose peak lies in a stretch [first, last)."""
    peak = x.spikes.peak
    return (x.real & (peak >= first) & (peak < last)).sum(dtype=np.int32).astype(x.v.dtype)


def spike_count_stimint(x: Trace) -> Array:
    """Number of spikes during the stimulus."""
    return _counted(x, x.edges.on, x.edges.after_off)


def number_initial_spikes(x: Trace) -> Array:
    """Number of spikes in the first tenth of the stimulus."""
    return only(_counted(x, x.edges.on, x.edges.initial), x.spikes.total > 0)


def mean_frequency(x: Trace) -> Array:
    """Spikes during the stimulus over the time (s) from its start to the last of them."""
    early = x.real & (x.spikes.peak < x.edges.off)
    count = _counted(x, x.edges.after_on, x.edges.off)
    span = x.peak.t.at[jnp.maximum(early.sum(dtype=np.int32) - 1, 0)].get(mode="promise_in_bounds") - x.on
    fine = early.any() & (span != 0.0)
    return only(jnp.where(early.any(), divided(1000.0 * count, span, fine), 0.0), x.spikes.total > 0)


def latency(rank: int) -> Callable[[Trace], Array]:
    """Time (ms) from the start of the stimulus to the peak of a spike, counted from 0, or −1 for the last one."""

    def time_to_spike(x: Trace) -> Array:
        which = jnp.minimum(x.spikes.total, x.most) - 1 if rank < 0 else rank
        return of_rank(x.peak.t - x.on, which, x.real)

    return time_to_spike


def inv_time_to_first_spike(x: Trace) -> Array:
    """1 over the time (s) to the first spike."""
    time = x.peak.t[0] - x.on
    fine = x.real[0] & (time != 0.0)
    return only(divided(jnp.full_like(time, 1000.0), time, fine), fine)


def intervals(x: Trace) -> tuple[Array, Array]:
    """Return the ISIs (ms) [spike], the last entry empty, and which there are."""
    return later(x.peak.t) - x.peak.t, later(x.real)


def later_intervals(x: Trace) -> tuple[Array, Array]:
    """Return the ISIs but the first one, as most features take them."""
    isi, found = x.once(intervals)
    return later(isi), later(found)


def all_isi_values(x: Trace) -> Array:
    """Every ISI (ms)."""
    return only(*x.once(intervals))


def isi_values(x: Trace) -> Array:
    """Every ISI but the first (ms)."""
    return only(*x.once(later_intervals))


def inv_isi_values(x: Trace) -> Array:
    """1 over every ISI (Hz)."""
    isi, found = x.once(intervals)
    fine = found & (isi > 0.0)
    return only(divided(jnp.full_like(isi, 1000.0), isi, fine), fine)


def inv_isi(rank: int) -> Callable[[Trace], Array]:
    """1 over an ISI (Hz), counted from 0, or −1 for the last one."""

    def inv_of_rank(x: Trace) -> Array:
        which = jnp.minimum(x.spikes.total, x.most) - 2 if rank < 0 else rank
        return of_rank(x.once(inv_isi_values), which, x.once(intervals)[1])

    return inv_of_rank


def doublet_isi(x: Trace) -> Array:
    """The first ISI (ms)."""
    return of_rank(*_first(x.once(intervals)))


def _first(pair: tuple[Array, Array]) -> tuple[Array, int, Array]:
    return pair[0], 0, pair[1]


def isi_cv(x: Trace) -> Array:
    """Coefficient of variation of the ISIs but the first: deviation (of a sample) over mean."""
    isi, found = x.once(later_intervals)
    count = found.sum(dtype=np.int32)
    centre = mean(isi, found)
    centre = jnp.where(count > 1, centre, 1.0)
    squares = jnp.where(found, jnp.square(isi - centre), 0.0).sum()
    varied = squares > 0.0
    spread = jnp.where(varied, jnp.sqrt(jnp.where(varied, squares, 1.0)), 0.0)
    degrees = jnp.sqrt(jnp.maximum(count - 1, 1).astype(isi.dtype))
    return only(spread / degrees / jnp.where(centre > 0.0, centre, 1.0), count > 1)


def isi_slope(of_log: bool) -> Callable[[Trace], Array]:
    """Slope of log ISI over the number of the ISI, or `of_log` of it; ISIs but the first."""

    def slope(x: Trace) -> Array:
        isi, found = x.once(later_intervals)
        fine = found & (isi > 0.0)
        number = (x.rank + 1).astype(isi.dtype)
        return fitted_slope(jnp.log(number) if of_log else number, jnp.log(jnp.where(fine, isi, 1.0)), fine)

    return slope


def fitted_slope(x: Array, y: Array, found: Array) -> Array:
    """Return the slope of the line of least squares through the points that were found, NaN for fewer than two."""
    count = jnp.maximum(found.sum(dtype=np.int32), 1).astype(y.dtype)
    dx = jnp.where(found, x - jnp.where(found, x, 0.0).sum() / count, 0.0)
    dy = jnp.where(found, y - jnp.where(found, y, 0.0).sum() / count, 0.0)
    squares = jnp.square(dx).sum()
    fine = (found.sum(dtype=np.int32) > 1) & (squares > 0.0)
    return only(divided((dx * dy).sum(), squares, fine), fine)


def irregularity_index(x: Trace) -> Array:
    """Mean size of the difference (ms) of successive ISIs, without the first ISI."""
    isi, found = x.once(later_intervals)
    change = later(isi) - isi
    return mean(jnp.where(change == 0.0, 0.0, jnp.abs(change)), later(found))


def adaptation(skip_share: bool) -> Callable[[Trace], Array]:
    """Mean of (difference / sum) of successive ISIs during the stimulus.

    The first spikes are left out: a tenth, at most two, or always one.
    """

    def index(x: Trace) -> Array:
        isi, found = x.once(intervals)
        count = _counted(x, x.edges.on, x.edges.after_off)
        skipped = jnp.minimum(jnp.floor(count * SKIPPED_SHARE + 0.5), MOST_SKIPPED) if skip_share else 1
        first = x.early + jnp.asarray(skipped, x.early.dtype)
        last = x.early + count.astype(x.early.dtype) - 2  # the number of the last ISI
        following = later(isi)
        fine = (x.rank >= first) & (x.rank < last) & later(found) & (following + isi > 0.0)
        change = divided(following - isi, following + isi, fine)
        return only(mean(change, fine), count >= 4)

    return index


def single_burst_ratio(x: Trace) -> Array:
    """The second ISI over the mean of the second and all later ones."""
    isi, found = x.once(later_intervals)
    fine = found.sum(dtype=np.int32) > 1
    return only(divided(isi[0], jnp.where(fine, mean(isi, found), 1.0), fine), fine)


def burst_number(x: Trace) -> Array:
    """Number of bursts; a burst ends with an ISI that is long for those before it and followed by a shorter one."""
    isi, found = x.once(later_intervals)
    isi, count = lax.stop_gradient(isi), found.sum(dtype=np.int32)
    rank = x.rank
    order = jnp.argsort(jnp.where(found, isi, jnp.inf))
    ordered, after = isi[order], later(isi)

    def look(carry: tuple[Array, Array, Array], i: Array) -> tuple[tuple[Array, Array, Array], None]:
        since, ended, bursts = carry
        up_to = jnp.cumsum((order > since) & (order < i))
        size = jnp.maximum(up_to[-1], 1)
        middle = [ordered[(up_to >= half).argmax()] for half in ((size + 1) // 2, size // 2 + 1)]
        long = isi[i] > BURST_FACTOR * 0.5 * (middle[0] + middle[1])
        ends = long & (after[i] < isi[i] / BURST_FACTOR) & (up_to[-1] > 0) & (i < count - 1)
        # A single spike between two long ISIs is no burst.
        bursts += (ends & ((ended < 0) | (i + 1 - ended != 1))).astype(bursts.dtype)
        return (jnp.where(ends, i - 1, since), jnp.where(ends, i + 1, ended), bursts), None

    start = (jnp.array(-1, rank.dtype), jnp.array(-1, rank.dtype), jnp.array(0, rank.dtype))
    (_, ended, bursts), _ = lax.scan(look, start, rank[1:])
    bursts += ((ended >= 0) & (count + 1 - ended != 1)).astype(bursts.dtype)  # the last spike is count + 1
    return jnp.where(count >= 4, bursts, 0).astype(x.v.dtype)
