"""Electrodes: current steps and waveforms, voltage clamps, dynamic clamp."""

from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..base.errors import ParameterError, ProtocolError
from ..base.kinks import ramp
from ..base.types import Array, Float
from .base import Electrode, check_fits, check_reaches, check_waveform, concrete, number, sample


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
        self.at = at
        self.delay = number(delay, "ms", "IClamp delay")
        self.dur = number(dur, "ms", "IClamp dur")
        self.amp = number(amp, "nA", "IClamp amp")
        known = concrete(self.dur)
        if known is not None and (known < 0).any():
            raise ParameterError(f"IClamp dur = {dur} ms is negative; give a length of time")

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
        self.at = at
        self.values = number(values, "nA", "Current values")
        self.dt = number(dt, "ms", "Current dt")
        check_waveform("Current", self.values, self.dt)

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
