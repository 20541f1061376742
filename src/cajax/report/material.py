"""What a report is composed of: what the folder says, the job and its models, a few trials simulated again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from ..base.errors import CajaxError
from ..jobs import Batch, Job, Judged, Stage
from ..model.files import load
from ..model.model import Model
from ..tasks import task_of
from .activity import Activity, judged_of, simulated
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
    if job is None or after is None:
        return Material(run, job, before, after, missing=tuple(missing))
    try:
        name, test = next(iter(job.tests().items()))
        judged = judged_of(run.folder, name, test[1], job)
        activity = simulated(job, after, *test, judged)
    except (CajaxError, OSError, ValueError, KeyError, StopIteration) as error:
        missing.append(f"No trials could be simulated: {_line(error)}.")
        return Material(run, job, before, after, missing=tuple(missing))
    return Material(run, job, before, after, test, judged, activity, tuple(missing))


def _model(run: Run, name: str, when: str, missing: list[str]) -> Model | None:
    path = run.folder / name
    if not path.is_file():
        end = "" if run.plain and run.state == "finished" else ": this training has not come to its end"
        missing.append(f"There is no model {when} ({name}){end}.")
        return None
    return _tried(lambda: load(path), f"The model {when} cannot be loaded", missing)


def _tried(make: Any, what: str, missing: list[str]) -> Any:
    try:
        return make()
    except (CajaxError, OSError, ImportError) as error:
        missing.append(f"{what}: {_line(error)}.")
        return None


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
