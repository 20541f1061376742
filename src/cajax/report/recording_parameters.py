"""Pictures of a study's parameters: where they lie between their bounds, what goes together, what is not determined."""

from typing import Any

import numpy as np

from .. import plot
from .html import Picture, words
from .recording_material import Arrays, Fitted
from .recording_search import plain_logarithmic

PAIRS = 6
"""Parameters in the corner plot."""
LEAST_MODELS = 5
"""Fewer models have no corner plot."""
PRIOR = 12.0**-0.5
"""Standard deviation of a coordinate of which nothing is known, as a share of the range between its bounds."""


def bars(m: Fitted) -> Picture | None:
    """Draw every parameter between its bounds: the best value, the interval, the range over accepted models."""
    rows = m.results.get("parameters", [])
    if not rows:
        return None
    figure, ax = plot.subplots(figsize=(7.8, 0.75 + 0.27 * len(rows)))
    for y, row in enumerate(rows):
        ax.plot([0, 1], [y, y], color=plot.ink("line"), lw=5.0, solid_capstyle="butt", zorder=0)
        if (ends := _places(row, row["accepted"])) is not None:
            ax.plot(ends, [y, y], color=plot.ink("c2"), lw=5.0, alpha=0.6, solid_capstyle="butt", zorder=1)
        if (ends := _places(row, row["laplace"])) is not None:
            ax.plot(ends, [y, y], color=plot.ink("fg"), lw=1.0, zorder=2)
        ax.plot(row["u"], y, "o", ms=5, color=plot.ink("c0"), zorder=3)
        bounds = f"{words(row['lo'])} … {words(row['hi'])} {shown_unit(row['unit'])}".rstrip()
        ax.text(1.02, y, bounds.replace("&lt;", "<"), fontsize=8.5, va="center", color=plot.ink("muted"))
    ax.set_yticks(range(len(rows)), [row["name"] for row in rows])
    ax.set(xlim=(-0.01, 1.42), ylim=(len(rows) - 0.4, -0.6))
    ax.set_xticks([0.0, 0.5, 1.0], ["lowest", "middle", "highest"])
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_bounds(0, 1)
    alt = f"{len(rows)} parameters between their bounds"
    laplace = any(row["laplace"] for row in rows)
    caption = (
        "<b>Where each parameter lies between its bounds</b> (grey, the prior; its scale is logarithmic where bounds "
        "lie a decade or more apart). Blue: the best model."
        + (" Green: the range over accepted models." if any(row["accepted"] for row in rows) else "")
        + (" Line: 90 % interval around the best model (Laplace)." if laplace else "")
        + " A parameter at a bound, or whose interval fills the bar, is not determined by these sweeps."
    )
    return Picture(plot.svg(figure, "parameters", alt), caption, wide=True)


def _places(row: Any, ends: Any) -> list[float] | None:
    """Return where the two ends of an interval lie between the bounds, 0 to 1."""
    if not ends or len(ends) != 2:
        return None
    return [
        float(x) for x in np.clip(_share(np.array(ends), row["lo"], row["hi"], row["logarithmic"]), 0.0, 1.0)
    ]


def _share(x: np.ndarray, lo: float, hi: float, logarithmic: bool) -> np.ndarray:
    if logarithmic and lo > 0.0:
        return np.log(np.maximum(x, lo) / lo) / np.log(hi / lo)
    return (x - lo) / (hi - lo) if hi > lo else np.zeros_like(x)


def shown_unit(unit: str) -> str:
    """Return a unit as it is written; nothing for a plain number."""
    return "" if unit == "1" else unit.replace("cm2", "cm²").replace("ohm*cm", "Ω·cm").replace("uF", "µF")


def corner(m: Fitted) -> Picture | None:
    """Draw pairs of parameters of the models that are kept: those that vary together most."""
    found = m.population
    if found is None or len(found["u"]) < LEAST_MODELS or found["u"].shape[1] < 2:
        return None
    accepted = found["accepted"]
    which = accepted if accepted.sum() >= LEAST_MODELS else np.ones(len(accepted), bool)
    u = found["u"][which]
    chosen = _together(u, _named(m, found))
    n = len(chosen)
    figure, axes = plot.subplots(n - 1, n - 1, figsize=(7.8, 0.4 + 1.22 * (n - 1)), squeeze=False)
    for i in range(n - 1):
        for j in range(n - 1):
            ax = axes[i, j]
            if j > i:
                ax.set_axis_off()
                continue
            _pair(ax, found, which, chosen[j], chosen[i + 1], i == n - 2, j == 0)
    alt = f"{n} parameters of {int(which.sum())} models, each against each"
    kind = "accepted models" if which is accepted else "best models that differ (too few are accepted)"
    caption = (
        f"<b>What goes together</b> in {int(which.sum())} {kind}: the {n} parameters that are correlated most. The "
        "cross is the best model; axes are where the models are, not the bounds. A cloud along a line is a "
        "compensation: one parameter makes up for another. "
        + "; ".join(_compensations(m) or _correlations(found, u, chosen))
        + "."
    )
    return Picture(plot.svg(figure, "corner", alt), caption, wide=True)


def _named(m: Fitted, found: Arrays) -> list[int]:
    """Return the parameters that are said to compensate, the strongest pair first."""
    names = [str(x) for x in found["names"]]
    said = [p[key] for p in m.results.get("pairs", []) for key in ("one", "other")]
    return [names.index(x) for x in dict.fromkeys(said) if x in names][:PAIRS]


def _together(u: np.ndarray, first: list[int]) -> list[int]:
    """Return the parameters of the strongest correlations, after those that are named `first`."""
    c = np.abs(_correlation(u))
    np.fill_diagonal(c, 0.0)
    chosen = list(first)
    for flat in np.argsort(-c, axis=None, kind="stable"):
        for k in np.unravel_index(flat, c.shape):
            if int(k) not in chosen and len(chosen) < min(PAIRS, u.shape[1]):
                chosen.append(int(k))
    return sorted(chosen)


def _correlation(u: np.ndarray) -> np.ndarray:
    spread = u.std(0)
    scaled = (u - u.mean(0)) / np.where(spread > 1e-9, spread, np.inf)
    return scaled.T @ scaled / len(u)


def _compensations(m: Fitted) -> list[str]:
    """Return the conductances that compensate in the accepted population, in words."""
    return [
        f"{words(p['one'])} and {words(p['other'])}: r = {p['r']:.2f} ({p['lo']:.2f} … {p['hi']:.2f})".replace(
            "-", "−"
        )
        for p in m.results.get("pairs", [])[:3]
    ]


def _correlations(found: Arrays, u: np.ndarray, chosen: list[int]) -> list[str]:
    """Return the three strongest correlations in words."""
    c = _correlation(u)
    pairs = sorted(((a, b) for a in chosen for b in chosen if a < b), key=lambda p: -abs(c[p]))
    return [
        f"{words(_brief(found, a))} and {words(_brief(found, b))}: r = {c[a, b]:.2f}".replace("-", "−")
        for a, b in pairs[:3]
    ]


def _brief(found: Arrays, k: int) -> str:
    return str(found["names"][k])


def _pair(ax: Any, found: Arrays, which: np.ndarray, x: int, y: int, bottom: bool, left: bool) -> None:
    u = found["u"]
    ax.plot(u[which][:, x], u[which][:, y], "o", ms=3, alpha=0.6, mew=0, color=plot.ink("c2"))
    ax.plot(u[0, x], u[0, y], "+", ms=8, mew=1.4, color=plot.ink("c0"))
    for axis, k, shown, name in ((ax.xaxis, x, bottom, "x"), (ax.yaxis, y, left, "y")):
        low, high = _extent(u[:, k][which | (np.arange(len(u)) == 0)])
        ticks = [low + share * (high - low) for share in (0.2, 0.8)]
        axis.set_ticks(ticks, [_valued(found, k, tick) if shown else "" for tick in ticks])
        ax.set(**{f"{name}lim": (low, high)})
    if bottom:
        ax.set_xlabel(_folded(found, x), fontsize=8.5)
    if left:
        ax.set_ylabel(_folded(found, y), fontsize=8.5)
    plot.bare(ax)


def _extent(u: np.ndarray) -> tuple[float, float]:
    """Return the ends of an axis around coordinates, not less than a fiftieth of the range between the bounds."""
    middle, half = (u.max() + u.min()) / 2.0, max(0.6 * (u.max() - u.min()), 0.01)
    return float(middle - half), float(middle + half)


def _valued(found: Arrays, k: int, u: float) -> str:
    """Return the value of a parameter at a coordinate."""
    lo, hi = float(found["lo"][k]), float(found["hi"][k])
    value = lo * (hi / lo) ** u if found["logarithmic"][k] and lo > 0.0 else lo + u * (hi - lo)
    return f"{value:.3g}".replace("-", "−")


def _folded(found: Arrays, k: int) -> str:
    """Return a name in short lines, with its unit."""
    name, unit = _brief(found, k), shown_unit(str(found["units"][k]))
    head, _, tail = name.rpartition(".")
    lines = [head, f".{tail}"] if len(name) > 14 and head else [name]
    return "\n".join([*lines, f"({unit})" if unit else ""]).rstrip()


def spectrum(m: Fitted) -> Picture | None:
    """Draw the spectrum at the best model: how well each direction of the parameters is determined."""
    found = m.spectrum
    if found is None:
        return None
    widths = np.maximum(found["deviations"], 1e-12)
    order = np.argsort(widths, kind="stable")
    figure, ax = plot.subplots(figsize=(7.8, 2.7))
    ax.plot(range(1, len(widths) + 1), widths[order], "o", ms=5, color=plot.ink("c0"))
    ax.axhline(PRIOR, ls="--", lw=1.0, color=plot.ink("muted"), zorder=-1)
    plain_logarithmic(ax)
    ax.set(xlabel="direction, the best determined first", ylabel="SD (1 is the whole range)")
    ax.set_ylim(None, 2.0 * PRIOR)
    ax.set_xticks(range(1, len(widths) + 1, 1 + (len(widths) - 1) // 20))
    plot.bare(ax)
    alt = f"Standard deviations of {len(widths)} directions of the parameters"
    sloppy = int((widths > 0.5 * PRIOR).sum())
    said = [words(str(x)) for x in found["said"][order]]
    caption = (
        "<b>Spectrum.</b> The uncertainty along each direction in which parameters can move together, around the best "
        "model (Gauss–Newton). The dashed line is that of the bounds alone: of a direction there, these sweeps say "
        f"nothing. {sloppy} of {len(widths)} are sloppy, with more than half of it. Best determined: {said[0]}; least: "
        f"{said[-1]}."
    )
    return Picture(plot.svg(figure, "spectrum", alt), caption, wide=True)
