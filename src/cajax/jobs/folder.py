"""The run folder of a job: its start, its record, what is checked before a run goes on, its models."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from ..base.disk import plain
from ..base.errors import ParameterError, StoreError
from ..base.schema import conformed, hints_of, is_json
from ..model.files import load, save
from ..model.model import Model
from ..train import data_hash, hosts, new_run, record
from ..train.store import RECORD, read_record
from .contents import JobRecord
from .job import Job

J = TypeVar("J", bound=Job[Any])


def start(job: Job[Any], runs: Path) -> Path:
    """Make the run folder of a job, with the record of everything that decides the run."""
    about = about_of(job)  # reads the data: where they are missing, there is no folder
    folder = new_run(runs, job.name)
    record(folder, **about)
    return folder


def resumed(job: Job[Any], folder: Path) -> None:
    """Append to the record of a run folder; `StoreError` when the data are not those it began with."""
    about, before = about_of(job), load_run(folder)["data"]
    if about["data_hash"] != before:
        raise StoreError(
            f"{folder} was trained on other data ({str(before)[:15]}… there, {about['data_hash'][:15]}… now);"
            " give it the same data, or start a new run"
        )
    record(folder, **about)


def about_of(job: Job[Any]) -> dict[str, Any]:
    """Return what `run.json` says of a job: everything that decides a run of it."""
    shown = [job.trials(job.stages()[0], 0), *(batch for _, batch in job.tests().values())]
    return {
        "seed": job.seed, "data_hash": data_hash(*jax.tree.leaves(shown)), "task": job.name,
        "settings": job.settings(), "settings_hash": _hashed(job.settings()), "score": job.score.record(),
    }  # fmt: skip


def load_run(folder: Path) -> JobRecord:
    """Return the record of the run folder of a job; `StoreError` for any other folder, or one that was changed."""
    entry: Any = read_record(folder)
    path = folder / RECORD
    if not {"task", "settings", "data"} <= entry.keys():
        raise StoreError(
            f"{path} is not the record of a job; a plain fit goes on with the same call of cajax.fit"
        )
    found: JobRecord = conformed(entry, JobRecord, f"{path}: ")
    # Runs of the first versions have none.
    if found.get("settings_hash", known := _hashed(found["settings"])) != known:
        raise StoreError(
            f"{path}: settings are not those that the run began with; put them back, or start a new run"
        )
    return found


def _hashed(settings: Mapping[str, Any]) -> str:
    return data_hash(np.array(json.dumps(plain(settings), sort_keys=True)))


def rebuilt(kind: type[J], entry: JobRecord, folder: Path) -> J:
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
        return kind(**_typed(entry["settings"], kind))
    except (StoreError, TypeError) as error:
        raise StoreError(
            f"the settings in {folder / RECORD} are damaged: {error}; start a new run"
        ) from error


def _typed(settings: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """Return settings as the fields of a job are annotated, where JSON can hold that."""
    hints, found = hints_of(kind), {}
    for name, value in settings.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if whole and not -LARGEST <= value <= 2**128:
            raise StoreError(f"settings.{name} is {value}")
        found[name] = conformed(value, hints[name], f"settings.{name}") if is_json(hints[name]) else value
    return found


LARGEST = 2**63
"""No whole number among settings is less than its negative; seeds may have 128 bits."""


def models(folder: Path) -> tuple[Model, Model]:
    """Return the models before and after training."""
    return load(folder / "before.npz"), load(folder / "model.npz")


def keep_models(before: Model, after: Model, folder: Path) -> None:
    """Save the models before and after training."""
    save(folder / "before.npz", before)
    save(folder / "model.npz", after)


def require_devices(job: Job[Any]) -> None:
    """Raise `ParameterError` unless a batch can be shared out over the cores, of all hosts where there are several."""
    group, count = hosts.team(), len(hosts.devices())
    if job.batch % count and group is not None:
        raise ParameterError(
            f"a batch of {job.batch} cannot be shared out over {count} devices of {group.hosts} hosts; take other"
            " --cores or another number of hosts"
        )
    if job.batch % count:
        raise ParameterError(
            f"a batch of {job.batch} cannot be shared out over {count} cores; take --cores 1"
        )
