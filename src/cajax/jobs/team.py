"""A job on several hosts: host 0 runs it, and says to the others what to train with it, and when it is over."""

from pathlib import Path
from typing import Any

from ..base.errors import Interrupted, ParameterError
from ..train import hosts
from .folder import about_of, rebuilt, require_devices
from .job import Job
from .learn import learn


def lead(job: Job[Any]) -> None:
    """Say to the other hosts what job it is; `ParameterError` where they have other settings or data."""
    group = hosts.team()
    if group is not None:
        about = about_of(job)
        group.share(lambda: {"settings": job.settings()})
        group.agree({**_settings(job), "data": about["data_hash"]})


def order(version: str) -> None:
    """Let the other hosts train with this one: the job itself (""), or a version of it that is a control."""
    if (group := hosts.team()) is not None:
        group.share(lambda: {"train": version})


def over(folder: Path | None) -> None:
    """Say to the other hosts that the job is done; None where it was interrupted."""
    if (group := hosts.team()) is not None:
        group.share(lambda: {"over": None if folder is None else str(folder)})


def told(again: str) -> None:
    """Say to the other hosts how a run goes on after a loss."""
    if (group := hosts.team()) is not None:
        group.goes_on_with(f"resume with: {again}, and the same --hosts and --coordinator, on every host")


def follow(kind: type[Job[Any]], given: Job[Any] | None = None) -> Path | None:
    """Help host 0 with its job, until it is over; return its folder, None where it was interrupted.

    Raises `ParameterError` where settings or data are not those of the job that was `given` here.
    """
    group = hosts.team()
    if group is None:
        raise ParameterError("this process is alone; start it with --hosts, or within joined(...)")
    about = group.share(dict)
    job = rebuilt(kind, {**about, "task": kind.name, "data": ""}, Path("the run of host 0"))  # pyright: ignore
    group.agree({**_settings(given or job), "data": about_of(job)["data_hash"]})
    require_devices(job)
    try:
        while "train" in (word := group.share(dict)):
            version = str(word["train"])
            learn(job.versions()[version] if version else job, None, lambda text: None)
    except Interrupted:
        return None
    return None if word["over"] is None else Path(word["over"])


def _settings(job: Job[Any]) -> dict[str, Any]:
    return {f"setting {name}": value for name, value in job.settings().items()}
