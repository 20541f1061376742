"""One look for every picture: text-sized drawings whose colours the page decides, so that day and night fit both."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

LIGHT = {
    "fg": "#1c1e22", "muted": "#62666e", "line": "#d4d6da", "bg": "#fcfcfa",
    "c0": "#2c6db0", "c1": "#d2641a", "c2": "#2b8a57", "c3": "#8750bd",
    "c4": "#c23a4c", "c5": "#a37f10", "c6": "#14848e", "c7": "#767b84",
}  # fmt: skip
"""Name → colour on paper; the first four are text, quiet text, hairlines and ground, the others draw data."""

DARK = {
    "fg": "#e7e7e3", "muted": "#a0a5ae", "line": "#3a3e46", "bg": "#15171b",
    "c0": "#6cabea", "c1": "#f0934f", "c2": "#5fc290", "c3": "#bb90e8",
    "c4": "#f27684", "c5": "#dab750", "c6": "#52c3cc", "c7": "#989da6",
}  # fmt: skip

# Matplotlib knows no CSS variables: it draws in colours that mean one each, and `svg` puts the variables there.
_INK = {name: f"#0101{i:02x}" for i, name in enumerate(LIGHT)}

DIVERGING = ("#2f7de1", "#8f9299", "#e2482d")
"""Less, as before, more: the middle is a grey that is seen on white and on black."""


def ink(name: str) -> str:
    """Return what to draw with inside `theme()` to get the page's colour of that name, such as "c0" or "muted"."""
    return _INK[name]


@contextmanager
def theme() -> Iterator[None]:
    """Draw with the page's colours and small type; pictures made inside are for `svg`."""
    from cycler import cycler
    from matplotlib import rc_context

    fg, muted, line = _INK["fg"], _INK["muted"], _INK["line"]
    settings: Any = {
        "svg.fonttype": "none",
        "text.parse_math": False,  # a dollar sign in a name is no formula
        "font.size": 9.0,
        "axes.titlesize": 9.5,
        "axes.labelsize": 9.0,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "legend.fontsize": 8.5,
        "text.color": fg,
        "axes.titlecolor": fg,
        "axes.titlelocation": "left",
        "axes.labelcolor": fg,
        "axes.edgecolor": muted,
        "axes.linewidth": 0.8,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelcolor": fg,
        "ytick.labelcolor": fg,
        "grid.color": line,
        "legend.frameon": False,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
        "axes.prop_cycle": cycler(color=[_INK[f"c{i}"] for i in range(8)]),
    }
    with rc_context(settings):
        yield


def diverging() -> Any:
    """Return the colour map from less over grey to more; what has no value is drawn as a hairline is."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("less_more", list(DIVERGING))
    return colours.with_extremes(bad=_INK["line"])


def heat_map(signed: bool = False) -> Any:
    """Return a colour map from nothing to much, or with `signed` from less over nothing to more.

    Nothing is transparent, so that it is the ground of the page by day and by night.
    """
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    less, more = DIVERGING[0], DIVERGING[2]
    stops = [to_rgba(less), to_rgba(less, 0.0), to_rgba(more, 0.0), to_rgba(more)]
    if signed:
        return LinearSegmentedColormap.from_list(
            "signed", list(zip([0.0, 0.5, 0.5, 1.0], stops, strict=True))
        )
    return LinearSegmentedColormap.from_list("much", stops[2:])


def svg(figure: Any, name: str, alt: str) -> str:
    """Return a figure drawn under `theme()` as an `<svg>` element for an HTML page.

    `name` makes its identifiers its own among the pictures of the page, `alt` says in words what it shows. Text stays
    text, colours are the variables `--fg`, `--c0`, … of the page, and nothing refers outside.
    """
    from matplotlib import rc_context

    engine = figure.get_layout_engine()
    if engine is not None:  # arranged once here, the figure need not be drawn twice
        engine.execute(figure)
        figure.set_layout_engine("none")
    out = io.StringIO()
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", dpi=160, metadata={"Date": None})
    drawing = out.getvalue()
    drawing = drawing[drawing.index("<svg") :].strip()
    drawing = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", drawing, flags=re.DOTALL)
    drawing = drawing.replace("xlink:href=", "href=")
    drawing = _own_ids(drawing, name)
    drawing = re.sub(r"font-family: [^;\"]*;?|(?<=px )'DejaVu Sans'[^;\"]*", "sans-serif;", drawing)
    drawing = re.sub(r' d="[^"]*"', lambda m: _short(m[0]), drawing)
    for colour, code in _INK.items():
        drawing = drawing.replace(code, f"var(--{colour})")
    width = figure.get_figwidth() * 96.0
    head = f'<svg role="img" aria-label="{escape(alt)}" style="max-width:{width:.0f}px"'
    box = re.search(r'viewBox="[^"]*"', drawing)
    return f"{head} {box[0] if box else ''}>{drawing[drawing.index('>') + 1 :]}"


def _own_ids(drawing: str, name: str) -> str:
    """Drop the identifiers that nothing refers to, and put `name` before the others."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', drawing))

    def mend(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in used else ""

    drawing = re.sub(r'\s+id="([^"]*)"', mend, drawing)
    return re.sub(r'(href="#|url\(#)([^")]+)', rf"\1{name}-\2", drawing)


def _short(path: str) -> str:
    """Round the coordinates of a path to a hundredth of a point."""
    path = re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), path)
    return re.sub(r"\s*\n\s*", "", path)
