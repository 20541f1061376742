"""Figures of a training run: curves, confusion matrix, bars, heat maps, examples, voltage traces, rasters."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def subplots(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Return a figure and its axes that need no display (a plain `Figure`, so nothing global is touched)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=kwargs.pop("figsize", (6.0, 4.0)), layout=kwargs.pop("layout", "constrained"))
    return figure, figure.subplots(*args, **kwargs)


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    part = path.with_suffix(".part")
    figure.savefig(part, format="png", dpi=130)
    os.replace(part, path)


def colour(name: str) -> Any:
    """Return a colour of the present style, such as "text.color" or "xtick.color"."""
    from matplotlib import rcParams

    settings: Any = rcParams
    return settings[name]


def bare(ax: Any) -> None:
    """Leave only the left and the lower line of the frame."""
    ax.spines[["top", "right"]].set_visible(False)


def curves(ax: Any, x: np.ndarray, lines: Mapping[str, np.ndarray], xlabel: str, ylabel: str) -> None:
    """Draw named curves over a common axis."""
    for name, y in lines.items():
        ax.plot(x[: len(y)], y, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    bare(ax)
    if len(lines) > 1:
        ax.legend(frameon=False)


def confusion(
    ax: Any,
    matrix: np.ndarray,
    names: Sequence[str] | None = None,
    xlabel: str = "read as",
    ylabel: str = "true digit",
) -> None:
    """Draw a confusion matrix `[true, predicted]` of counts; the diagonal is muted so that mistakes stand out.

    A mistake is the redder the greater its share of the most frequent one. `names` [class] are those of the classes
    (default: their numbers).
    """
    from matplotlib.patches import Rectangle

    matrix = np.asarray(matrix)
    size = len(matrix)
    wrong = np.where(np.eye(size, dtype=bool), 0, matrix)
    for (i, j), count in np.ndenumerate(matrix):
        share = float(wrong[i, j] / max(1, wrong.max()))
        if share:
            box = Rectangle((j - 0.5, i - 0.5), 1, 1, color="C4", alpha=0.15 + 0.6 * share, lw=0)
            ax.add_patch(box)
        if count and size <= 20:
            quiet = colour("xtick.color") if i == j else colour("text.color")
            ax.text(j, i, f"{int(count)}", ha="center", va="center", color=quiet, fontsize=8)
    names = [str(i) for i in range(size)] if names is None else names
    ax.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), aspect="equal", xlabel=xlabel, ylabel=ylabel)
    long = max(map(len, names)) > 3
    ax.set_xticks(range(size), names, rotation=90 if long and size > 4 else 0)
    ax.set_yticks(range(size), names)
    ax.tick_params(length=0)


def digits(axes: Sequence[Any], images: np.ndarray, true: np.ndarray, read: np.ndarray) -> None:
    """Show images `[image, row, column]`, each with its true label and what it was read as."""
    for ax in axes:
        ax.set_axis_off()
    for ax, image, t, r in zip(axes, images, true, read, strict=False):
        ax.imshow(image, cmap="gray_r")
        ax.set_title(f"{t} read as {r}", fontsize=8)


def traces(
    ax: Any, ts: np.ndarray, v: np.ndarray, labels: Sequence[Any] | None = None, highlight: int | None = None
) -> None:
    """Draw voltage traces `[time, site]` in mV over time in ms."""
    for i, trace in enumerate(v.T):
        strong = highlight is None or i == highlight
        ax.plot(
            *thinned(ts, trace),
            lw=2.0 if i == highlight else 1.0,
            alpha=1.0 if strong else 0.5,
            label=labels[i] if labels else None,
        )
    ax.set(xlabel="time (ms)", ylabel="voltage (mV)")
    bare(ax)
    if labels:
        ax.legend(frameon=False, fontsize=7, ncols=2)


def thinned(x: np.ndarray, y: np.ndarray, most: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Return at most about `most` points of a long curve: the least and the greatest of every stretch, as drawn."""
    width = -(-2 * len(y) // most)
    if width < 3:
        return x, y
    whole = len(y) // width * width
    parts = np.asarray(y)[:whole].reshape(-1, width)
    ends = np.sort(np.stack([parts.argmin(axis=1), parts.argmax(axis=1)], axis=1), axis=1)
    kept = (np.arange(len(parts))[:, None] * width + ends).ravel()
    kept = np.unique(np.concatenate([[0], kept, np.arange(whole, len(y)), [len(y) - 1]]))
    return np.asarray(x)[kept], np.asarray(y)[kept]


def raster(ax: Any, spikes: Sequence[np.ndarray], start: int = 0, color: Any = None) -> None:
    """Draw the spikes of cells, one row of ticks per cell from row `start` on; `spikes` [cell] are times in ms."""
    rows = np.repeat(np.arange(len(spikes)) + start, [len(t) for t in spikes])
    times = np.concatenate([*spikes, np.zeros(0)])
    many = len(times) > 3000  # as paths these would be heavy; as dots in a picture they are not
    ax.plot(times, rows, "|", ms=3.0, mew=0.8, color=color, rasterized=many)


def bars(
    ax: Any,
    values: Mapping[str, float],
    reference: float | None = None,
    first: bool = False,
    digits: int = 1,
    label: str = "share (%)",
    most: float | None = 100.0,
    factor: float = 100.0,
) -> None:
    """Draw values, times `factor`, as horizontal bars up to `most`, their numbers in a column to the right.

    By default shares 0..1 in %; `most=None` ends the axis at the greatest value. `reference` is a dashed line;
    with `first` the first bar stands out. `digits` are decimals, or digits in all where `most` is None.
    """
    names, widths = list(values), factor * np.array(list(values.values()), float)
    rows = np.arange(len(names))
    known = np.nan_to_num(np.append(widths, factor * (reference or 0.0)), posinf=0.0)
    end = most if most is not None else 1.08 * max(float(known.max()), 1e-12)
    right = 1.24 * end  # where the column of numbers ends
    colours = ["C0" if not first or k == 0 else "C7" for k in rows]
    ax.barh(rows, np.nan_to_num(widths), color=colours, height=0.66)
    for row, width in zip(rows, widths, strict=True):
        text = f"{width:.{digits}f}" if most is not None else f"{width:.{digits + 2}g}"
        ax.text(right, row, "none" if np.isnan(width) else text, ha="right", va="center", fontsize=8.5)
    if reference is not None and np.isfinite(reference):
        ax.axvline(factor * reference, ls="--", lw=1.0, color=colour("xtick.color"), zorder=-1)
    ax.set_yticks(rows, names)
    ax.set(xlim=(0, right), ylim=(len(names) - 0.4, -0.6), xlabel=label)
    if most is not None:
        ax.set_xticks(np.linspace(0.0, most, 5).tolist())
    else:
        ax.locator_params(axis="x", nbins=5)
    ax.tick_params(axis="y", length=0)
    bare(ax)
    ax.spines["bottom"].set_bounds(0, end)


def logarithmic(ax: Any, which: str = "y") -> None:
    """Make the axis "x" or "y" logarithmic with plain numbers, or leave it where its data span a decade or so."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis = getattr(ax, f"{which}axis")
    low, high = axis.get_data_interval()
    if low <= 0 or high < 15 * low:
        return
    getattr(ax, f"set_{which}scale")("log")
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def heat(ax: Any, values: np.ndarray, columns: Sequence[str], cmap: Any, limits: tuple[float, float]) -> Any:
    """Draw `[row, column]` as colours and return the artist (for a colour bar)."""
    image = ax.imshow(values, aspect="auto", cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="none")
    long = len(columns) > 4 and max(map(len, columns)) > 3
    some = range(0, len(columns), 1 + (len(columns) - 1) // 12)
    ax.set_xticks(list(some), [columns[k] for k in some], rotation=90 if long else 0)
    ax.tick_params(axis="x", length=0)
    return image


def brief(names: Sequence[str]) -> tuple[str, list[str]]:
    """Return the words that all names begin with, and what is left of each: "pattern", ["0", "1", …]."""
    words = [name.split(" ") for name in names]
    same = 0
    while len(names) > 1 and all(len(w) > same + 1 and w[same] == words[0][same] for w in words):
        same += 1
    return " ".join(words[0][:same]) if names else "", [" ".join(w[same:]) for w in words]


def shade(ax: Any, phases: Mapping[str, tuple[float, float]], named: bool = False, span: float = 0.0) -> None:
    """Shade the parts of a trial, every second one darker.

    With `named`, their names stand above, in a second row where they would meet; `span` is the length of the axis.
    """
    ends = [-np.inf, -np.inf]
    for k, (name, (start, end)) in enumerate(phases.items()):
        ax.axvspan(start, end, color=colour("grid.color"), alpha=0.5 if k % 2 == 0 else 0.18, lw=0, zorder=-2)
        if named:
            middle, half = (start + end) / 2, 0.011 * len(name) * span
            row = 0 if middle - half >= ends[0] else 1
            ends[row] = middle + half
            where = {"xycoords": ax.get_xaxis_transform(), "textcoords": "offset points"}
            ax.annotate(name, (middle, 1.0), (0, 2 + 10 * row), ha="center", fontsize=8, **where)
