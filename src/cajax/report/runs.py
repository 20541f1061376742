"""The list of runs in a folder: what each learned, how far it came, what it took."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..base.disk import is_file, is_folder
from ..base.errors import CajaxError, StoreError
from ..train.store import RECORD
from .folder import Run, entries, modified, read_run
from .html import duration

if TYPE_CHECKING:
    from rich.table import Table

STATES = {
    "finished": "green",
    "training": "cyan",
    "searching": "cyan",
    "interrupted": "yellow",
    "diverged": "red",
}


def begun(run: Run) -> str:
    """Return when a run began: the time of its oldest file, since a resumed run rewrites its record."""
    files = [run.folder / RECORD, run.folder / "before.npz", *run.folder.glob("stages/*/*.json")]
    times = [time for time in map(modified, files) if time > 0.0]
    try:
        return f"{datetime.fromtimestamp(min(times, default=0.0)):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):  # a file can claim any year
        return "–"


def runs_table(root: str | Path = "runs") -> "Table":
    """Return a table of the run folders in `root`, for Rich to print; folders that are no runs are listed as such.

    Raises `StoreError` when there is no folder `root`.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    root = Path(root)
    if not is_folder(root):
        raise StoreError(f"there is no folder {root}; 'cajax train' makes it, or name another one")
    # Narrow enough for a terminal of 80 columns; what is longer is folded, never cut.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0))
    for name in ("run", "began", "result", "numbers", "steps", "time", "state"):
        right = name in ("result", "numbers", "steps", "time")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    folders, faults = _folders(root), []
    for folder in folders:
        table.add_row(Text(folder.name), *(Text(cell, style) for cell, style in _cells(folder, faults)))
    said = faults if folders else [f"no runs in {root}"]
    if said:
        table.caption = Text("\n".join(said), justify="left")
    return table


def _folders(root: Path) -> list[Path]:
    """Return the folders in `root`; what cannot be looked at may be one."""
    faults: list[str] = []
    found = entries(root, faults)
    if faults:
        raise StoreError(f"{faults[0]}; give a folder that is yours")
    return [p for p in found if not p.name.startswith(".") and (os.path.isdir(p) or not os.path.exists(p))]


def _result(run: Run) -> str:
    """Return the headline figure; what has no unit gets its name."""
    headline, text = run.headline, run.headline.text(run.figure, 2 if run.headline.unit == "%" else 1)
    return text if headline.unit or run.figure is None else f"{headline.name} {text}"


def _cells(folder: Path, faults: list[str]) -> list[tuple[str, str]]:
    """Return the text and the style of every cell after the folder's name; why one is damaged goes to `faults`."""
    try:
        if not is_file(folder / RECORD):
            return [("", "")] * 5 + [("not a run", "dim")]
        run = read_run(folder)
        state = run.state + (", damaged" if run.faults else "")
        return [
            (begun(run), ""),
            (_result(run), "bold"),
            (f"{run.size:,}" if run.size is not None else "–", ""),
            (f"{run.steps:,}", ""),
            (duration(run.seconds), ""),
            (state, STATES.get(run.state, "")),
        ]
    except CajaxError as error:
        faults.append(f"{folder.name}: {error}")
        return [("", "")] * 5 + [("damaged", "red")]
