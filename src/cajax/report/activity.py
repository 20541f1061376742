"""A few test trials simulated again, every soma recorded: what the pictures of activity are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ..analysis.held import numbers
from ..jobs.job import Batch, Stage, Task, take
from ..model.model import Model
from ..model.structure import THRESHOLD, soma_of

VALUES = 2e7
"""How many recorded voltages are kept at most."""

PER_KIND = 8
KINDS = 40


@dataclass(frozen=True)
class Answers:
    """The answers to a test: which trials were right, and of which kind each is.

    A kind is what is to be answered (and after what, where that was to be remembered).
    `kind` [trial] numbers `kinds`; `read` says what was answered (of several answers at once, how many were right).
    """

    kinds: tuple[str, ...]
    kind: np.ndarray
    right: np.ndarray
    read: tuple[str, ...]
    asked: str = "to answer"
    """What the kinds are."""


def answers_of(folder: Path, test: str, batch: Batch, task: Task) -> Answers:
    """Return the answers kept in `answers.npz`; without them every trial counts as right.

    Where the task remembers an input, trials of equal answers after different inputs are of different kinds.
    """
    classes, labels = task.classes, np.asarray(batch.labels)
    given = labels
    path = folder / "answers.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            key = f"{test}/logits"
            if key in kept and len(kept[key]) == len(labels):
                given = kept[key].argmax(-1)
    named, keys, asked = (
        [_named(row, classes) for row in labels],
        labels.reshape(len(labels), -1),
        "to answer",
    )
    if task.remembered:
        of = numbers(batch, task.remembered)
        named = [f"{k + 1}: {name}" for name, k in zip(named, of, strict=True)]
        keys, asked = np.column_stack([of, keys]), f"{task.remembered}: {asked}"
    first = np.unique(keys, axis=0, return_index=True)[1]  # in the order of the inputs and of the classes
    kinds = tuple(dict.fromkeys(named[i] for i in first))
    order = {name: k for k, name in enumerate(kinds)}
    hits = (given == labels).reshape(len(labels), -1)
    read = tuple(_named(row, classes) for row in given)
    if labels.ndim > 1:
        read = tuple(f"{n} of {hits.shape[1]} right" for n in hits.sum(axis=1))
    return Answers(kinds, np.array([order[n] for n in named]), hits.all(axis=1), read, asked)


def _named(answer: Any, classes: Any) -> str:
    """Return the name of an answer; of several answers one name where they agree, else all in a row."""
    names = [str(classes[int(a)]) if 0 <= int(a) < len(classes) else str(a) for a in np.ravel(answer)]
    if len(set(names)) == 1:
        return names[0]
    return ("" if max(map(len, names)) == 1 else " ").join(names)


@dataclass(frozen=True)
class Activity:
    """Simulated trials: `voltages` population → [trial, time, cell] mV over `ts` [time] ms.

    `which` [trial] are their numbers in the test; `phases` [trial] the parts of each.
    """

    ts: np.ndarray
    voltages: Mapping[str, np.ndarray]
    which: np.ndarray
    phases: tuple[dict[str, tuple[float, float]], ...]
    answers: Answers

    @property
    def kind(self) -> np.ndarray:
        return self.answers.kind[self.which]

    @property
    def right(self) -> np.ndarray:
        return self.answers.right[self.which]

    @property
    def shown(self) -> list[tuple[int, str]]:
        """One trial per kind, a right one if there is any: (its place in `voltages`, the kind)."""
        found = []
        for k, name in enumerate(self.answers.kinds):
            of_kind = np.flatnonzero(self.kind == k)
            if len(of_kind):
                right = of_kind[self.right[of_kind]]
                found.append((int((right if len(right) else of_kind)[0]), name))
        return found

    def spikes(self, name: str) -> np.ndarray:
        """Return whether each cell crosses the threshold upwards at each step [trial, time − 1, cell]."""
        v = self.voltages[name]
        return (v[:, :-1] < THRESHOLD) & (v[:, 1:] >= THRESHOLD)

    def spike_times(self, name: str, trial: int) -> list[np.ndarray]:
        """Return the times (ms) of the spikes of every cell in one trial."""
        return [self.ts[1:][crossed] for crossed in self.spikes(name)[trial].T]


def simulated(task: Task, model: Model, stage: Stage, batch: Batch, answers: Answers) -> Activity:
    """Simulate up to `PER_KIND` trials of each kind, right ones first, recording the somata of every population."""
    layouts = [x for x in model.structure.layouts if not x.virtual]
    alone = model.structure.is_cell
    record = {x.name or "cell": soma_of(x) if alone else x.name for x in layouts}

    def one(model: Model, inputs: dict[str, Any]) -> tuple[jax.Array, dict[str, jax.Array]]:
        solution = task.run(model, inputs, stage, record)
        return solution.ts, {name: solution[name] for name in record}

    first = {name: x[0] for name, x in take(batch.inputs, np.arange(1)).items()}
    _, shapes = jax.eval_shape(one, model, first)
    size = sum(int(np.prod(x.shape)) for x in jax.tree.leaves(shapes))
    which = _chosen(answers, max(2, int(VALUES // max(size, 1))))
    ts, found = jax.jit(jax.vmap(one, (None, 0)))(model, take(batch.inputs, which))
    voltages = {name: np.asarray(found[name]).reshape(*found[name].shape[:2], -1) for name in record}
    inputs = [{k: x[i] for k, x in take(batch.inputs, which).items()} for i in range(len(which))]
    phases = tuple(_phases(task, each, stage) for each in inputs)
    return Activity(np.asarray(ts)[0], voltages, which, phases, answers)


def _chosen(answers: Answers, most: int) -> np.ndarray:
    """Return the same number of trials of each kind, right ones first, at most `most` in all."""
    kinds = range(min(len(answers.kinds), KINDS, most))
    each = max(1, min(PER_KIND, most // max(1, len(kinds))))
    parts = []
    for k in kinds:
        of_kind = np.flatnonzero(answers.kind == k)
        parts.append(of_kind[np.argsort(~answers.right[of_kind], kind="stable")][:each])
    return np.concatenate(parts)


def _phases(task: Task, inputs: dict[str, Any], stage: Stage) -> dict[str, tuple[float, float]]:
    return {k: (float(a), float(b)) for k, (a, b) in task.phases(inputs, stage).items()}
