"""Options that the commands of `cajax train` share."""

from pathlib import Path
from typing import Annotated

import typer

Seed = Annotated[
    int | None,
    typer.Option(min=0, max=2**32 - 1, help="Seed of all that is drawn.", show_default="0", metavar="N"),
]
Runs = Annotated[Path | None, typer.Option(help="Folder for the run.", metavar="PATH", show_default="runs")]
Resume = Annotated[
    Path | None, typer.Option(help="Run folder to go on with, by its settings.", metavar="PATH")
]
Cores = Annotated[int, typer.Option(min=0, help="CPU cores (0: all, at most 8).", metavar="N")]
Controls = Annotated[
    bool,
    typer.Option("--controls/--no-controls", help="Train controls made of neurons too, after the report."),
]
