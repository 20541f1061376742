"""From the signals of a file to sweeps in mV, nA and ms: units, corrections, stimuli; which sweeps are refused."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from pathlib import Path
from statistics import median
from typing import Any, final

import numpy as np

from ...base import checks
from .clipping import clipped
from .errors import RecordingError, UnnamedUnitError
from .quantity import converted
from .raw import Episode, Raw
from .recording import Recording, Report
from .stimulus import KINDS, Stimulus, stimulus_of, stimulus_within
from .sweep import Sweep, moment

_HIGHEST = 1000.0  # mV
_LOWEST = 0.5  # mV: no whole trace of a cell stays below


@final
@dataclass(frozen=True)
class Options:
    """What the user knows better than the file; `on`, `off`, `amplitude` and `kind` for all sweeps or one each."""

    junction: float = 0.0
    bridge: float = 0.0
    holding: float | None = None
    on: Any = None
    off: Any = None
    amplitude: Any = None
    kind: Any = None
    clipped: str = "refuse"
    strict: bool = False

    def __post_init__(self) -> None:
        who, error = "read_recording", RecordingError
        for name, unit in (("junction", "mV"), ("bridge", "Mohm"), ("holding", "nA")):
            x = getattr(self, name)
            if x is not None or name != "holding":
                object.__setattr__(self, name, checks.number(x, unit, f"{who}: {name}", kind=error))
        if self.clipped not in ("refuse", "keep"):
            raise RecordingError(f"{who}: clipped = {checks.shown(self.clipped)} must be 'refuse' or 'keep'")
        checks.flag(self.strict, f"{who}: strict", kind=error)


def assembled(path: Path, raw: Raw, options: Options) -> Recording:
    """Return the recording; `RecordingError` if no sweep is left, or with `strict` if anything is not exact."""
    exact, approximated, refused = list(raw.exact), list(raw.approximated), list(raw.refused)
    sweeps: list[Sweep] = []
    for number, episode in enumerate(raw.episodes):
        try:
            sweep, notes, changes = _sweep(path, episode, number, len(raw.episodes), options)
        except UnnamedUnitError:
            raise  # once the user has named it, all can be read
        except RecordingError as error:
            refused.append(str(error))
            continue
        sweeps.append(sweep)
        exact += notes
        approximated += changes
    if not sweeps:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise RecordingError(
            f"no sweep of {path} can be used: {refused[0] if refused else 'it has none'}{more}"
        )
    sweeps, notes = _with_steps_of_zero(sweeps) if options.kind is None else (sweeps, [])
    exact = [*_summary(sweeps), *exact, *notes]
    if options.strict and (refused or approximated):
        first = (refused or approximated)[0]
        raise RecordingError(f"{path} is not read exactly, as strict=True wants: {first}")
    return Recording(tuple(sweeps), str(path), Report(tuple(exact), tuple(approximated), tuple(refused)))


def _sweep(
    path: Path, episode: Episode, number: int, count: int, options: Options
) -> tuple[Sweep, list[str], list[str]]:
    """A sweep, what is worth saying about it, and what is not exact."""
    name = episode.name
    where = f"{path}: {name}"
    v = converted(episode.v.values, episode.v.unit, "voltage", episode.v.name, where)
    i = converted(episode.i.values, episode.i.unit, "current", episode.i.name, where)
    bias = episode.bias if options.holding is None else options.holding
    v, i = (v + bias, i) if episode.mode == "voltage" else (v, i + bias)
    plain = Sweep(v, i, episode.dt, mode=episode.mode, name=name)  # finite, of equal length, not empty
    changes = _doubts(plain)
    recorded = episode.i if episode.mode == "voltage" else episode.v
    cut = clipped(recorded.values, recorded.limits)
    if cut and options.clipped != "keep":
        raise RecordingError(f"{name} is clipped: '{recorded.name}' {cut}; clipped='keep' keeps it")
    if cut:
        changes.append(f"{name} is clipped: '{recorded.name}' {cut}")
    found = _stimulus(plain, episode, number, count, options)
    unit = "mV" if episode.mode == "voltage" else "nA"
    notes = [f"{name}: beside the {found.kind} the command has {found.note} ({unit})"] if found.note else []
    fields = found._asdict()
    fields.pop("note")
    sweep = replace(plain, **fields, clipped=bool(cut))
    return sweep.corrected(junction=options.junction, bridge=options.bridge), notes, changes


def _doubts(sweep: Sweep) -> list[str]:
    """What may be wrong with the unit of a voltage; `RecordingError` for what must be."""
    most = float(np.abs(sweep.v).max())
    if most > _HIGHEST:
        raise RecordingError(
            f"{sweep.name}: v reaches {most:,.4g} mV, which no cell does; its unit is another, units={{'v': '…'}}"
        )
    if most < _LOWEST and sweep.mode == "current":
        return [f"{sweep.name}: |v| never exceeds {most:.3g} mV; if its unit is V, say units={{'v': 'V'}}"]
    return []


def _stimulus(sweep: Sweep, episode: Episode, number: int, count: int, options: Options) -> Stimulus:
    """The stimulus: as the user says, else as the file says, else as it is found in the command."""
    found = stimulus_of(sweep.command, sweep.dt)
    on, off = (
        moment(nan if x is None else x, f"{sweep.name}: {key}")
        for key, x in (
            ("on", _own(options.on, number, count, "on")),
            ("off", _own(options.off, number, count, "off")),
        )
    )
    on, off = (own if isnan(said) else said for own, said in ((episode.on, on), (episode.off, off)))
    on, off = (own if isnan(said) else said for own, said in ((found.on, on), (found.off, off)))
    if not isnan(on) and not isnan(off) and (on, off) != (found.on, found.off):
        if not 0.0 <= on < off or on >= sweep.duration:
            raise RecordingError(
                f"{sweep.name}: a stimulus from {on:g} to {off:g} ms does not fit {sweep.duration:g} ms"
            )
        found = stimulus_within(sweep.command, sweep.dt, on, off)
    amplitude, kind = (
        _own(x, number, count, key) for key, x in (("amplitude", options.amplitude), ("kind", options.kind))
    )
    if amplitude is not None:
        unit = "mV" if sweep.mode == "voltage" else "nA"
        found = found._replace(amplitude=checks.number(amplitude, unit, "amplitude", kind=RecordingError))
    if kind is not None and kind not in KINDS:
        raise RecordingError(f"kind = {checks.shown(kind)} must be one of {', '.join(map(repr, KINDS))}")
    return found if kind is None else found._replace(kind=kind)


def _own(x: Any, number: int, count: int, name: str) -> Any:
    """The entry of one sweep, where the user gives one each."""
    if x is None or isinstance(x, str) or np.ndim(x) == 0:
        return x
    if not isinstance(x, Sequence | np.ndarray) or len(x) != count:
        raise UnnamedUnitError(
            f"{name} has {len(x)} entries; give one for all, or one for each of {count} sweeps"
        )
    return x[number]


def _with_steps_of_zero(sweeps: list[Sweep]) -> tuple[list[Sweep], list[str]]:
    """Where the other sweeps have a step at one time, a sweep whose command rests then has a step of zero."""
    steps = [sweep for sweep in sweeps if sweep.kind == "step"]
    if len(steps) < 2:
        return sweeps, []
    on, off = median(x.on for x in steps), median(x.off for x in steps)
    same = [x for x in steps if abs(x.on - on) <= x.dt and abs(x.off - off) <= x.dt]
    found, notes = [], []
    for sweep in sweeps:
        if len(same) >= 2 and _rests(sweep, same[0], on, off):
            notes.append(
                f"{sweep.name} has no stimulus while the other sweeps have a step, and is a step of 0"
            )
            sweep = replace(sweep, kind="step", on=on, off=off, amplitude=0.0)
        found.append(sweep)
    return found, notes


def _rests(sweep: Sweep, other: Sweep, on: float, off: float) -> bool:
    """Whether a sweep has no stimulus from `on` until `off` ms, at most a test pulse before or after."""
    outside = sweep.kind == "none" or (
        sweep.kind in ("step", "pulse") and (sweep.off <= on or sweep.on >= off)
    )
    if not outside or sweep.mode != other.mode or off > sweep.duration + sweep.dt:
        return False
    level = stimulus_within(sweep.command, sweep.dt, on, off)
    return level.kind in ("step", "pulse") and abs(level.amplitude) < 0.02 * abs(other.amplitude)


def _summary(sweeps: list[Sweep]) -> list[str]:
    """What all sweeps have in common, one line for each mode and sampling step."""
    groups: dict[tuple[str, float], list[Sweep]] = {}
    for sweep in sweeps:
        groups.setdefault((sweep.mode, sweep.dt), []).append(sweep)
    first = sweeps[0]
    corrections = []
    if first.junction:
        corrections.append(f"a junction potential of {first.junction:g} mV was subtracted from v")
    if first.bridge:
        corrections.append(f"the voltage of {first.bridge:g} Mohm in series was subtracted from v")
    lines = [
        f"{len(group)} sweep{'s' if len(group) > 1 else ''} in {mode} clamp, one sample each {dt:g} ms"
        for (mode, dt), group in groups.items()
    ]
    return lines + corrections
