"""Axon binary files (.abf), versions 1 and 2, by pyABF: the recorded channels and the command of the protocol."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from ....base.disk import open_file
from ....base.limits import affordable
from ..errors import RecordingError, library, line
from ..quantity import measures
from ..raw import Ask, Episode, Raw, Trace, check_size, one_of
from .abf_header import Header, read_header

MOST_BYTES = 2**31
_FULL = 32_752  # of ±32,768; converters of 12 bits stop there
_MOST_PULSES = 100_000


@final
class _Command(NamedTuple):
    """A command channel: its name and unit, and one waveform [sample] a sweep."""

    name: str
    unit: str
    waves: list[np.ndarray]

    def changes(self) -> bool:
        return any(float(np.ptp(wave)) > 0 for wave in self.waves)


def read_abf(path: Path, ask: Ask) -> Raw:
    """Read the sweeps of a channel, with the command that the protocol gave on the analogue output of its number.

    Where that output is constant, the one that is not, or else a recorded channel of the command's kind, is the
    command. A stimulus that came from a file of its own is not looked for: give it as `current=`.
    """
    with open_file(path) as file:
        affordable(
            f"reading '{path}'", file.seek(0, 2), "bytes", MOST_BYTES, "split the file", RecordingError
        )
        header = read_header(path, file)
    pyabf = library("pyabf", "ABF files")
    exact: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            abf = pyabf.ABF(str(path), loadData=True, cacheStimulusFiles=False)
            return _raw(path, ask, abf, pyabf, header, exact)
    except RecordingError:
        raise
    except Exception as error:  # the library raises a dozen kinds for damaged bytes
        raise RecordingError(f"{path} is damaged or no ABF file ({line(error)}); copy it again") from None


def _raw(path: Path, ask: Ask, abf: Any, pyabf: Any, header: Header, exact: list[str]) -> Raw:
    length, count = int(abf.sweepPointCount), int(abf.sweepCount)
    names = [f"sweep {k}" for k in range(count)]
    chosen = ask.chosen(names, str(path))
    check_size(path, length * max(1, len(chosen)))
    abf.adcNames, abf.dacNames = _names(abf.adcNames, "channel"), _names(abf.dacNames, "output")
    units = [ask.unit(name, _unit(unit)) for name, unit in zip(abf.adcNames, abf.adcUnits, strict=True)]
    mode = ask.mode or _mode(path, ask, abf, units)
    if mode is None:
        raise RecordingError(f"{path} names no unit of its command; say mode='current' or mode='voltage'")
    wanted, other = ("current", "voltage") if mode == "voltage" else ("voltage", "current")
    known = [k for k, unit in enumerate(units) if measures(unit) == wanted]
    if not known and ask.channel is None:
        listed = ", ".join(f"'{n}' ({u or 'no unit'})" for n, u in zip(abf.adcNames, units, strict=True))
        raise RecordingError(
            f"{path} has no channel of {wanted}, only {listed}; name a unit, units={{'{abf.adcNames[0]}':"
            f" '{'pA' if wanted == 'current' else 'mV'}'}}, or the other mode"
        )
    names_of = list(abf.adcNames)
    channel = (
        one_of("channel", names_of, ask.channel, path)
        if ask.channel is not None or len(known) != 1
        else known[0]
    )
    command, said = _command(path, ask, abf, pyabf, channel, chosen, (other, units))
    approximated = said + header.notes
    ends = _saturation(abf, path, channel)
    episodes = []
    for place, k in enumerate(chosen):
        part = slice(k * length, (k + 1) * length)
        response = Trace(
            abf.adcNames[channel], np.asarray(abf.data[channel][part], float), units[channel], ends
        )
        drive = Trace(command.name, command.waves[place], command.unit)
        v, i = (drive, response) if mode == "voltage" else (response, drive)
        episodes.append(Episode(names[k], v, i, header.dt, mode))
    return Raw(episodes, exact, approximated, [])


def _unit(unit: Any) -> str:
    text = "" if unit is None else str(unit).split("\0")[0].strip()
    return "" if text == "?" else text


def _names(names: Any, kind: str) -> list[str]:
    """Names without what is not printed; a number where nothing is left."""
    plain = [_unit(name) for name in names]
    return [name if name.isprintable() and name else f"{kind} {k}" for k, name in enumerate(plain)]


def _mode(path: Path, ask: Ask, abf: Any, units: list[str]) -> str | None:
    """Current or voltage clamp: by the unit of the outputs, else by what is recorded; None where neither tells."""
    outputs = {measures(_unit(unit)) for unit in abf.dacUnits} & {"current", "voltage"}
    if len(outputs) == 1:
        return outputs.pop()
    if ask.channel is not None:
        channel = one_of("channel", abf.adcNames, ask.channel, path)
        return {"voltage": "current", "current": "voltage"}.get(measures(units[channel]))
    inputs = {measures(unit) for unit in units} & {"current", "voltage"}
    return {"voltage": "current", "current": "voltage"}[inputs.pop()] if len(inputs) == 1 else None


def _command(
    path: Path, ask: Ask, abf: Any, pyabf: Any, channel: int, chosen: list[int], want: tuple[str, list[str]]
) -> tuple[_Command, list[str]]:
    """The command of the wanted kind, and what was assumed."""
    kind, units = want
    if ask.current is not None:
        mode = "voltage" if kind == "voltage" else "current"
        rows = [ask.given(k, len(chosen), mode, path) for k in range(len(chosen))]
        return _Command("current", "nA", [row.values for row in rows if row is not None]), []
    outputs = list(_outputs(path, ask, abf, pyabf, channel, chosen))
    inputs = [
        _Command(name, unit, [np.asarray(_part(abf, n, k), float) for k in chosen])
        for n, (name, unit) in enumerate(zip(abf.adcNames, units, strict=True))
        if n != channel and measures(unit) == kind
    ]
    if ask.command is not None:
        both = [*outputs, *inputs]
        return both[one_of("command", [x.name for x in both], ask.command, path)], []
    if outputs and outputs[0].changes():
        return outputs[0], []
    changing = [x for x in outputs if x.changes()] or [x for x in inputs if x.changes()]
    if len(changing) > 1:
        one_of("command", [x.name for x in changing], None, path)
    if changing:
        return changing[0], [f"the command is '{changing[0].name}', the only channel of {kind} that changes"]
    if not outputs:
        raise RecordingError(f"{path} holds no command; give it as current=[…] in nA")
    return outputs[0], []


def _part(abf: Any, channel: int, sweep: int) -> Any:
    n = int(abf.sweepPointCount)
    return abf.data[channel][sweep * n : (sweep + 1) * n]


def _outputs(
    path: Path, ask: Ask, abf: Any, pyabf: Any, channel: int, chosen: list[int]
) -> Iterator[_Command]:
    """The analogue outputs, that of the channel's number first."""
    count = min(len(abf.holdingCommand), len(abf.dacNames), max(1, int(abf.channelCount)))
    for n in sorted(range(count), key=lambda n: n != channel):
        enabled, source = _source(abf, n)
        unit = ask.unit(abf.dacNames[n], _unit(abf.dacUnits[n]))
        if enabled and source == 2:
            if n == channel:
                raise RecordingError(
                    f"{path}: the command of '{abf.adcNames[channel]}' came from another file; give it as current=[…]"
                )
            continue
        if enabled and source == 1:
            yield _Command(abf.dacNames[n], unit, list(_epochs(path, abf, pyabf, n, chosen)))
        else:
            level = np.full(int(abf.sweepPointCount), float(abf.holdingCommand[n]))
            yield _Command(abf.dacNames[n], unit, [level] * len(chosen))


def _source(abf: Any, output: int) -> tuple[int, int]:
    """Whether an output has a waveform, and where from: 1 for the protocol, 2 for a file."""
    section = abf._headerV1 if abf.abfVersion["major"] == 1 else abf._dacSection
    enabled, source = section.nWaveformEnable, section.nWaveformSource
    return (enabled[output], source[output]) if output < len(enabled) else (0, 0)


def _epochs(path: Path, abf: Any, pyabf: Any, output: int, chosen: list[int]) -> Iterator[np.ndarray]:
    """The waveforms of a protocol, after its sizes are known to fit the sweeps."""
    table = pyabf.waveform.EpochTable(abf, output)
    n = int(abf.sweepPointCount)
    for k in chosen:
        wave = table.epochWaveformsBySweep[k]
        ends = list(zip(wave.p1s, wave.p2s, strict=True))
        pulses = [max(0, b - a) / p for (a, b), p in zip(ends, wave.pulsePeriods, strict=True) if p > 0]
        if any(not 0 <= a <= b <= n for a, b in ends) or sum(pulses) > _MOST_PULSES:
            raise RecordingError(
                f"{path}: the protocol does not fit its sweeps of {n:,} samples; the file is damaged"
            )
        yield np.asarray(wave.getWaveform(), float)


def _saturation(abf: Any, path: Path, channel: int) -> tuple[float, float]:
    """The least and most that the converter shows, as far as they occur in the file."""
    if int(abf.dataPointByteSize) != 2:
        return -np.inf, np.inf
    raw = np.fromfile(path, "<i2", int(abf.dataPointCount), offset=int(abf.dataByteStart))
    raw = raw[channel :: int(abf.channelCount)]
    values = abf.data[channel][: len(raw)]
    high, low = values[raw >= _FULL], values[raw <= -_FULL]
    ends = [*high.tolist(), *low.tolist()]
    if not ends:
        return -np.inf, np.inf
    # A negative gain turns the two round.
    middle = float(np.median(values))
    above, below = [x for x in ends if x >= middle], [x for x in ends if x < middle]
    return max(below, default=-np.inf), min(above, default=np.inf)
