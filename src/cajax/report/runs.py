"""The list of runs in a folder: what each learned, how far it came, what it took."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..base.errors import CajaxError, StoreError
from ..train.store import RECORD
from .folder import Run, read_run
from .html import duration

if TYPE_CHECKING:
    from rich.table import Table

STATES = {"finished": "green", "training": "cyan", "interrupted": "yellow", "diverged": "red"}


def begun(run: Run) -> datetime:
    """Return when a run began: the time of its oldest file, since a resumed run rewrites its record."""
    files = [run.folder / RECORD, run.folder / "before.npz", *run.folder.glob("stages/*/*.json")]
    return datetime.fromtimestamp(min(p.stat().st_mtime for p in files if p.exists()))


def runs_table(root: str | Path = "runs") -> "Table":
    """Return a table of the run folders in `root`, for Rich to print; folders that are no runs are listed as such.

    Raises `StoreError` when there is no folder `root`.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    root = Path(root)
    if not root.is_dir():
        raise StoreError(f"there is no folder {root}; 'cajax train' makes it, or name another one")
    # Narrow enough for a terminal of 80 columns; what is longer is folded, never cut.
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0))
    for name in ("run", "began", "result", "numbers", "steps", "time", "state"):
        right = name in ("result", "numbers", "steps", "time")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    for folder in folders:
        table.add_row(Text(folder.name), *(Text(cell, style) for cell, style in _cells(folder)))
    if not folders:
        table.caption = f"no runs in {root}"
    return table


def _result(run: Run) -> str:
    """Return the headline figure; what has no unit gets its name."""
    headline, text = run.headline, run.headline.text(run.figure, 2 if run.headline.unit == "%" else 1)
    return text if headline.unit or run.figure is None else f"{headline.name} {text}"


def _cells(folder: Path) -> list[tuple[str, str]]:
    """Return the text and the style of every cell after the folder's name."""
    if not (folder / RECORD).is_file():
        return [("", "")] * 5 + [("not a run", "dim")]
    try:
        run = read_run(folder)
        state = run.state + (" (partly damaged)" if run.faults else "")
        return [
            (f"{begun(run):%Y-%m-%d %H:%M}", ""),
            (_result(run), "bold"),
            (f"{run.size:,}" if run.size is not None else "–", ""),
            (f"{run.steps:,}", ""),
            (duration(run.seconds), ""),
            (state, STATES.get(run.state, "")),
        ]
    except (CajaxError, OSError, TypeError, ValueError, KeyError, AttributeError):
        return [("", "")] * 5 + [("damaged", "red")]
