"""A few test trials simulated again, every soma recorded: what the pictures of activity are made of."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import jax
import numpy as np

from ..analysis.held import numbers
from ..base.archive import read_arrays
from ..base.disk import is_file
from ..base.errors import StoreError
from ..jobs import Batch, Job, Judged, Stage
from ..jobs.job import take
from ..model.inserted import THRESHOLD
from ..model.model import Model

VALUES = 2e7
"""How many recorded voltages are kept at most."""

PER_KIND = 8
KINDS = 40


def judged_of(
    folder: Path,
    test: str,
    batch: Batch,
    job: Job[Any],
    shape: tuple[int, ...] = (),
    faults: list[str] | None = None,
) -> Judged:
    """Return the trials of a test as the job's score sees the outputs kept in `answers.npz`.

    Outputs without the `shape` of an output at their end are left out, and said in `faults`. Where the job remembers an
    input, trials of equal targets after different inputs are of different kinds.
    """
    try:
        outputs = _kept(folder / "answers.npz", f"{test}/{job.score.kept_as[0]}", len(batch.targets), shape)
    except StoreError as error:
        outputs = None
        if faults is not None:
            faults.append(str(error))
    judged = job.score.judged(outputs, np.asarray(batch.targets))
    if not job.remembered:
        return judged
    of = numbers(batch, job.remembered)
    pairs, kind = np.unique(np.stack([of, judged.kind], axis=1), axis=0, return_inverse=True)
    kinds = tuple(f"{n + 1}: {judged.kinds[int(k)]}" for n, k in pairs)
    asked = ": ".join(part for part in (job.remembered, judged.asked) if part)
    return dataclasses.replace(judged, kinds=kinds, kind=kind.ravel(), asked=asked)


def output_shape(job: Job[Any], model: Model, stage: Stage, batch: Batch) -> tuple[int, ...]:
    """Return the shape of the output of one trial. Nothing is computed."""
    few = take(batch.inputs, np.arange(1))
    return jax.eval_shape(lambda inputs: job.answer(model, inputs, stage), few).shape[1:]


def _kept(path: Path, key: str, trials: int, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the outputs of a test that a run has kept, None where it has not."""
    outputs = read_arrays(path).get(key) if is_file(path) else None
    if outputs is None:
        return None
    found = outputs.shape[outputs.ndim - len(shape) :]
    if outputs.shape[:1] != (trials,) or found != shape or outputs.dtype.kind not in "fiu":
        said = f"{outputs.dtype}{list(outputs.shape)}"
        raise StoreError(f"{path}: {key} holds {said}, not numbers {[trials, *shape]}; test the model again")
    return outputs


@final
@dataclass(frozen=True)
class Activity:
    """Simulated trials: `voltages` population → [trial, time, cell] mV over `ts` [time] ms.

    `which` [trial] are their numbers in the test; `phases` [trial] the parts of each.
    """

    ts: np.ndarray
    voltages: Mapping[str, np.ndarray]
    which: np.ndarray
    phases: tuple[dict[str, tuple[float, float]], ...]
    judged: Judged

    @property
    def kind(self) -> np.ndarray:
        return self.judged.kind[self.which]

    @property
    def right(self) -> np.ndarray:
        return self.judged.good[self.which]

    @property
    def shown(self) -> list[tuple[int, str]]:
        """One trial per kind, a right one if there is any: (its place in `voltages`, the kind)."""
        found = []
        for k, name in enumerate(self.judged.kinds):
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


def simulated(job: Job[Any], model: Model, stage: Stage, batch: Batch, judged: Judged) -> Activity:
    """Simulate up to `PER_KIND` trials of each kind, right ones first, recording the somata of every population."""
    layouts = [x for x in model.structure.layouts if not x.virtual]
    alone = model.structure.is_cell
    record = {x.name or "cell": x.soma if alone else x.name for x in layouts}

    def one(model: Model, inputs: dict[str, Any]) -> tuple[jax.Array, dict[str, jax.Array]]:
        solution = job.run(model, inputs, stage, record)
        return solution.ts, {name: solution[name] for name in record}

    first = {name: x[0] for name, x in take(batch.inputs, np.arange(1)).items()}
    _, shapes = jax.eval_shape(one, model, first)
    size = sum(int(np.prod(x.shape)) for x in jax.tree.leaves(shapes))
    which = _chosen(judged, max(2, int(VALUES // max(size, 1))))
    ts, found = jax.jit(jax.vmap(one, (None, 0)))(model, take(batch.inputs, which))
    voltages = {name: np.asarray(found[name]).reshape(*found[name].shape[:2], -1) for name in record}
    inputs = [{k: x[i] for k, x in take(batch.inputs, which).items()} for i in range(len(which))]
    phases = tuple(_phases(job, each, stage) for each in inputs)
    return Activity(np.asarray(ts)[0], voltages, which, phases, judged)


def _chosen(judged: Judged, most: int) -> np.ndarray:
    """Return the same number of trials of each kind, right ones first, at most `most` in all."""
    kinds = range(min(len(judged.kinds), KINDS, most))
    each = max(1, min(PER_KIND, most // max(1, len(kinds))))
    parts = []
    for k in kinds:
        of_kind = np.flatnonzero(judged.kind == k)
        parts.append(of_kind[np.argsort(~judged.good[of_kind], kind="stable")][:each])
    return np.concatenate(parts)


def _phases(job: Job[Any], inputs: dict[str, Any], stage: Stage) -> dict[str, tuple[float, float]]:
    return {k: (float(a), float(b)) for k, (a, b) in job.phases(inputs, stage).items()}
