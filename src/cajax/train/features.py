"""Features: a short, differentiable summary of traces, for losses that do not compare them point by point."""

import jax.numpy as jnp
import numpy as np

from ..base.errors import ParameterError
from ..base.types import Array, Float

FLOOR = 0.01
"""Smallest standard deviation (unit of the trace, mV): keeps the gradient finite where a trace is flat."""


def features(v: Float[Array, "..."], windows: int = 10, axis: int = -1) -> Float[Array, "..."]:
    """Mean and standard deviation of traces in `windows` successive stretches of time.

    Time runs along `axis`: the last one by default, as in a batch `[batch, time]` or a single `[time]`;
    give `axis=0` for a recording `[time, site]`. Returns `[..., 2 * windows]` in the unit of `v`: the other
    axes in their order, then the means, then the deviations `sqrt(variance + FLOOR**2)`. Stretches differ
    by at most one sample.
    Raises `ParameterError` when there are fewer samples than windows.
    """
    if not 0 < windows <= v.shape[axis]:
        raise ParameterError(
            f"features: {windows} windows do not fit {v.shape[axis]} samples along axis {axis}; "
            "take fewer windows, or name the axis of time"
        )
    v = jnp.moveaxis(v, axis, -1)
    samples = v.shape[-1]
    window = np.arange(samples) * windows // samples  # the window of each sample
    weights = (window[:, None] == np.arange(windows)).astype(float)
    weights = jnp.asarray(weights / weights.sum(0), dtype=v.dtype)  # [time, windows]; columns sum to one
    # Full precision: accelerators would otherwise round voltages to three digits on the way into a product.
    mean = jnp.matmul(v, weights, precision="highest")
    variance = jnp.matmul(jnp.square(v - mean[..., window]), weights, precision="highest")
    return jnp.concatenate([mean, jnp.sqrt(variance + FLOOR**2)], axis=-1)
