"""Pictures of the network beside others: what its tests say, which answers it confuses, what the controls reach."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import plot
from .folder import Run, number
from .html import Picture, duration, percent, table, words


def matrix_of(test: dict[str, Any]) -> np.ndarray | None:
    """Return the confusion matrix of a test, None where it has none that is square."""
    try:
        matrix = np.asarray(test.get("confusion"), float)
    except (TypeError, ValueError):
        return None
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] > 1
    return np.nan_to_num(matrix) if square else None


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
    plot.bars(ax, dict(zip(names, shares.tolist(), strict=True)), run.accuracy)
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


def tests_table(run: Run) -> str:
    """Return the figures of all tests as HTML; columns beyond accuracy, loss and trials are the task's own."""
    own = [
        k
        for test in run.tests.values()
        for k, v in test.items()
        if k not in ("accuracy", "loss", "trials", "confusion") and isinstance(v, int | float | str)
    ]
    own = list(dict.fromkeys(own))
    rows = [
        [words(name), percent(t.get("accuracy"), 2), *(words(t.get(k)) for k in ("loss", "trials", *own))]
        for name, t in run.tests.items()
    ]
    return table(("test", "accuracy", "loss (nats)", "trials", *map(words, own)), rows)


def tests_bars(run: Run) -> Picture | None:
    """Draw the accuracies of several tests as bars."""
    values = {name: _share(test.get("accuracy")) for name, test in run.tests.items()}
    if len(values) < 2:
        return None
    figure, ax = plot.subplots(figsize=(4.1, 0.7 + 0.32 * len(values)))
    plot.bars(ax, values)
    alt = "Accuracy by test: " + ", ".join(f"{k} {percent(v)}" for k, v in values.items())
    chance = 1.0 / max(1, len(run.metrics.get("classes") or [1]))
    caption = f"<b>Accuracy by test.</b> Guessing reaches {percent(chance)}."
    return Picture(plot.svg(figure, "tests", alt), caption)


def _share(x: Any) -> float:
    known = number(x)
    return np.nan if known is None else known


def _rows(run: Run, test: str) -> list[dict[str, Any]]:
    """Return the network and its controls, each with the accuracy of one test under "accuracy"."""
    network = {
        "name": "this network",
        "parameters": run.metrics.get("parameters"),
        "steps": run.steps,
        "seconds": run.seconds,
        "tests": {name: t.get("accuracy") for name, t in run.tests.items()},
    }
    rows = [network, *run.controls]
    if number(run.metrics.get("before_training")) is not None:
        rows.append({"name": "before training", "tests": {test: run.metrics["before_training"]}})
    return rows


def controls(run: Run) -> tuple[list[Picture], str]:
    """Return the bars of the controls beside the network, and the table of their figures."""
    tests = list(run.tests) or list(dict.fromkeys(t for c in run.controls for t in c.get("tests", {})))
    if not tests:
        return [], ""
    rows = _rows(run, tests[0])
    values = {str(r.get("name", "?")): _share(r.get("tests", {}).get(tests[0])) for r in rows}
    figure, ax = plot.subplots(figsize=(4.1, 0.7 + 0.34 * len(values)))
    plot.bars(ax, values, values["this network"], first=True, digits=2 if min(values.values()) > 0.9 else 1)
    alt = f"Accuracy on {tests[0]}: " + ", ".join(f"{k} {percent(v)}" for k, v in values.items())
    caption = (
        f"<b>Beside its controls</b> ({words(tests[0])}). The same trials, the same number of steps and as many "
        "parameters, as far as the kind of model allows; the dashed line is the network."
    )
    pictures = [Picture(plot.svg(figure, "controls", alt), caption)]
    pictures += _against_time(rows, tests[0])
    return pictures, _table(rows, tests)


def _against_time(rows: Sequence[dict[str, Any]], test: str) -> list[Picture]:
    """Draw the accuracy against the training time of those that have both."""
    known = [
        (str(r.get("name", "?")), r["seconds"], 100 * _share(r.get("tests", {}).get(test)))
        for r in rows
        if (number(r.get("seconds")) or 0) > 0 and np.isfinite(_share(r.get("tests", {}).get(test)))
    ]
    if len(known) < 3:
        return []
    figure, ax = plot.subplots(figsize=(4.1, 2.9))
    for k, (name, seconds, accuracy) in enumerate(known):
        ax.plot(
            seconds,
            accuracy,
            "o",
            ms=6,
            color=plot.ink("c0" if k == 0 else f"c{1 + (k - 1) % 6}"),
            label=name,
        )
    ax.set(xlabel="training time (s)", ylabel="accuracy (%)")
    ax.margins(0.15)
    plot.logarithmic(ax, "x")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, columnspacing=1.0, handletextpad=0.3)
    plot.bare(ax)
    alt = "Accuracy against training time of the network and its controls"
    axis = ", on a logarithmic axis" if ax.get_xscale() == "log" else ""
    caption = f"<b>What it takes.</b> Accuracy against the wall time of training{axis}."
    return [Picture(plot.svg(figure, "cost", alt), caption)]


def _table(rows: Sequence[dict[str, Any]], tests: Sequence[str]) -> str:
    head = ("model", "parameters", "steps", "time", *map(words, tests))
    body = [
        [words(str(r.get("name", "?"))), words(r.get("parameters")), words(r.get("steps")), duration(r.get("seconds")),
         *(percent(number(r.get("tests", {}).get(t)), 2) for t in tests)]
        for r in rows
    ]  # fmt: skip
    return table(head, body)
