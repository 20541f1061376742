"""Options of the command line for training on several hosts, by number and address or as Slurm has it."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, final

import typer

from ..base.errors import ParameterError

Hosts = Annotated[str | None, typer.Option(help="How many, or 'auto'.", metavar="N", show_default=False)]
Host = Annotated[int | None, typer.Option(min=0, help="Which one this is.", metavar="N", show_default=False)]
Coordinator = Annotated[
    str | None, typer.Option(help="Where host 0 is.", metavar="ADDRESS:PORT", show_default=False)
]

SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID")
FIRST_PORT, PORTS = 61_440, 4_096
"""A job of Slurm uses one of these ports, by its number."""


@final
class Place(NamedTuple):
    """Which of several hosts this one is, and where host 0 listens."""

    hosts: int
    host: int
    coordinator: str


def place(hosts: str | None, host: int | None, coordinator: str | None) -> Place | None:
    """Return what the options say, None for one host; `ParameterError` for options that do not go together."""
    if hosts == "auto":
        return _of_slurm(host, coordinator)
    if hosts is None:
        given = [name for name, x in (("--host", host), ("--coordinator", coordinator)) if x is not None]
        if given:
            raise ParameterError(f"{given[0]} needs the number of hosts; add for example --hosts 2")
        return None
    if not (hosts.isascii() and hosts.isdecimal() and 0 < int(hosts[:7]) <= 10_000):
        raise ParameterError(f"--hosts {hosts}: give a number of hosts, or 'auto' under Slurm")
    count, number = int(hosts), host or 0
    if number >= count:
        raise ParameterError(f"--host {number}: of {count} hosts the numbers are 0 to {count - 1}")
    if count == 1:
        return None
    if coordinator is None:
        raise ParameterError(
            f"--hosts {count} needs --coordinator ADDRESS:PORT, the address of host 0 and a free port of it, the same"
            " on all; under Slurm --hosts auto finds both"
        )
    return Place(count, number, coordinator)


def _of_slurm(host: int | None, coordinator: str | None) -> Place | None:
    """Return what the variables of Slurm say: one task is one host, the first node is where host 0 listens."""
    missing = [name for name in SLURM if not os.environ.get(name)]
    if missing:
        raise ParameterError(
            f"--hosts auto finds no {missing[0]}: this is not a step of Slurm; start it with srun, or give --hosts N"
        )
    if host is not None:
        raise ParameterError(f"--host {host}: --hosts auto takes the number from Slurm; leave it out")
    job, nodes, tasks, task = (os.environ[name] for name in SLURM)
    if not all(text.isascii() and text.isdecimal() for text in (job, tasks, task)):
        raise ParameterError("--hosts auto: the variables of Slurm are no numbers; give --hosts N instead")
    if int(tasks) == 1:
        return None
    return Place(int(tasks), int(task), coordinator or f"{first(nodes)}:{FIRST_PORT + int(job) % PORTS}")


def first(nodes: str) -> str:
    """Return the first name of a list of nodes as Slurm writes it: 'node[007-015,020],other' is 'node007'."""
    head, bracket, rest = nodes.split(",")[0].partition("[")
    return head + rest.partition("]")[0].partition("-")[0] if bracket else head


@contextlib.contextmanager
def joined_at(where: Place | None, about: Mapping[str, Any]) -> Iterator[bool]:
    """Train on several hosts within this context; whether this is the one that leads."""
    if where is None:
        yield True
        return
    from ..train import joined

    with joined(where.hosts, where.host, where.coordinator, about):
        yield where.host == 0
