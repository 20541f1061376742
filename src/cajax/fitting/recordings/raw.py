"""What readers are asked for and what they give: signals as a file has them, with the file's own names and units."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, nan
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from ...base.checks import array_of, is_real, number, of_kind, shown
from ...base.errors import unknown
from ...base.limits import affordable
from .errors import RecordingError
from .quantity import measures
from .sweep import MODES

MOST_SAMPLES = 100_000_000
"""The most samples of one signal over all sweeps of a recording: 33 minutes at 50 kHz, 0.8 GB."""


@final
class Trace(NamedTuple):
    """One signal: its name, numbers [sample], their unit ("" for none), and the least and most the converter shows."""

    name: str
    values: np.ndarray
    unit: str
    limits: tuple[float, float] = (-inf, inf)


@final
class Episode(NamedTuple):
    """One sweep as a file has it.

    `v` and `i` are what was recorded or commanded, one sample each `dt` ms; `mode` is "current" or "voltage"; `on` and
    `off` (ms) are the file's own, NaN where it has none; `bias` (nA, or mV in voltage clamp) is what the amplifier
    added to the command.
    """

    name: str
    v: Trace
    i: Trace
    dt: float
    mode: str = "current"
    on: float = nan
    off: float = nan
    bias: float = 0.0


@final
class Raw(NamedTuple):
    """All sweeps of a file; what was read as it stands, what was not, and which sweeps cannot be used, and why."""

    episodes: list[Episode]
    exact: list[str]
    approximated: list[str]
    refused: list[str]


@final
@dataclass(frozen=True)
class Ask:
    """What the user wants of a file: which channel, command and sweeps, in which mode, and units that it lacks."""

    channel: str | int | None = None
    command: str | None = None
    current: Any = None
    mode: str | None = None
    dt: float | None = None
    sweeps: Sequence[str | int] | None = None
    units: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        who, kind = "read_recording", RecordingError
        if self.mode is not None and self.mode not in MODES:
            raise RecordingError(
                f"{who}: mode = {shown(self.mode)} must be one of {', '.join(map(repr, MODES))}"
            )
        for name, x in (("channel", self.channel), ("command", self.command)):
            of_kind(x, (str, int, type(None)), f"{who}: {name}", "the name of a channel", kind=kind)
        if self.current is not None and not isinstance(self.current, str | os.PathLike):
            values = array_of(self.current)
            if values is None or not is_real(values.dtype) or values.ndim not in (1, 2):
                raise RecordingError(
                    f"{who}: current = {shown(self.current)} must be the path of an Igor wave, or nA [sample] or"
                    " [sweep, sample]"
                )
            object.__setattr__(self, "current", values.astype(float))
        if self.dt is not None:
            object.__setattr__(self, "dt", number(self.dt, "ms", f"{who}: dt", above=0.0, kind=kind))
        units = of_kind(self.units, Mapping, f"{who}: units", "such as {'v': 'mV'}", kind=kind)
        for name, unit in units.items():
            if not isinstance(unit, str) or not measures(unit):
                raise RecordingError(
                    f"{who}: the unit of {shown(name)}, {shown(unit)}, is none; write mV, pA or ms"
                )
        if self.sweeps is not None:
            one = isinstance(self.sweeps, str | int)
            what = "a list of names or numbers"
            found = (
                [self.sweeps]
                if one
                else of_kind(self.sweeps, (list, tuple, range), f"{who}: sweeps", what, kind=kind)
            )
            for sweep in found:
                of_kind(sweep, (str, int), f"{who}: sweeps", what, kind=kind)
            object.__setattr__(self, "sweeps", tuple(found))

    def unit(self, name: str, given: Any) -> str:
        """Return the unit of a signal: the user's for its name, or for "v" or "i" as what it is, else the file's."""
        if name in self.units:
            return self.units[name]
        for role, quantity in (("v", "voltage"), ("i", "current"), ("t", "time")):
            if role in self.units and measures(given) in (quantity, ""):
                return self.units[role]
        return given

    def given(self, place: int, count: int, mode: str, where: Path | str) -> "Trace | None":
        """Return the current that the user gives for one of `count` sweeps, None where none is given."""
        x = self.current
        if x is None:
            return None
        if not isinstance(x, np.ndarray):
            raise RecordingError(
                f"{where}: current = '{x!s:.60}' is a path, as only Igor waves take; give nA [sample]"
            )
        if mode == "voltage":
            raise RecordingError(f"{where} is in voltage clamp, whose command is a voltage; current= is none")
        if x.ndim == 2 and len(x) != count:
            raise RecordingError(f"{where}: current has {len(x)} rows; give [sample], or [{count}, sample]")
        return Trace("current", x if x.ndim == 1 else x[place], "nA")

    def chosen(self, names: Sequence[str], where: str) -> list[int]:
        """Return the indices of the wanted sweeps; `UnknownNameError` or `RecordingError` for one that is not there."""
        if self.sweeps is None:
            return list(range(len(names)))
        found = []
        for sweep in self.sweeps:
            if isinstance(sweep, str):
                if sweep not in names:
                    raise unknown("sweep", sweep, names, where)
                found.append(names.index(sweep))
            elif -len(names) <= sweep < len(names):
                found.append(range(len(names))[sweep])
            else:
                raise RecordingError(f"{where} has sweeps 0 to {len(names) - 1}, not {sweep}")
        return found


def one_of(kind: str, names: Sequence[str], wanted: str | int | None, where: Path | str) -> int:
    """Return the index of the wanted channel, or of the only one; `RecordingError` lists them where it is unclear."""
    listed = ", ".join(f"'{name}'" for name in names[:20])
    plural = kind if kind.endswith("s") else f"{kind}s"
    if isinstance(wanted, int) and -len(names) <= wanted < len(names):
        return range(len(names))[wanted]
    if wanted is None and len(names) == 1:
        return 0
    if isinstance(wanted, str) and list(names).count(wanted) == 1:
        return list(names).index(wanted)
    if wanted is None:
        raise RecordingError(f"{where} has {len(names)} {plural}, {listed}; choose one, {kind}={names[0]!r}")
    if isinstance(wanted, str) and wanted in names:
        raise RecordingError(
            f"{where} has several {plural} called '{wanted}'; give the number of one, {kind}=0"
        )
    raise RecordingError(f"{where} has no {kind} {wanted!r:.60}; there are {listed}")


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts names by the numbers in them: "sweep 2" before "sweep 10"."""
    return tuple(
        (int(x), "") if x.isdecimal() else (-1, x) for x in re.split(r"(\d{1,18})", name.lower()) if x
    )


def check_size(where: Path | str, samples: float) -> None:
    """Raise `RecordingError` for more samples than a recording may have."""
    affordable(
        f"reading '{where}'",
        samples,
        "samples",
        MOST_SAMPLES,
        "name fewer sweeps, sweeps=[…]",
        RecordingError,
    )
