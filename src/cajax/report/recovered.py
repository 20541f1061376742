"""Pictures of parameters whose true values are known: along the cell, and how far off they are."""

from typing import Any

import numpy as np

from .. import plot
from ..base.units import written
from ..jobs.contents import Recovered
from .folder import Run
from .html import Picture, percent, table, words

COLUMNS = 3
VALUES = ("true", "before", "found")


def _known(run: Run) -> dict[str, Recovered]:
    """Return path → values of the parameters whose lists fit together."""
    found = {}
    for path, one in run.inside.get("recovered", {}).items():
        lengths = {len(one[name]) for name in VALUES} | {len(one.get("distance", one["true"]))}
        if len(lengths) == 1 and 0 not in lengths and one["low"] < one["high"]:
            found[path] = one
    return found


def along_the_cell(run: Run) -> Picture | None:
    """Draw the values of each parameter that differs along the cell against the distance from the soma."""
    drawn = {path: one for path, one in _known(run).items() if "distance" in one}
    if not drawn:
        return None
    rows = -(-len(drawn) // COLUMNS)
    figure, axes = plot.subplots(rows, COLUMNS, figsize=(7.8, 0.4 + 1.75 * rows), squeeze=False)
    for ax in axes.ravel()[len(drawn) :]:
        ax.set_axis_off()
    for ax, (path, one) in zip(axes.ravel(), drawn.items(), strict=False):
        _panel(ax, one)
        ax.set_title(path, fontsize=8.5)
    for ax in axes.ravel()[: len(drawn)][-COLUMNS:]:
        ax.set_xlabel("from the soma (µm)")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper right", ncols=3, markerscale=2.0, handletextpad=0.2)
    unit = words(written(next(iter(drawn.values()))["unit"]))
    alt = f"{len(drawn)} parameters along the cell: the true values, those before training and those found"
    caption = (
        f"<b>Parameters along the cell.</b> One dot per branch ({unit}), by the distance of its middle from the soma: "
        "where training began (grey), what it found (blue) and the truth (orange), on the whole permitted range."
    )
    return Picture(plot.svg(figure, "recovered", alt), caption, wide=True)


def _panel(ax: Any, one: Recovered) -> None:
    styles = (("before", "c7", 0.35, 2.0), ("found", "c0", 0.9, 2.5), ("true", "c1", 0.9, 2.0))
    for name, colour, alpha, size in styles:
        x, y = one.get("distance"), one[name]
        ax.plot(x, y, "o", ms=size, mew=0, alpha=alpha, color=plot.ink(colour), label=name)
    pad = 0.04 * (one["high"] - one["low"])
    ax.set_ylim(one["low"] - pad, one["high"] + pad)
    ax.locator_params(nbins=4)
    plot.bare(ax)


def errors_table(run: Run) -> str:
    """Return how far off the values of every parameter are on average, in % of its range, as HTML."""
    rows = []
    for path, one in _known(run).items():
        true, span = np.array(one["true"]), one["high"] - one["low"]
        off = [float(np.mean(np.abs(np.array(one[name]) - true))) / span for name in ("before", "found")]
        rows.append([f"<code>{words(path)}</code>", words(len(true)), *(percent(x) for x in off)])
    said = "Mean distance from the true values, in % of the permitted range."
    return table(("parameter", "count", "before", "found"), rows, said) if rows else ""
