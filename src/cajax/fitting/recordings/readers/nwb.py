"""NWB 2 files (.nwb) by pynwb: patch-clamp series with the stimuli that belong to them."""

import re
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from ..errors import RecordingError, library
from ..quantity import factor, measures
from ..raw import Ask, Episode, Raw, Trace, check_size, natural, one_of
from .nwb_file import numbers, opened, step_of

_WHOLE = slice(None)


@final
class _Pair(NamedTuple):
    """A recorded series and the part of it that belongs to the sweep; its stimulus, None where it has none."""

    response: Any
    part: slice
    stimulus: Any = None
    stimulus_part: slice = _WHOLE


def read_nwb(path: Path, ask: Ask) -> Raw:
    """Read the current-clamp and voltage-clamp series of one electrode, in the order in which they were recorded.

    A stimulus belongs to a series by the table of intracellular recordings, else by its sweep number and electrode,
    else by the number in its name. The amplifier's bias current is added to the command, which does not contain it.
    """
    with opened(path) as nwb:
        pairs = _of_electrode(path, ask, _pairs(path, nwb))
        names = [pair.response.name for pair in pairs]
        chosen = [pairs[k] for k in ask.chosen(names, str(path))]
        check_size(path, sum(float(len(pair.response.data)) for pair in chosen))
        raw = Raw([], [], [], [])
        for place, pair in enumerate(chosen):
            try:
                raw.episodes.append(_episode(path, ask, pair, place, len(chosen), raw))
            except RecordingError as error:
                raw.refused.append(str(error))
        return raw


def _icephys() -> Any:
    return library("pynwb.icephys", "NWB files")


def _pairs(path: Path, nwb: Any) -> list[_Pair]:
    """Every recorded series with its stimulus, in the order of time."""
    icephys = _icephys()
    stimuli = (icephys.CurrentClampStimulusSeries, icephys.VoltageClampStimulusSeries)
    recorded = [
        x
        for x in nwb.acquisition.values()
        if isinstance(x, icephys.PatchClampSeries) and not isinstance(x, stimuli)
    ]
    if not recorded:
        found = ", ".join(f"'{name}' ({type(x).__name__})" for name, x in list(nwb.acquisition.items())[:6])
        raise RecordingError(
            f"{path} holds no patch-clamp series, only {found or 'nothing'}; is it a recording?"
        )
    sent = [x for x in [*nwb.stimulus.values(), *nwb.stimulus_template.values()] if isinstance(x, stimuli)]
    table = _table(nwb)
    pairs = [table.get(id(x)) or _Pair(x, _WHOLE, _stimulus_for(x, sent)) for x in recorded]
    return sorted(pairs, key=lambda pair: (_start(pair.response), natural(pair.response.name)))


def _start(series: Any) -> float:
    start = series.starting_time if series.starting_time is not None else 0.0
    return float(start) if np.isfinite(start) else 0.0


def _table(nwb: Any) -> dict[int, _Pair]:
    """Pairs by the table of intracellular recordings, where the file has one."""
    table = nwb.intracellular_recordings
    if table is None:
        return {}
    responses = table.category_tables["responses"]["response"]
    stimuli = table.category_tables["stimuli"]["stimulus"]
    found = {}
    for row in range(len(table)):
        response, stimulus = responses[row], stimuli[row]
        if response.idx_start < 0 or response.timeseries is None:
            continue
        there = stimulus.timeseries is not None and stimulus.idx_start >= 0 and stimulus.count > 0
        pair = _Pair(
            response.timeseries,
            slice(response.idx_start, response.idx_start + response.count),
            stimulus.timeseries if there else None,
            slice(stimulus.idx_start, stimulus.idx_start + stimulus.count) if there else _WHOLE,
        )
        found[id(response.timeseries)] = pair
    return found


def _stimulus_for(response: Any, sent: list[Any]) -> Any:
    """The one stimulus that has the sweep number and electrode of a series, or the number in its name."""
    electrode = _electrode(response)
    if response.sweep_number is not None:
        same = [x for x in sent if x.sweep_number == response.sweep_number and _electrode(x) == electrode]
        if len(same) == 1:
            return same[0]
    number = re.findall(r"\d+", response.name)[-1:]
    same = [x for x in sent if re.findall(r"\d+", x.name)[-1:] == number and _electrode(x) == electrode]
    return same[0] if number and len(same) == 1 else None


def _electrode(series: Any) -> str:
    return str(series.electrode.name) if series.electrode is not None else ""


def _of_electrode(path: Path, ask: Ask, pairs: list[_Pair]) -> list[_Pair]:
    """The pairs of the wanted electrode and mode."""
    electrodes = list(dict.fromkeys(_electrode(pair.response) for pair in pairs))
    wanted = electrodes[one_of("channel", electrodes, ask.channel, path)]
    kept = [
        pair
        for pair in pairs
        if _electrode(pair.response) == wanted and ask.mode in (None, _mode(pair.response))
    ]
    if not kept:
        raise RecordingError(f"{path} has no sweeps in {ask.mode} clamp; leave mode= out")
    return kept


def _mode(series: Any) -> str:
    icephys = _icephys()
    return "voltage" if isinstance(series, icephys.VoltageClampSeries) else "current"


def _episode(path: Path, ask: Ask, pair: _Pair, place: int, count: int, raw: Raw) -> Episode:
    series, mode = pair.response, _mode(pair.response)
    dt = step_of(path, series)
    response = _trace(path, ask, series, pair.part)
    command = _command(path, ask, pair, dt, place, count, len(response.values))
    bias = _number(series, "bias_current") if mode == "current" else 0.0
    bridge = _number(series, "bridge_balance") if mode == "current" else 0.0
    if bias:
        raw.exact.append(
            f"{series.name}: the amplifier's bias current of {bias * 1e9:.4g} nA is added to the command"
        )
    if bridge:
        raw.exact.append(f"{series.name}: the amplifier had balanced a bridge of {bridge * 1e-6:.4g} Mohm")
    v, i = (command, response) if mode == "voltage" else (response, command)
    return Episode(series.name, v, i, dt, mode, bias=bias * 1e9)


def _number(series: Any, name: str) -> float:
    value = getattr(series, name, None)
    return float(value) if value is not None and np.isfinite(value) else 0.0


def _command(path: Path, ask: Ask, pair: _Pair, dt: float, place: int, count: int, samples: int) -> Trace:
    icephys = _icephys()
    series, stimulus = pair.response, pair.stimulus
    given = ask.given(place, count, _mode(series), f"{path}: {series.name}")
    if given is not None:
        return given
    if isinstance(series, icephys.IZeroClampSeries):
        return Trace("none", np.zeros(samples), "nA")
    if stimulus is None:
        raise RecordingError(
            f"{series.name}: no stimulus belongs to it in {path}; give it as current=[…] in nA"
        )
    own = step_of(path, stimulus)
    if abs(own - dt) > 1e-6 * dt:
        raise RecordingError(
            f"{series.name}: it has a sample each {dt:g} ms, its stimulus '{stimulus.name}' each {own:g} ms"
        )
    return _trace(path, ask, stimulus, pair.stimulus_part)


def _trace(path: Path, ask: Ask, series: Any, part: slice) -> Trace:
    """The numbers of a series in its own unit; if the user named the unit, as they are stored."""
    values = numbers(path, series.name, series.data, part)
    unit = str(getattr(series.data, "attrs", {}).get("unit", series.unit) or "")
    named = ask.unit(series.name, unit)
    scale, shift = (1.0, 0.0) if named != unit else (float(series.conversion), float(series.offset))
    # SI units with a conversion are kept; the conversion of a unit with a prefix would round twice.
    quantity = measures(named)
    if quantity:
        ours = float(f"{scale * factor(named, quantity):.12g}")
        shift, scale, named = (
            shift * factor(named, quantity),
            ours,
            {"voltage": "mV", "current": "nA"}.get(quantity, named),
        )
    limits = (-np.inf, np.inf)
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 4:
        about = np.iinfo(values.dtype)
        ends = about.min * scale + shift, about.max * scale + shift
        limits = min(ends), max(ends)
    return Trace(series.name, np.asarray(values, float) * scale + shift, named, limits)
