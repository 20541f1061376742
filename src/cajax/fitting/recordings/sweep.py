"""A sweep: one stretch of voltage and current at one place of a cell, and what its stimulus is."""

from dataclasses import dataclass, replace
from math import ceil, isnan, nan
from typing import Any, final

import numpy as np

from ...base import checks
from ...inputs.clamps import Current, VClamp
from .errors import RecordingError
from .stimulus import KINDS, stimulus_of

MODES = ("current", "voltage")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """A recorded sweep: voltage `v` (mV) and current `i` (nA) as float64 [sample], one each `dt` ms.

    In current clamp `i` is the command and `v` was recorded; in voltage clamp it is the other way round. The stimulus
    lasts from `on` until `off` ms (NaN where there is none); `amplitude` is above `holding`, both in nA, in voltage
    clamp in mV; `kind` is "step", "ramp", "pulse", "noise" or "none". `junction` (mV) is the liquid-junction potential
    that is already subtracted from `v`, `bridge` (MΩ) the resistance of the electrode whose voltage is. `clipped` says
    that the recorded signal reached the limits of its converter. Make one by `Sweep.of`, which finds the stimulus.

    Raises `RecordingError` for arrays that are empty, unequal or not finite. The arrays cannot be written to.
    """

    v: np.ndarray
    i: np.ndarray
    dt: float
    on: float = nan
    off: float = nan
    amplitude: float = 0.0
    holding: float = 0.0
    kind: str = "none"
    mode: str = "current"
    name: str = "sweep"
    junction: float = 0.0
    bridge: float = 0.0
    clipped: bool = False

    def __post_init__(self) -> None:
        for name in ("v", "i"):
            object.__setattr__(self, name, _signal(getattr(self, name), f"{self.name}: {name}"))
        if len(self.v) != len(self.i):
            raise RecordingError(
                f"{self.name}: v has {len(self.v):,} samples and i {len(self.i):,}; cut or resample one of them"
            )
        for name, unit in (
            ("dt", "ms"),
            ("amplitude", ""),
            ("holding", ""),
            ("junction", "mV"),
            ("bridge", "Mohm"),
        ):
            bounds: dict[str, Any] = {"above": 0.0} if name == "dt" else {}
            value = checks.number(
                getattr(self, name), unit or "1", f"{self.name}: {name}", kind=RecordingError, **bounds
            )
            object.__setattr__(self, name, value)
        for name in ("on", "off"):
            object.__setattr__(self, name, moment(getattr(self, name), f"{self.name}: {name}"))
        if self.kind not in KINDS or self.mode not in MODES:
            wrong, known = (self.kind, KINDS) if self.kind not in KINDS else (self.mode, MODES)
            raise RecordingError(f"{self.name}: {wrong!r:.40} must be one of {', '.join(map(repr, known))}")
        if not (isnan(self.on) and isnan(self.off)) and not self.on <= self.off:
            raise RecordingError(
                f"{self.name}: the stimulus begins at {self.on:g} ms and ends at {self.off:g} ms"
            )

    @classmethod
    def of(cls, v: Any, i: Any, dt: float, *, mode: str = "current", **known: Any) -> "Sweep":
        """Return a sweep whose stimulus is found from the command; what is `known` (fields by name) is taken as given.

        See `stimulus_of` for how; NaN and None count as unknown.
        """
        name = str(known.get("name", "sweep"))
        command = _signal(v if mode == "voltage" else i, f"{name}: {'v' if mode == 'voltage' else 'i'}")
        dt = checks.number(dt, "ms", f"{name}: dt", above=0.0, kind=RecordingError)
        found = stimulus_of(command, dt)._asdict()
        found.pop("note")
        found |= {
            key: x for key, x in known.items() if x is not None and not (isinstance(x, float) and isnan(x))
        }
        return cls(v=v, i=i, dt=dt, mode=mode, **found)

    def __repr__(self) -> str:
        unit = "mV" if self.mode == "voltage" else "nA"
        when = (
            "" if isnan(self.on) else f" of {self.amplitude:.4g} {unit} from {self.on:g} to {self.off:g} ms"
        )
        return (
            f"Sweep({self.name!r}, {self.kind}{when}, held at {self.holding:.4g} {unit}, {self.mode} clamp,"
            f" {len(self.v):,} samples each {self.dt:g} ms, v {self.v.min():.1f} to {self.v.max():.1f} mV)"
        )

    @property
    def t(self) -> np.ndarray:
        """The times [sample] of the samples in ms, the first at 0."""
        return np.arange(len(self.v)) * self.dt

    @property
    def duration(self) -> float:
        """Its length in ms."""
        return len(self.v) * self.dt

    @property
    def command(self) -> np.ndarray:
        """What the amplifier was told: `i` in current clamp, `v` in voltage clamp."""
        return self.v if self.mode == "voltage" else self.i

    def clamp(self, at: Any = "soma") -> Current | VClamp:
        """Return the command as an input of `simulate`: a current at `at`, or an ideal voltage clamp."""
        return VClamp(at, self.v, self.dt) if self.mode == "voltage" else Current(at, self.i, self.dt)

    def corrected(self, junction: float | None = None, bridge: float | None = None) -> "Sweep":
        """Return the sweep with v corrected for a junction potential (mV) and an electrode's resistance (MΩ).

        v − junction − bridge × i, where `i` is the whole current, holding included. The arguments are totals: what was
        subtracted before is not subtracted again, and 0 takes a correction back. The sign is that of Barry & Lynch
        (1991): the bath's potential against the pipette's, +10 to +15 mV for gluconate in the pipette.
        """
        junction = (
            self.junction
            if junction is None
            else checks.number(junction, "mV", "junction", kind=RecordingError)
        )
        bridge = (
            self.bridge if bridge is None else checks.number(bridge, "Mohm", "bridge", kind=RecordingError)
        )
        v = self.v - (junction - self.junction) - (bridge - self.bridge) * self.i
        holding = self.holding
        if self.mode == "voltage":
            holding -= junction - self.junction
        return replace(self, v=v, junction=junction, bridge=bridge, holding=holding)

    def cropped(self, start: float = 0.0, stop: float | None = None) -> "Sweep":
        """Return the samples from `start` until before `stop` ms; time starts at 0 again, and the stimulus with it."""
        start = checks.number(start, "ms", "start", kind=RecordingError)
        stop = self.duration if stop is None else checks.number(stop, "ms", "stop", kind=RecordingError)
        first = max(0, ceil(start / self.dt - 1e-6))
        end = min(len(self.v), ceil(stop / self.dt - 1e-6))
        if end - first < 2:
            raise RecordingError(
                f"{self.name} has no samples from {start:g} to {stop:g} ms; it lasts {self.duration:g} ms"
            )
        shift, length = first * self.dt, (end - first) * self.dt
        v, i = self.v[first:end], self.i[first:end]
        on, off = max(self.on - shift, 0.0), min(self.off - shift, length)
        if isnan(self.on) or on >= off:  # the whole stimulus is gone
            return replace(self, v=v, i=i, on=nan, off=nan, amplitude=0.0, kind="none")
        return replace(self, v=v, i=i, on=round(on, 9), off=round(off, 9))

    def resampled(self, dt: float) -> "Sweep":
        """Return the sweep with one sample each `dt` ms.

        A longer dt takes the mean over dt around each new sample, so that nothing is aliased and charge is kept; a
        shorter one interpolates linearly. Times stay where they are; peaks get lower where dt is longer.
        """
        dt = checks.number(dt, "ms", "dt", above=0.0, kind=RecordingError)
        if self.duration / dt > 1e9 or (len(self.v) - 1) * self.dt < dt:
            raise RecordingError(f"{self.name} lasts {self.duration:g} ms; choose another dt than {dt:g} ms")
        v, i = (_resampled(x, self.dt, dt) for x in (self.v, self.i))
        return replace(self, v=v, i=i, dt=dt)


def moment(x: Any, name: str) -> float:
    """Return a time in ms, NaN for none."""
    if isinstance(x, float) and isnan(x):
        return nan
    return checks.number(x, "ms", name, kind=RecordingError)


def _signal(x: Any, name: str) -> np.ndarray:
    """A copy as float64 [sample] that cannot be written to."""
    found = checks.array_of(x)
    if found is None or not checks.is_real(found.dtype) or found.ndim != 1:
        raise RecordingError(f"{name} must be numbers [sample], not {checks.shown(x)}")
    if len(found) < 2:
        raise RecordingError(f"{name} {'has one sample' if len(found) else 'is empty'}; leave this sweep out")
    found = np.array(found, float)
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        raise RecordingError(
            f"{name} is not finite in {len(bad):,} of {len(found):,} samples, first in sample {bad[0]:,};"
            " crop it or leave this sweep out"
        )
    found.setflags(write=False)
    return found


def _resampled(x: np.ndarray, old: float, new: float) -> np.ndarray:
    """Values each `new` ms of the straight lines between samples each `old` ms: their means over `new` ms if longer."""
    n = len(x)
    at = np.arange(int((n - 1) * old / new + 1e-9) + 1) * new / old  # in samples
    if new <= old * (1.0 + 1e-9):
        return np.interp(at, np.arange(n), x)
    # The integral of the straight lines, after a level is taken away that would cost digits.
    level = float(x[0])
    y = x - level
    whole = np.concatenate([[0.0], np.cumsum(0.5 * (y[1:] + y[:-1]))])

    def integral(s: np.ndarray) -> np.ndarray:
        k = np.minimum(s.astype(int), n - 2)
        rest = s - k
        return whole[k] + rest * (y[k] + 0.5 * rest * (y[k + 1] - y[k]))

    start, stop = (np.clip(at + side * 0.5 * new / old, 0.0, n - 1.0) for side in (-1.0, 1.0))
    return level + (integral(stop) - integral(start)) / (stop - start)
