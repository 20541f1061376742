"""What a report is composed of: what the folder says, the job and its models, a few trials simulated again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from ..base.disk import is_file
from ..base.errors import CajaxError, ParameterError
from ..jobs import Batch, Job, Judged, Stage
from ..model.files import load
from ..model.model import Model
from ..tasks import task_of
from .activity import Activity, judged_of, output_shape, simulated
from .folder import Run, read_run


@final
@dataclass(frozen=True)
class Material:
    """What there is; `missing` says in words why the rest is not."""

    run: Run
    job: Job[Any] | None = None
    before: Model | None = None
    after: Model | None = None
    test: tuple[Stage, Batch] | None = None
    judged: Judged | None = None
    activity: Activity | None = None
    missing: tuple[str, ...] = ()

    @property
    def models(self) -> tuple[Model, Model] | None:
        """The models before and after training, if both are there."""
        return None if self.before is None or self.after is None else (self.before, self.after)


def gather(folder: str | Path, job: Job[Any] | None = None) -> Material:
    """Read a run folder, build its job unless it is given, load its models and simulate a few test trials.

    Raises `StoreError` for a folder that holds no run; whatever else is missing is said in the result.
    """
    run = read_run(folder)
    missing = list(run.faults)
    if job is None and not run.plain:
        job = _tried(lambda: task_of(run.folder), "The task cannot be built again", missing)
    before = _model(run, "before.npz", "before training", missing)
    after = _model(run, "model.npz", "after training", missing)
    before, after = _fitting(before, after, missing)
    if job is None or after is None:
        return Material(run, job, before, after, missing=tuple(missing))
    shown = _tried(lambda: _shown(run, job, after, missing), "No trials could be simulated", missing)
    return Material(run, job, before, after, *(shown or (None, None, None)), missing=tuple(missing))


def _shown(
    run: Run, job: Job[Any], model: Model, missing: list[str]
) -> tuple[tuple[Stage, Batch], Judged, Activity]:
    """Return the first test of a job, its trials in words, and some of them simulated again."""
    tests = list(job.tests().items())
    if not tests:
        raise ParameterError(f"'{job.name}' has no tests")
    name, test = tests[0]
    shape = output_shape(job, model, *test)
    judged = judged_of(run.folder, name, test[1], job, shape, missing)
    return test, judged, simulated(job, model, *test, judged)


def _fitting(
    before: Model | None, after: Model | None, missing: list[str]
) -> tuple[Model | None, Model | None]:
    """Return both models, or none where they are not the same network before and after."""
    if before is not None and after is not None and _outline(before) != _outline(after):
        missing.append("The models before and after training are of different networks; both are left out.")
        return None, None
    return before, after


def _outline(model: Model) -> tuple[Any, ...]:
    """Return what training does not change: populations, and what the parameters are."""
    layouts = (
        (x.name, x.size, tuple((g.lanes, len(g.cvs)) for g in x.groups)) for x in model.structure.layouts
    )
    return (*layouts, *sorted(model.params))


def _model(run: Run, name: str, when: str, missing: list[str]) -> Model | None:
    path = run.folder / name
    if not is_file(path):
        end = "" if run.plain and run.state == "finished" else ": this training has not come to its end"
        missing.append(f"There is no model {when} ({name}){end}.")
        return None
    return _tried(lambda: load(path), f"The model {when} cannot be loaded", missing)


def _tried(make: Any, what: str, missing: list[str]) -> Any:
    try:
        return make()
    except CajaxError as error:
        missing.append(f"{what}: {str(error).rstrip('.')}.")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("cajax"):
            raise
        missing.append(f"{what}: this needs the package {error.name}; pip install 'cajax[train]'.")
    return None
