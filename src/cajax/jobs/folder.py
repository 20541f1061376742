"""The run folder of a job: its start, its record, what is checked before a run goes on, its models."""

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

import jax

from ..base.errors import ParameterError, StoreError
from ..model.files import load, save
from ..model.model import Model
from ..train import data_hash, new_run, record
from ..train.store import RECORD, read_record
from .job import Job

J = TypeVar("J", bound=Job[Any])


def start(job: Job[Any], runs: Path) -> Path:
    """Make the run folder of a job, with the record of everything that decides the run."""
    about = _about(job)  # reads the data: where they are missing, there is no folder
    folder = new_run(runs, job.name)
    record(folder, **about)
    return folder


def resumed(job: Job[Any], folder: Path) -> None:
    """Append to the record of a run folder; `StoreError` when the data are not those it began with."""
    about, before = _about(job), load_run(folder)["data"]
    if about["data_hash"] != before:
        raise StoreError(
            f"{folder} was trained on other data ({str(before)[:15]}… there, {about['data_hash'][:15]}… now);"
            " give it the same data, or start a new run"
        )
    record(folder, **about)


def _about(job: Job[Any]) -> dict[str, Any]:
    shown = [job.trials(job.stages()[0], 0), *(batch for _, batch in job.tests().values())]
    return {
        "seed": job.seed, "data_hash": data_hash(*jax.tree.leaves(shown)), "task": job.name,
        "settings": job.settings(), "score": job.score.record(),
    }  # fmt: skip


def load_run(folder: Path) -> dict[str, Any]:
    """Return the record of the run folder of a job; `StoreError` for any other folder."""
    entry = read_record(folder)
    if not {"task", "settings", "data"} <= entry.keys():
        raise StoreError(
            f"{folder / RECORD} is not the record of a job; a plain fit goes on with the same call of cajax.fit"
        )
    return entry


def rebuilt(kind: type[J], entry: dict[str, Any], folder: Path) -> J:
    """Return the job with the settings of a run folder; `StoreError` when they are of another version."""
    fields = {field.name for field in dataclasses.fields(kind)}
    odd = sorted(fields ^ entry["settings"].keys())
    if odd:
        version = entry.get("versions", {}).get("cajax", "unknown")
        raise StoreError(
            f"{folder} was made by another version of Cajax ({version}): its settings differ in {', '.join(odd)};"
            " install that version, or start a new run"
        )
    try:
        return kind(**entry["settings"])
    except TypeError as error:
        raise StoreError(f"the settings in {folder / RECORD} are damaged: {error}") from error


def models(folder: Path) -> tuple[Model, Model]:
    """Return the models before and after training."""
    return load(folder / "before.npz"), load(folder / "model.npz")


def keep_models(before: Model, after: Model, folder: Path) -> None:
    """Save the models before and after training."""
    save(folder / "before.npz", before)
    save(folder / "model.npz", after)


def require_devices(job: Job[Any]) -> None:
    """Raise `ParameterError` unless a batch can be shared out over the cores."""
    count = len(jax.local_devices())
    if job.batch % count:
        raise ParameterError(
            f"a batch of {job.batch} cannot be shared out over {count} cores; take --cores 1"
        )
