"""Features: a short, differentiable summary of traces, for losses that do not compare them point by point."""

import jax.numpy as jnp
import numpy as np

from ..base.checks import count, floats
from ..base.errors import ParameterError
from ..base.types import Array, ArrayLike, Float

FLOOR = 0.01
"""Smallest standard deviation (unit of the trace, mV): keeps the gradient finite where a trace is flat."""


def features(v: Float[ArrayLike, "..."], windows: int = 10, axis: int | None = None) -> Float[Array, "..."]:
    """Mean and standard deviation of traces in `windows` successive stretches of time.

    Time runs along `axis`: the last one by default, as in a batch `[batch, time]` or a single `[time]`, which must then
    be the longest. A recording `[time, site]` needs `axis=0`, a batch of more runs than samples `axis=-1`. Returns
    `[..., 2 * windows]` in the unit of `v`: the other axes in their order, then the means, then the deviations
    `sqrt(variance + FLOOR**2)`. Stretches differ by at most one sample.
    Raises `ParameterError` when there are fewer samples than windows, or no saying which axis is time.
    """
    v, windows = floats(v, "mV", "features: v"), count(windows, "features: windows", least=1)
    v = jnp.moveaxis(v, _axis_of_time(v.shape, windows, axis), -1)
    samples = v.shape[-1]
    window = np.arange(samples) * windows // samples  # the window of each sample
    weights = (window[:, None] == np.arange(windows)).astype(float)
    weights = jnp.asarray(weights / weights.sum(0), dtype=v.dtype)  # [time, windows]; columns sum to one
    # Full precision: accelerators would otherwise round voltages to three digits on the way into a product.
    mean = jnp.matmul(v, weights, precision="highest")
    variance = jnp.matmul(jnp.square(v - mean[..., window]), weights, precision="highest")
    return jnp.concatenate([mean, jnp.sqrt(variance + FLOOR**2)], axis=-1)


def _axis_of_time(shape: tuple[int, ...], windows: int, axis: int | None) -> int:
    """Return the axis along which time runs; `ParameterError` where that is not clear, or holds too few samples."""
    along = -1 if axis is None else count(axis, "features: axis", least=-len(shape), most=len(shape) - 1)
    if not shape or windows > shape[along]:
        raise ParameterError(
            f"features: {windows} windows do not fit {shape[along] if shape else 0} samples along axis {along}; "
            "take fewer windows, or name the axis of time"
        )
    if axis is None and max(shape[:-1], default=0) >= shape[-1]:
        raise ParameterError(
            f"features: v has shape {shape}, whose last axis is not the longest; say which is time, axis=0 or axis=-1"
        )
    return along
