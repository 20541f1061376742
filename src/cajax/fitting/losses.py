"""Losses that compare whole traces without comparing them sample by sample: time warping, windows, the phase plane."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..base.checks import count, floats, number
from ..base.errors import ParameterError
from ..base.types import Array, ArrayLike, Float
from ..train.features import features

V_RANGE = (-100.0, 60.0)
"""Voltages (mV) that the phase plane covers; what lies outside counts at its border."""

DV_RANGE, DV_LINEAR = 500.0, 5.0
"""Largest dv/dt (V/s) of the phase plane, and up to where its scale is linear; beyond it is logarithmic (asinh)."""

_FAINT = 1e-5  # added to the share of time in a bin, so that the root of an empty bin has a derivative
_NEVER = 1e30  # the cost of a path that does not exist; not infinite, so that derivatives stay finite


def windowed(
    v: Float[ArrayLike, "... time"],
    target: Float[ArrayLike, "... time"],
    windows: int = 10,
    scale: float = 10.0,
) -> Float[Array, "..."]:
    """Return the mean square difference of means and deviations in `windows` stretches of time, in units of `scale` mV.

    The features are those of `cajax.features`; the traces (mV) are of equal length.
    """
    scale = number(scale, "mV", "windowed: scale", above=0.0)
    one, other = (features(x, windows, axis=-1) for x in _traces(v, target, "windowed"))
    return jnp.square((one - other) / scale).mean(-1)


def soft_dtw(
    v: Float[ArrayLike, "... n"],
    target: Float[ArrayLike, "... m"],
    gamma: float = 0.1,
    scale: float = 10.0,
    band: int | None = None,
) -> Float[Array, "..."]:
    """Return the soft-DTW divergence of traces (mV), of whatever lengths n and m: how far they are up to time warping.

    D(x, y) = S(x, y) − S(x, x)/2 − S(y, y)/2, where S is the soft minimum (temperature `gamma`) over all monotone
    alignments of the sum of costs c(d) = d²/2 + gamma log(2 − exp(−d²/(2 gamma))), d the difference in units of `scale`
    mV. With this cost D is not negative, and zero for equal traces only; it is symmetric. `band` bounds by how many
    samples an alignment may leave the diagonal (of which the proof that D ≥ 0 knows nothing): the work is of order
    (n + m) band, without it (n + m)². Thin out traces first: a spike needs some ten samples, and the memory of a
    reverse derivative is as large as the work.

    Sources: Cuturi and Blondel 2017 (ICML, Soft-DTW), algorithm 1; Blondel, Mensch and Vert 2021 (AISTATS,
    Differentiable divergences between time series), for the divergence and the cost.
    """
    gamma = number(gamma, "1", "soft_dtw: gamma", above=0.0)
    scale = number(scale, "mV", "soft_dtw: scale", above=0.0)
    x, y = (a / scale for a in _traces(v, target, "soft_dtw"))
    widest = max(x.shape[-1], y.shape[-1]) - 1
    band = widest if band is None else min(count(band, "soft_dtw: band", least=1), widest)
    return _divergence(x, y, gamma, band)


@partial(jax.jit, static_argnums=3)
def _divergence(x: Array, y: Array, gamma: Any, band: int) -> Array:
    """Return the divergence of traces [..., n] and [..., m] with the same leading axes."""
    aligned = jnp.vectorize(partial(_alignment, gamma=gamma, band=band), signature="(n),(m)->()")
    return aligned(x, y) - 0.5 * aligned(x, x) - 0.5 * aligned(y, y)


def _alignment(x: Array, y: Array, gamma: Any, band: int) -> Array:
    """Return the soft minimum over alignments of the cost of two traces [n], [m].

    The table of costs is filled by antidiagonals i + j = k. Entry d of the state is the latest cost of a path that ends
    at i − j = d: on antidiagonal k those of the parity of k are new, and each follows one of three, d − 1 and d + 1 of
    the antidiagonal before, and d of the one before that.
    """
    n, m = len(x), len(y)
    away = np.arange(-band - max(0, m - n), band + max(0, n - m) + 1)  # i − j
    start = jnp.where(away == 0, 0.0, _NEVER).astype(x.dtype)

    def step(cost: Array, k: Array) -> tuple[Array, None]:
        i, j = (k + away) // 2, (k - away) // 2
        inside = ((k + away) % 2 == 0) & (i >= 0) & (i < n) & (j >= 0) & (j < m)
        square = jnp.square(x[jnp.clip(i, 0, n - 1)] - y[jnp.clip(j, 0, m - 1)]) / 2.0
        local = square + gamma * jnp.log(2.0 - jnp.exp(-square / gamma))
        aside = jnp.pad(cost, 1, constant_values=_NEVER)
        three = jnp.stack([aside[:-2], cost, aside[2:]])
        least = lax.stop_gradient(three.min(0))
        soft = least - gamma * jnp.log(jnp.exp((least[None] - three) / gamma).sum(0))
        return jnp.where(inside, local + soft, cost), None

    cost, _ = lax.scan(step, start, jnp.arange(n + m - 1))
    return cost[int(np.flatnonzero(away == n - m)[0])]


def phase_plane(
    v: Float[ArrayLike, "... time"], target: Float[ArrayLike, "... time"], dt: float, bins: int = 40
) -> Float[Array, "..."]:
    """Return how differently traces (mV, a sample each `dt` ms) fill the plane of v and dv/dt: from 0 to 2.

    Sum of the square differences of the roots of two densities (the square of Hellinger's distance, times 2), so that
    spikes count beside the long time below threshold. The densities have `bins` by `bins` bins over `V_RANGE` and
    `DV_RANGE`, and every sample is spread over three by three of them by quadratic splines: the distance has a
    continuous derivative. When spikes occur does not matter, only what they look like and how much time they take.
    Source: LeMasson and Maex 2001 (in Computational Neuroscience: Realistic Modeling for Experimentalists, ed. De
    Schutter), who compare densities of trajectories bin by bin.
    """
    dt = number(dt, "ms", "phase_plane: dt", above=0.0)
    bins = count(bins, "phase_plane: bins", least=3, most=1000)
    x, y = _traces(v, target, "phase_plane", least=3)
    one, other = _density(x, dt, bins), _density(y, dt, bins)
    return jnp.square(jnp.sqrt(one + _FAINT) - jnp.sqrt(other + _FAINT)).sum(-1)


@partial(jax.jit, static_argnums=2)
@partial(jnp.vectorize, signature="(n)->(b)", excluded=(1, 2))
def _density(v: Array, dt: Any, bins: int) -> Array:
    """Return the share of time that a trace [time] spends in each bin of the phase plane [bins squared]."""
    slope = (v[2:] - v[:-2]) / (2.0 * dt)
    low, high = V_RANGE
    end = float(np.arcsinh(DV_RANGE / DV_LINEAR))
    index, weights = [], []
    for share in ((v[1:-1] - low) / (high - low), 0.5 + 0.5 * jnp.arcsinh(slope / DV_LINEAR) / end):
        # In the middle bins of a plane one bin wider on either side, every sample has three by three neighbours.
        place = 1.0 + jnp.clip(share, 0.0, 1.0) * (bins - 3)
        middle = jnp.round(lax.stop_gradient(place))
        off = place - middle
        index.append(middle.astype(np.int32)[:, None] + np.arange(-1, 2, dtype=np.int32)[None])
        weights.append(
            jnp.stack([jnp.square(0.5 - off) / 2.0, 0.75 - jnp.square(off), jnp.square(0.5 + off) / 2.0], 1)
        )
    both = weights[0][:, :, None] * weights[1][:, None, :]
    at = index[0][:, :, None] * bins + index[1][:, None, :]
    return jnp.zeros(bins * bins, v.dtype).at[at].add(both) / len(slope)


def _traces(v: Any, target: Any, who: str, least: int = 1) -> tuple[Array, Array]:
    """Return two sets of traces [..., time] with the same leading axes as JAX arrays."""
    found = []
    for x, name in ((v, "v"), (target, "target")):
        x = floats(x, "mV", f"{who}: {name}")
        if x.ndim < 1 or x.shape[-1] < least:
            raise ParameterError(
                f"{who}: {name} has shape {x.shape}; time is its last axis, of at least {least} samples"
            )
        found.append(x)
    x, y = found
    try:
        lead = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    except ValueError:
        raise ParameterError(
            f"{who}: v {x.shape} and target {y.shape} do not fit; all axes but the last, time, must agree"
        ) from None
    return tuple(jnp.broadcast_to(x, (*lead, x.shape[-1])) for x in found)  # pyright: ignore[reportReturnType]
