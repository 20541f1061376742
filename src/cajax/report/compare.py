"""Two runs side by side: what was set differently, and what came of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np

from ..jobs import Figure
from .bars import known
from .folder import Run, read_run
from .html import duration

if TYPE_CHECKING:
    from rich.table import Table


def compare(a: str | Path, b: str | Path) -> "Table":
    """Return a table of what differs between two runs (settings, versions, data, machine) and of their figures.

    Raises `StoreError` for a folder that holds no run.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    runs = read_run(a), read_run(b)
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("", *(run.folder.resolve().name for run in runs)):
        table.add_column(Text(name), justify="left" if not name else "right")
    different = [Line(*row) for row in differences(*runs)]
    if not different:
        table.add_row(Text("same settings, versions, data and machine", style="dim"))
    for lines in (different, figures(*runs)):
        for line in lines:
            cells = (Text(x, style="bold" if k == line.best else "") for k, x in enumerate((line.a, line.b)))
            table.add_row(Text(line.what), *cells)
        table.add_section()
    return table


@final
class Line(NamedTuple):
    """A line of the comparison: what, in a, in b, and which of the two is better (0 or 1; −1 for neither)."""

    what: str
    a: str
    b: str
    best: int = -1


def differences(a: Run, b: Run) -> list[tuple[str, str, str]]:
    """Return (what, in a, in b) of everything that was set or present differently."""
    rows = []
    for part in ("task", "command", "seed", "data"):
        if a.record.get(part) != b.record.get(part):
            name = "hash of the data" if part == "data" else part
            rows.append((name, _text(a.record.get(part)), _text(b.record.get(part))))
    for part in ("settings", "versions", "machine"):
        left, right = (run.record.get(part) or {} for run in (a, b))
        for key in dict.fromkeys([*left, *right]):
            if left.get(key, _ABSENT) != right.get(key, _ABSENT):
                name = f"{key}" if part == "settings" else f"{part}: {key}"
                if key != "seed":
                    rows.append((name, _text(left.get(key, _ABSENT)), _text(right.get(key, _ABSENT))))
    return rows


_ABSENT = "absent"


def _text(x: Any) -> str:
    text = "none" if x is None else str(x)
    return text if len(text) <= 40 else f"{text[:37]}…"


def figures(a: Run, b: Run) -> list[Line]:
    """Return tests, controls, size, steps, time and state of both runs."""
    both, lines = (a, b), []
    for headline in dict.fromkeys(run.headline for run in both):
        of = [run if run.headline == headline else None for run in both]
        lines += _measured(headline, of)
    described: dict[str, Callable[[Run], str]] = {
        "trained numbers": lambda run: f"{run.size:,}" if run.size is not None else "–",
        "steps": lambda run: f"{run.steps:,}",
        "training time": lambda run: duration(run.seconds),
        "state": lambda run: run.state,
    }
    lines += [Line(what, text(a), text(b)) for what, text in described.items()]
    return lines


def _measured(headline: Figure, runs: Sequence[Run | None]) -> list[Line]:
    """Return the tests and controls of the runs that have this headline figure."""

    def line(what: str, values: Sequence[Any]) -> Line:
        x, y = (known(value) for value in values)
        best = -1 if np.isnan([x, y]).any() or x == y else int(headline.better(y, x))
        return Line(what, headline.text(x, 2), headline.text(y, 2), best)

    found = [run for run in runs if run is not None]
    if any(run.plain for run in found):
        return [line(headline.name, [run.figure if run is not None else None for run in runs])]
    tests = list(dict.fromkeys(test for run in found for test in run.tests))
    lines = [
        line(f"{test}: {headline.name}", [run.value(run.tests.get(test)) if run else None for run in runs])
        for test in tests
    ]
    for name in dict.fromkeys(c["name"] for run in found for c in run.controls):
        lines.append(line(f"control {name}", [_control(run, name, tests) if run else None for run in runs]))
    return lines


def _control(run: Run, name: str, tests: Sequence[str]) -> Any:
    entry = next((c for c in run.controls if c["name"] == name), None)
    return entry["tests"].get(tests[0]) if entry and tests else None
