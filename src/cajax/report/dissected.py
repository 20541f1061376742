"""Pictures of the inside: resets, lesions, attacks, what holds a memory, spikes and energy, capacity."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import plot
from .folder import Run, number
from .html import Picture, percent, table, words


def _shares(x: Any) -> dict[str, float]:
    """Return the entries of a dictionary that are numbers, or have one under "accuracy"."""
    found = {}
    for name, value in (x or {}).items():
        value = number(value.get("accuracy") if isinstance(value, Mapping) else value)
        if value is not None:
            found[str(name)] = value
    return found


def resets(run: Run) -> Picture | None:
    """Draw the accuracy after each trained group was put back to where it started."""
    return _drop(
        run,
        "resets",
        "put back",
        "<b>Trained groups put back.</b> Accuracy when one group of parameters returns to its values before training "
        "and all others stay; the dashed line is the whole network. The lower the bar, the more the network relies on "
        "what that group learned.",
    )


def lesions(run: Run) -> Picture | None:
    """Draw the accuracy with a conductance, a dendrite or a kind of synapse silenced."""
    return _drop(
        run,
        "lesions",
        "silenced",
        "<b>Lesions.</b> Accuracy when a conductance, a part of the cells or a kind of synapse is set to zero without "
        "training again; the dashed line is the whole network.",
    )


def _drop(run: Run, key: str, verb: str, caption: str) -> Picture | None:
    values = _shares(run.inside.get(key))
    whole = values.pop("intact", run.accuracy)
    if not values:
        return None
    figure, ax = plot.subplots(figsize=(4.1, 0.7 + 0.32 * len(values)))
    plot.bars(ax, dict(sorted(values.items(), key=lambda item: item[1])), whole)
    alt = f"Accuracy with a group {verb}: " + ", ".join(f"{k} {percent(v)}" for k, v in values.items())
    return Picture(plot.svg(figure, key, alt), caption)


def attack(run: Run) -> list[Picture]:
    """Draw the accuracy under an adversary, by steps and by how far the images were moved."""
    attacked = {str(k): v for k, v in (run.inside.get("attack") or {}).items() if isinstance(v, Mapping)}
    captions = {
        "steps": "<b>Attacked, by steps.</b> Accuracy while an adversary who knows the gradient changes the input step "
        "by step.",
        "l2": "<b>Attacked, by distance.</b> The same against how far the inputs were moved: mean Euclidean norm of "
        "the change, values from 0 to 1. The line that stays up longer belongs to the more robust model.",
    }
    pictures = []
    for key, caption in captions.items():
        lines = {n: _pair(a.get(key), a.get("accuracy")) for n, a in attacked.items()}
        lines = {n: pair for n, pair in lines.items() if pair is not None}
        if not lines:
            continue
        figure, ax = plot.subplots(figsize=(4.1, 2.7))
        for k, (name, (x, y)) in enumerate(lines.items()):
            ax.plot(x, 100 * y, "o-", ms=3, color=plot.ink(f"c{k % 7}"), label=name)
        ax.set(
            xlabel="steps" if key == "steps" else "norm of the change", ylabel="accuracy (%)", ylim=(-3, 103)
        )
        ax.legend()
        plot.bare(ax)
        alt = f"Accuracy under attack against {key}, for {', '.join(lines)}"
        pictures.append(Picture(plot.svg(figure, f"attack-{key}", alt), caption))
    return pictures


def _pair(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Return two lists as arrays of one length, None where they are not."""
    try:
        pair = np.asarray(x, float), np.asarray(y, float)
    except (TypeError, ValueError):
        return None
    return pair if pair[0].shape == pair[1].shape and pair[0].ndim == 1 and len(pair[0]) else None


def held_by(run: Run) -> Picture | None:
    """Draw how well each recorded quantity tells the remembered things apart, through the trial."""
    held = run.inside.get("held_by") or {}
    times, names = np.asarray(held.get("times", []), float), [str(n) for n in held.get("names", [])]
    values = np.asarray(held.get("separation", []), float)
    if values.shape == (len(times), len(names)) and len(times) != len(names):
        values = values.T
    if not len(times) or values.shape != (len(names), len(times)):
        return None
    figure, ax = plot.subplots(figsize=(7.8, 3.0))
    order = np.argsort(-np.nanmean(np.nan_to_num(values), axis=1))
    for k, i in enumerate(order[:7]):
        ax.plot(*plot.thinned(times, values[i]), lw=1.4, color=plot.ink(f"c{k}"), label=names[i])
    ax.set(xlabel="time (ms)", ylabel="separation (d′)", xlim=(times[0], times[-1]))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    plot.bare(ax)
    best = names[order[0]]
    alt = f"Separation of what is remembered through time by quantity; the greatest is that of {best}"
    more = f" {len(names) - 7} with less are left out." if len(names) > 7 else ""
    return Picture(
        plot.svg(figure, "held-by", alt),
        "<b>What holds the memory.</b> How far apart each quantity is between trials that hold different things, "
        "through the trial: d′, the distance of the means in standard deviations, along the direction that separates "
        "them best. "
        f"The strongest on average: {words(best)}.{more}",
        wide=True,
    )


def share_table(run: Run) -> str:
    """Return each quantity's share of what separates remembered things, as HTML."""
    held = run.inside.get("held_by") or {}
    share = held.get("share")
    share = _shares(
        share if isinstance(share, Mapping) else dict(zip(held.get("names", []), share or [], strict=False))
    )
    rows = [[words(k), percent(v)] for k, v in sorted(share.items(), key=lambda item: -item[1])]
    return table(("current", "share"), rows, "Share of the separation during the delay.") if rows else ""


def energy_table(run: Run) -> str:
    """Return spikes, ATP and what else was counted per decision, as HTML."""
    rows = []
    for name, value in _leaves(run.inside.get("energy") or {}):
        rows.append([words(name), _short(value)])
    said = "Per decision, on average over the trials looked at."
    return table(("counted", "number"), rows, said) if rows else ""


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Return what a nested dictionary holds, each under the words that lead to it."""
    for name, value in tree.items():
        here = (*path, str(name))
        if isinstance(value, Mapping):
            yield from _leaves(value, here)
        else:
            yield ": ".join(here), value


def _short(x: Any) -> str:
    known = number(x)
    if known is None or (known == round(known) and abs(known) < 1e5) or 1e-2 < abs(known) < 1e5:
        return words(x)
    mantissa, _, power = f"{known:.2e}".partition("e")
    return f"{mantissa} × 10<sup>{int(power)}</sup>"


def others(run: Run) -> str:
    """Return what was looked at beside the known parts, as HTML tables."""
    known = ("resets", "lesions", "attack", "held_by", "energy")
    made = []
    for name, value in run.inside.items():
        if name not in known and isinstance(value, Mapping):
            made.append(table((words(name), ""), [[words(k), _short(v)] for k, v in _leaves(value)]))
    return "".join(made)


def capacity(run: Run) -> Picture | None:
    """Draw the accuracy of recall against the number of patterns, one line per size of the network."""
    points = run.capacity.get("points") or []
    if not points:
        return None
    goal = float(run.capacity["goal"])
    patterns = sorted({p["patterns"] for p in points})
    figure, ax = plot.subplots(figsize=(4.1, 2.9))
    said = []
    for k, cells in enumerate(sorted({p["cells"] for p in points})):
        line = sorted((p["patterns"], p["accuracy"]) for p in points if p["cells"] == cells)
        x, y = zip(*line, strict=True)
        ink = plot.ink(f"c{k % 7}")
        ax.plot(x, 100 * np.array(y), "o-", ms=4, color=ink, label=f"{words(cells)} cells")
        stored = max((count for count, share in line if share >= goal), default=0)
        said.append(f"{words(cells)} cells store {words(stored)}")
    ax.set(xlabel="patterns stored", ylabel="accuracy (%)", ylim=(0, 103))
    ax.axhline(100 * goal, ls="--", lw=1.0, color=plot.ink("muted"), zorder=-1)
    if len(patterns) > 1 and max(patterns) >= 8 * min(patterns):
        ax.set_xscale("log", base=2)
    ax.set_xticks(patterns, [words(p) for p in patterns])
    ax.minorticks_off()
    ax.legend(loc="lower left")
    plot.bare(ax)
    told = "; ".join(said)
    return Picture(
        plot.svg(figure, "capacity", f"Accuracy of recall against the number of patterns: {told}"),
        "<b>Capacity.</b> Accuracy of recall against the number of patterns stored, each network trained anew. At "
        f"{goal:.0%} (dashed) {told}.",
    )
