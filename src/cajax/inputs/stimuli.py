"""Inputs beyond the plain clamps: dynamic clamp, two-electrode clamp, noise, spike trains and reward."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..base.errors import ParameterError
from ..base.types import Array, Float
from .protocol import Electrode, Input, Trigger, check_waveform, concrete, number, sample


class Conductance(Electrode):
    """A dynamic clamp: a conductance waveform `values` [sample] or [sample, site] in µS that reverses at `e` mV.

    One sample each `dt` ms, interpolated linearly; it enters the implicit step.
    """

    at: Any = eqx.field(static=True)
    values: Float[Array, "sample ..."]
    dt: Float[Array, ""]
    e: Float[Array, "..."]

    def __init__(self, at: Any, values: Any, dt: Any, e: Any = 0.0):
        self.at = at
        self.values = number(values, "uS", "Conductance values")
        self.dt = number(dt, "ms", "Conductance dt")
        self.e = number(e, "mV", "Conductance e")
        check_waveform("Conductance", self.values, self.dt)
        known = concrete(self.values)
        if known is not None and (known < 0).any():
            raise ParameterError(
                f"Conductance values go down to {known.min():g} uS; a conductance is not negative; use Current"
            )

    def drive(self, t: Array, dt: Array, memory: Any) -> tuple[Any, Any, Any]:
        return None, sample(self.values, self.dt, t + 0.5 * dt), self.e


class TwoElectrode(Electrode):
    """A two-electrode voltage clamp: an amplifier of finite `gain` and time constant `tau` (ms) holds `v` mV.

    The voltage electrode draws no current; the amplifier drives one through `rs` (MΩ): tau dx/dt = gain (v_command −
    v) − x, i = (x − v)/rs. It is solved together with the membrane.
    """

    at: Any = eqx.field(static=True)
    v: Float[Array, "..."]
    gain: Float[Array, ""]
    tau: Float[Array, ""]
    rs: Float[Array, ""]

    def __init__(self, at: Any, v: Any, gain: Any = 2000.0, tau: Any = 0.01, rs: Any = 1.0):
        self.at = at
        self.v = number(v, "mV", "TwoElectrode v")
        self.gain = number(gain, "1", "TwoElectrode gain")
        self.tau = number(tau, "ms", "TwoElectrode tau")
        self.rs = number(rs, "Mohm", "TwoElectrode rs")
        for name in ("gain", "tau", "rs"):
            known = concrete(getattr(self, name))
            if known is not None and (known <= 0).any():
                raise ParameterError(f"TwoElectrode {name} = {known} must be positive")

    def start(self, shape: tuple[int, ...], dtype: Any) -> Any:
        # The amplifier begins in the state that drives no current into a membrane at the command.
        _check_fits("TwoElectrode", self.at, self.v, shape)
        return jnp.broadcast_to(self.v, shape).astype(dtype)

    def _follow(self, dt: Array) -> Array:
        return dt / (self.tau + dt)

    def drive(self, t: Array, dt: Array, memory: Any) -> tuple[Any, Any, Any]:
        # The amplifier's implicit step, x' = (1 − a) x + a gain (v_command − v'), put into i = (x' − v')/rs.
        a = self._follow(dt)
        g = (1.0 + a * self.gain) / self.rs
        return None, g, ((1.0 - a) * memory + a * self.gain * self.v) / self.rs / g

    def advance(self, memory: Any, v: Array, t: Array, n: Array, dt: Array) -> Any:
        a = self._follow(dt)
        return (1.0 - a) * memory + a * self.gain * (self.v - v)


class Noise(Electrode):
    """Ornstein–Uhlenbeck noise: a current of `mean` ± `std` nA with correlation time `tau` ms, each site its own.

    With `e` (mV) it is a conductance in µS instead, cut off below at 0. `key` is a JAX key; the same key gives the same
    noise, whatever the run is cut into. The step is exact, so the statistics do not depend on dt. Sources: Uhlenbeck &
    Ornstein (1930); as conductance Destexhe, Rudolph, Fellous & Sejnowski, Neuroscience 107:13 (2001).
    """

    at: Any = eqx.field(static=True)
    mean: Float[Array, "..."]
    std: Float[Array, "..."]
    tau: Float[Array, ""]
    key: Any
    e: Float[Array, ""] | None

    def __init__(self, at: Any, mean: Any, std: Any, tau: Any, key: Any, e: Any = None):
        unit = "nA" if e is None else "uS"
        self.at = at
        self.mean, self.std = number(mean, unit, "Noise mean"), number(std, unit, "Noise std")
        self.tau = number(tau, "ms", "Noise tau")
        self.e = None if e is None else number(e, "mV", "Noise e")
        self.key = _key(key, "Noise")
        known = concrete(self.tau)
        if known is not None and (known <= 0).any():
            raise ParameterError(f"Noise tau = {known} ms must be positive")

    def start(self, shape: tuple[int, ...], dtype: Any) -> Any:
        for value in (self.mean, self.std):
            _check_fits("Noise", self.at, value, shape)
        draw = jax.random.normal(jax.random.fold_in(self.key, 0), shape, dtype)
        return (self.mean + self.std * draw).astype(dtype)

    def drive(self, t: Array, dt: Array, memory: Any) -> tuple[Any, Any, Any]:
        return (memory, None, None) if self.e is None else (None, jnp.maximum(memory, 0.0), self.e)

    def advance(self, memory: Any, v: Array, t: Array, n: Array, dt: Array) -> Any:
        draw = jax.random.normal(jax.random.fold_in(self.key, n + 1), memory.shape, memory.dtype)
        x = dt / self.tau
        spread = self.std * jnp.sqrt(-jnp.expm1(-2.0 * x))
        return (self.mean + (memory - self.mean) * jnp.exp(-x) + spread * draw).astype(memory.dtype)


def _check_fits(kind: str, at: Any, value: Any, shape: tuple[int, ...]) -> None:
    given = jnp.shape(value)
    if len(given) > len(shape) or any(
        a not in (1, b) for a, b in zip(given[::-1], shape[::-1], strict=False)
    ):
        raise ParameterError(
            f"{kind} at {at!r} has values of shape {given}, but that place has shape {shape} in this model"
        )


def _key(key: Any, kind: str) -> Any:
    if not (
        isinstance(key, jax.Array) and (jnp.issubdtype(key.dtype, jax.dtypes.prng_key) or key.shape == (2,))
    ):
        raise ParameterError(f"{kind} needs a key such as jax.random.key(0), not {key!r}")
    return key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(key)


class Spikes(Trigger):
    """Spike trains: the cells of population `at` spike at `times` ms, `[spike]` for all alike or `[cell, spike]`.

    Rows may be filled up with infinity. The population may be of spike sources, or of cells that spike by themselves
    too. Times have gradients.
    """

    at: Any = eqx.field(static=True)
    times: Float[Array, "..."]

    def __init__(self, at: Any, times: Any):
        self.at = at
        if isinstance(times, list | tuple) and any(np.ndim(row) for row in times):
            longest = max(len(row) for row in times)
            times = [list(row) + [np.inf] * (longest - len(row)) for row in times]
        if isinstance(times, jax.Array):
            self.times = jnp.atleast_1d(times)
        else:
            try:
                found = np.atleast_1d(np.asarray(times, float))
            except (TypeError, ValueError):
                raise ParameterError(f"Spikes times must be numbers in ms, not {times!r}") from None
            if np.isnan(found).any():
                raise ParameterError("Spikes times hold NaN; fill short rows up with infinity")
            self.times = jnp.asarray(found, dtype=float)
        if self.times.ndim > 2:
            raise ParameterError(f"Spikes times have shape {self.times.shape}; give [spike] or [cell, spike]")

    def fired(self, t: Array, end: Array, n: Array, cells: int) -> tuple[Array, Array]:
        hit = (self.times >= t) & (self.times < end)
        count = jnp.sum(hit, axis=-1)
        left = jnp.sum(jnp.where(hit, end - jnp.where(hit, self.times, 0.0), 0.0), axis=-1)
        age = jnp.where(count > 0, left / jnp.maximum(count, 1), 0.5 * (end - t))
        return jnp.broadcast_to(count.astype(t.dtype), (cells,)), jnp.broadcast_to(
            age.astype(t.dtype), (cells,)
        )


class Poisson(Trigger):
    """Poisson spike trains of `rate` Hz (one number, one per cell, or with `dt` a waveform [sample] or [sample, cell]).

    `key` is a JAX key. At most one spike per step and cell, at a random moment of it.
    """

    at: Any = eqx.field(static=True)
    rate: Float[Array, "..."]
    key: Any
    dt: Float[Array, ""] | None

    def __init__(self, at: Any, rate: Any, key: Any, dt: Any = None):
        self.at = at
        self.rate = number(rate, "Hz", "Poisson rate")
        self.key = _key(key, "Poisson")
        self.dt = None if dt is None else number(dt, "ms", "Poisson dt")
        known = concrete(self.rate)
        if known is not None and (known < 0).any():
            raise ParameterError(f"Poisson rate = {known.min():g} Hz is negative")
        if self.dt is not None:
            check_waveform("Poisson", self.rate, self.dt)

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


class Reward(Input):
    """A reward for the plastic synapses of projection `at` ("pre->post.name"): `values` [sample], one each `dt` ms."""

    at: Any = eqx.field(static=True)
    values: Float[Array, "sample"]
    dt: Float[Array, ""]

    def __init__(self, at: Any, values: Any, dt: Any):
        self.at = at
        self.values, self.dt = number(values, "1", "Reward values"), number(dt, "ms", "Reward dt")
        check_waveform("Reward", self.values, self.dt)

    def value(self, t: Array, dt: Array) -> Array:
        """Return the reward over [t, t + dt]."""
        return sample(self.values, self.dt, t + 0.5 * dt)
