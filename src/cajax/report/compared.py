"""Pictures of the model beside others: what its tests say, its traces beside the data, what the controls reach."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import plot
from .bars import bars, known, listed
from .folder import Run, number
from .html import Picture, duration, table, words


def tests_table(run: Run) -> str:
    """Return the figures of all tests as HTML; columns beyond headline, loss and trials are the job's own."""
    headline = run.headline
    first = (headline.name, "loss", "trials")
    own = [
        k
        for test in run.tests.values()
        for k, v in test.items()
        if k not in first and isinstance(v, int | float | str)
    ]
    own = list(dict.fromkeys(own))
    rows = [
        [
            words(name),
            headline.text(run.value(t), 2),
            *(words(t.get(k)) for k in ("loss", "trials", *own)),
        ]
        for name, t in run.tests.items()
    ]
    head = ("test", headline.name, run.loss_figure.label, "trials", *own)
    return table(tuple(map(words, head)), rows)


def tests_bars(run: Run) -> Picture | None:
    """Draw the headline figures of several tests as bars."""
    headline = run.headline
    values = {name: known(run.value(test)) for name, test in run.tests.items()}
    if len(values) < 2:
        return None
    figure, ax = plot.subplots(figsize=(4.1, 0.7 + 0.32 * len(values)))
    bars(ax, values, headline)
    name = words(headline.name.capitalize())
    chance = "" if headline.chance is None else f" Guessing reaches {headline.text(headline.chance)}."
    caption = f"<b>{name} by test.</b>{chance}"
    return Picture(plot.svg(figure, "tests", f"{name} by test: {listed(values, headline)}"), caption)


def traces(run: Run) -> Picture | None:
    """Draw traces of the model over the data, of the first test that keeps some."""
    found = next(((n, kept) for n, t in run.tests.items() if (kept := t.get("traces"))), None)
    if found is None:
        return None
    name, kept = found
    rows = -(-len(kept) // 2)
    columns = min(2, len(kept))
    figure, axes = plot.subplots(
        rows, columns, figsize=(7.8, 0.3 + 1.9 * rows), squeeze=False, sharey=True, sharex=True
    )
    for ax in axes.ravel()[len(kept) :]:
        ax.set_axis_off()
    for ax, one in zip(axes.ravel(), kept, strict=False):
        data, model = (np.array([known(x) for x in one[name]]) for name in ("data", "model"))
        for y, lw, alpha, ink, label in ((data, 2.4, 0.55, "c7", "data"), (model, 1.2, 1.0, "c0", "model")):
            time = one.get("start", 0.0) + one["step"] * np.arange(len(y))
            ax.plot(*plot.thinned(time, y), lw=lw, alpha=alpha, color=plot.ink(ink), label=label)
        said = one.get("name") or f"trial {one['trial']}"
        ax.set_title(f"{said}: {run.headline.text(known(one['error']))}", fontsize=8.5)
        ax.margins(x=0)
        plot.bare(ax)
    unit = "time (ms)" if kept[0].get("time") == "ms" else "sample"
    for ax in axes[-1]:
        ax.set_xlabel(unit)
    for ax in axes[:, 0]:
        ax.set_ylabel(str(kept[0].get("unit", "")))
    axes[0, 0].legend(loc="best")
    what = "sites" if kept[0].get("name") else "trials"
    alt = f"Traces of the model over the data in {len(kept)} {what} of {name}"
    which = f"{len(kept)} {what} from the best to the worst" if len(kept) > 1 else f"one {what[:-1]}"
    caption = (
        f"<b>Model and data</b> ({words(name)}). Thick and grey the data, thin and blue the model, in "
        f"{which}."
    )
    return Picture(plot.svg(figure, "traces", alt), caption, wide=True)


def _rows(run: Run, test: str) -> list[dict[str, Any]]:
    """Return the network and its controls, each with its headline figures under "tests"."""
    network = {
        "name": "this model",
        "parameters": run.metrics.get("parameters"),
        "steps": run.steps,
        "seconds": run.seconds,
        "tests": {name: run.value(t) for name, t in run.tests.items()},
    }
    rows = [network, *run.controls]
    if number(run.metrics.get("before_training")) is not None:
        rows.append({"name": "before training", "tests": {test: run.metrics.get("before_training")}})
    return rows


def controls(run: Run) -> tuple[list[Picture], str]:
    """Return the bars of the controls beside the network, and the table of their figures."""
    tests = list(run.tests) or list(dict.fromkeys(t for c in run.controls for t in c.get("tests", {})))
    if not tests:
        return [], ""
    rows = _rows(run, tests[0])
    headline = run.headline
    values = {str(r.get("name", "?")): known(r.get("tests", {}).get(tests[0])) for r in rows}
    close = headline.unit == "%" and min(values.values()) > 0.9
    figure, ax = plot.subplots(figsize=(4.1, 0.7 + 0.34 * len(values)))
    bars(ax, values, headline, reference=values["this model"], first=True, digits=2 if close else 1)
    alt = f"{headline.name.capitalize()} on {tests[0]}: {listed(values, headline)}"
    caption = (
        f"<b>Beside its controls</b> ({words(tests[0])}). The same trials, the same number of steps and as many "
        "parameters, as far as the kind of model allows; the dashed line is the model."
    )
    pictures = [Picture(plot.svg(figure, "controls", alt), caption)]
    pictures += _against_time(run, rows, tests[0])
    return pictures, _table(run, rows, tests)


def _against_time(run: Run, rows: Sequence[dict[str, Any]], test: str) -> list[Picture]:
    """Draw the headline figure against the training time of those that have both."""
    headline = run.headline
    points = [
        (str(r.get("name", "?")), r["seconds"], headline.factor * known(r.get("tests", {}).get(test)))
        for r in rows
        if (number(r.get("seconds")) or 0) > 0 and np.isfinite(known(r.get("tests", {}).get(test)))
    ]
    if len(points) < 3:
        return []
    figure, ax = plot.subplots(figsize=(4.1, 2.9))
    for k, (name, seconds, value) in enumerate(points):
        ax.plot(
            seconds,
            value,
            "o",
            ms=6,
            color=plot.ink("c0" if k == 0 else f"c{1 + (k - 1) % 6}"),
            label=name,
        )
    ax.set(xlabel="training time (s)", ylabel=headline.label)
    ax.margins(0.15)
    plot.logarithmic(ax, "x")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, columnspacing=1.0, handletextpad=0.3)
    plot.bare(ax)
    name = headline.name.capitalize()
    alt = f"{name} against training time of the model and its controls"
    axis = ", on a logarithmic axis" if ax.get_xscale() == "log" else ""
    caption = f"<b>What it takes.</b> {words(name)} against the wall time of training{axis}."
    return [Picture(plot.svg(figure, "cost", alt), caption)]


def _table(run: Run, rows: Sequence[dict[str, Any]], tests: Sequence[str]) -> str:
    head = ("model", "parameters", "steps", "time", *map(words, tests))
    body = [
        [words(str(r.get("name", "?"))), words(r.get("parameters")), words(r.get("steps")), duration(r.get("seconds")),
         *(run.headline.text(number(r.get("tests", {}).get(t)), 2) for t in tests)]
        for r in rows
    ]  # fmt: skip
    return table(head, body)
