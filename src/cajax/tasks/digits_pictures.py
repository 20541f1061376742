"""The pictures that a digits run leaves behind."""

from pathlib import Path
from typing import Any

import numpy as np

from .. import plot
from ..model import Model
from ..train import History
from .digits import Data, Settings, shape, show


def _smooth(x: Any, width: int) -> np.ndarray:
    """Return the running mean over `width` steps, shorter at the start."""
    total = np.cumsum(np.asarray(x, float))
    start = np.maximum(np.arange(len(total)) - width, -1)
    before = np.where(start >= 0, total[np.maximum(start, 0)], 0.0)
    return (total - before) / (np.arange(len(total)) - start)


def _curves(
    history: History, control: History, settings: Settings, images: Data, metrics: dict[str, Any]
) -> Any:
    per_epoch = max(1, len(images.train) // settings.batch)
    figure, (left, right) = plot.subplots(1, 2, figsize=(9.0, 3.4))
    epochs = np.arange(history.steps) / per_epoch
    named = {"membranes trained": history, "membranes untrained": control}
    losses = {k: _smooth(h.losses, per_epoch) for k, h in named.items()}
    plot.curves(left, epochs, losses, "epoch", "training loss (nats)")
    left.set_yscale("log")
    accuracy = {k: 100 * _smooth(h.aux, per_epoch) for k, h in named.items()}
    plot.curves(right, epochs, accuracy, "epoch", "accuracy (%)")
    right.axhline(100 * metrics["test_accuracy"], color="C0", ls="--", lw=1)
    right.text(epochs[-1], 100 * metrics["test_accuracy"] - 4, "test", color="C0", ha="right")
    right.axhline(100 * metrics["linear_classifier"], color="0.5", ls=":", lw=1)
    right.text(0, 100 * metrics["linear_classifier"] - 4, "linear classifier (test)", color="0.5")
    return figure


def _mistakes(images: Data, answers: np.ndarray) -> Any:
    wrong = np.flatnonzero(answers != images.test_labels)[:16]
    figure, axes = plot.subplots(2, 8, figsize=(9.0, 2.8))
    plot.digits(axes.ravel(), images.test[wrong], images.test_labels[wrong], answers[wrong])
    return figure


def _traces(settings: Settings, images: Data, before: Model, after: Model) -> Any:
    figure, axes = plot.subplots(2, 2, figsize=(9.0, 5.5), sharex=True, sharey="row")
    image, label = images.test[0], int(images.test_labels[0])
    for column, (name, model) in enumerate({"before": before, "after": after}.items()):
        solution = show(model, image, settings, {"hidden": "hidden", "digits": "digits"})
        ts = np.asarray(solution.ts)
        plot.traces(axes[0, column], ts, np.asarray(solution["hidden"])[:, :12])
        plot.traces(axes[1, column], ts, np.asarray(solution["digits"]), labels=range(10), highlight=label)
        axes[0, column].set_title(f"hidden cells, {name} training")
        axes[1, column].set_title(f"readouts (image of a {label})")
    return figure


def _cells(axes: Any, before: Model, after: Model, settings: Settings) -> Any:
    """Draw hidden cells, each branch coloured by the factor by which training changed its sodium conductance."""
    start = float(before.params["hidden.all.hh.gna"])
    change = np.log2(np.asarray(after.params["hidden.all.hh.gna"]).reshape(-1, settings.hidden) / start)
    limit = float(np.abs(change).max())
    lines = None
    for k, ax in enumerate(axes):
        ax.set_axis_off()
        if k < settings.hidden:
            lines = plot.draw_cell(ax, shape(settings), change[:, k], "coolwarm", (-limit, limit))
            ax.set_title(f"hidden cell {k}", fontsize=8)
    return lines


def _all_cells(before: Model, after: Model, settings: Settings) -> Any:
    figure, axes = plot.subplots(2, 6, figsize=(9.0, 5.0))
    lines = _cells(axes.ravel(), before, after, settings)
    figure.colorbar(lines, ax=axes, label="learned change of $g_{Na}$ (log2)")
    return figure


def draw(
    folder: Path,
    settings: Settings,
    images: Data,
    before: Model,
    after: Model,
    history: History,
    control: History,
    answers: np.ndarray,
    metrics: dict[str, Any],
) -> None:
    """Write all pictures of a run into its folder."""
    plot.save(_curves(history, control, settings, images, metrics), folder / "curves.png")
    figure, ax = plot.subplots(figsize=(4.5, 4.5))
    plot.confusion(ax, np.asarray(metrics["confusion"]))
    plot.save(figure, folder / "confusion.png")
    plot.save(_mistakes(images, answers), folder / "misread.png")
    plot.save(_traces(settings, images, before, after), folder / "traces.png")
    plot.save(_all_cells(before, after, settings), folder / "cells.png")
