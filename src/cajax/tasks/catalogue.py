"""The tasks by name, which one a run folder is of, and how to go on with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import jobs
from ..base.errors import StoreError, unknown
from ..jobs.folder import load_run, rebuilt
from ..jobs.job import Job
from .calcium import Calcium
from .dendrite import Dendrite
from .digits import Digits
from .evidence import Evidence
from .match import Match
from .mnist import Mnist
from .recall import Recall
from .voltage import Voltage

TASKS: dict[str, type[Job[Any]]] = {
    kind.name: kind for kind in (Digits, Mnist, Match, Evidence, Recall, Dendrite, Voltage, Calcium)
}


def task_of(folder: Path) -> Job[Any]:
    """Return the task of a run folder with its settings; `StoreError` for any other folder, or one too old or new."""
    entry = load_run(folder)
    if entry["task"] not in TASKS:
        raise unknown("task", str(entry["task"]), TASKS, where=str(folder))
    return rebuilt(TASKS[entry["task"]], entry, folder)


def require_task(folder: Path, name: str) -> None:
    """Raise `StoreError` unless a run folder is of the task `name`."""
    task = load_run(folder)["task"]
    if task != name:
        raise StoreError(
            f"{folder} is a run of '{task}', not of '{name}'; write: cajax train {task} --resume {folder}"
        )


def resume(
    folder: Path,
    every_control: bool = False,
    task: Job[Any] | None = None,
    done: Callable[[Path], None] | None = None,
) -> Path | None:
    """Go on with a run where it ended; what is done is not done again. Give `task` when it is one of your own."""
    return jobs.resume(task_of(folder) if task is None else task, folder, every_control, done)
