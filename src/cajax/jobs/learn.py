"""Training a job in a run folder: its stages, its checks on the way, its tests. What is done is not repeated."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, final

import jax
import numpy as np

from ..base.disk import is_file, write_arrays, write_json
from ..base.errors import CajaxError, Interrupted
from ..model.model import Model
from ..train import DivergedError, History, Step, optimize, split_mean, split_rows
from .contents import Check, read_as
from .job import Batch, Job, Say, Stage, take

CHECKS = 20
"""How often a stage is measured on trials that are not trained on."""


@final
class Learned(NamedTuple):
    """A trained job: the models before and after, the steps of each stage, the wall time in s."""

    before: Model
    after: Model
    steps: tuple[int, ...]
    seconds: float


@lru_cache(maxsize=32)
def answering(job: Job[Any], stage: Stage, size: int) -> Callable[[Model, dict[str, Any]], jax.Array]:
    """Return the compiled function from `size` trials' inputs to outputs, on all devices."""
    devices = jax.local_devices()
    split = devices if size % len(devices) == 0 else devices[:1]
    return jax.jit(split_rows(lambda model, inputs: job.answer(model, inputs, stage), split))


def answers(job: Job[Any], model: Model, stage: Stage, batch: Batch) -> np.ndarray:
    """Return the outputs [trial, …] of any number of trials, worked through in chunks of one shape."""
    count = len(batch.targets)
    size = min(4 * job.batch, count + count % 2)
    run, parts = answering(job, stage, size), []
    for i in range(0, count, size):
        # The last chunk is filled up with its last trial.
        which = np.minimum(np.arange(i, i + size), count - 1)
        parts.append(np.asarray(run(model, take(batch.inputs, which))))
    return np.concatenate(parts)[:count]


def measured(job: Job[Any], model: Model, stage: Stage, batch: Batch) -> float:
    """Return the headline figure of a model on some trials."""
    return headline_of(job, answers(job, model, stage, batch), batch)


def headline_of(job: Job[Any], outputs: np.ndarray, batch: Batch) -> float:
    """Return the headline figure of outputs that are known already."""
    return float(job.score.figures(outputs, np.asarray(batch.targets))[job.score.headline.name])


def examined(job: Job[Any], outputs: np.ndarray, batch: Batch, stage: Stage) -> dict[str, Any]:
    """Return the figures of a test: those of the score and the job's own."""
    figures = job.score.figures(outputs, np.asarray(batch.targets))
    return {**figures, **job.marks(outputs, batch, stage)}


@final
@dataclass
class _Checks:
    """A callback of `fit` that measures trials not trained on, and keeps what it finds in `checks.json`."""

    job: Job[Any]
    steps: int
    path: Path
    offset: float
    trials: tuple[Stage, Batch]

    def __call__(self, step: Step) -> None:
        done = step.number + 1
        if done % max(1, self.steps // CHECKS) and done != self.steps:
            return
        earlier = self.before(done)
        stage, batch = self.trials
        outputs = answers(self.job, step.model, stage, batch)
        figures = examined(self.job, outputs, batch, stage)
        entry = {"step": done, "seconds": self.offset + step.seconds}
        kept = {name: figures[name] for name in (self.job.score.headline.name, "loss")}
        write_json(self.path, [*earlier, entry | kept])

    def before(self, step: int) -> list[Check]:
        """Return the earlier entries; a resumed run repeats the steps after its last checkpoint."""
        return [e for e in read_as(self.path, list[Check]) if e["step"] < step] if is_file(self.path) else []


def learn(job: Job[Any], folder: Path | None, say: Say) -> Learned:
    """Train through all stages, going on where `folder` ends; None on hosts that another one leads.

    Raises `Interrupted` after Ctrl-C, `DivergedError` with the step, the parameter and the simulated time.
    """
    before = model = job.network()
    steps, seconds = (), 0.0
    for number, stage in enumerate(job.stages(), 1):
        place = folder and folder / "stages" / re.sub(r"[^\w.]+", "-", f"{number} {stage.name}")
        if place:
            place.mkdir(parents=True, exist_ok=True)
        model, history = _stage(job, stage, model, place, seconds)
        steps, seconds = (*steps, history.steps), seconds + sum(history.seconds)
        if history.stopped == "interrupted":
            raise Interrupted(f"stopped in stage '{stage.name}' of {job.name}")
        headline, last = job.score.headline, np.mean(history.aux[-20:]) if history.aux else np.nan
        spent = f"{history.steps} steps, {sum(history.seconds):.0f} s"
        say(f"  {stage.name}: {spent}, {headline.name} {headline.text(last)} at its end")
    return Learned(before, model, steps, seconds)


def _stage(
    job: Job[Any], stage: Stage, model: Model, place: Path | None, offset: float
) -> tuple[Model, History]:
    mean = split_mean(lambda m, batch: job.loss(m, batch, stage))
    batches = partial(job.trials, stage)
    checks = _Checks(job, stage.steps, (place or Path()) / "checks.json", offset, job.checks())
    try:
        return optimize(
            mean, model, job.free(), job.optimizer(stage), stage.steps, batches=batches, until=stage.enough,
            run=place, callback=checks, has_aux=True,
        )  # fmt: skip
    except DivergedError as error:
        step = error.history.steps
        raise DivergedError(
            f"{error} ({_moment(job, error.model, stage, batches(step))})", error.model, error.history
        ) from None


def _moment(job: Job[Any], model: Model, stage: Stage, batch: Batch) -> str:
    """Say when in its simulation a trial of the batch goes wrong."""
    outputs = answers(job, model, stage, batch)
    bad = np.flatnonzero(~np.isfinite(outputs.reshape(len(outputs), -1)).all(axis=1))
    if not len(bad):
        return "every simulation of the batch is finite; the gradient is not"
    try:
        job.run(model, {name: x[0] for name, x in take(batch.inputs, bad[:1]).items()}, stage, job.readout)
    except CajaxError as error:
        return f"trial {bad[0]}: {str(error).split(';')[0]}"
    return f"the answer to trial {bad[0]} is not finite, although its voltages are"


def test(job: Job[Any], learned: Learned, folder: Path) -> dict[str, Any]:
    """Test a trained job; write `answers.npz` with all outputs and targets; return the figures."""
    figures, kept = {}, {}
    outputs_as, targets_as = job.score.kept_as
    for name, (stage, batch) in job.tests().items():
        outputs = answers(job, learned.after, stage, batch)
        figures[name] = examined(job, outputs, batch, stage)
        kept |= {f"{name}/{outputs_as}": outputs, f"{name}/{targets_as}": np.asarray(batch.targets)}
    write_arrays(folder / "answers.npz", kept)
    stage, batch = next(iter(job.tests().values()))
    return {
        "task": job.name, "title": job.title, "published": job.published, **job.score.about(),
        "parameters": job.free().count(learned.before), "steps": sum(learned.steps), "seconds": learned.seconds,
        "before_training": measured(job, learned.before, stage, batch), "tests": figures,
    }  # fmt: skip
