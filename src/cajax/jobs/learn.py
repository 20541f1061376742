"""Training a task in a run folder: its stages, its checks on the way, its tests. What is done is not repeated."""

import dataclasses
import re
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ..base.disk import read_json, write_arrays
from ..base.errors import CajaxError, ParameterError, StoreError
from ..model.files import load, save
from ..model.model import Model
from ..train import (
    DivergedError,
    History,
    Step,
    data_hash,
    fit,
    new_run,
    record,
    split_mean,
    split_rows,
    write_json,
)
from ..train.store import RECORD
from .job import Batch, Stage, Task, take

CHECKS = 20
"""How often a stage is looked at on trials that are not trained on."""

Say = Callable[[str], None]


class Interrupted(CajaxError):
    """The user stopped a training; its folder holds everything needed to go on."""


class Learned(NamedTuple):
    """A trained task: the models before and after, the steps made in each stage, the wall time in s."""

    before: Model
    after: Model
    made: tuple[int, ...]
    seconds: float


@lru_cache(maxsize=32)
def answering(task: Task, stage: Stage, size: int) -> Callable[[Model, dict[str, Any]], jax.Array]:
    """Return the compiled function from `size` trials' inputs to logits, on all devices."""
    devices = jax.local_devices()
    split = devices if size % len(devices) == 0 else devices[:1]
    return jax.jit(split_rows(lambda model, inputs: task.answer(model, inputs, stage), split))


def answers(task: Task, model: Model, stage: Stage, batch: Batch) -> np.ndarray:
    """Return the logits [trial, …] of any number of trials, worked through in chunks of one shape."""
    count = len(batch.labels)
    size = min(4 * task.batch, count + count % 2)
    run, parts = answering(task, stage, size), []
    for i in range(0, count, size):
        which = np.minimum(
            np.arange(i, i + size), count - 1
        )  # the last chunk is filled up with its last trial
        parts.append(np.asarray(run(model, take(batch.inputs, which))))
    return np.concatenate(parts)[:count]


def score(task: Task, model: Model, stage: Stage, batch: Batch) -> float:
    """Return the share of right answers."""
    return float(np.mean(answers(task, model, stage, batch).argmax(-1) == np.asarray(batch.labels)))


def examined(task: Task, logits: np.ndarray, batch: Batch, stage: Stage) -> dict[str, Any]:
    """Return the figures of a test: accuracy, loss (nats), confusion [true, answered] and the task's own."""
    labels = np.asarray(batch.labels)
    chosen = np.take_along_axis(logits, labels[..., None], -1)[..., 0]
    classes = np.arange(logits.shape[-1] + 1)
    return {
        "accuracy": float(np.mean(logits.argmax(-1) == labels)),
        "loss": float(np.mean(np.logaddexp.reduce(logits, axis=-1) - chosen)),
        "trials": len(labels),
        "confusion": np.histogram2d(labels.ravel(), logits.argmax(-1).ravel(), bins=[classes] * 2)[0].astype(
            int
        ),
        **task.marks(logits, batch, stage),
    }


@dataclasses.dataclass
class _Checks:
    """A callback of `fit` that looks at trials not trained on, and keeps what it saw in `checks.json`."""

    task: Task
    steps: int
    path: Path
    offset: float
    trials: tuple[Stage, Batch]

    def __call__(self, step: Step) -> None:
        made = step.number + 1
        if made % max(1, self.steps // CHECKS) and made != self.steps:
            return
        found = self.before(made)
        stage, batch = self.trials
        logits = answers(self.task, step.model, stage, batch)
        figures = examined(self.task, logits, batch, stage)
        entry = {"step": made, "seconds": self.offset + step.seconds}
        write_json(self.path, [*found, entry | {name: figures[name] for name in ("accuracy", "loss")}])

    def before(self, step: int) -> list[dict[str, Any]]:
        """Return the earlier entries; a resumed run repeats the steps after its last checkpoint."""
        return [e for e in read_json(self.path) if e["step"] < step] if self.path.is_file() else []


def learn(task: Task, folder: Path, say: Say) -> Learned:
    """Train through all stages, going on where `folder` ends.

    Raises `Interrupted` after Ctrl-C, `DivergedError` with the step, the parameter and the simulated time.
    """
    before = model = task.network()
    made, seconds = (), 0.0
    for number, stage in enumerate(task.stages(), 1):
        place = folder / "stages" / re.sub(r"[^\w.]+", "-", f"{number} {stage.name}")
        place.mkdir(parents=True, exist_ok=True)
        model, history = _stage(task, stage, model, place, seconds)
        made, seconds = (*made, history.steps), seconds + sum(history.seconds)
        if history.stopped == "interrupted":
            raise Interrupted(f"stopped in stage '{stage.name}' of {task.name}")
        last = np.mean(history.aux[-20:])
        say(
            f"  {stage.name}: {history.steps} steps, {sum(history.seconds):.0f} s, accuracy {last:.1%} at its end"
        )
    return Learned(before, model, made, seconds)


def _stage(task: Task, stage: Stage, model: Model, place: Path, offset: float) -> tuple[Model, History]:
    mean = split_mean(lambda m, batch: task.loss(m, batch, stage))
    batches = partial(task.trials, stage)
    try:
        return fit(
            mean, model, task.free(), task.optimizer(stage), stage.steps, batches=batches, until=stage.enough,
            run=place, callback=_Checks(task, stage.steps, place / "checks.json", offset, task.checks()),
            has_aux=True,
        )  # fmt: skip
    except DivergedError as error:
        step = error.history.steps
        raise DivergedError(
            f"{error} ({_moment(task, error.model, stage, batches(step))})", error.model, error.history
        ) from None


def _moment(task: Task, model: Model, stage: Stage, batch: Batch) -> str:
    """Say when in its simulation a trial of the batch goes wrong."""
    logits = answers(task, model, stage, batch)
    bad = np.flatnonzero(~np.isfinite(logits.reshape(len(logits), -1)).all(axis=1))
    if not len(bad):
        return "every simulation of the batch is finite; the gradient is not"
    try:
        task.run(model, {name: x[0] for name, x in take(batch.inputs, bad[:1]).items()}, stage, task.readout)
    except CajaxError as error:
        return f"trial {bad[0]}: {str(error).split(';')[0]}"
    return f"the answer to trial {bad[0]} is not finite, although its voltages are"


def test(task: Task, learned: Learned, folder: Path) -> dict[str, Any]:
    """Test a trained task; write `answers.npz` with all logits; return the figures."""
    figures, kept = {}, {}
    for name, (stage, batch) in task.tests().items():
        logits = answers(task, learned.after, stage, batch)
        figures[name] = examined(task, logits, batch, stage)
        kept |= {f"{name}/logits": logits, f"{name}/labels": np.asarray(batch.labels)}
    write_arrays(folder / "answers.npz", kept)
    stage, batch = next(iter(task.tests().values()))
    return {
        "task": task.name, "title": task.title, "published": task.published, "classes": task.classes,
        "parameters": task.free().count(learned.before), "steps": sum(learned.made), "seconds": learned.seconds,
        "before_training": score(task, learned.before, stage, batch), "tests": figures,
    }  # fmt: skip


def start(task: Task, runs: Path) -> Path:
    """Make the run folder of a task, with the record of everything that decides the run."""
    about = _about(task)  # reads the data: where they are missing, there is no folder
    folder = new_run(runs, task.name)
    record(folder, **about)
    return folder


def resumed(task: Task, folder: Path) -> None:
    """Append to the record of a run folder; `StoreError` when the data are not those it began with."""
    about, before = _about(task), load_run(folder)["data"]
    if about["data_hash"] != before:
        raise StoreError(
            f"{folder} was trained on other data ({before[:15]}… there, {about['data_hash'][:15]}… now);"
            " give it the same data, or start a new run"
        )
    record(folder, **about)


def _about(task: Task) -> dict[str, Any]:
    shown = [task.trials(task.stages()[0], 0), *(batch for _, batch in task.tests().values())]
    hashed = data_hash(*jax.tree.leaves(shown))
    return {"seed": task.seed, "data_hash": hashed, "task": task.name, "settings": task.settings()}


def load_run(folder: Path) -> dict[str, Any]:
    """Return the record of a run folder; `StoreError` for a folder that is none."""
    if not (folder / RECORD).is_file():
        raise StoreError(
            f"{folder} is not a run folder (it has no {RECORD}); give one that 'cajax train' made"
        )
    entry = read_json(folder / RECORD)
    if not isinstance(entry, dict) or not {"task", "settings"} <= entry.keys():
        raise StoreError(
            f"{folder / RECORD} is of no task that 'cajax train' knows; was it made by an older version?"
        )
    return entry


def rebuilt(kind: type[Task], entry: dict[str, Any], folder: Path) -> Task:
    """Return the task with the settings of a run folder; `StoreError` when they are of another version."""
    fields = {field.name for field in dataclasses.fields(kind)}
    odd = sorted(fields ^ entry["settings"].keys())
    if odd:
        made = entry.get("versions", {}).get("cajax", "unknown")
        raise StoreError(
            f"{folder} was made by another version of Cajax ({made}): its settings differ in {', '.join(odd)};"
            " install that version, or start a new run"
        )
    try:
        return kind(**entry["settings"])
    except TypeError as error:
        raise StoreError(f"the settings in {folder / RECORD} are damaged: {error}") from error


def models(folder: Path) -> tuple[Model, Model]:
    """Return the models before and after training."""
    return load(folder / "before.npz"), load(folder / "model.npz")


def keep_models(learned: Learned, folder: Path) -> None:
    """Save the models before and after training."""
    save(folder / "before.npz", learned.before)
    save(folder / "model.npz", learned.after)


def require_devices(task: Task) -> None:
    """Raise `ParameterError` unless a batch can be shared out over the cores."""
    count = len(jax.local_devices())
    if task.batch % count:
        raise ParameterError(
            f"a batch of {task.batch} cannot be shared out over {count} cores; take --cores 1"
        )
