"""How many patterns a network recalls, against its size; and what answers without neurons would reach."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypedDict, final

import jax
import numpy as np

from ..base.disk import is_file
from ..base.errors import Interrupted, StoreError
from ..base.lock import claimed
from ..base.schema import Count, Seconds, Share
from ..jobs.contents import read_as
from ..jobs.job import Say
from ..model.model import Model
from ..train import fit, split_mean, write_json
from .catalogue import task_of
from .recall import Recall


def references(task: Recall) -> dict[str, dict[str, float]]:
    """Return, for every test, what answers without neurons reach: they see the cue itself and need hold nothing.

    "least squares": the linear map from whole cues to patterns, of least norm; "nearest cue": the whole cue with the
    fewest bits changed, than which no answer is more often right.
    """
    cues, patterns = (2.0 * x - 1.0 for x in task.associations())
    weights = np.linalg.pinv(cues) @ patterns
    found = {}
    for name, (_, batch) in task.tests().items():
        seen, labels = 2.0 * np.asarray(batch.inputs["cue"]) - 1.0, np.asarray(batch.labels)
        answers = {"least squares": seen @ weights @ patterns.T, "nearest cue": seen @ cues.T}
        found[name] = {kind: float(np.mean(x.argmax(1) == labels)) for kind, x in answers.items()}
    return found


@final
class Trained(NamedTuple):
    """A network after training, and the steps that were made."""

    model: Model
    steps: int


@final
class Point(NamedTuple):
    """How well a network of `cells` pyramidal cells recalls `patterns` from whole cues; `seconds` of training."""

    cells: Count
    patterns: Count
    accuracy: Share
    bits: Share
    steps: Count
    seconds: Seconds


@final
class Kept(TypedDict):
    """What `capacity.json` holds."""

    goal: Share
    points: list[Point]


def trained(task: Recall) -> Trained:
    """Train a task through its stages without a run folder, on all devices."""
    model, steps = task.network(), 0
    for stage in task.stages():
        model, history = fit(
            split_mean(lambda m, batch, stage=stage: task.loss(m, batch, stage)), model, task.free(),
            task.optimizer(stage), stage.steps, batches=partial(task.trials, stage), until=stage.enough,
            has_aux=True, progress=False,
        )  # fmt: skip
        if history.stopped == "interrupted":
            raise Interrupted(f"stopped with {task.cells} cells and {task.patterns} patterns")
        steps += history.steps
    return Trained(model, steps)


BRIEF = {
    "cue": 20.0,
    "shortest": 15.0,
    "delay": 35.0,
    "response": 10.0,
    "batch": 16,
    "steps": 200,
    "tested": 128,
}
"""Settings of short trials and few steps: a point of the curve takes about a minute on two cores."""


def capacity(
    task: Recall | None = None,
    sizes: Sequence[int] = (10, 20, 40),
    patterns: Sequence[int] = (4, 8, 16, 32, 64),
    goal: float = 0.95,
    train: Callable[[Recall], Trained] = trained,
    folder: Path | None = None,
    say: Say = lambda text: None,
) -> tuple[Point, ...]:
    """Return how well networks of each size recall: for each, ever more `patterns`, until less than `goal` is right.

    `task` (default: `Recall` with the settings `BRIEF`) is trained anew, from its seed, for every point; a fifth as
    many interneurons go with the cells. For comparison: a Hopfield network of N cells, every one of which is both cue
    and answer, stores 0.138 N random patterns (Amit, Gutfreund & Sompolinsky, Phys Rev Lett 55:1530, 1985).

    With a run's `folder` every point is written into its `capacity.json`, and those that are there are not made again.
    """
    task = Recall().but(**BRIEF) if task is None else task
    path = None if folder is None else folder / "capacity.json"
    kept: list[Point] = read_as(path, Kept)["points"] if path is not None and is_file(path) else []
    found = {(point.cells, point.patterns): point for point in kept}
    chosen: list[Point] = []
    for size in sizes:
        for count in patterns:
            point = found.get((size, count))
            if point is None:
                version = task.but(cells=size, inhibitory=max(2, size // 5), patterns=count)
                point = found[size, count] = _point(version, train)
                if path is not None:
                    write_json(path, {"goal": goal, "points": [p._asdict() for p in found.values()]})
            say(f"{size} cells, {count} patterns: {point.accuracy:.1%} ({point.seconds:.0f} s)")
            chosen.append(point)
            if point.accuracy < goal:
                break
    return tuple(chosen)


def measured(folder: Path, say: Say) -> tuple[Point, ...]:
    """Measure the capacity for the task of a run, in brief trials; after `Interrupted` it goes on when repeated."""
    task = task_of(folder)
    if not isinstance(task, Recall):
        raise StoreError(f"{folder} is a run of '{task.name}'; capacity is measured of 'recall'")
    say("capacity: networks of three sizes, each trained anew, a minute each")
    try:
        with claimed(folder):
            return capacity(task.but(**BRIEF), folder=folder, say=say)
    except Interrupted as stop:
        raise Interrupted(f"{stop}; go on with: cajax train recall --capacity --resume {folder}") from stop


def _point(task: Recall, train: Callable[[Recall], Trained]) -> Point:
    begin = time.perf_counter()
    model, steps = train(task)
    seconds = time.perf_counter() - begin
    stage, batch = next(iter(task.tests().values()))
    z = np.asarray(jax.jit(lambda m, inputs: task.bit_logits(m, inputs, stage))(model, batch.inputs))
    words, labels = task.associations()[1], np.asarray(batch.labels)
    right = (z @ (2.0 * words - 1.0).T).argmax(1) == labels
    bits = (z > 0.0) == (words[labels] > 0.5)
    return Point(task.cells, task.patterns, float(right.mean()), float(bits.mean()), steps, seconds)


def recalled_patterns(points: Sequence[Point], goal: float = 0.95) -> dict[int, int]:
    """Return cells → the most patterns that were recalled; 0 where not even the fewest were."""
    return {
        size: max((p.patterns for p in points if p.cells == size and p.accuracy >= goal), default=0)
        for size in dict.fromkeys(p.cells for p in points)
    }
