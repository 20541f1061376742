"""Pictures of the training: loss and headline figure against steps and wall time, with the stages of the curriculum."""

from typing import Any

import numpy as np

from .. import plot
from .bars import known
from .folder import Run, StageRun
from .html import Picture, words

SIZE = (4.1, 2.7)
"""Inches of a picture that shares its row with another one."""


def running_mean(x: Any, width: int) -> np.ndarray:
    """Return the mean over the last `width` steps (fewer at the start); what is not finite is left out."""
    x = np.asarray(x, float)
    good = np.isfinite(x)
    total, count = np.cumsum(np.where(good, x, 0.0)), np.cumsum(good)
    before = np.arange(len(x)) - width
    total = total - np.where(before >= 0, total[np.maximum(before, 0)], 0.0)
    count = count - np.where(before >= 0, count[np.maximum(before, 0)], 0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _lines(what: str, width: int) -> str:
    """Say what a curve is whose line is a running mean of this width."""
    return (
        f"Every {what} (line)" if width == 1 else f"Every {what} (faint), the mean of the last {width} (line)"
    )


def _borders(stages: tuple[StageRun, ...]) -> list[int]:
    """Return the step at which each stage starts, and the last step of all."""
    return [0, *np.cumsum([s.steps for s in stages]).tolist()]


def _joined(run: Run, name: str) -> np.ndarray:
    """Return one number per step over all stages, NaN where a stage has left none."""
    parts = []
    for stage in run.stages:
        values = getattr(stage.history, name) if stage.history else []
        plain = [known(v) for v in values]
        parts.append(np.concatenate([plain, np.full(stage.steps - len(plain), np.nan)]))
    return np.concatenate(parts) if parts else np.zeros(0)


def _checks(run: Run) -> np.ndarray:
    """Return (step since the start, seconds, headline figure, loss) of every check [check, 4]."""
    rows = [
        (start + c["step"], c["seconds"], known(run.value(c)), known(c.get("loss")))
        for start, stage in zip(_borders(run.stages), run.stages, strict=False)
        for c in stage.checks
    ]
    return np.array(rows, float).reshape(-1, 4)


def _mark_stages(ax: Any, run: Run) -> None:
    borders = _borders(run.stages)[:-1]
    if len(borders) < 2:
        return
    for number, border in enumerate(borders, 1):
        ax.axvline(border, color=plot.ink("line"), lw=1.0, zorder=-1)
        text = dict(fontsize=8, color=plot.ink("muted"), ha="left", va="bottom")
        ax.text(border, 1.0, f" {number}", transform=ax.get_xaxis_transform(), **text)


def _long(ax: Any, values: np.ndarray, checked: np.ndarray, width: int, factor: float = 1.0) -> None:
    """Draw every step faintly, their running mean strongly, and the checks as dots."""
    steps = np.arange(len(values))
    thin, strong = (
        plot.thinned(steps, factor * values),
        plot.thinned(steps, factor * running_mean(values, width)),
    )
    ax.plot(*thin, lw=0.6, alpha=0.3, color=plot.ink("c0"))
    ax.plot(*strong, lw=1.6, color=plot.ink("c0"))
    if len(checked):
        ax.plot(checked[:, 0], factor * checked[:, 1], "o", ms=3.5, color=plot.ink("c1"))
    ax.set_xlabel("step")
    ax.set_xlim(0, max(1, len(values)))
    plot.bare(ax)


def losses(run: Run) -> Picture | None:
    """Draw the loss against the steps."""
    values, checked = _joined(run, "losses"), _checks(run)
    if not np.isfinite(values).any():
        return None
    width = max(1, len(values) // 60)
    figure, ax = plot.subplots(figsize=SIZE)
    _long(ax, values, checked[:, [0, 3]], width)
    ax.set_ylabel(run.loss_figure.label)
    plot.logarithmic(ax)
    _mark_stages(ax, run)
    stages = _said_stages(run)
    dots = ", and trials that are neither trained on nor tested (dots)" if len(checked) else ""
    end = running_mean(values, width)[-1]
    alt = f"Loss against training step, ending at {end:.3g} after {len(values)} steps"
    return Picture(
        plot.svg(figure, "losses", alt),
        f"<b>Loss.</b> {_lines('step', width)}{dots}. {stages}",
    )


def _said_stages(run: Run) -> str:
    if len(run.stages) < 2:
        return ""
    named = "; ".join(f"{k} {words(s.name)}" for k, s in enumerate(run.stages, 1))
    return f"Numbers above mark where the stages begin: {named}."


def headline_by_step(run: Run) -> Picture | None:
    """Draw the headline figure against the steps."""
    headline, values, checked = run.headline, _joined(run, "aux"), _checks(run)
    checked = checked[np.isfinite(checked[:, 2])]
    if run.plain or not (np.isfinite(values).any() or len(checked)):
        return None
    width = max(1, len(values) // 60)
    figure, ax = plot.subplots(figsize=SIZE)
    _long(ax, values, checked[:, [0, 2]], width, headline.factor)
    _finish(ax, run)
    _mark_stages(ax, run)
    measured = (checked[:, 2] if len(checked) else running_mean(values, width)).tolist()
    best = headline.text(measured[headline.best(measured)])
    name = headline.name.capitalize()
    alt = f"{name} against training step; the best is {best}"
    dots = f", and the trials kept out of training (dots; the best is {best})" if len(checked) else ""
    end = " The dashed line is the test at the end." if run.figure is not None else ""
    caption = f"<b>{words(name)} by step.</b> {_lines('batch', width)}{dots}.{end}"
    return Picture(plot.svg(figure, "by-step", alt), caption)


def _finish(ax: Any, run: Run) -> None:
    headline = run.headline
    if run.figure is not None:
        ax.axhline(headline.factor * run.figure, ls="--", lw=1.0, color=plot.ink("muted"), zorder=-1)
    ax.set_ylabel(headline.label)
    if headline.unit == "%":
        ax.set_ylim(0, 103)
    else:
        plot.logarithmic(ax)


def headline_by_time(run: Run) -> Picture | None:
    """Draw the headline figure on kept-out trials against wall time."""
    headline, checked = run.headline, _checks(run)
    checked = checked[np.isfinite(checked[:, 2])]
    if not len(checked):
        return None
    seconds, unit = (1.0, "s") if checked[:, 1].max() < 200 else (60.0, "min")
    figure, ax = plot.subplots(figsize=SIZE)
    values = headline.factor * checked[:, 2]
    ax.plot(checked[:, 1] / seconds, values, "o-", ms=3.5, lw=1.2, color=plot.ink("c1"))
    ax.set(xlabel=f"wall time ({unit})", xlim=(0, None))
    plot.bare(ax)
    _finish(ax, run)
    name = headline.name.capitalize()
    alt = f"{name} on kept-out trials against wall time, up to {checked[-1, 1] / seconds:.1f} {unit}"
    end = " The dashed line is the test at the end." if run.figure is not None else ""
    return Picture(
        plot.svg(figure, "by-time", alt),
        f"<b>{words(name)} by wall time.</b> The trials kept out of training, against the time since the run began, "
        f"compilation included.{end}",
    )


def gradients(run: Run) -> Picture | None:
    """Draw the norm of the gradient and the time per step."""
    norms, seconds = _joined(run, "grad_norms"), _joined(run, "seconds")
    if not (norms > 0).any():
        return None
    figure, (top, low) = plot.subplots(2, 1, figsize=(SIZE[0], 3.2), sharex=True)
    steps = np.arange(len(norms))
    top.plot(*plot.thinned(steps, norms), lw=0.8, color=plot.ink("c0"))
    low.plot(*plot.thinned(steps, 1e3 * seconds), lw=0.8, color=plot.ink("c2"))
    for ax, what in ((top, "gradient norm"), (low, "ms per step")):
        ax.set(ylabel=what, xlim=(0, len(norms)))
        plot.logarithmic(ax)
        plot.bare(ax)
    low.set_xlabel("step")
    _mark_stages(top, run)
    middle = float(np.nanmedian(seconds))
    alt = f"Norm of the gradient and time per step; the median step takes {1e3 * middle:.0f} ms"
    return Picture(
        plot.svg(figure, "gradients", alt),
        "<b>Gradient and pace.</b> Euclidean norm of the gradient over all trained numbers, before any clipping, and "
        f"the wall time of a step (median {1e3 * middle:.0f} ms; compiling and saving make the peaks).",
    )


def learning(run: Run) -> list[Picture]:
    """Return all pictures of the training that the run has material for."""
    found = (draw(run) for draw in (losses, headline_by_step, headline_by_time, gradients))
    return [picture for picture in found if picture is not None]
