"""Everything that a report is made of: what the folder says, the task and its models, a few trials simulated again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.errors import CajaxError
from ..model.files import load
from ..model.model import Model
from ..tasks.task import Batch, Stage, Task
from .activity import Activity, Answers, answers_of, simulated
from .folder import Run, read_run


@dataclass(frozen=True)
class Material:
    """What there is; `missing` says in words why the rest is not."""

    run: Run
    task: Task | None = None
    before: Model | None = None
    after: Model | None = None
    test: tuple[Stage, Batch] | None = None
    answers: Answers | None = None
    activity: Activity | None = None
    missing: tuple[str, ...] = ()

    @property
    def trained(self) -> tuple[Task, Model, Model] | None:
        """The task with its models before and after training, if all three are there."""
        if self.task is None or self.before is None or self.after is None:
            return None
        return self.task, self.before, self.after


def gather(folder: str | Path, task: Task | None = None) -> Material:
    """Read a run folder, build its task unless it is given, load its models and simulate a few test trials.

    Raises `StoreError` for a folder that holds no run; whatever else is missing is said in the result.
    """
    run = read_run(folder)
    missing = list(run.faults)
    task = task or _tried(lambda: _task_of(run.folder), "The task cannot be built again", missing)
    before = _model(run, "before.npz", "before training", missing)
    after = _model(run, "model.npz", "after training", missing)
    if task is None or after is None:
        return Material(run, task, before, after, missing=tuple(missing))
    try:
        name, test = next(iter(task.tests().items()))
        answers = answers_of(run.folder, name, test[1], task)
        activity = simulated(task, after, *test, answers)
    except (CajaxError, OSError, ValueError, KeyError, StopIteration) as error:
        missing.append(f"No trials could be simulated: {_line(error)}.")
        return Material(run, task, before, after, missing=tuple(missing))
    return Material(run, task, before, after, test, answers, activity, tuple(missing))


def _task_of(folder: Path) -> Task:
    from ..tasks.catalogue import task_of

    return task_of(folder)


def _model(run: Run, name: str, when: str, missing: list[str]) -> Model | None:
    path = run.folder / name
    if not path.is_file():
        missing.append(f"There is no model {when} ({name}): this training has not come to its end.")
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
