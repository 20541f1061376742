"""Clipped signals: samples that stand at the limits of the converter that took them."""

import numpy as np

_RUN = 3  # samples that stand still
_STEPS = 4.0  # smallest differences by which a signal jumps into a limit


def clipped(x: np.ndarray, limits: tuple[float, float]) -> str:
    """Say how a recorded signal [sample] is clipped, "" where it is not.

    It is clipped where two neighbouring samples reach the `limits` of the converter, if these are known. Otherwise
    where at least three samples stand exactly at the largest or the smallest value and the signal goes into and comes
    out of them by jumps of several of its smallest steps, while it moves before and after: a peak that is cut off. What
    rests at its largest or smallest value from the beginning, or reaches it slowly, is not clipped.
    """
    for side, limit in ((1.0, limits[1]), (-1.0, -limits[0])):
        at = side * x >= limit
        both = at[1:] & at[:-1]
        if both.any():
            return f"stands at the converter's limit in {int(at.sum()):,} samples, first in sample {int(at.argmax()):,}"
    differences = np.abs(np.diff(x))
    moving = differences[differences > 0]
    if not len(moving):
        return ""
    least = float(moving.min()) * _STEPS
    for side, name in ((1.0, "largest"), (-1.0, "smallest")):
        found = _cut_tops(side * x, least)
        if found:
            value, times = (
                side * float((side * x).max()),
                "once" if len(found) == 1 else f"{len(found)} times",
            )
            return f"stands still at its {name} value, {value:.4g}, {times}, first from sample {found[0]:,}"
    return ""


def _cut_tops(x: np.ndarray, least: float) -> list[int]:
    """The first samples of the stretches at the maximum that a signal jumps into and out of."""
    at = np.concatenate([[False], x == x.max(), [False]])
    starts, ends = np.flatnonzero(at[1:] & ~at[:-1]), np.flatnonzero(~at[1:] & at[:-1])
    found = []
    for a, b in zip(starts.tolist(), ends.tolist(), strict=True):
        if b - a < _RUN or a < 2 or b > len(x) - 2:
            continue
        into, before = x[a] - x[a - 1], x[a - 1] - x[a - 2]
        out, after = x[b - 1] - x[b], x[b] - x[b + 1]
        if min(into, out) > least and min(before, after) > 0.25 * least:
            found.append(a)
    return found
