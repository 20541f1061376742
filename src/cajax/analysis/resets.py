"""Resets: groups of trained parameters put back to where training started, and the figure that is left."""

from typing import Any

from ..jobs.job import Batch, Job, Stage
from ..jobs.learn import measured
from ..model.model import Model
from .lesions import matching


def resets(job: Job[Any], before: Model, after: Model, stage: Stage, batch: Batch) -> dict[str, float]:
    """Return the headline figure with each group of trained parameters put back to where training started.

    First "intact", then every group of `job.reset_groups()`, of which "everything" is the last. Groups of which nothing
    was trained are left out. `before` is the model before training.
    """
    wide, trained = as_wide(before, after), job.free().choices(after)
    found = {"intact": measured(job, after, stage, batch)}
    for name, globs in job.reset_groups().items():
        paths = matching(globs, after)
        if any(path in trained for path in paths):
            start = {path: wide.params[path] for path in paths}
            found[name] = measured(job, after.replace(start), stage, batch)
    return found


def as_wide(before: Model, after: Model) -> Model:
    """Return `before` with a value per place wherever training has made it so in `after`."""
    for path, value in after.params.items():
        painted = after.structure.painted(path)
        if path in before.params and before.params[path].shape != value.shape and painted is not None:
            before = before.widened(path, painted.scope)
    return before
