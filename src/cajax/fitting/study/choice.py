"""Which sweeps of a recording are fitted and which are held out, unless the user says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from ...base.errors import ParameterError
from ..recordings import Recording, Sweep

THRESHOLD = -20.0
"""A spike exceeds it (mV)."""
FITTED, HELD = 3, 4
"""Most spiking sweeps that are fitted, and most sweeps that are held out."""
DEFLECTION = (1.0, 30.0)
"""A silent sweep is fitted whose step moves the voltage by this much (mV): noise at less, unusual currents at more."""


@final
@dataclass(frozen=True)
class Choice:
    """Numbers of the sweeps that are `fitted` and `held_out`, by amplitude, and why in words."""

    fitted: tuple[int, ...]
    held_out: tuple[int, ...]
    why: str

    @property
    def used(self) -> tuple[int, ...]:
        """All of them, fitted ones first."""
        return (*self.fitted, *self.held_out)


def chosen_sweeps(
    recording: Recording,
    fitted: Sequence[int] | None = None,
    held_out: Sequence[int] | None = None,
    spiking: bool = True,
) -> Choice:
    """Return which sweeps are fitted and which held out; what is None is chosen among the steps in current clamp.

    Fitted are three amplitudes at which the cell spikes, spread from the lowest to the highest with others between them
    held out, and the silent sweep whose step moves the voltage most; without `spiking` silent sweeps only. Of repeats
    of a step the first one stands for all. Raises `ParameterError` for numbers that are not there, sweeps in voltage
    clamp, and where there is no step to choose.
    """
    for name, numbers in (("fit", fitted), ("hold out", held_out)):
        for k in numbers or ():
            _require(recording, k, name)
    if fitted is not None and held_out is not None:
        return Choice(tuple(fitted), tuple(held_out), "as you say")
    free = [k for k in _candidates(recording) if k not in (*(fitted or ()), *(held_out or ()))]
    active = [k for k in free if spikes(recording[k])]
    silent = sorted((k for k in free if k not in active), key=lambda k: -_moved(recording[k]))
    told = "as you say" if fitted is not None else ""
    if fitted is None:
        fitted, told = _fitted(recording, active if spiking else [], silent, free)
    rest = [k for k in active if k not in fitted] if spiking else []
    quiet = [k for k in silent if k not in fitted and _moved(recording[k]) >= DEFLECTION[0]]
    if held_out is None:
        some = _spread(rest, HELD - 1 if quiet else HELD)
        held_out = (*some, *quiet[: 1 if spiking else HELD])
    return Choice(_ordered(recording, fitted), _ordered(recording, held_out), told)


def _fitted(
    recording: Recording, active: list[int], silent: list[int], free: list[int]
) -> tuple[list[int], str]:
    within = [k for k in silent if DEFLECTION[0] <= _moved(recording[k]) <= DEFLECTION[1]]
    if active:
        chosen = _spread(active, _share(len(active)))
        said = f"{len(chosen)} of {len(active)} amplitudes at which the cell spikes"
        found, quiet = [*chosen, *within[:1]], ", and a silent step" if within else ""
        return found, said + quiet
    found = within[:FITTED] or silent[:1] or free[:1]
    if not found:
        raise ParameterError(
            f"{recording.path} has no step in current clamp to choose; name the sweeps to fit, sweeps=[…]"
        )
    return found, "silent steps, the most that move the voltage by 1 to 30 mV"


def _share(count: int) -> int:
    """Return how many of so many spiking sweeps are fitted, so that of three or more some are held out."""
    return {1: 1, 2: 2, 3: 2}.get(count, FITTED)


def _spread(numbers: list[int], count: int) -> list[int]:
    """Return so many of some numbers, from the first to the last."""
    if count >= len(numbers):
        return numbers
    return [numbers[int(k)] for k in np.linspace(0, len(numbers) - 1, count + (count == 1)).round()][:count]


def _candidates(recording: Recording) -> list[int]:
    """Return one sweep of each step in current clamp, by amplitude."""
    found: dict[int, int] = {}
    number = {id(sweep): k for k, sweep in enumerate(recording)}
    for group in recording.repeats():
        first = group[0]
        if first.kind in ("step", "pulse") and first.mode == "current" and not first.clipped:
            found[number[id(first)]] = len(group)
    steps = [k for k in found if recording[k].kind == "step"] or list(found)
    return sorted(steps, key=lambda k: recording[k].amplitude)


def _require(recording: Recording, number: int, what: str) -> None:
    if not 0 <= number < len(recording):
        last = len(recording) - 1
        raise ParameterError(
            f"{recording.path} has sweeps 0 to {last}, no sweep {number} to {what}"
            if last
            else f"{recording.path} has one sweep, number 0, and no sweep {number} to {what}"
        )
    if recording[number].mode != "current":
        raise ParameterError(
            f"sweep {number} of {recording.path} is in voltage clamp; a fit compares voltages under current clamp"
        )


def _ordered(recording: Recording, numbers: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(numbers, key=lambda k: (recording[k].amplitude, k)))


def repeats_of(recording: Recording, number: int, without: Sequence[int] = ()) -> tuple[Sweep, ...]:
    """Return the sweeps that repeat the stimulus of one, itself among them, but not those of the numbers `without`."""
    left_out = {id(recording[k]) for k in without}
    for group in recording.repeats():
        if any(sweep is recording[number] for sweep in group):
            return tuple(sweep for sweep in group if id(sweep) not in left_out)
    return (recording[number],)


def spikes(sweep: Sweep) -> int:
    """Return the number of upward crossings of −20 mV during the stimulus, or in the whole sweep without one."""
    return crossings(sweep.v, sweep.dt, sweep.on, sweep.off)


def crossings(v: np.ndarray, dt: float, on: float, off: float) -> int:
    """Return the number of upward crossings of −20 mV by v [sample] (mV) between two times (ms; NaN for no bound)."""
    first = 0 if np.isnan(on) else max(0, round(on / dt))
    last = len(v) if np.isnan(off) else min(len(v), round(off / dt) + 1)
    over = np.asarray(v)[first:last] > THRESHOLD
    return int((over[1:] & ~over[:-1]).sum())


def _moved(sweep: Sweep) -> float:
    """Return by how much the stimulus moves the mean voltage (mV)."""
    if np.isnan(sweep.on):
        return 0.0
    on, off = round(sweep.on / sweep.dt), round(sweep.off / sweep.dt)
    before, during = sweep.v[:on], sweep.v[on:off]
    return abs(float(during.mean() - before.mean())) if len(before) and len(during) else 0.0
