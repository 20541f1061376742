"""Small pieces of Markdown and figures that the reports of all workloads share."""

from collections.abc import Iterable, Sequence
from typing import Any

COLOURS = {"cajax": "#0072b2", "jaxley": "#d55e00", "neuron": "#009e73", "arbor": "#cc79a7"}


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def number(x: float | None, digits: int = 3) -> str:
    """Return a number with so many significant digits, or a dash."""
    if x is None:
        return "–"
    text = f"{x:.{digits}g}"
    return f"{float(text):,.0f}" if "e+" in text or abs(x) >= 10**digits else text


def span(row: dict[str, Any], scale: float = 1.0, digits: int = 3) -> str:
    """Return "median (least–largest)" of a row."""
    median, least, largest = (number(row[k] * scale, digits) for k in ("median_s", "least_s", "largest_s"))
    return f"{median} ({least}–{largest})"


def name(row: dict[str, Any]) -> str:
    """Return engine and method in words."""
    return f"{row['engine']}, {row['method'].replace('_', ' ')}"


def bars(ax: Any, rows: Sequence[dict[str, Any]], scale: float, labels: Sequence[str]) -> None:
    """Draw horizontal bars with their spread."""
    middle, below, above = [], [], []
    for r in rows:
        middle.append(r["median_s"] * scale)
        below.append((r["median_s"] - r["least_s"]) * scale)
        above.append((r["largest_s"] - r["median_s"]) * scale)
    ax.barh(
        range(len(rows)), middle, xerr=[below, above], color=[COLOURS[r["engine"]] for r in rows], height=0.7
    )
    ax.set_yticks(range(len(rows)), labels, fontsize=6)
    ax.set_xscale("log")
    ax.xaxis.set_minor_formatter("")
    ax.invert_yaxis()
