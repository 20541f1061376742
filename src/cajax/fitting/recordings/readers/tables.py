"""Sweeps in named columns or arrays: v_mV, i_nA, t_ms, dt_ms, t_on_ms; several sweeps as v_1_mV, v_2_mV, …"""

import re
from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from ..errors import RecordingError
from ..quantity import converted, measures
from ..raw import Ask, Episode, Raw, Trace, check_size, natural
from .nwb_file import even_step

_BRACKET = re.compile(r"(.*?)[\s_]*[(\[]\s*([^)\]]*?)\s*[)\]]")
_PLAIN = re.compile(r"(.*?)[\s_]+([^\s_]+)")
_WORDS = {
    "v": "v", "vm": "v", "voltage": "v", "potential": "v", "membrane_potential": "v", "membrane potential": "v",
    "i": "i", "im": "i", "current": "i", "stimulus": "i", "stim": "i", "command": "i", "iclamp": "i",
    "t": "t", "time": "t", "times": "t", "dt": "dt", "rate": "rate", "on": "on", "off": "off",
    "t_on": "on", "t_off": "off", "stim_on": "on", "stim_off": "off",
}  # fmt: skip
"""The first words of a name, in small letters → what it is."""
_LABEL = re.compile(r"(" + "|".join(sorted(_WORDS, key=len, reverse=True)) + r")(?![a-z])[\s_]*(.*)")
_QUANTITY = {
    "v": "voltage",
    "i": "current",
    "t": "time",
    "dt": "time",
    "on": "time",
    "off": "time",
    "rate": "rate",
}
HELP = "name columns such as t_ms, v_mV, i_nA, for several sweeps v_1_mV, v_2_mV, …"


@final
class Column(NamedTuple):
    """A column or array: its name in the file, what it is ("v", "i", "t", …; "" for unknown), label, unit, values."""

    name: str
    role: str
    label: str
    unit: str
    values: np.ndarray


def named(name: str, values: Any) -> Column:
    """Take a name apart: "v_2_mV" is "v", "2", "mV"; so are "V 2 (mV)" and "v2 [mV]"."""
    text = name.strip()
    match = _BRACKET.fullmatch(text) or _PLAIN.fullmatch(text)
    base, unit = (
        (match[1], match[2]) if match and (measures(match[2]) or "(" in text or "[" in text) else (text, "")
    )
    found = _LABEL.fullmatch(base.strip().lower())
    role, label = (_WORDS[found[1]], found[2].strip(" _")) if found else ("", "")
    return Column(name, role, label, unit, np.asarray(values))


def sweeps_of(path: Path, ask: Ask, arrays: Mapping[str, Any]) -> Raw:
    """Return the sweeps of named arrays: [sample] or [sweep, sample].

    Voltages and currents with the same label belong together; a current or a time without a label, or with one row, is
    that of all sweeps. Raises `RecordingError` where something is missing or does not fit.
    """
    columns = [named(name, x) for name, x in arrays.items()]
    columns = [column._replace(unit=ask.unit(column.name, column.unit)) for column in columns]
    voltages = [x for x in columns if x.role == "v"]
    currents = [x for x in columns if x.role == "i"]
    if not voltages:
        listed = ", ".join(repr(name) for name in list(arrays)[:12])
        raise RecordingError(f"{path} has no voltage among {listed or 'no columns'}; {HELP}")
    if not currents and ask.current is None:
        raise RecordingError(f"{path} has no current; {HELP}, or give it as current=[…] in nA")
    dt, start, notes = _sampling(path, ask, columns, voltages)
    rows: list[tuple[str, Trace, Trace]] = []
    for v in sorted(voltages, key=lambda x: natural(x.label)):
        rows += _rows(path, ask, v, currents, voltages, columns)
    names = [name for name, _, _ in rows]
    chosen = ask.chosen(names, str(path))
    check_size(path, sum(len(rows[k][1].values) for k in chosen))
    on, off = (_moments(path, columns, role, len(rows), start) for role in ("on", "off"))
    mode = ask.mode or "current"
    episodes = [Episode(*rows[k], dt, mode, on[k], off[k]) for k in chosen]
    return Raw(episodes, [], notes, [])


def _rows(
    path: Path, ask: Ask, v: Column, currents: list[Column], voltages: list[Column], columns: list[Column]
) -> list[tuple[str, Trace, Trace]]:
    """The sweeps of one voltage column or array, each with its current."""
    values = _two(path, v, _samples(columns))
    if isinstance(ask.current, np.ndarray):
        i = Column("current", "i", "", "nA", ask.current)
    elif ask.current is not None:
        raise RecordingError(f"{path}: current = '{ask.current!s:.60}' is a path, as only Igor waves take")
    else:
        own = [x for x in currents if x.label == v.label] or [x for x in currents if not x.label]
        if len(own) != 1:
            listed = ", ".join(f"'{x.name}'" for x in currents[:8])
            raise RecordingError(f"{path}: no one current belongs to '{v.name}' among {listed}; {HELP}")
        i = own[0]
    drive = _two(path, i, _samples(columns))
    if len(drive) not in (1, len(values)):
        raise RecordingError(f"{path}: '{v.name}' has {len(values)} sweeps, '{i.name}' {len(drive)}")
    several, labelled = len(values) > 1, len(voltages) > 1
    label = f"sweep {v.label}" if labelled and v.label else v.name if labelled else "sweep"
    return [
        (
            f"{label} {k}" if several else label,
            Trace(v.name, values[k], v.unit),
            Trace(i.name, drive[k if len(drive) > 1 else 0], i.unit),
        )
        for k in range(len(values))
    ]


def _samples(columns: list[Column]) -> int:
    """How many samples the times have, 0 where there are none."""
    return next((x.values.size for x in columns if x.role == "t" and x.values.ndim == 1), 0)


def _two(path: Path, x: Column, samples: int) -> np.ndarray:
    """Values as [sweep, sample]; [sample, sweep] is turned where the times say so."""
    values = x.values
    if values.dtype.kind not in "iuf" or values.ndim not in (1, 2):
        raise RecordingError(
            f"{path}: '{x.name}' is {values.dtype}{list(values.shape)}; expected numbers [sample] or [sweep, sample]"
        )
    if values.ndim == 1:
        return values[None, :]
    if samples and values.shape[1] != samples and values.shape[0] == samples:
        return values.T
    if len(values) > 100_000:
        raise RecordingError(
            f"{path}: '{x.name}' would be {len(values):,} sweeps; its axes are [sweep, sample]"
        )
    return values


def _sampling(
    path: Path, ask: Ask, columns: list[Column], voltages: list[Column]
) -> tuple[float, float, list[str]]:
    """The sampling step and the time of the first sample, in ms, and what was rounded."""
    known = {x.role: x for x in columns if x.role in ("t", "dt", "rate")}
    if ask.dt is not None:
        return ask.dt, 0.0, []
    if "dt" in known:
        return _scalar(path, known["dt"], "time"), 0.0, []
    if "rate" in known:
        return 1.0 / _scalar(path, known["rate"], "rate"), 0.0, []
    if "t" not in known:
        raise RecordingError(
            f"{path} has no times; add a column t_ms, or give the sampling step, dt=0.1 (ms)"
        )
    x = known["t"]
    if x.values.dtype.kind not in "iuf" or x.values.ndim != 1:
        raise RecordingError(f"{path}: '{x.name}' must be numbers [sample]")
    t = converted(x.values, x.unit, "time", x.name, str(path))
    step = even_step(t, f"{path}: '{x.name}'")
    rounded = float(np.abs(np.diff(t) - step).max()) > 2e-3 * step
    lengths = {n for v in voltages for n in np.shape(v.values)}
    if len(t) not in lengths:
        counts = " or ".join(f"{n:,}" for n in sorted(lengths))
        raise RecordingError(
            f"{path}: '{x.name}' has {len(t):,} times, '{voltages[0].name}' {counts} samples"
        )
    notes = [f"'{x.name}' is rounded; the step is taken to be {step:.6g} ms throughout"] if rounded else []
    return float(f"{step:.9g}"), float(t[0]), notes


def _scalar(path: Path, x: Column, quantity: str) -> float:
    values = np.ravel(x.values)
    if values.dtype.kind not in "iuf" or not len(values) or (values != values[0]).any() or not values[0] > 0:
        raise RecordingError(f"{path}: '{x.name}' must be one positive number")
    return float(f"{converted(values[0], x.unit, quantity, x.name, str(path)):.12g}")


def _moments(path: Path, columns: list[Column], role: str, count: int, start: float) -> list[float]:
    """The begin or end of the stimulus of every sweep in ms after its first sample, NaN where the file has none."""
    found = [x for x in columns if x.role == role]
    if not found:
        return [nan] * count
    x = found[0]
    values = np.ravel(x.values)
    if values.dtype.kind not in "iuf" or len(values) not in (1, count):
        raise RecordingError(f"{path}: '{x.name}' must be one number, or one for each of {count} sweeps")
    times = converted(values, x.unit, "time", x.name, str(path)) - start
    return [float(times[0])] * count if len(times) == 1 else times.tolist()
