"""Small pieces of HTML; everything that comes from outside is escaped here."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, final

import numpy as np


@final
@dataclass(frozen=True)
class Picture:
    """A drawing (`<svg>`) and what is said under it; `wide` ones take the whole column."""

    drawing: str
    caption: str
    wide: bool = False


def words(x: Any) -> str:
    """Return the escaped text of a value: numbers short, lists with commas, nothing as a dash."""
    if x is None:
        return "–"
    if isinstance(x, bool):
        return "yes" if x else "no"
    if isinstance(x, int | np.integer):
        return f"{x:,}"
    if isinstance(x, float | np.floating):
        if not np.isfinite(x):
            return "–"
        return f"{x:,.0f}" if x == round(x) and abs(x) < 1e9 else f"{x:.4g}"
    if isinstance(x, dict):
        return ", ".join(f"{escape(str(k))}: {words(v)}" for k, v in x.items())
    if isinstance(x, list | tuple | np.ndarray):
        return ", ".join(words(v) for v in x)
    return escape(str(x))


def percent(x: Any, digits: int = 1) -> str:
    """Return a share 0..1 in %; a dash for what is no number."""
    known = isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)
    return f"{100.0 * x:.{digits}f} %" if known else "–"


def duration(seconds: Any) -> str:
    """Return a time in the unit that fits: "41 s", "12.5 min", "1.6 h"; a dash for what is no number."""
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return "–"
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of text that is HTML already."""
    return f"<p{f' class={kind}' if kind else ''}>{text}</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", text: int = 1) -> str:
    """Return a table of cells that are HTML already; the first `text` columns are words, the others numbers."""

    def row(cells: Sequence[str], kind: str) -> str:
        made = (f"<{kind}{'' if k < text else ' class=n'}>{cell}</{kind}>" for k, cell in enumerate(cells))
        return f"<tr>{''.join(made)}</tr>"

    top = f"<thead>{row(head, 'th')}</thead>" if any(head) else ""
    body = "".join(row(cells, "td") for cells in rows)
    said = f'<p class="said">{caption}</p>' if caption else ""
    return f'{said}<div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'


def pictures(found: Iterable[Picture]) -> str:
    """Return pictures side by side where there is room, each with its caption."""
    made = (
        f'<figure{" class=wide" if p.wide else ""}><div class="scroll">{p.drawing}</div>'
        f"<figcaption>{p.caption}</figcaption></figure>"
        for p in found
    )
    inside = "".join(made)
    return f'<div class="pictures">{inside}</div>' if inside else ""


def section(name: str, title: str, body: str) -> str:
    """Return a section that the table of contents can point at."""
    return f'<section id="{name}"><h2>{escape(title)}</h2>{body}</section>'


def page(title: str, head: str, sections: Sequence[tuple[str, str, str]], style: str) -> str:
    """Return the whole page: a head, the contents, and (name, title, body) of every section.

    The policy in its head forbids the browser to load anything from anywhere.
    """
    contents = "".join(f'<li><a href="#{name}">{escape(what)}</a></li>' for name, what, _ in sections)
    body = "".join(section(*each) for each in sections)
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        f'<body><main><header>{head}</header><nav aria-label="Contents"><ol>{contents}</ol></nav>{body}'
        "</main></body></html>\n"
    )
