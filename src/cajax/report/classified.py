"""Pictures of classification alone: confusion, answers, mistakes, attacks, what holds a memory, capacity of recall.

Each appears where a run has its figures.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import plot
from ..jobs import Batch, Job, Judged, Stage
from .bars import figures_in, known
from .fields import side_of
from .folder import Run
from .html import Picture, percent, table, words

MISTAKES = 24


def matrix_of(test: Mapping[str, Any]) -> np.ndarray | None:
    """Return the confusion matrix of a test, None where it has none that is a square of counts."""
    rows = test.get("confusion") or []
    if len(rows) < 2 or any(len(row) != len(rows) for row in rows):
        return None
    matrix = np.asarray(rows, float)
    return matrix if ((matrix >= 0) & (matrix < 1e15)).all() else None


def confusion(run: Run) -> Picture | None:
    """Draw the confusion matrix of the first test that has one."""
    found = next(((n, m) for n, t in run.tests.items() if (m := matrix_of(t)) is not None), None)
    if found is None:
        return None
    name, matrix = found
    classes = [str(c) for c in run.metrics.get("classes") or []]
    names = classes if len(classes) == len(matrix) else [str(k) for k in range(len(matrix))]
    shared, names = plot.brief(names)
    kind = f": {shared}" if shared else ""
    figure, ax = plot.subplots(figsize=(4.1, min(3.9, 1.4 + 0.5 * len(matrix))))
    if len(matrix) > 20:
        names = [n if k % 4 == 0 else "" for k, n in enumerate(names)]
    plot.confusion(ax, matrix, names, f"answered{kind}", f"right answer{kind}")
    wrong = matrix - np.diag(np.diag(matrix))
    i, j = np.unravel_index(int(wrong.argmax()), wrong.shape)
    most = (
        f" The most frequent mistake: {words(classes[i] if classes else i)} taken for "
        if wrong.max() > 0
        else ""
    )
    most += f"{words(classes[j] if classes else j)} ({wrong[i, j]:.0f} times)." if most else ""
    alt = f"Confusion matrix of {name}: {matrix.trace():.0f} right and {wrong.sum():.0f} wrong answers"
    caption = (
        f"<b>Which answers are confused</b> ({words(name)}). Rows are the right answers, columns those given; the "
        f"redder, the more frequent the mistake. {matrix.trace():,.0f} right, {wrong.sum():,.0f} wrong.{most}"
    )
    return Picture(plot.svg(figure, "confusion", alt), caption)


def by_answer(run: Run) -> Picture | None:
    """Draw, for each right answer, how often it is given (of the first test with more than two answers)."""
    matrix = next((m for t in run.tests.values() if (m := matrix_of(t)) is not None), None)
    if matrix is None or not 3 <= len(matrix) <= 20 or (matrix.sum(axis=1) == 0).any():
        return None
    classes = [str(c) for c in run.metrics.get("classes") or []]
    names = classes if len(classes) == len(matrix) else [str(k) for k in range(len(matrix))]
    shares = np.diag(matrix) / matrix.sum(axis=1)
    figure, ax = plot.subplots(figsize=(4.1, min(3.9, 0.7 + 0.32 * len(names))))
    plot.bars(ax, dict(zip(names, shares.tolist(), strict=True)), run.figure)
    ax.set_ylabel("right answer")
    worst = int(shares.argmin())
    alt = "Share of right answers by class: " + ", ".join(
        f"{n} {percent(float(s))}" for n, s in zip(names, shares, strict=True)
    )
    caption = (
        "<b>Answer by answer.</b> How many of the trials that ask for each answer get it; the dashed line is the share "
        f"over all trials. Hardest: {words(names[worst])} ({percent(float(shares[worst]))})."
    )
    return Picture(plot.svg(figure, "by-answer", alt), caption)


def mistakes(job: Job[Any], test: tuple[Stage, Batch], judged: Judged) -> Picture | None:
    """Draw images that were read wrong, where the task has images."""
    side = side_of(job, test)
    if not side:
        return None
    images = np.asarray(test[1].inputs[job.attacked])
    wrong = np.flatnonzero(~judged.good)
    if not len(wrong):
        return None
    chosen = wrong[np.linspace(0, len(wrong) - 1, min(MISTAKES, len(wrong))).astype(int)]
    short = max(map(len, judged.kinds)) <= 2
    columns, gap = (8, " ") if short else (6, "\n")
    rows = -(-len(chosen) // columns)
    height = 0.3 + (1.1 if short else 1.6) * rows
    figure, axes = plot.subplots(rows, columns, figsize=(7.8, height), squeeze=False)
    for ax in axes.ravel():
        ax.set_axis_off()
    for ax, k in zip(axes.ravel(), chosen, strict=False):
        ax.imshow(images[k].reshape(side, side), cmap="gray_r", interpolation="none")
        said = f"{judged.kinds[judged.kind[k]]}{gap}read as {judged.given[k]}"
        ax.set_title(said, fontsize=8.5, loc="center")
    share = float(np.mean(~judged.good))
    alt = f"{len(chosen)} of the images that were read wrong, each with what it is and what it was read as"
    caption = (
        f"<b>Mistakes.</b> {len(chosen)} of the {len(wrong):,} images ({percent(share)}) that were read wrong, taken "
        "at equal distances through the test."
    )
    return Picture(plot.svg(figure, "mistakes", alt), caption, wide=True)


def attack(run: Run) -> list[Picture]:
    """Draw the accuracy under an adversary, by steps and by how far the images were moved."""
    attacked = run.inside.get("attack", {})
    captions = {
        "steps": "<b>Attacked, by steps.</b> Accuracy while an adversary who knows the gradient changes the input step "
        "by step.",
        "l2": "<b>Attacked, by distance.</b> The same against how far the inputs were moved: mean Euclidean norm of "
        "the change, values from 0 to 1. The line that stays up longer belongs to the more robust model.",
    }
    pictures = []
    for key, caption in captions.items():
        lines = {n: _pair(a.get(key), a.get("accuracy")) for n, a in attacked.items()}
        lines = {n: pair for n, pair in lines.items() if pair is not None}
        if not lines:
            continue
        figure, ax = plot.subplots(figsize=(4.1, 2.7))
        for k, (name, (x, y)) in enumerate(lines.items()):
            ax.plot(x, 100 * y, "o-", ms=3, color=plot.ink(f"c{k % 7}"), label=name)
        ax.set(
            xlabel="steps" if key == "steps" else "norm of the change", ylabel="accuracy (%)", ylim=(-3, 103)
        )
        ax.legend()
        plot.bare(ax)
        alt = f"Accuracy under attack against {key}, for {', '.join(lines)}"
        pictures.append(Picture(plot.svg(figure, f"attack-{key}", alt), caption))
    return pictures


def _pair(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Return two lists as arrays of one length, None where they are not."""
    return (np.asarray(x, float), np.asarray(y, float)) if x and y and len(x) == len(y) else None


def held_by(run: Run) -> Picture | None:
    """Draw how well each recorded quantity tells the remembered things apart, through the trial."""
    held = run.inside.get("held_by")
    if held is None:
        return None
    times, names = np.asarray(held["times"], float), held["names"]
    if [len(row) for row in held["separation"]] != [len(names)] * len(times) or not len(times) or not names:
        return None
    values = np.array(
        [[known(x) for x in row] for row in held["separation"]]
    ).T  # in the file: a row for every time
    figure, ax = plot.subplots(figsize=(7.8, 3.0))
    order = np.argsort(-np.nanmean(np.nan_to_num(values), axis=1))
    for k, i in enumerate(order[:7]):
        ax.plot(*plot.thinned(times, values[i]), lw=1.4, color=plot.ink(f"c{k}"), label=names[i])
    ax.set(xlabel="time (ms)", ylabel="separation (d′)", xlim=(times[0], times[-1]))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    plot.bare(ax)
    best = names[order[0]]
    alt = f"Separation of what is remembered through time by quantity; the greatest is that of {best}"
    more = f" {len(names) - 7} with less are left out." if len(names) > 7 else ""
    return Picture(
        plot.svg(figure, "held-by", alt),
        "<b>What holds the memory.</b> How far apart each quantity is between trials that hold different things, "
        "through the trial: d′, the distance of the means in standard deviations, along the direction that separates "
        "them best. "
        f"The strongest on average: {words(best)}.{more}",
        wide=True,
    )


def share_table(run: Run) -> str:
    """Return each quantity's share of what separates remembered things, as HTML."""
    held = run.inside.get("held_by")
    share = figures_in(None if held is None else held.get("share"), "share")
    rows = [[words(k), percent(v)] for k, v in sorted(share.items(), key=lambda item: -item[1])]
    return table(("current", "share"), rows, "Share of the separation during the delay.") if rows else ""


def capacity(run: Run) -> Picture | None:
    """Draw the accuracy of recall against the number of patterns, one line per size of the network."""
    points, goal = run.capacity.get("points"), run.capacity.get("goal")
    if not points or goal is None:
        return None
    patterns = sorted({p["patterns"] for p in points})
    figure, ax = plot.subplots(figsize=(4.1, 2.9))
    said = []
    for k, cells in enumerate(sorted({p["cells"] for p in points})):
        line = sorted((p["patterns"], p["accuracy"]) for p in points if p["cells"] == cells)
        x, y = zip(*line, strict=True)
        ink = plot.ink(f"c{k % 7}")
        ax.plot(x, 100 * np.array(y), "o-", ms=4, color=ink, label=f"{words(cells)} cells")
        most = max((count for count, share in line if share >= goal), default=0)
        said.append(f"{words(cells)} cells store {words(most)}")
    ax.set(xlabel="patterns stored", ylabel="accuracy (%)", ylim=(0, 103))
    ax.axhline(100 * goal, ls="--", lw=1.0, color=plot.ink("muted"), zorder=-1)
    if len(patterns) > 1 and max(patterns) >= 8 * min(patterns):
        ax.set_xscale("log", base=2)
    ax.set_xticks(patterns, [words(p) for p in patterns])
    ax.minorticks_off()
    ax.legend(loc="lower left")
    plot.bare(ax)
    stored = "; ".join(said)
    return Picture(
        plot.svg(figure, "capacity", f"Accuracy of recall against the number of patterns: {stored}"),
        "<b>Capacity.</b> Accuracy of recall against the number of patterns stored, each network trained anew. At "
        f"{goal:.0%} (dashed) {stored}.",
    )
