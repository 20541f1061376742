"""Features of the shape of spikes: threshold, height, widths, slopes, after-hyperpolarisation (AHP)."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from ...base.types import Array
from .events import attached, crossing, divided, extreme, later, samples
from .timing import mean, of_rank, only
from .trace import Trace
from .voltage import voltage_base


def peak_voltage(x: Trace) -> Array:
    """Voltage of every peak (mV)."""
    return only(x.peak.v, x.peak.found)


def peak_time(x: Trace) -> Array:
    """Time of every peak (ms)."""
    return only(x.peak.t, x.peak.found)


def peak_of_rank(rank: int) -> Callable[[Trace], Array]:
    """Voltage of one peak (mV), counted from 0."""
    return lambda x: of_rank(x.peak.v, rank, x.real)


def begin_time(x: Trace) -> Array:
    """Time where every spike begins (ms)."""
    begin = x.onset[0]
    return only(begin.t, begin.found)


def begin_voltage(x: Trace) -> Array:
    """Voltage where every spike begins (mV): its threshold."""
    begin = x.onset[0]
    return only(begin.v, begin.found)


def amplitudes(x: Trace) -> tuple[Array, Array]:
    """Return height over the begin of the spikes during the stimulus (mV) [spike], and which there are."""
    begin, peak, _ = x.onset
    return peak.v - begin.v, begin.found & (x.shifted(x.spikes.peak) < x.edges.after_off)


def ap_amplitude(x: Trace) -> Array:
    """Height of every spike over its begin (mV)."""
    return only(*x.once(amplitudes))


def amplitude_of_rank(rank: int) -> Callable[[Trace], Array]:
    """Height of one spike (mV), counted from 0, or −1 for the last one."""

    def amplitude(x: Trace) -> Array:
        height, found = x.once(amplitudes)
        return of_rank(height, (x.rank * found).max() if rank < 0 else rank, found)

    return amplitude


def mean_ap_amplitude(x: Trace) -> Array:
    """Mean height of the spikes (mV)."""
    return mean(*x.once(amplitudes))


def ap_amplitude_change(x: Trace) -> Array:
    """Height of every later spike over that of the first, minus 1."""
    height, found = x.once(amplitudes)
    fine = found & found[:1] & (height[:1] != 0.0)
    change = only(divided(height - height[:1], height[:1], fine), fine)
    return later(change, fill=jnp.nan)


def ap_amplitude_from_voltagebase(x: Trace) -> Array:
    """Height of every peak over the voltage before the stimulus (mV)."""
    return x.once(peak_voltage) - x.once(voltage_base)


def ap_rise_time(x: Trace) -> Array:
    """Time from the begin of every spike to its peak (ms)."""
    begin, peak, _ = x.onset
    return only(peak.t - begin.t, begin.found)


def ap_fall_time(x: Trace) -> Array:
    """Time from every peak to the end of the spike (ms)."""
    (_, peak, _), end = x.onset, x.offset
    return only(end.t - peak.t, end.found)


def ap_duration(x: Trace) -> Array:
    """Time from the begin of every spike to its end (ms)."""
    (begin, _, _), end = x.onset, x.offset
    return only(end.t - begin.t, begin.found & end.found)


def ap_rise_rate(x: Trace) -> Array:
    """Mean slope from the begin of every spike to its peak (V/s)."""
    begin, peak, _ = x.onset
    fine = begin.found & (peak.t > begin.t)
    return only(divided(peak.v - begin.v, peak.t - begin.t, fine), fine)


def ap_fall_rate(x: Trace) -> Array:
    """Mean slope from every peak to the end of the spike (V/s)."""
    (_, peak, _), end = x.onset, x.offset
    fine = end.found & (end.t > peak.t)
    return only(divided(end.v - peak.v, end.t - peak.t, fine), fine)


def steepest(x: Trace) -> tuple[Array, Array]:
    """Return the largest dv/dt (V/s) from the begin of every spike to its peak, and the least from there to its AHP."""
    index = jnp.stack([x.spikes.steepest, x.spikes.falling])
    sign = jnp.broadcast_to(jnp.array([[1.0], [-1.0]], x.v.dtype), index.shape)
    _, value = extreme(x.signal.slope, x.signal.stride, index, sign)
    both = attached(samples(x.dv, (index, 1))[0][0], value, x.exact)
    return both[0], both[1]


def ap_peak_upstroke(x: Trace) -> Array:
    """Largest dv/dt of every spike (V/s)."""
    return only(x.shifted(x.once(steepest)[0]), x.onset[0].found)


def ap_peak_downstroke(x: Trace) -> Array:
    """Least dv/dt of every spike (V/s)."""
    return only(x.once(steepest)[1], x.low.found)


def ap_width(x: Trace) -> Array:
    """Time (ms) for which every spike exceeds the threshold of detection."""
    index, low = jnp.stack([x.spikes.up, x.spikes.down]), x.spikes.low
    # Not where the trace was above the threshold all along.
    crossed = jnp.stack([index[0] > jnp.maximum(later(low, -1, fill=-1), 0), index[1] < low])
    passed = x.passes(index, jnp.full(index.shape, x.options.threshold, x.v.dtype))
    times = attached(x.at(index), jnp.where(crossed, passed, x.at(index)), x.exact)
    return only(times[1] - times[0], x.low.found)


def ap_duration_half_width(x: Trace) -> Array:
    """Time (ms) for which every spike exceeds half of its height over its begin.

    eFEL takes, on each side, the sample closest to half of the height.
    """
    index, half = jnp.stack([x.spikes.half_rise, x.spikes.half_fall]), 0.5 * (x.peak.v + x.begin.v)
    before, here = (jnp.abs(v - half[None]) for v in samples(lax.stop_gradient(x.v), (index - 1, 2))[0])
    allowed = index < jnp.stack([x.spikes.peak, x.spikes.end])
    closest = x.at(jnp.where((here < before) & allowed, index, index - 1))
    times = attached(closest, x.passes(index, jnp.broadcast_to(half, index.shape)), x.exact)
    return only(x.shifted(times[1] - times[0]), x.onset[0].found & x.offset.found)


def half_widths(x: Trace) -> tuple[Array, Array]:
    """Return the time for which spikes exceed the middle between peak and AHP (ms) [spike], and which exist."""
    index, middle = jnp.stack([x.spikes.rise, x.spikes.fall]), 0.5 * (x.peak.v + x.low.v)
    level = jnp.broadcast_to(middle, index.shape)
    two = lax.stop_gradient(samples(x.v, (index - 1, 2))[0])
    grid = x.at(index) + x.step * (crossing(two, lax.stop_gradient(level)) - 1.0)
    times = attached(grid, x.passes(index, level), x.exact)
    return times[1] - times[0], x.low.found


def spike_half_width(x: Trace) -> Array:
    """Time (ms) for which every spike exceeds the middle between its peak and its AHP."""
    return only(*x.once(half_widths))


def width_of_rank(rank: int) -> Callable[[Trace], Array]:
    """`spike_half_width` of one spike (ms), counted from 0, or −1 for the last one."""

    def width(x: Trace) -> Array:
        widths, found = x.once(half_widths)
        return of_rank(widths, (x.rank * found).max() if rank < 0 else rank, found)

    return width


def min_ahp_values(x: Trace) -> Array:
    """Voltage of every AHP (mV)."""
    return only(x.low.v, x.low.found)


def ahp_depth(x: Trace) -> Array:
    """Voltage of every AHP over that before the stimulus (mV)."""
    return x.once(min_ahp_values) - x.once(voltage_base)


def ahp_depth_from_peak(x: Trace) -> Array:
    """Voltage from every AHP up to its peak (mV)."""
    return only(x.peak.v - x.low.v, x.low.found)


def ahp_time_from_peak(x: Trace) -> Array:
    """Time from every peak to its AHP (ms)."""
    return only(x.low.t - x.peak.t, x.low.found)


def fast_ahp(x: Trace) -> Array:
    """Voltage from the AHP of every spike but the last up to its begin (mV)."""
    begin, peak, low = x.onset
    return only(begin.v - low.v, begin.found & low.found & later(peak.found))


def slow_ahps(x: Trace) -> tuple[Array, Array, Array]:
    """Return time and voltage of the least sample from 5 ms after each inner peak to the next, and which exist."""
    low, after = x.spikes.slow, jnp.minimum(later(x.spikes.peak, fill=x.count), x.count - 1)
    event = x.extremes(low, -jnp.ones(low.shape, x.v.dtype), x.real)
    # Next to the border of the stretch the least sample is no extreme of the voltage.
    inner = (low > x.spikes.late) & (low + 1 < after)
    t, v = jnp.where(inner, event.t, x.at(low)), jnp.where(inner, event.v, samples(x.v, (low, 1))[0][0])
    found: Array = (x.rank > 0) & (x.rank < x.spikes.total - 1)
    return later(t), later(v), later(found)


def ahp_depth_abs_slow(x: Trace) -> Array:
    """Least voltage (mV) from 5 ms after a peak to the next one; all spikes but the first and the last."""
    _, v, found = x.once(slow_ahps)
    return only(v, found)


def ahp_depth_slow(x: Trace) -> Array:
    """`AHP_depth_abs_slow` over the voltage before the stimulus (mV)."""
    return x.once(ahp_depth_abs_slow) - x.once(voltage_base)


def ahp_slow_time(x: Trace) -> Array:
    """When the slow AHP occurs, as a share of the ISI."""
    t, _, found = x.once(slow_ahps)
    own, following = later(x.peak.t), later(x.peak.t, 2)
    fine = found & (following > own)
    return only(divided(t - own, following - own, fine), fine)
