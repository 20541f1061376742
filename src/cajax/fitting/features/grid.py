"""The clock that eFEL's features are defined on: a sample every `step` ms, and the stretches that features average."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ...base.checks import number, reals
from ...base.errors import ParameterError
from ...base.limits import affordable
from ...base.types import Array

MOST_SAMPLES = 20_000_000
"""Longest trace, in samples of the clock."""

_ROUND = 1e-10  # ms by which eFEL takes a sample after `on` for one at `on`


PADDED = 1024
"""The clock is extended to a multiple of so many samples, in which the last voltage stays."""


@final
@dataclass(frozen=True, eq=False)
class Grid:
    """Samples at `time` [sample] ms, each on the line between the sample `left` of a trace and the next one.

    eFEL adds its step up from the first time on, so that its clock is late or early by some 1e-10 ms at the end. Ties
    are common in recordings, whose voltages are multiples of the amplifier's smallest step; to break them alike, the
    clock is followed to the last digit. `past` and `gap` (ms): time since the left sample, and up to the next one.
    `spans` (ms): from the sample before to the one after. `stride`: how many samples of the trace lie in a step, 0
    where that is no whole number.

    There are `samples` samples; `time` and `spans` go on to a multiple of `PADDED`.
    """

    samples: int
    step: float
    stride: int
    time: np.ndarray
    spans: np.ndarray
    left: np.ndarray
    past: np.ndarray
    gap: np.ndarray


def grid_of(t: Any, samples: int, step: float) -> Grid:
    """Return the clock of a trace with `samples` samples at times `t` (ms, or one number: their interval).

    Raises `ParameterError` for times that are traced, not uniform, or not as many as samples.
    """
    times = _times(t, samples)
    count = math.ceil((times[-1] - times[0]) / step) + 1
    affordable("efeatures", count, "samples", MOST_SAMPLES, "take a longer step=", ParameterError)
    clock = np.cumsum(np.concatenate([times[:1], np.full(count - 1, step)]))
    count -= int(clock[-2] >= times[-1])
    clock = clock[:count]
    left = np.clip(np.searchsorted(times, clock, side="right") - 1, 0, samples - 2)
    gap = times[left + 1] - times[left]
    past = np.clip(
        clock - times[left], 0.0, gap
    )  # the last sample may lie after the end, where the trace is flat
    stride = round(step * (samples - 1) / (times[-1] - times[0]))
    even = stride * np.arange(count)
    if not np.isin(left - even, (-1, 0))[even < samples].all():
        stride = 0
    around = clock[np.clip(np.arange(-1, count + 1), 0, count - 1)]
    padded = -(-count // PADDED) * PADDED
    spans = np.full(padded, 2.0 * step)
    spans[:count] = around[2:] - around[:-2]
    time = np.pad(clock, (0, padded - count), mode="edge")
    return Grid(count, step, stride, time, spans, left.astype(np.int32), past, gap)


def _times(t: Any, samples: int) -> np.ndarray:
    """Return the times of the samples in double precision."""
    if isinstance(t, Tracer):
        raise ParameterError(
            "efeatures: t is traced, but decides the shapes; give the interval between samples (ms) as a number"
        )
    if samples < 2:
        raise ParameterError(f"efeatures: v has {samples} samples; at least 2 are needed")
    if np.ndim(t) == 0:
        return np.arange(samples) * number(t, "ms", "efeatures t", above=0.0)
    given = np.asarray(reals(t, "ms", "efeatures t"))
    if given.shape != (samples,):
        raise ParameterError(
            f"efeatures: t has shape {given.shape}, but v has {samples} samples along its last axis; they must agree"
        )
    times = given.astype(float)
    intervals = np.diff(times)
    dt = (times[-1] - times[0]) / (samples - 1)
    fine = given.dtype.itemsize >= 8
    slack = 1e-6 * dt + (0.0 if fine else 4.0 * float(np.spacing(np.abs(given).max())))
    if dt <= 0.0 or np.abs(intervals - dt).max() > slack:
        raise ParameterError("efeatures: t must rise in equal steps; resample the trace first")
    if fine:
        return times
    # Single precision knows the times to some 1e-4 ms; what was meant is a short decimal number, if one fits.
    first, meant = float(f"{times[0]:.6g}"), float(f"{dt:.6g}")
    fits = abs(first + (samples - 1) * meant - times[-1]) <= slack
    return first + np.arange(samples) * (meant if fits else dt)


@final
@dataclass(frozen=True)
class Options:
    """What decides the compiled program: the features, the room for spikes, the threshold (mV), the clock."""

    names: tuple[str, ...]
    most: int
    threshold: float
    exact: bool
    step: float
    samples: int
    stride: int


@final
class Clock(NamedTuple):
    """A `Grid` as arrays of the device."""

    time: Array
    spans: Array
    left: Array
    past: Array
    gap: Array


@final
class Edges(NamedTuple):
    """Stretches [first, last) of samples on a clock, as pairs of whole numbers, and samples next to a time.

    `on`, `off`: the first sample not before the stimulus, and not before its end; `after_on`, `after_off`: the first
    one later than these.
    """

    on: Any
    after_on: Any
    off: Any
    after_off: Any
    initial: Any
    base: Any
    steady: Any
    begin: Any
    settled: Any
    decay: Any


def edges_of(grid: Grid, on: Any, off: Any) -> Edges:
    """Return where the stretches of time that features average begin and end; `on` and `off` (ms) may be traced."""
    traced = isinstance(on, Tracer) or isinstance(off, Tracer)
    xp: Any = jnp if traced else np
    time = xp.asarray(grid.time[: grid.samples])

    def first(x: Any, after: bool = False) -> Any:
        """The first sample at or after `x`, or only after it."""
        x = xp.asarray(x, time.dtype)
        guess = xp.clip(xp.floor((x - time[0]) / grid.step), -4, len(time) + 4).astype(int)
        index = guess[..., None] + np.arange(-2, 3).reshape((1,) * guess.ndim + (5,))
        inside = time[xp.clip(index, 0, len(time) - 1)]
        before = inside <= x[..., None] if after else inside < x[..., None]
        before = (before & (index < len(time))) | (index < 0)
        return xp.clip(guess - 2 + before.sum(-1), 0, len(time)).astype(np.int32)

    long = off - on
    rest = time[-1] - off
    return Edges(
        on=first(on),
        after_on=first(on, after=True),
        off=first(off),
        after_off=first(off, after=True),
        initial=first(on + 0.1 * long, after=True),
        base=(first(0.9 * on), first(on + _ROUND, after=True)),
        steady=(first(off - 0.1 * long), first(off)),
        begin=(first(on + 0.05 * long, after=True), first(on + 0.15 * long)),
        settled=(first(off + 0.25 * rest), xp.minimum(first(off + 0.75 * rest) + 1, len(time))),
        decay=(first(off + 1.0), first(off + 10.0)),
    )


def sampled(v: Array, clock: Clock, stride: int) -> Array:
    """Return a trace [sample] at the times of a clock, with a sample more before, and as many after as `spans` has + 2.

    The samples more are those at the ends. With a `stride`, no sample is fetched one by one, so that none need be
    added up one by one in a derivative.
    """
    count = len(clock.left)
    if stride:
        long = jnp.pad(v, (1, stride + 1), mode="edge")
        before, here, after = (long[k : k + stride * (count - 1) + 1 : stride] for k in range(3))
        even = stride * np.arange(count, dtype=np.int32)
        on_time = (clock.left == even) | (even >= len(v))
        first, second = jnp.where(on_time, here, before), jnp.where(on_time, after, here)
        past = jnp.where(even >= len(v), 0.0, clock.past)
    else:
        first, second, past = v[clock.left], v[clock.left + 1], clock.past
    found = (second - first) / clock.gap * past + first
    return jnp.pad(found, (1, len(clock.spans) - count + 2), mode="edge")
