"""Spike trains: given, or drawn at random."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..base.checks import array_of, floats, is_real, shown
from ..base.errors import ParameterError, ProtocolError
from ..base.types import Array, Float
from .base import Trigger, as_key, as_name, check_reaches, concrete, sample, sampling


@final
class Spikes(Trigger):
    """Spike trains: the cells of population `at` spike at `times` ms, `[spike]` for all alike or `[cell, spike]`.

    Rows may be filled up with infinity. The population may be of spike sources, or of cells that spike by themselves
    too. Times have gradients.
    """

    at: Any = eqx.field(static=True)
    times: Float[Array, "..."]

    def __init__(self, at: Any, times: Any):
        self.at = as_name(at, "Spikes")
        if isinstance(times, list | tuple) and any(isinstance(row, _ROWS) and np.ndim(row) for row in times):
            times = _filled_up(times)
        self.times = jnp.atleast_1d(times) if isinstance(times, jax.Array) else jnp.atleast_1d(_times(times))
        if not is_real(self.times.dtype):
            raise ParameterError(f"Spikes times must be numbers in ms, not {shown(times)}")
        if self.times.ndim > 2:
            raise ParameterError(f"Spikes times have shape {self.times.shape}; give [spike] or [cell, spike]")

    def check(self, start: float, end: float) -> None:
        times = concrete(self.times)
        given = np.zeros(0) if times is None else times[np.isfinite(times)]
        if given.size and not ((given >= start) & (given < end)).any():
            raise ProtocolError(
                f"Spikes at {self.at!r} lie from {given.min():g} to {given.max():g} ms, but the run goes from {start:g}"
                f" to {end:g} ms"
            )

    def check_cells(self, cells: int) -> None:
        if self.times.ndim == 2 and self.times.shape[0] not in (1, cells):
            raise ParameterError(
                f"Spikes at '{self.at}' has times for {self.times.shape[0]} cells, but there are {cells}"
            )

    def fired(self, t: Array, end: Array, n: Array, cells: int) -> tuple[Array, Array]:
        hit = (self.times >= t) & (self.times < end)
        count = jnp.sum(hit, axis=-1)
        left = jnp.sum(jnp.where(hit, end - jnp.where(hit, self.times, 0.0), 0.0), axis=-1)
        age = jnp.where(count > 0, left / jnp.maximum(count, 1), 0.5 * (end - t))
        return jnp.broadcast_to(count.astype(t.dtype), (cells,)), jnp.broadcast_to(
            age.astype(t.dtype), (cells,)
        )


_ROWS = list | tuple | np.ndarray | jax.Array


def _filled_up(rows: Any) -> list[list[Any]]:
    """Return rows of different lengths filled up with infinity; `ParameterError` where something else is among them."""
    if not all(isinstance(row, _ROWS) and np.ndim(row) == 1 for row in rows):
        raise ParameterError("Spikes times must be numbers in ms, or a row of them for every cell")
    longest = max(len(row) for row in rows)
    return [[*row, *[np.inf] * (longest - len(row))] for row in rows]


def _times(times: Any) -> Array:
    """Return spike times, of which some may be infinite: these spikes never happen."""
    value = array_of(times)
    if value is None or not is_real(value.dtype):
        raise ParameterError(f"Spikes times must be numbers in ms, not {shown(times)}")
    if np.isnan(value).any():
        raise ParameterError("Spikes times hold NaN; fill short rows up with infinity")
    return jnp.asarray(value, dtype=float)


@final
class Poisson(Trigger):
    """Poisson spike trains of `rate` Hz (one number, one per cell, or with `dt` a waveform [sample] or [sample, cell]).

    `key` is a JAX key. At most one spike per step and cell, at a random moment of it.
    """

    at: Any = eqx.field(static=True)
    rate: Float[Array, "..."]
    key: Any
    dt: Float[Array, ""] | None

    def __init__(self, at: Any, rate: Any, key: Any, dt: Any = None):
        self.at = as_name(at, "Poisson")
        self.rate = floats(rate, "Hz", "Poisson rate", least=0.0)
        self.key = as_key(key, "Poisson")
        self.dt = None if dt is None else sampling("Poisson", self.rate, dt)

    def check(self, start: float, end: float) -> None:
        if self.dt is not None:
            check_reaches("Poisson", self.at, self.rate, self.dt, start)

    def fired(self, t: Array, end: Array, n: Array, cells: int) -> tuple[Array, Array]:
        dt = end - t
        rate = self.rate if self.dt is None else sample(self.rate, self.dt, t + 0.5 * dt)
        if rate.ndim > 1 or rate.shape not in ((), (1,), (cells,)):
            raise ParameterError(
                f"Poisson at '{self.at}' has rates of shape {rate.shape}, but there are {cells} cells; for a waveform"
                " give dt"
            )
        draw = jax.random.uniform(jax.random.fold_in(self.key, n), (2, cells), t.dtype)
        return (draw[0] < -jnp.expm1(-1e-3 * rate * dt)).astype(t.dtype), draw[1] * dt
