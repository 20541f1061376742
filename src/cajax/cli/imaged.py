"""`cajax train voltage` and `cajax train calcium`: cells that are imaged at many sites."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from .hosts import Coordinator, Host, Hosts, place
from .options import Controls, Cores, Resume, Runs, Seed

IMAGED = {
    "voltage": "Find conductances of every branch from voltage imaging at all of them.",
    "calcium": "Find synapses and channels of a ganglion cell from calcium imaging.",
}
"""Tasks that take a reconstruction, and what they are."""

Morph = Annotated[
    str | None, typer.Option(help="Reconstruction to take instead of the built-in cell.", metavar="PATH")
]


def add_imaged(train: typer.Typer, begin: Callable[..., None]) -> None:
    """Add both commands; `begin` runs a task by name, settings and what all tasks have in common."""

    def add(name: str, about: str) -> None:
        @train.command(name, help=about)
        def command(
            morphology: Morph = None,
            seed: Seed = None,
            runs: Runs = None,
            resume: Resume = None,
            cores: Cores = 0,
            controls: Controls = False,
            hosts: Hosts = None,
            host: Host = None,
            coordinator: Coordinator = None,
        ) -> None:
            settings: dict[str, Any] = {"morphology": morphology, "seed": seed}
            begin(name, settings, runs, resume, cores, controls, place(hosts, host, coordinator))

    for name, about in IMAGED.items():
        add(name, about)
