"""Traces with spikes at given times, for the tests of features; smooth in every argument."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def spike(s: Any, height: Any) -> Any:
    """A spike of `height` mV with its peak near s = 0 ms, and an after-hyperpolarisation."""
    rise = jax.nn.sigmoid(s / 0.25)
    fall = jnp.exp(-jax.nn.softplus(4.0 * s) / 3.6)
    after = jax.nn.softplus(3.0 * (s - 0.8)) / 12.0
    return height * rise * fall - 14.0 * after * jnp.exp(1.0 - after)


def trace(times: Any, heights: Any = 110.0, on=100.0, off=300.0, end=400.0, dt=0.05, step: Any = 12.0) -> Any:
    """A voltage [time] that a stimulus from `on` to `off` lifts by `step` mV, with spikes at `times`."""
    t = jnp.arange(round(end / dt)) * dt
    v = -70.0 + 0.3 * jnp.sin(t / 31.0)
    v += step * (jax.nn.sigmoid((t - on) / 1.5) - jax.nn.sigmoid((t - off) / 2.5))
    heights = np.broadcast_to(heights, np.shape(times)) if np.ndim(heights) == 0 else heights
    for k in range(np.shape(times)[0]):
        v += spike(t - times[k], heights[k])
    return v


def moved(p: Any) -> Any:
    """A train of six spikes whose times, heights and baseline depend smoothly on three numbers near 0."""
    k = jnp.arange(6.0)
    times = 112.0 + 27.0 * k + 1.5 * k * k + 2.0 * p[1] + k * p[2]
    v = trace(times, 110.0 + 3.0 * k + 4.0 * p[0] * (k + 1.0) / 3.0, step=12.0 + 3.0 * p[0])
    t = jnp.arange(len(v)) * 0.05
    return v + 0.5 * jnp.sin(t / 31.0 + p[1]) - 3.0 * jnp.exp(-((t - 310.0 - 2.0 * p[2]) ** 2) / 400.0)
