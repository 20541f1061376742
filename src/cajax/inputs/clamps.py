"""Electrodes: current steps and waveforms, voltage clamps, dynamic clamp."""

from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..base.checks import floats
from ..base.errors import ParameterError, ProtocolError
from ..base.kinks import ramp
from ..base.types import Array, Float
from .base import Electrode, as_place, check_fits, check_reaches, concrete, sample, sampling, scalar


@final
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
        self.at = as_place(at, "IClamp")
        self.delay = floats(delay, "ms", "IClamp delay")
        self.dur = floats(dur, "ms", "IClamp dur", least=0.0)
        self.amp = floats(amp, "nA", "IClamp amp")

    def drive(self, t: Float[Array, ""], dt: Float[Array, ""], memory: Any) -> tuple[Any, Any, Any]:
        on = ramp((self.delay + self.dur - t) / dt) - ramp((self.delay - t) / dt)
        return self.amp * on, None, None

    def check(self, start: float, end: float) -> None:
        delay, dur = concrete(self.delay), concrete(self.dur)
        if delay is not None and (delay >= end).any():
            raise ProtocolError(
                f"IClamp at {self.at!r} starts at {delay.max():g} ms, but the run ends at {end:g} ms"
            )
        if delay is not None and dur is not None and (delay + dur <= start).any():
            raise ProtocolError(
                f"IClamp at {self.at!r} ends at {(delay + dur).min():g} ms, but the run starts at {start:g} ms"
            )


@final
class Current(Electrode):
    """A current waveform `values` [sample] or [sample, site] in nA, one sample each `dt` ms, interpolated linearly."""

    at: Any = eqx.field(static=True)
    values: Float[Array, "sample ..."]
    dt: Float[Array, ""]

    def __init__(self, at: Any, values: Any, dt: Any):
        self.at = as_place(at, "Current")
        self.values = floats(values, "nA", "Current values")
        self.dt = sampling("Current", self.values, dt)

    def check(self, start: float, end: float) -> None:
        check_reaches("Current", self.at, self.values, self.dt, start)

    def drive(self, t: Float[Array, ""], dt: Float[Array, ""], memory: Any) -> tuple[Any, Any, Any]:
        return sample(self.values, self.dt, t + 0.5 * dt), None, None


@final
class VClamp(Electrode):
    """A voltage clamp that holds `at` at `v` mV (a number, or a waveform [sample] with one value each `dt` ms).

    The electrode has series resistance `rs` (MΩ); the default is as good as ideal.
    """

    at: Any = eqx.field(static=True)
    v: Float[Array, "..."]
    dt: Float[Array, ""] | None
    rs: Float[Array, ""]

    def __init__(self, at: Any, v: Any, dt: Any = None, rs: Any = 1e-3):
        self.at = as_place(at, "VClamp")
        self.v = floats(v, "mV", "VClamp v")
        self.rs = scalar(rs, "Mohm", "VClamp rs", above=0.0)
        self.dt = None if dt is None else sampling("VClamp", self.v, dt)
        if dt is None and np.ndim(self.v) > 1:
            raise ParameterError(f"VClamp v has shape {np.shape(self.v)}; give dt=… (ms) for a waveform")

    def check(self, start: float, end: float) -> None:
        if self.dt is not None:
            check_reaches("VClamp", self.at, self.v, self.dt, start)

    def drive(self, t: Float[Array, ""], dt: Float[Array, ""], memory: Any) -> tuple[Any, Any, Any]:
        # The held voltage is the one at the end of the step, so that is when the command is read.
        v = self.v if self.dt is None else sample(self.v, self.dt, t + dt)
        return None, 1.0 / self.rs, v


@final
class Conductance(Electrode):
    """A dynamic clamp: a conductance waveform `values` [sample] or [sample, site] in µS that reverses at `e` mV.

    One sample each `dt` ms, interpolated linearly; it enters the implicit step.
    """

    at: Any = eqx.field(static=True)
    values: Float[Array, "sample ..."]
    dt: Float[Array, ""]
    e: Float[Array, "..."]

    def __init__(self, at: Any, values: Any, dt: Any, e: Any = 0.0):
        self.at = as_place(at, "Conductance")
        self.values = floats(values, "uS", "Conductance values")
        self.dt = sampling("Conductance", self.values, dt)
        self.e = floats(e, "mV", "Conductance e")
        known = concrete(self.values)
        if known is not None and (known < 0).any():
            raise ParameterError(
                f"Conductance values go down to {known.min():g} uS; a conductance is not negative; use Current"
            )

    def check(self, start: float, end: float) -> None:
        check_reaches("Conductance", self.at, self.values, self.dt, start)

    def drive(self, t: Array, dt: Array, memory: Any) -> tuple[Any, Any, Any]:
        return None, sample(self.values, self.dt, t + 0.5 * dt), self.e


@final
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
        self.at = as_place(at, "TwoElectrode")
        self.v = floats(v, "mV", "TwoElectrode v")
        self.gain = scalar(gain, "1", "TwoElectrode gain", above=0.0)
        self.tau = scalar(tau, "ms", "TwoElectrode tau", above=0.0)
        self.rs = scalar(rs, "Mohm", "TwoElectrode rs", above=0.0)

    def start(self, shape: tuple[int, ...], dtype: Any) -> Any:
        # The amplifier begins in the state that drives no current into a membrane at the command.
        check_fits("TwoElectrode", self.at, self.v, shape)
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
