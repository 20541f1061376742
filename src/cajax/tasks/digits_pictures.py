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


def _losses(ax: Any, history: History, control: History, per_epoch: int) -> None:
    epochs = np.arange(history.steps) / per_epoch
    named = {"membranes trained": history, "membranes untrained": control}
    losses = {k: _smooth(h.losses, per_epoch) for k, h in named.items()}
    plot.curves(ax, epochs, losses, "epoch", "training loss (nats)")
    ax.set_yscale("log")


def _accuracies(ax: Any, history: History, control: History, per_epoch: int, metrics: dict[str, Any]) -> None:
    epochs = np.arange(history.steps) / per_epoch
    named = {"membranes trained": history, "membranes untrained": control}
    accuracy = {k: 100 * _smooth(h.aux, per_epoch) for k, h in named.items()}
    plot.curves(ax, epochs, accuracy, "epoch", "accuracy (%)")
    for key, text, colour in (("test_accuracy", "test", "C0"), ("linear_classifier", "linear (test)", "0.5")):
        ax.axhline(
            100 * metrics[key], color=colour, ls="--", lw=1, label=f"{text}: {100 * metrics[key]:.1f} %"
        )
    ax.legend(frameon=False, fontsize=7, loc="lower right")
    ax.set_ylim(bottom=min(60.0, 100 * min(history.aux[-1], metrics["test_accuracy"])))


def _curves(history: History, control: History, per_epoch: int, metrics: dict[str, Any]) -> Any:
    figure, (left, right) = plot.subplots(1, 2, figsize=(9.0, 3.4))
    _losses(left, history, control, per_epoch)
    _accuracies(right, history, control, per_epoch, metrics)
    return figure


def _mistakes(images: Data, answers: np.ndarray) -> Any:
    wrong = np.flatnonzero(answers != images.test_labels)[:16]
    figure, axes = plot.subplots(2, 8, figsize=(9.0, 2.8))
    plot.digits(axes.ravel(), images.test[wrong], images.test_labels[wrong], answers[wrong])
    return figure


def _voltages(hidden: Any, readouts: Any, settings: Settings, images: Data, model: Model) -> None:
    """Draw a dozen hidden cells and all readouts while the first test image is shown."""
    image, label = images.test[0], int(images.test_labels[0])
    solution = show(model, image, settings, {"hidden": "hidden", "digits": "digits"})
    ts = np.asarray(solution.ts)
    plot.traces(hidden, ts, np.asarray(solution["hidden"])[:, :12])
    plot.traces(readouts, ts, np.asarray(solution["digits"]), labels=range(10), highlight=label)
    hidden.set_title("hidden cells", fontsize=9)
    readouts.set_title(f"readouts, shown a {label}", fontsize=9)


def _traces(settings: Settings, images: Data, before: Model, after: Model) -> Any:
    figure, axes = plot.subplots(2, 2, figsize=(9.0, 5.5), sharex=True, sharey="row")
    for column, (name, model) in enumerate({"before": before, "after": after}.items()):
        _voltages(axes[0, column], axes[1, column], settings, images, model)
        axes[0, column].set_title(f"hidden cells, {name} training", fontsize=9)
    return figure


def _cells(axes: Any, before: Model, after: Model, settings: Settings) -> Any:
    """Draw hidden cells, each branch coloured by the factor by which training changed its sodium conductance."""
    start, end = (np.asarray(model.params["hidden.all.hh.gna"]) for model in (before, after))
    change = np.log2(end / start).reshape(-1, settings.hidden)
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


def _summary(
    settings: Settings,
    images: Data,
    models: tuple[Model, Model],
    histories: tuple[History, History],
    metrics: Any,
) -> Any:
    figure, axes = plot.subplots(2, 3, figsize=(12.0, 7.0))
    _accuracies(axes[0, 0], *histories, max(1, len(images.train) // settings.batch), metrics)
    plot.confusion(axes[0, 1], np.asarray(metrics["confusion"]))
    _voltages(axes[1, 0], axes[1, 1], settings, images, models[1])
    lines = _cells(axes[:, 2], *models, settings)
    figure.colorbar(lines, ax=list(axes[:, 2]), label="learned change of $g_{Na}$ (log2)", shrink=0.6)
    return figure


def draw(
    folder: Path,
    settings: Settings,
    images: Data,
    models: tuple[Model, Model],
    histories: tuple[History, History],
    answers: np.ndarray,
    metrics: dict[str, Any],
) -> None:
    """Write all pictures of a run into its folder: `models` before and after, `histories` of it and of the control."""
    per_epoch = max(1, len(images.train) // settings.batch)
    figure, ax = plot.subplots(figsize=(4.5, 4.5))
    plot.confusion(ax, np.asarray(metrics["confusion"]))
    plot.save(figure, folder / "confusion.png")
    plot.save(_curves(*histories, per_epoch, metrics), folder / "curves.png")
    plot.save(_mistakes(images, answers), folder / "misread.png")
    plot.save(_traces(settings, images, *models), folder / "traces.png")
    plot.save(_all_cells(*models, settings), folder / "cells.png")
    plot.save(_summary(settings, images, models, histories, metrics), folder / "summary.png")
