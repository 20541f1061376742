"""Igor binary waves (.ibw): one wave a channel, so that voltage and current lie in two files."""

import io
import logging
import os
import re
import struct
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from ....base.disk import is_folder, read_whole
from ....base.errors import CajaxError
from ..errors import RecordingError, library, line
from ..quantity import factor, measures
from ..raw import Ask, Episode, Raw, Trace, check_size, natural

MOST_BYTES = 2**30
MOST_FILES = 20_000
_SIZES = {
    1: "<hi",
    2: "<hiii",
    3: "<hiiii",
    5: "<hhiiiiiiiiiiii",
}  # version, sizes of the parts of a file (TN003)
_TOKEN = re.compile(
    r"(?<![a-z])(?:(?:ch|chan|channel|ad|da|adc|dac)[ _-]?\d+(?!\d)|(?:vm?|im?|voltage|current|command)(?![a-z]))",
    re.IGNORECASE,
)
"""What the names of two channels of one sweep differ in: Ch0 and Ch3, v and i."""


@final
class _Wave(NamedTuple):
    """A wave: its file, samples [sample, sweep], unit, and dt in ms; whether the unit of time was assumed."""

    path: Path
    values: np.ndarray
    unit: str
    dt: float
    assumed: bool


def read_ibw(path: Path, ask: Ask) -> Raw:
    """Read a pair of waves, given by either file, by both (`current=`), or all pairs of a folder.

    Two files are a pair if their names differ only in a channel (Ch0 and Ch3) or in v and i, and one is in volts, the
    other in amperes. The columns of a wave with two dimensions are sweeps.
    """
    if ask.current is not None:
        if not isinstance(ask.current, str | os.PathLike):
            raise RecordingError(
                f"{path}: current must be the path of the wave that holds it, such as 'Ch0.ibw'"
            )
        groups = {path.stem: [path, Path(ask.current)]}
    elif is_folder(path):
        groups = _groups(path)
    else:
        key = _key(path)
        groups = {key: _groups(path.parent).get(key, [path])}
    episodes: list[Episode] = []
    refused: list[str] = []
    unscaled = 0
    keys = sorted(groups, key=natural)
    for key in (keys[k] for k in ask.chosen(keys, str(path))):
        try:
            found, assumed = _pair(key, groups[key], ask)
            episodes += found
            unscaled += assumed
        except CajaxError as error:
            if len(keys) == 1:
                raise
            refused.append(str(error))
        check_size(path, sum(len(x.v.values) for x in episodes))
    note = (
        f"the unit of time is missing in the waves of {unscaled} sweep(s); it was taken to be s, Igor's own"
    )
    return Raw(episodes, [], [note] if unscaled else [], refused)


def _groups(folder: Path) -> dict[str, list[Path]]:
    """The waves of a folder by what their names have in common."""
    found: dict[str, list[Path]] = {}
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(".ibw"))
    except OSError as error:
        raise RecordingError(
            f"cannot look into '{folder}': {error.strerror or error}; check the path"
        ) from None
    if not names:
        raise RecordingError(f"'{folder}' is a folder without .ibw files; give the path of a recording")
    if len(names) > MOST_FILES:
        raise RecordingError(
            f"'{folder}' holds {len(names):,} waves; move those of one cell to a folder of their own"
        )
    for name in names:
        found.setdefault(_key(folder / name), []).append(folder / name)
    return found


def _key(path: Path) -> str:
    """The name without its channel: B6_IDRest_181 for B6_Ch0_IDRest_181.ibw."""
    rest = _TOKEN.sub("", path.stem)
    return re.sub(r"([ _.-])[ _.-]+", r"\1", rest).strip(" _.-") or path.stem


def _pair(key: str, paths: list[Path], ask: Ask) -> tuple[list[Episode], bool]:
    """The sweeps of a voltage and a current that belong together; whether a unit of time was assumed."""
    if len(paths) > 16:
        raise RecordingError(
            f"{len(paths)} waves are called like '{paths[0]}'; give two, read_recording(v, current=i)"
        )
    waves = [_wave(path, ask) for path in paths]
    for wave in waves:
        if not measures(wave.unit):
            what = f"the unit '{wave.unit:.10}'" if wave.unit else "no unit"
            raise RecordingError(
                f"{wave.path} has {what}; name it, units={{'{wave.path.stem}': 'mV'}} for example"
            )
    v, i = ([wave for wave in waves if measures(wave.unit) == kind] for kind in ("voltage", "current"))
    if ask.channel is not None:
        v = [wave for wave in v if str(ask.channel) in wave.path.stem] or v
    if len(v) != 1 or len(i) != 1:
        listed = ", ".join(f"{wave.path.name} ({wave.unit})" for wave in waves[:6])
        raise RecordingError(
            f"{paths[0].parent}: a voltage and a current make a sweep, found {listed};"
            " give both, read_recording(v, current=i)"
        )
    return _episodes(key, v[0], i[0], ask), v[0].assumed or i[0].assumed


def _episodes(key: str, v: _Wave, i: _Wave, ask: Ask) -> list[Episode]:
    if abs(v.dt - i.dt) > 1e-6 * v.dt:
        raise RecordingError(
            f"{v.path} has a sample each {v.dt:g} ms, {i.path.name} each {i.dt:g} ms; resample one"
        )
    if v.values.shape[1] != i.values.shape[1]:
        raise RecordingError(f"{v.path} has {v.values.shape[1]} sweeps, {i.path.name} {i.values.shape[1]}")
    several = v.values.shape[1] > 1
    return [
        Episode(
            f"{key}_{k}" if several else key,
            Trace(v.path.stem, v.values[:, k], v.unit),
            Trace(i.path.stem, i.values[:, k], i.unit),
            v.dt,
            ask.mode or "current",
        )
        for k in range(v.values.shape[1])
    ]


def _wave(path: Path, ask: Ask) -> _Wave:
    """Read one file."""
    content = read_whole(path, MOST_BYTES)
    _check_sizes(path, content)
    binarywave = library("igor2.binarywave", "Igor waves (.ibw)")
    log = logging.getLogger("igor2")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)  # it writes damaged data to the terminal
    try:
        wave = binarywave.load(io.BytesIO(content))["wave"]
        header, values = wave["wave_header"], wave["wData"]
        unit = _text(wave.get("data_units")) or _text(header["dataUnits"])
        step = header["sfA"][0] if "sfA" in header else header["hsA"]
        time = _text(header["dimUnits"][0] if "dimUnits" in header else header["xUnits"])
        values = np.asarray(values)
        if values.dtype.kind not in "iuf" or values.ndim not in (1, 2):
            raise RecordingError(
                f"{path} holds {values.dtype} of {values.ndim} dimensions; expected numbers [sample]"
            )
    except RecordingError:
        raise
    except Exception as error:  # the library raises a dozen kinds for damaged bytes
        raise RecordingError(f"{path} is damaged or no Igor wave ({line(error)})") from None
    finally:
        log.setLevel(level)
    check_size(path, prod(values.shape))
    if not values.size:
        raise RecordingError(f"{path} is empty: it holds no samples")
    named = ask.units.get("t", time)
    if named and measures(named) != "time":
        raise RecordingError(
            f"{path}: the unit of time is '{named:.20}'; name it, units={{'t': 's'}} for example"
        )
    dt = float(step) * factor(named or "s", "time")
    if not 0.0 < dt < 1e6:
        raise RecordingError(
            f"{path}: a sample each {dt:g} ms makes no sense; the file is damaged or not scaled"
        )
    unit = ask.unit(path.stem, unit)
    return _Wave(path, values.reshape(len(values), -1), unit, dt, not named)


def _text(x: Any) -> str:
    """Text that the library gives as bytes, or as an array of single characters."""
    if isinstance(x, bytes):
        return x.split(b"\0")[0].decode("latin-1").strip()
    return "" if x is None else b"".join(np.ravel(x).tolist()).split(b"\0")[0].decode("latin-1").strip()


def _check_sizes(path: Path, content: bytes) -> None:
    """Raise `RecordingError` where the sizes that the file claims are not those of a whole wave."""
    if len(content) < 2:
        raise RecordingError(f"{path} is empty; copy it again")
    order = "<" if content[0] else ">"
    version = struct.unpack_from(f"{order}h", content)[0]
    layout = _SIZES.get(version)
    if layout is None:
        raise RecordingError(f"{path} is no Igor wave: its version is {version}, not 1, 2, 3 or 5")
    layout = order + layout[1:]
    if len(content) < struct.calcsize(layout):
        raise RecordingError(f"{path} is cut short: it has {len(content)} bytes; copy it again")
    sizes = struct.unpack_from(layout, content)[2 if version == 5 else 1 :]
    if min(sizes) < 0 or sum(sizes) > len(content):
        raise RecordingError(
            f"{path} is cut short or damaged: its parts take {sum(map(abs, sizes)):,} bytes, it has {len(content):,}"
        )
