"""Two runs side by side: what was set differently, and what came of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .folder import Run, number, read_run
from .html import duration, percent

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
    parts = {"different": differences(*runs), "figures": figures(*runs)}
    for title, rows in parts.items():
        if title == "different" and not rows:
            table.add_row(Text("same settings, versions, data and machine", style="dim"))
        for row in rows:
            best = _better(row[1], row[2]) if title == "figures" else -1
            cells = (Text(x, style="bold" if k == best else "") for k, x in enumerate(row[1:]))
            table.add_row(Text(row[0]), *cells)
        table.add_section()
    return table


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


def figures(a: Run, b: Run) -> list[tuple[str, str, str]]:
    """Return (what, of a, of b): tests, controls, size, steps, time and state."""
    both = (a, b)
    rows = []
    for test in dict.fromkeys([*a.tests, *b.tests]):
        rows.append(
            (f"{test}: accuracy", *(percent(number(r.tests.get(test, {}).get("accuracy")), 2) for r in both))
        )
    first = next(iter([*a.tests, *b.tests]), None)
    for name in dict.fromkeys(str(c.get("name")) for r in both for c in r.controls):
        found = [next((c for c in r.controls if str(c.get("name")) == name), {}) for r in both]
        rows.append(
            (f"control {name}", *(percent(number((c.get("tests") or {}).get(first)), 2) for c in found))
        )
    sizes = [r.metrics.get("parameters") for r in both]
    rows.append(("trained numbers", *(f"{s:,}" if isinstance(s, int) else "–" for s in sizes)))
    rows.append(("steps", *(f"{r.steps:,}" for r in both)))
    rows.append(("training time", *(duration(r.seconds) for r in both)))
    rows.append(("state", *(r.state for r in both)))
    return rows


def _better(left: str, right: str) -> int:
    """Return which of two percentages is greater, −1 where they are none or equal."""
    try:
        x, y = (float(text.removesuffix(" %")) for text in (left, right) if text.endswith(" %"))
    except ValueError:
        return -1
    return -1 if x == y else int(y > x)
