"""What is done to a model in one run: clamps and currents; arguments of `simulate`, never part of the model."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..base import units
from ..base.errors import ParameterError, ProtocolError
from ..base.types import Array, Float


def number(x: Any, unit: str, name: str) -> Any:
    """Convert text with a unit, and refuse what is not finite; traced values pass."""
    x = units.value(x, unit, name)
    if isinstance(x, Tracer):
        return x
    try:
        value = np.asarray(x, dtype=float)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be a number in {unit}, not {x!r}") from None
    if not np.isfinite(value).all():
        raise ParameterError(f"{name} must be finite, not {x!r}")
    # Always a strong floating type: a weak one, or a whole number, would compile the run anew.
    return jnp.asarray(
        x, dtype=x.dtype if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jnp.floating) else float
    )


def concrete(x: Any) -> np.ndarray | None:
    """Return a value that is known, None for a traced one."""
    return None if isinstance(x, Tracer) else np.asarray(x)


class Input(eqx.Module):
    """Anything applied to a model during a run; `at` says where."""

    at: eqx.AbstractVar[Any]

    def check(self, t1: float) -> None:
        """Raise `ProtocolError` when the input can have no effect before `t1` ms."""


class Electrode(Input):
    """An input that drives the voltage at a place. What it remembers between steps is in the run's state."""

    def start(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return what the electrode remembers at t = 0, for sites of this shape."""
        return None

    @abstractmethod
    def drive(self, t: Float[Array, ""], dt: Float[Array, ""], memory: Any) -> tuple[Any, Any, Any]:
        """Return the current (nA) and the conductance (µS) with its reversal potential (mV) over [t, t + dt].

        The electrode current is `i - g (v - e)`; what does not apply is None.
        """

    def advance(self, memory: Any, v: Array, t: Array, n: Array, dt: Array) -> Any:
        """Return what is remembered one step later, for the new voltage `v` at the sites; `n` numbers the step."""
        return memory


class Trigger(Input):
    """An input that lets the cells of a population spike; `at` is the population."""

    @abstractmethod
    def fired(self, t: Array, end: Array, n: Array, cells: int) -> tuple[Array, Array]:
        """Return the spikes of every cell from `t` until before `end` ms, and their mean time before `end`.

        `n` is the number of the step.
        """


class IClamp(Electrode):
    """A current step of `amp` nA at `at`, from `delay` for `dur` ms.

    Over a time step the current is its exact mean, so delay and duration need not be multiples of dt and have
    gradients. `amp` broadcasts over the cells of a population.
    """

    at: Any = eqx.field(static=True)
    delay: Float[Array, "..."]
    dur: Float[Array, "..."]
    amp: Float[Array, "..."]

    def __init__(self, at: Any, delay: Any, dur: Any, amp: Any):
        self.at = at
        self.delay = number(delay, "ms", "IClamp delay")
        self.dur = number(dur, "ms", "IClamp dur")
        self.amp = number(amp, "nA", "IClamp amp")
        known = concrete(self.dur)
        if known is not None and (known < 0).any():
            raise ParameterError(f"IClamp dur = {dur} ms is negative; give a length of time")

    def drive(self, t: Float[Array, ""], dt: Float[Array, ""], memory: Any) -> tuple[Any, Any, Any]:
        on = jnp.clip((self.delay + self.dur - t) / dt, 0.0, 1.0) - jnp.clip((self.delay - t) / dt, 0.0, 1.0)
        return self.amp * on, None, None

    def check(self, t1: float) -> None:
        delay, dur = concrete(self.delay), concrete(self.dur)
        if delay is not None and (delay >= t1).any():
            raise ProtocolError(
                f"IClamp at {self.at!r} starts at {delay.max():g} ms, but the run ends at t1 = {t1:g} ms"
            )
        if delay is not None and dur is not None and (delay + dur <= 0).any():
            raise ProtocolError(
                f"IClamp at {self.at!r} ends at {(delay + dur).min():g} ms, before the run starts at 0 ms"
            )


def sample(values: Array, every: Array, t: Array) -> Array:
    """Return the waveform `values [sample, …]` (one each `every` ms, held after the last) at `t` ms."""
    x = jnp.clip(t / every, 0.0, values.shape[0] - 1.0)
    i = jnp.minimum(x.astype(int), max(values.shape[0] - 2, 0))
    low = jax.lax.dynamic_index_in_dim(values, i, keepdims=False)
    high = jax.lax.dynamic_index_in_dim(values, jnp.minimum(i + 1, values.shape[0] - 1), keepdims=False)
    return low + (x - i) * (high - low)


class Current(Electrode):
    """A current waveform `values` [sample] or [sample, site] in nA, one sample each `dt` ms, interpolated linearly."""

    at: Any = eqx.field(static=True)
    values: Float[Array, "sample ..."]
    dt: Float[Array, ""]

    def __init__(self, at: Any, values: Any, dt: Any):
        self.at = at
        self.values = number(values, "nA", "Current values")
        self.dt = number(dt, "ms", "Current dt")
        check_waveform("Current", self.values, self.dt)

    def drive(self, t: Float[Array, ""], dt: Float[Array, ""], memory: Any) -> tuple[Any, Any, Any]:
        return sample(self.values, self.dt, t + 0.5 * dt), None, None


class VClamp(Electrode):
    """A voltage clamp that holds `at` at `v` mV (a number, or a waveform [sample] with one value each `dt` ms).

    The electrode has series resistance `rs` (MΩ); the default is as good as ideal.
    """

    at: Any = eqx.field(static=True)
    v: Float[Array, "..."]
    dt: Float[Array, ""] | None
    rs: Float[Array, ""]

    def __init__(self, at: Any, v: Any, dt: Any = None, rs: Any = 1e-3):
        self.at = at
        self.v = number(v, "mV", "VClamp v")
        self.dt = None if dt is None else number(dt, "ms", "VClamp dt")
        self.rs = number(rs, "Mohm", "VClamp rs")
        resistance = concrete(self.rs)
        if resistance is not None and (resistance <= 0).any():
            raise ParameterError(f"VClamp rs = {rs} Mohm must be positive")
        if self.dt is not None:
            check_waveform("VClamp", self.v, self.dt)
        elif np.ndim(self.v) > 1:
            raise ParameterError(f"VClamp v has shape {np.shape(self.v)}; give dt=… (ms) for a waveform")

    def drive(self, t: Float[Array, ""], dt: Float[Array, ""], memory: Any) -> tuple[Any, Any, Any]:
        # The held voltage is the one at the end of the step, so that is when the command is read.
        v = self.v if self.dt is None else sample(self.v, self.dt, t + dt)
        return None, 1.0 / self.rs, v


def check_waveform(kind: str, values: Any, dt: Any) -> None:
    """Raise `ParameterError` for a waveform without samples or with a sampling step that is not positive."""
    if np.ndim(values) == 0 or np.shape(values)[0] == 0:
        raise ParameterError(
            f"{kind} needs at least one sample along its first axis; its shape is {np.shape(values)}"
        )
    step = concrete(dt)
    if step is not None and (step <= 0).any():
        raise ParameterError(f"{kind} dt = {step} ms must be positive")
