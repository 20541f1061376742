"""A whole look into a network that classifies: what any job allows, and what only classes make possible."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..jobs.classified import Classified
from ..jobs.job import Batch, Job, Say, Stage, take
from ..model.model import Model
from .attack import attack
from .held import held_by, numbers
from .inside import cost_of, parts_of, some


def inside_classified(
    job: Job[Classified],
    before: Model,
    after: Model,
    say: Say = print,
    trials: int = 256,
    followed: int = 64,
    rivals: Mapping[str, Callable[[Any], Any]] | None = None,
) -> dict[str, Any]:
    """Take a network that classifies apart: what `inside` does, and what only classes make possible.

    "attack" (where the job has an input to attack; beside `rivals`, other functions from inputs to logits) and
    "held_by" (through the delay, or else the first phase), both on `followed` trials.
    """
    stage, batch = next(iter(job.tests().values()))
    few = some(batch, followed)
    found = parts_of(job, before, after, stage, some(batch, trials), say)
    if job.attacked:
        say("looking inside: under attack")
        found["attack"] = {
            name: _attacked(job, answer, few, stage)
            for name, answer in {"network of neurons": after, **(rivals or {})}.items()
        }
    say("looking inside: what holds the classes apart, and what a decision costs")
    known = _repeated(few, job.remembered or None)
    if known is not None:
        found["held_by"] = _held(job, after, known, stage)
    return found | {"energy": cost_of(job, after, stage, few)}


def _attacked(job: Job[Classified], answer: Any, batch: Batch, stage: Stage) -> dict[str, Any]:
    fooled = attack(job, answer, batch, stage)
    steps = np.arange(len(fooled.accuracy))
    return {"steps": steps, "accuracy": fooled.accuracy, "l2": fooled.l2, "linf": fooled.linf}


def _held(job: Job[Classified], after: Model, batch: Batch, stage: Stage) -> dict[str, Any]:
    phases = job.phases({name: np.asarray(x)[0] for name, x in batch.inputs.items()}, stage)
    phase = "delay" if "delay" in phases else next(iter(phases))
    held = held_by(job, after, batch, stage, classes=job.remembered or None, phase=phase)
    share = {name: float(x) for name, x in zip(held.names, held.share, strict=True) if np.isfinite(x)}
    return {
        "population": held.population, "phase": held.phase, "times": held.ts, "names": held.names,
        "separation": held.separation, "decoded": held.decoded, "share": share,
    }  # fmt: skip


def _repeated(batch: Batch, classes: Any) -> Batch | None:
    """Return the trials whose class occurs twice at least, None where there are no two such classes."""
    kinds = np.asarray(batch.targets) if classes is None else numbers(batch, classes)
    if kinds.ndim != 1:
        return None
    _, inverse, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    which = np.flatnonzero(counts[inverse] > 1)
    if len(set(kinds[which])) < 2:
        return None
    return Batch(take(batch.inputs, which), np.asarray(batch.targets)[which])
