"""Pictures of the inside of any job: resets, lesions, spikes and energy."""

from collections.abc import Iterator, Mapping
from typing import Any

from .. import plot
from .bars import bars, figures_in, listed, worst_first
from .folder import Run, number
from .html import Picture, table, words


def resets(run: Run) -> Picture | None:
    """Draw the headline figure after each trained group was put back to where it started."""
    return _drop(
        run,
        "resets",
        "put back",
        "<b>Trained groups put back.</b> {name} when one group of parameters returns to its values before training "
        "and all others stay; the dashed line is the whole model. The {worse} the bar, the more the model relies on "
        "what that group learned.",
    )


def lesions(run: Run) -> Picture | None:
    """Draw the headline figure with a conductance, a dendrite or a kind of synapse silenced."""
    return _drop(
        run,
        "lesions",
        "silenced",
        "<b>Lesions.</b> {name} when a conductance, a part of the cells or a kind of synapse is set to zero without "
        "training again; the dashed line is the whole model.",
    )


def _drop(run: Run, key: str, verb: str, caption: str) -> Picture | None:
    headline = run.headline
    values = figures_in(run.inside.get(key), headline.name)
    whole = values.pop("intact", run.figure)
    if not values:
        return None
    figure, ax = plot.subplots(figsize=(4.1, 0.7 + 0.32 * len(values)))
    bars(ax, worst_first(values, headline), headline, reference=whole)
    name = headline.name.capitalize()
    alt = f"{name} with a group {verb}: {listed(values, headline)}"
    worse = "shorter" if headline.more_is_better else "longer"
    return Picture(plot.svg(figure, key, alt), caption.format(name=words(name), worse=worse))


def energy_table(run: Run) -> str:
    """Return spikes, ATP and what else was counted per trial, as HTML."""
    rows = []
    for name, value in _leaves(run.inside.get("energy") or {}):
        rows.append([words(name), _short(value)])
    said = "Per trial, on average."
    return table(("counted", "number"), rows, said) if rows else ""


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Return what a nested dictionary holds, each under the words that lead to it."""
    for name, value in tree.items():
        here = (*path, str(name)) if name else path
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
    known = ("resets", "lesions", "attack", "held_by", "energy", "recovered")
    made = []
    for name, value in run.inside.items():
        if name not in known and isinstance(value, Mapping):
            made.append(table((words(name), ""), [[words(k), _short(v)] for k, v in _leaves(value)]))
    return "".join(made)
