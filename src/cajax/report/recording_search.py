"""Picture of a study's search: the score of every candidate against time, and which stage found it."""

from typing import Any

import numpy as np

from .. import plot
from .html import Picture, duration, words
from .recording_material import Fitted

MOST = 1000
"""Candidates that are drawn as points."""
NAMES = {"Fading": "coupling", "Evolve": "evolution"}
"""Stage → what it does, in a word; of others the name says it."""


def progress(m: Fitted) -> Picture | None:
    """Draw scores against the time of the search, with its stages."""
    if m.curve is None:
        return None
    seconds, scores = m.curve[:, 1], m.curve[:, 2]
    best = np.minimum.accumulate(scores)
    better = np.flatnonzero(np.diff(best, prepend=np.inf) < 0.0)
    end = max(float(seconds[-1]), 1e-3)
    figure, ax = plot.subplots(figsize=(7.8, 3.0))
    some = np.unique(np.linspace(0, len(scores) - 1, MOST).round().astype(int))
    ax.plot(seconds[some], scores[some], ".", ms=2.5, alpha=0.5, mew=0, color=plot.ink("c7"))
    x, y = np.append(seconds[better], end), np.append(best[better], best[-1])
    ax.step(x, y, where="post", lw=1.6, color=plot.ink("c0"))

    low, high = float(best[-1]), float(np.quantile(scores, 0.98))
    ax.set(xlim=(0.0, end), ylim=(0.8 * max(low, 1e-6), 1.3 * max(high, 1.2 * low, 1e-6)))
    plain_logarithmic(ax)
    _stages(ax, m, end)
    ax.set(xlabel="time of the search, without compiling (s)", ylabel="score")
    plot.bare(ax)
    alt = f"Score against time: from {scores[0]:.3g} to {best[-1]:.3g} in {duration(end)}"
    caption = (
        f"<b>How the search went.</b> Points are candidates ({len(scores):,} were scored in free runs), the line is "
        f"the best so far: {words(float(scores[0]))} at the start, {words(float(best[-1]))} at the end. The score is "
        f"the sum over the terms of the mean |z|. {_last_gain(seconds, best)}"
    )
    return Picture(plot.svg(figure, "search", alt), caption, wide=True)


def plain_logarithmic(ax: Any) -> None:
    """Make the y axis logarithmic, with plain numbers: whole decades where it spans many."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.set_yscale("log")
    low, high = (max(float(y), 1e-300) for y in ax.get_ylim())
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 3e3 * low else (1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _stages(ax: Any, m: Fitted, end: float) -> None:
    """Shade every second stage, and name those that are wide enough."""
    starts = [mark["seconds"] for mark in m.marks if mark["seconds"] < end]
    for k, (mark, start) in enumerate(zip(m.marks, starts, strict=False)):
        stop = starts[k + 1] if k + 1 < len(starts) else end
        ax.axvspan(start, stop, color=plot.ink("line"), alpha=0.5 if k % 2 == 0 else 0.0, lw=0, zorder=-3)
        name = NAMES.get(mark["name"], mark["name"].lower())
        if (stop - start) > 0.014 * len(name) * end:
            where = {"xycoords": ax.get_xaxis_transform(), "textcoords": "offset points"}
            ax.annotate(name, ((start + stop) / 2, 1.0), (0, 3), ha="center", fontsize=8.5, **where)


def _last_gain(seconds: np.ndarray, best: np.ndarray) -> str:
    """Say whether more time would have helped: what the last third of it brought."""
    before = best[np.searchsorted(seconds, seconds[-1] * 2.0 / 3.0, side="right") - 1]
    gain = 1.0 - best[-1] / before if before > 0.0 else 0.0
    return f"The last third of the time improved it by {100.0 * gain:.0f} %" + (
        ": longer may help." if gain > 0.05 else "."
    )
