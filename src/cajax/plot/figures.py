"""Figures of a training run: curves, confusion matrix, examples, voltage traces."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def subplots(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Return a figure and its axes that need no display (a plain `Figure`, so nothing global is touched)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=kwargs.pop("figsize", (6.0, 4.0)), layout="constrained")
    return figure, figure.subplots(*args, **kwargs)


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    part = path.with_suffix(".part")
    figure.savefig(part, format="png", dpi=130)
    os.replace(part, path)


def curves(ax: Any, x: np.ndarray, lines: Mapping[str, np.ndarray], xlabel: str, ylabel: str) -> None:
    """Draw named curves over a common axis."""
    for name, y in lines.items():
        ax.plot(x[: len(y)], y, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    if len(lines) > 1:
        ax.legend(frameon=False)


def confusion(ax: Any, matrix: np.ndarray) -> None:
    """Draw a confusion matrix `[true, predicted]` of counts; the diagonal is muted so that mistakes stand out."""
    off = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)
    ax.imshow(off, cmap="Reds", vmin=0, vmax=max(1.0, np.nanmax(off)))
    for (i, j), count in np.ndenumerate(matrix):
        if count:
            ax.text(
                j,
                i,
                str(int(count)),
                ha="center",
                va="center",
                color="0.6" if i == j else "black",
                fontsize=8,
            )
    ax.set(xlabel="read as", ylabel="true digit", xticks=range(len(matrix)), yticks=range(len(matrix)))


def digits(axes: Sequence[Any], images: np.ndarray, true: np.ndarray, read: np.ndarray) -> None:
    """Show images `[image, row, column]`, each with its true label and what it was read as."""
    for ax in axes:
        ax.set_axis_off()
    for ax, image, t, r in zip(axes, images, true, read, strict=False):
        ax.imshow(image, cmap="gray_r")
        ax.set_title(f"{t} read as {r}", fontsize=8)


def traces(
    ax: Any, ts: np.ndarray, v: np.ndarray, labels: Sequence[Any] | None = None, highlight: int | None = None
) -> None:
    """Draw voltage traces `[time, site]` in mV over time in ms."""
    for i, trace in enumerate(v.T):
        strong = highlight is None or i == highlight
        ax.plot(
            ts,
            trace,
            lw=2.0 if i == highlight else 1.0,
            alpha=1.0 if strong else 0.5,
            label=labels[i] if labels else None,
        )
    ax.set(xlabel="time (ms)", ylabel="voltage (mV)")
    ax.spines[["top", "right"]].set_visible(False)
    if labels:
        ax.legend(frameon=False, fontsize=7, ncols=2)
