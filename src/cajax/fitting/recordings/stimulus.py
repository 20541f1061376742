"""What a command is: a step, ramp, pulse or noise, when it begins and ends, and how large it is above holding.

The command is cut where it jumps by more than six standard deviations of its noise, which is measured on the
differences of neighbouring samples, where slow changes do not count. If it is flat between the jumps, the stimulus is
the level with the largest |amplitude| × duration, so that a short test pulse before a long step is not taken for it.
If not, a straight line is tried, and what is neither is noise.
"""

from math import nan
from typing import NamedTuple, final

import numpy as np

KINDS = ("step", "ramp", "pulse", "noise", "none")
BRIEF = 10.0
"""A step that is not longer (ms) is a pulse."""

_FLOOR = 1e-5  # nA or mV: rounding of a file, no stimulus
_EDGE = 2.0  # ms: a change that takes longer is no jump
_MANY = 2000  # jumps: a train has fewer
_LEVELS = 4  # a command of more levels than these is no step


@final
class Stimulus(NamedTuple):
    """Its kind (one of `KINDS`), begin and end (ms), amplitude above holding and holding (nA; mV in voltage clamp)."""

    kind: str
    on: float
    off: float
    amplitude: float
    holding: float
    note: str = ""


@final
class _Level(NamedTuple):
    """A flat stretch of a command: first sample, end (exclusive), level."""

    start: int
    end: int
    value: float


def stimulus_of(command: np.ndarray, dt: float) -> Stimulus:
    """Return what a command [sample] (nA or mV), one sample each `dt` ms, consists of.

    `on` is the time of the first sample of the stimulus, `off` that of the first sample after it. The amplitude of a
    ramp is the one at its end, that of noise its mean, both above holding. Holding is the level before the stimulus;
    where the command begins away from zero and ends at zero, the level at the end.
    """
    c = np.asarray(command, float)
    span = float(np.ptp(c))
    if len(c) < 3 or span <= _FLOOR:
        return Stimulus("none", nan, nan, 0.0, float(np.median(c)))
    noise = _noise(c, span)
    same = (0.01 if noise > 0 else 0.002) * span  # levels that differ by less are one
    levels = _levels(c, dt, noise, same)
    if levels is None:
        return _ramp(c, dt, noise) or _other(c, dt, noise)
    if len(levels) == 1:
        return Stimulus("none", nan, nan, 0.0, levels[0].value)
    return _step(levels, dt, same) or _other(c, dt, noise)


def stimulus_within(command: np.ndarray, dt: float, on: float, off: float) -> Stimulus:
    """Return what a command does from `on` until `off` ms, which are known: its level there, above the one before.

    Holding is the level right before `on`, or where nothing is before it, right after `off`. A flat level is a step,
    or a pulse; what is not flat is a ramp or noise.
    """
    c = np.asarray(command, float)
    first, end = (int(np.clip(round(x / dt), 0, len(c))) for x in (on, off))
    if end - first < 1:
        return stimulus_of(c, dt)._replace(on=on, off=off)
    noise = _noise(c, float(np.ptp(c))) if len(c) > 2 else 0.0
    rest = c[:first][::-1] if first else c[end:]  # from the stimulus on
    far, near = (rest[: max(1, round(x / dt))] for x in (50.0, 5.0))
    close = far[np.abs(far - np.median(near)) <= 4.0 * noise] if len(rest) else far
    holding = _typical(close if len(close) else near, noise) if len(rest) else 0.0
    inner = c[first:end][1:-1] if end - first > 4 else c[first:end]
    level = _typical(inner, noise)
    spread = float(np.sqrt(np.mean((inner - level) ** 2)))
    if spread > max(3.0 * noise, 0.02 * abs(level - holding), _FLOOR):
        found = stimulus_of(c[first:end], dt)
        kind = found.kind if found.kind in ("ramp", "noise") else "noise"
        amplitude = found.amplitude + found.holding if kind == "ramp" else float(inner.mean())
        return Stimulus(kind, on, off, amplitude - holding, holding)
    return Stimulus("pulse" if off - on <= BRIEF else "step", on, off, level - holding, holding)


def _time(sample: float, dt: float) -> float:
    return round(float(sample) * float(dt), 9)  # without the last digits of a product


def _noise(c: np.ndarray, span: float) -> float:
    """The standard deviation of the noise, from the differences of neighbouring samples."""
    d = np.diff(c)
    noise = 1.4826 * float(np.median(np.abs(d - np.median(d))))
    # Quantised noise leaves most differences at zero; jumps are rarer than one in a hundred.
    frequent = float(np.quantile(np.abs(d), 0.99)) / 2.576
    noise = max(noise, frequent if frequent < 0.1 * span else 0.0) / np.sqrt(2.0)
    return noise if noise > 1e-4 * span else 0.0  # else rounding, or the tail of a filter


def _levels(c: np.ndarray, dt: float, noise: float, same: float) -> list[_Level] | None:
    """The flat stretches of a command, None where it is not flat between jumps."""
    span = float(np.ptp(c))
    jumps = _blurred_jumps(c, noise) if noise > 0 else _sharp_jumps(c, span)
    if any((end - start) * dt > _EDGE and end - start > 2 for start, end in jumps):
        return None
    if len(jumps) > _MANY:
        return None
    found: list[_Level] = []
    starts = [0, *(_half_way(c, jump) if noise == 0 else jump[1] for jump in jumps)]
    for a, b in zip(starts, [*starts[1:], len(c)], strict=True):
        if b - a < 2 and len(c) > 100:
            continue  # a glitch
        level = _Level(a, b, _typical(c[a:b], noise))
        near = max(same, 4.0 * noise / np.sqrt(min(b - a, 100)))
        if found and abs(found[-1].value - level.value) <= near:
            found[-1] = _Level(found[-1].start, b, _typical(c[found[-1].start : b], noise))
        else:
            found.append(level)
    ends = [*(x.start for x in found[1:]), len(c)]
    found = [_Level(x.start, end, x.value) for x, end in zip(found, ends, strict=True)]
    return found if _flat(found, c, noise, span) else None


def _sharp_jumps(c: np.ndarray, span: float) -> list[tuple[int, int]]:
    """Jumps of a command without noise, as (last sample before, first sample after); one may take several samples."""
    d = np.diff(c)
    found: list[tuple[int, int]] = []
    for k in np.flatnonzero(np.abs(d) > 1e-3 * span).tolist():
        if found and k == found[-1][1] and d[k] * d[k - 1] > 0:
            found[-1] = (found[-1][0], k + 1)
        else:
            found.append((k, k + 1))
    return found


def _half_way(c: np.ndarray, jump: tuple[int, int]) -> int:
    """The first sample of a jump that is nearer to the level after it."""
    way = (c[jump[0] : jump[1] + 1] - c[jump[0]]) / (c[jump[1]] - c[jump[0]])
    return jump[0] + int(np.argmax(way >= 0.5))


def _blurred_jumps(c: np.ndarray, noise: float) -> list[tuple[int, int]]:
    """Jumps of a noisy command: where means of the samples before and after differ most, and significantly.

    Single samples are left out of account first. A change that takes long is returned with its length.
    """
    few = min(8, len(c) // 2)
    if few < 2:
        return []
    before, here, after = c[:-2], c[1:-1], c[2:]
    low, high = np.minimum(before, after), np.maximum(before, after)
    c = np.concatenate([c[:1], np.clip(here, low, high), c[-1:]])  # the median of three
    total = np.concatenate([[0.0], np.cumsum(c)])
    k = np.arange(few, len(c) - few + 1)  # a jump lies between the samples k - 1 and k
    d = (total[k + few] - 2.0 * total[k] + total[k - few]) / few
    above = np.flatnonzero(np.abs(d) > 6.0 * noise * np.sqrt(2.0 / few))
    found: list[tuple[int, int]] = []
    for run in np.split(above, np.flatnonzero((np.diff(above) > 1) | (np.diff(np.sign(d[above])) != 0)) + 1):
        if len(run):
            peak = int(k[run[np.argmax(np.abs(d[run]))]])
            found.append((peak - 1 - max(0, len(run) - 2 * few), peak))
    return found


def _typical(c: np.ndarray, noise: float) -> float:
    """The median where there is no noise, else the mean of what is near it, finer than the converter's steps."""
    middle = float(np.median(c))
    near = c[np.abs(c - middle) <= 4.0 * noise]
    return float(near.mean()) if noise > 0 and len(near) else middle


def _flat(levels: list[_Level], c: np.ndarray, noise: float, span: float) -> bool:
    """Whether nothing but white noise is left once the levels are subtracted."""
    most = max(3.0 * noise, 0.02 * span if len(levels) > 1 else 0.0)
    for start, end, value in levels:
        rest = c[start:end] - value
        if np.sqrt(np.mean(rest**2)) > most:
            return False
        parts = [part.std() for part in np.array_split(rest, 20)] if end - start >= 200 else [1.0]
        quiet, loud = np.quantile(parts, (0.1, 0.9))
        if loud > 5.0 * quiet and loud > 0.1 * span:
            return False  # noise that begins or ends within what seemed flat
    return True


def _step(levels: list[_Level], dt: float, same: float) -> Stimulus | None:
    """The largest of the levels away from holding, None where there are too many different ones."""
    first, last = levels[0].value, levels[-1].value
    holding = last if abs(last) <= same < abs(first) else first
    away = [x for x in levels if abs(x.value - holding) > same]
    if not away:
        return Stimulus("none", nan, nan, 0.0, holding)
    main = max(away, key=lambda x: abs(x.value - holding) * (x.end - x.start))
    values = np.sort([x.value for x in away])
    if 1 + int((np.diff(values) > same).sum()) > _LEVELS:
        return None
    train = [x for x in away if _alike(x, main, same)]
    others = [x for x in away if not _alike(x, main, same)]
    kind = "pulse" if len(train) > 1 or (main.end - main.start) * dt <= BRIEF else "step"
    # A level before or after the step that is not the stimulus is said, so that nobody wonders.
    note = "; ".join(
        f"{x.value - holding:+.4g} from {_time(x.start, dt):g} to {_time(x.end, dt):g} ms" for x in others
    )
    return Stimulus(
        kind, _time(train[0].start, dt), _time(train[-1].end, dt), main.value - holding, holding, note
    )


def _alike(a: _Level, b: _Level, same: float) -> bool:
    long = b.end - b.start
    return abs(a.value - b.value) <= same and abs(a.end - a.start - long) <= max(2, 0.01 * long)


def _active(c: np.ndarray, noise: float) -> tuple[int, int, float, float]:
    """The first and last sample away from the levels at the ends, and these levels."""
    few = max(3, len(c) // 200)
    begin, end = float(np.median(c[:few])), float(np.median(c[-few:]))
    width = 1 if noise == 0 else min(25, max(1, len(c) // 100))
    smooth = np.convolve(c, np.full(width, 1.0 / width), mode="same") if width > 1 else c
    inside = slice(width // 2, len(c) - width // 2)
    tolerance = max(5.0 * noise / np.sqrt(width), 1e-6 * float(np.ptp(c)))
    off_begin = np.flatnonzero(np.abs(smooth[inside] - begin) > tolerance) + width // 2
    off_end = np.flatnonzero(np.abs(smooth[inside] - end) > tolerance) + width // 2
    if not len(off_begin) or not len(off_end):
        return 0, len(c) - 1, begin, end
    return int(off_begin[0]), int(max(off_end[-1], off_begin[0])), begin, end


def _ramp(c: np.ndarray, dt: float, noise: float) -> Stimulus | None:
    """A straight line between two flat ends, None where there is none."""
    first, last, begin, end = _active(c, noise)
    size = last - first + 1
    if size < 10:
        return None
    middle = np.arange(first + size // 10, last + 1 - size // 10)
    slope, height = np.polyfit(middle - first, c[middle], 1)
    rest = c[middle] - (height + slope * (middle - first))
    rise = slope * size
    if np.sqrt(np.mean(rest**2)) > max(3.0 * noise, 0.02 * abs(rise)) or abs(rise) < 0.5 * np.ptp(
        c[first : last + 1]
    ):
        return None
    # Where the line leaves the level before it; it may start with a jump.
    on = first + (begin - height) / slope
    on = on if abs(on - first) <= max(5.0, 0.05 * size) else float(first)
    off = first + (end - height) / slope
    off = off if abs(off - last) <= max(5.0, 0.05 * size) else float(last + 1)
    if on < max(3, len(c) // 200):  # no level before it, and so none was measured
        on, begin = 0.0, float(height - slope * first)
    if off > len(c) - max(3, len(c) // 200):
        off = float(len(c))
    top = height + slope * (off - first)
    return Stimulus("ramp", _time(on, dt), _time(off, dt), float(top - begin), begin)


def _other(c: np.ndarray, dt: float, noise: float) -> Stimulus:
    """Any other waveform, called noise."""
    first, last, begin, _ = _active(c, noise)
    holding = begin if first >= 3 else 0.0
    amplitude = float(c[first : last + 1].mean()) - holding
    return Stimulus("noise", _time(first, dt), _time(last + 1, dt), amplitude, holding)
