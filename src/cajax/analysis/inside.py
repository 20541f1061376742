"""A whole look into a trained model: everything in this room that makes sense for its job, as plain figures."""

from typing import Any

import numpy as np

from ..jobs.job import Batch, Job, Say, Stage, take
from ..model.model import Model
from .energy import energy
from .lesions import lesions
from .resets import resets


def inside(
    job: Job[Any], before: Model, after: Model, say: Say = print, trials: int = 256, followed: int = 64
) -> dict[str, Any]:
    """Take a trained job apart on its first test: "resets" and "lesions" on `trials` trials, "energy" on `followed`."""
    stage, batch = next(iter(job.tests().values()))
    found = parts_of(job, before, after, stage, some(batch, trials), say)
    say("looking inside: what a trial costs")
    return found | {"energy": cost_of(job, after, stage, some(batch, followed))}


def parts_of(
    job: Job[Any], before: Model, after: Model, stage: Stage, batch: Batch, say: Say
) -> dict[str, Any]:
    """Return what `resets` and `lesions` find."""
    say("looking inside: what was learned where, and what the answer needs")
    return {
        "resets": resets(job, before, after, stage, batch),
        "lesions": lesions(job, after, stage, batch),
    }


def cost_of(job: Job[Any], after: Model, stage: Stage, batch: Batch) -> dict[str, Any]:
    """Return what `energy` finds, as plain figures."""
    cost = energy(job, after, batch, stage)
    total = {"ATP in all": cost.total, "in spikes of a cortical neuron": cost.in_spikes}
    return {"spikes": cost.spikes, "atp": cost.atp, **total}


def some(batch: Batch, count: int) -> Batch:
    """Return `count` trials from all over the batch, which may be in order."""
    total = len(batch.targets)
    which = np.arange(min(count, total)) * total // min(count, total)
    return Batch(take(batch.inputs, which), np.asarray(batch.targets)[which])
