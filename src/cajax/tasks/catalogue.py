"""The tasks by name, and which one a run folder is of."""

from pathlib import Path

from ..base.errors import StoreError, unknown
from ..jobs.learn import load_run, rebuilt
from .dendrite import Dendrite
from .digits import Digits
from .evidence import Evidence
from .match import Match
from .mnist import Mnist
from .recall import Recall
from .task import Task

TASKS: dict[str, type[Task]] = {
    kind.name: kind for kind in (Digits, Mnist, Match, Evidence, Recall, Dendrite)
}


def task_of(folder: Path) -> Task:
    """Return the task of a run folder with its settings; `StoreError` for a folder that is none, or too old or new."""
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
