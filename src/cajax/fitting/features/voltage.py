"""Features of the voltage below threshold: means over stretches of time, extremes, sag, input resistance, decay."""

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...base.types import Array
from .events import divided, samples
from .marks import counted, marks
from .timing import fitted_slope, mean, only
from .trace import Trace

BLOCKED_FOR, BLOCKED_BELOW = 50.0, -75.0
"""A depolarisation block lasts longer than the first (ms); a hyperpolarisation block is not above the second (mV)."""

_DECAY = 9.0  # ms from the start to the end of the stretch in which the decay is fitted


def _mean(x: Trace, first: Array | int, last: Array | int) -> Array:
    """The mean voltage of a stretch [first, last), NaN where it holds no sample."""
    index = np.arange(len(x.v), dtype=np.int32)
    total = jnp.where((index >= first) & (index < last), x.v, 0.0).sum()
    count = jnp.asarray(last - first)
    return only(total / jnp.maximum(count, 1).astype(total.dtype), count > 0)


def _before(x: Trace) -> Array:
    """The mean voltage before the stimulus (mV)."""
    return _mean(x, 0, x.edges.on)


def voltage_base(x: Trace) -> Array:
    """Mean voltage in the last tenth of the time from 0 to the stimulus (mV)."""
    return only(_mean(x, *x.edges.base), x.edges.on > 0)


def steady_state_voltage(x: Trace) -> Array:
    """Mean voltage after the stimulus (mV)."""
    return _mean(x, x.edges.after_off, x.count)


def steady_state_voltage_stimend(x: Trace) -> Array:
    """Mean voltage in the last tenth of the stimulus (mV)."""
    return _mean(x, *x.edges.steady)


def steady_state_hyper(x: Trace) -> Array:
    """Mean voltage of 30 samples, from 35 samples before the end of the stimulus on (mV)."""
    return only(_mean(x, x.edges.off - 35, x.edges.off - 5), x.edges.off >= 35)


def voltage_after_stim(x: Trace) -> Array:
    """Mean voltage in the middle half of the time after the stimulus (mV)."""
    return only(_mean(x, *x.edges.settled), x.edges.after_off < x.count)


def voltage_deflection(x: Trace) -> Array:
    """Mean of five samples at the end of the stimulus, which the trace must reach, over that of all before it (mV)."""
    inside = (x.edges.off >= 10) & (x.edges.off < x.count)
    return only(_mean(x, x.edges.off - 10, x.edges.off - 5), inside) - x.once(_before)


def voltage_deflection_begin(x: Trace) -> Array:
    """Mean voltage from 5 to 15 % of the stimulus over that of all before it (mV)."""
    return _mean(x, *x.edges.begin) - x.once(_before)


def voltage_deflection_vb_ssse(x: Trace) -> Array:
    """`steady_state_voltage_stimend` over `voltage_base` (mV)."""
    return x.once(steady_state_voltage_stimend) - x.once(voltage_base)


def resistance(deflection: Callable[[Trace], Array]) -> Callable[[Trace], Array]:
    """A deflection (mV) over the amplitude of the stimulus (nA): MΩ."""

    def ratio(x: Trace) -> Array:
        change, fine = x.once(deflection), x.amplitude != 0.0
        return only(divided(change, x.amplitude, fine), fine)

    return ratio


def _extreme(x: Trace, sign: int) -> Array:
    """The least (sign −1) or largest voltage during the stimulus."""
    index = np.arange(len(x.v), dtype=np.int32)
    inside = (index >= x.edges.on) & (index < x.edges.after_off)
    place = jnp.where(inside, lax.stop_gradient(x.v) * sign, -jnp.inf).argmax()
    # At the border of the stimulus the voltage has no extreme, only a largest sample.
    inner = (place > x.edges.on) & (place + 1 < x.edges.after_off)
    v = jnp.where(
        inner, x.extremes(place, jnp.array(float(sign), x.v.dtype), inner).v, samples(x.v, (place, 1))[0][0]
    )
    return only(v, x.edges.after_off > x.edges.on)


def minimum_voltage(x: Trace) -> Array:
    """Least voltage during the stimulus (mV)."""
    return _extreme(x, -1)


def maximum_voltage(x: Trace) -> Array:
    """Largest voltage during the stimulus (mV)."""
    return _extreme(x, 1)


def maximum_voltage_from_voltagebase(x: Trace) -> Array:
    """Largest voltage during the stimulus over that before it (mV)."""
    return x.once(maximum_voltage) - x.once(voltage_base)


def sag_amplitude(x: Trace) -> Array:
    """Voltage from the minimum up to the end of a hyperpolarising stimulus (mV)."""
    deflection = x.once(voltage_deflection_vb_ssse)
    return only(x.once(steady_state_voltage_stimend) - x.once(minimum_voltage), deflection <= 0.0)


def sag_ratio1(x: Trace) -> Array:
    """`sag_amplitude` over the largest deflection."""
    deepest = x.once(voltage_base) - x.once(minimum_voltage)
    fine = (deepest != 0.0) & (x.once(voltage_deflection_vb_ssse) <= 0.0)
    return only(divided(x.once(sag_amplitude), deepest, fine), fine)


def sag_ratio2(x: Trace) -> Array:
    """The deflection at the end of the stimulus over the largest one."""
    deepest = x.once(voltage_base) - x.once(minimum_voltage)
    fine = jnp.isfinite(deepest) & (deepest != 0.0)
    return only(divided(-x.once(voltage_deflection_vb_ssse), deepest, fine), fine)


def decay_time_constant_after_stim(x: Trace) -> Array:
    """Time constant (ms) of the return to the voltage at the start of the stimulus, 1 to 10 ms after its end.

    A line is fitted to the logarithm of the distance.
    """
    first, last = x.edges.decay
    index = first + jnp.arange(math.ceil(_DECAY / x.step) + 2)
    ((v,), (rest,)) = samples(x.v, (index, 1)), samples(x.v, (x.edges.on, 1))
    off = jnp.abs(v[0] - rest)
    inside = (index < last) & (index < x.count)
    slope = fitted_slope(x.at(index) - x.off, jnp.log(jnp.where(inside & (off > 0.0), off, 1.0)), inside)
    bent = jnp.isfinite(slope) & (slope != 0.0) & ~(inside & (off <= 0.0)).any()
    return only(jnp.abs(divided(jnp.ones_like(slope), slope, bent)), bent)


def depol_block_bool(x: Trace) -> Array:
    """1 where the voltage is above the mean begin of spikes, or during the stimulus at −75 mV or less, for over 50 ms.

    As in eFEL, 0 without spikes, and where the trace starts above the begin of spikes; the first state must end in the
    trace, the second begin in the stimulus.
    """
    index = np.arange(len(x.v), dtype=np.int32)
    v = lax.stop_gradient(x.v)
    high = v > mean(x.begin.v, x.begin.found)
    high &= ~high[0] & (index < len(high) - 1 - (~high)[::-1].argmax())
    during = (index > x.edges.on) & (index < x.edges.after_off)
    free = during & (v > BLOCKED_BELOW)
    low = during & ~free & (index > free.argmax()) & free.any()
    length = math.floor(BLOCKED_FOR / x.step + 1e-6) + 1
    if length >= len(x.v):
        return jnp.zeros_like(x.v[0])
    total = counted(marks(jnp.stack([high, low])))
    blocked = (total[:, length:] - total[:, :-length] == length).any()
    return (blocked & x.begin.found.any()).astype(x.v.dtype)
