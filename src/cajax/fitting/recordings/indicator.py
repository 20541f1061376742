"""Indicators of calcium or voltage: a causal kernel with a rise and a decay, and the frames of a camera.

A trace is taken as straight lines between its samples. Of these the kernel and the mean over an exposure are computed
exactly, so that neither depends on the time step beyond what the trace itself does.
"""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ...base import checks
from ...base.errors import ParameterError
from ...base.types import Array, Float
from ...inputs.base import scalar


@final
class Indicator(eqx.Module):
    """A kernel of unit area with time constants `rise` and `decay` (ms): (e^(-t/decay) − e^(-t/rise))/(decay − rise).

    `rise=0` leaves one exponential. A time given as a half-time is ln 2 = 0.693 time constants. Both are trainable.
    Raises `ParameterError` unless 0 ≤ rise < decay.
    """

    rise: Float[Array, ""]
    decay: Float[Array, ""]

    def __init__(self, rise: Any = 0.0, decay: Any = 100.0):
        self.rise = scalar(rise, "ms", "Indicator rise", least=0.0)
        self.decay = scalar(decay, "ms", "Indicator decay", above=0.0)
        known = not isinstance(self.rise, Tracer) and not isinstance(self.decay, Tracer)
        if known and not float(self.rise) < float(self.decay):
            raise ParameterError(
                f"Indicator rise = {self.rise:g} ms must be shorter than decay = {self.decay:g} ms"
            )

    def __call__(self, trace: Any, dt: float) -> Float[Array, "time ..."]:
        """Return the fluorescence that a `trace` [time, …], one sample each `dt` ms, causes; it starts at rest.

        At rest the indicator stands at the first value of the trace.
        """
        x = checks.floats(trace, "1", "Indicator: trace")
        dt = checks.number(dt, "ms", "Indicator: dt", above=0.0)
        if x.ndim < 1 or not x.shape[0]:
            raise ParameterError(f"Indicator: the trace has shape {x.shape}; give [time, site]")
        slow, fast = _low_pass(x, self.decay, dt), _low_pass(x, self.rise, dt)
        share = (self.decay / (self.decay - self.rise)).astype(x.dtype)
        return share * slow + (1.0 - share) * fast


def _low_pass(x: Array, tau: Array, dt: float) -> Array:
    """Solve tau dy/dt = x − y exactly for straight lines between samples [time, …], from y = x at the start."""
    tau = tau.astype(x.dtype)
    h = dt / jnp.where(tau > 0, tau, 1.0)
    keep = jnp.where(tau > 0, jnp.exp(-h), 0.0)
    # 1 − the mean of e^(-s) over a step, by its series where that would cancel; where tau is 0 the output is the input.
    small = h < 0.01
    series = h * (1 / 2 - h * (1 / 6 - h * (1 / 24 - h * (1 / 120 - h / 720))))
    new = jnp.where(tau > 0, jnp.where(small, series, 1.0 + jnp.expm1(-h) / h), 1.0)
    old = jnp.where(tau > 0, -jnp.expm1(-h) - new, 0.0)

    def step(y: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        before, after = ends
        y = keep * y + old * before + new * after
        return y, y

    _, rest = jax.lax.scan(step, x[0], (x[:-1], x[1:]))
    return jnp.concatenate([x[:1], rest])


def frames(
    trace: Any, dt: float, rate: float, count: int, start: float = 0.0, exposure: float = 0.0
) -> Array:
    """Return `count` frames [frame, …] of a trace [time, …]: frame k at `start` + k/rate (ms; `rate` in Hz).

    With an `exposure` (ms) a frame is the mean over that time before it, else the value at the moment. Raises
    `ParameterError` for a trace that ends before the last frame.
    """
    x = checks.floats(trace, "1", "frames: trace")
    if x.ndim < 1 or x.shape[0] < 2:
        raise ParameterError(
            f"frames: the trace has shape {x.shape}; give [time, site] of at least two times"
        )
    ends = (start + np.arange(count) * (1e3 / rate)) / dt  # in samples
    last = x.shape[0] - 1
    if ends[-1] > last + 1e-6 * max(1.0, last):
        raise ParameterError(
            f"the trace of {last * dt:g} ms ends before frame {count - 1} at {ends[-1] * dt:g} ms; simulate longer"
        )
    index, weight = _weights(np.minimum(ends, last), min(exposure / dt, float(last)), last)
    weight = jnp.asarray(weight, x.dtype).reshape(*weight.shape, *[1] * (x.ndim - 1))
    return jnp.sum(x[index] * weight, axis=1)


def _weights(ends: np.ndarray, width: float, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples [frame, n] and weights whose sum is the mean of the straight lines over `width` samples before `ends`."""
    starts = np.maximum(ends - width, 0.0)
    first = np.minimum(np.floor(starts), last - 1).astype(int)
    n = int(np.ceil(width)) + 3
    index = first[:, None] + np.arange(n)
    # The integral of the hat function around each sample, from the start to the end of the exposure.
    low, high = (np.clip(x[:, None] - index, -1.0, 1.0) for x in (starts, ends))
    weight = _hat(high) - _hat(low)
    size = (ends - starts)[:, None]
    moment = np.maximum(0.0, 1.0 - np.abs(ends[:, None] - index))  # without an exposure, or at its very start
    return np.minimum(index, last), np.where(size > 1e-9, weight / np.maximum(size, 1e-9), moment)


def _hat(x: np.ndarray) -> np.ndarray:
    """The integral of 1 − |x| from −1."""
    return 0.5 + x - 0.5 * x * np.abs(x)
