"""What an input is: something done to a model in one run; an argument of `simulate`, never part of the model."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..base.checks import floats, shown, text
from ..base.errors import ParameterError, ProtocolError, RegionError
from ..base.kinks import ramp
from ..base.objects import optional
from ..base.types import Array, Float
from ..morph import Location, Region


def as_place(at: Any, kind: str) -> Any:
    """Return a place: text, a region, a location, or a pair (population, one of these); else `RegionError`."""
    where = at[1] if isinstance(at, tuple) and len(at) == 2 and isinstance(at[0], str) else at
    if not isinstance(where, str | Region | Location):
        raise RegionError(
            f"{kind} at {shown(at)} is no place; write text such as 'soma', a region or a location, in a network"
            " 'population' or ('population', location)"
        )
    return at


def as_name(at: Any, kind: str) -> str:
    """Return the name of a population or projection; else `ProtocolError`."""
    return text(at, f"{kind} at", kind=ProtocolError)


def concrete(x: Any) -> np.ndarray | None:
    """Return a value that is known, None for a traced one."""
    return None if isinstance(x, Tracer) else np.asarray(x)


class Input(eqx.Module):
    """Anything applied to a model during a run; `at` says where."""

    at: eqx.AbstractVar[Any]

    @optional
    def check(self, start: float, end: float) -> None:
        """Raise `ProtocolError` when the input can have no effect from `start` until `end` ms."""


class Electrode(Input):
    """An input that drives the voltage at a place. What it remembers between steps is in the run's state."""

    @optional
    def start(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return what the electrode remembers at t = 0, for sites of this shape."""
        return None

    @abstractmethod
    def drive(self, t: Float[Array, ""], dt: Float[Array, ""], memory: Any) -> tuple[Any, Any, Any]:
        """Return the current (nA) and the conductance (µS) with its reversal potential (mV) over [t, t + dt].

        The electrode current is `i - g (v - e)`; what does not apply is None.
        """

    @optional
    def advance(self, memory: Any, v: Array, t: Array, n: Array, dt: Array) -> Any:
        """Return what is remembered one step later, for the new voltage `v` at the sites; `n` numbers the step."""
        return memory


class Trigger(Input):
    """An input that lets the cells of a population spike; `at` is the population."""

    @abstractmethod
    def fired(self, t: Array, end: Array, n: Array, cells: int) -> tuple[Array, Array]:
        """Return the spikes of every cell [cell] from `t` until before `end` ms, and their mean time before `end`.

        `n` is the number of the step.
        """

    @optional
    def check_cells(self, cells: int) -> None:
        """Raise `ParameterError` when the input cannot let a population of so many cells spike."""


class Teacher(Input):
    """An input that steers plasticity; `at` is the path of the projection."""

    @abstractmethod
    def value(self, t: Array, dt: Array) -> Array:
        """Return the reward over [t, t + dt]."""


def sample(values: Array, every: Array, t: Array) -> Array:
    """Return the waveform `values [sample, …]` (one each `every` ms, held after the last) at `t` ms."""
    x, last = t / every, values.shape[0] - 1

    def at(i: Array) -> Array:
        return jax.lax.dynamic_index_in_dim(values, jnp.clip(i, 0, last), keepdims=False)

    # From the nearest sample on both sides, since its kink has the derivatives of both.
    i = jnp.round(jnp.clip(jax.lax.stop_gradient(x), 0.0, last)).astype(int)
    before, here, after = at(i - 1), at(i), at(i + 1)
    return here + (ramp(x - i + 1) - 1.0) * (here - before) + ramp(x - i) * (after - here)


def sampling(kind: str, values: Any, dt: Any) -> Float[Array, ""]:
    """Return the sampling step `dt` (ms) of a waveform; `ParameterError` for no samples or a step of another kind."""
    if np.ndim(values) == 0 or 0 in np.shape(values):
        raise ParameterError(
            f"{kind} needs at least one sample along its first axis; its shape is {np.shape(values)}"
        )
    return scalar(dt, "ms", f"{kind} dt", above=0.0)


def scalar(x: Any, unit: str, name: str, **bounds: Any) -> Float[Array, ""]:
    """Return what `floats` does, if it is one number; else `ParameterError`."""
    value = floats(x, unit, name, **bounds)
    if value.ndim:
        raise ParameterError(f"{name} must be one number, not {shown(value)}")
    return value


def check_reaches(kind: str, at: Any, values: Any, dt: Any, start: float) -> None:
    """Raise `ProtocolError` for a waveform whose samples all lie before `start` ms: it would stand at its last one."""
    step = concrete(dt)
    length = 0.0 if step is None else float((step * (np.shape(values)[0] - 1)).max())
    if np.shape(values)[0] > 1 and step is not None and length <= start > 0.0:
        raise ProtocolError(f"{kind} at {at!r} ends at {length:g} ms, but the run starts at {start:g} ms")


def check_fits(kind: str, at: Any, value: Any, shape: tuple[int, ...]) -> None:
    """Raise `ParameterError` unless values broadcast to the `shape` of the place `at`."""
    given = jnp.shape(value)
    if len(given) > len(shape) or any(
        a not in (1, b) for a, b in zip(given[::-1], shape[::-1], strict=False)
    ):
        raise ParameterError(
            f"{kind} at {at!r} has values of shape {given}, but that place has shape {shape} in this model"
        )


def as_key(key: Any, kind: str) -> Any:
    """Return a typed JAX key; raises `ParameterError` for anything else."""
    if isinstance(key, jax.Array):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
            return key
        if key.dtype == jnp.uint32 and key.shape == (2,):
            return jax.random.wrap_key_data(key)
    raise ParameterError(f"{kind} needs a key such as jax.random.key(0), not {shown(key)}")
