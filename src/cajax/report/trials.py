"""Pictures of what the cells do: example trials, and activity by kind of trial."""

from typing import Any

import numpy as np

from .. import plot
from ..jobs import Job
from .activity import Activity
from .html import Picture, words

PANELS, FEWER = 10, 6
"""Trials that are drawn: one of each kind, and fewer where there are more kinds than that."""

CELLS = 6
BUSY = 40
"""Spikes in one row of a picture above which fewer cells are drawn."""


def readout_of(job: Job[Any]) -> str:
    """Return the population that the output is read from, "" where it is not a whole one."""
    place = next(iter(job.readout.values()), "")
    return place.split(".")[0] if isinstance(place, str) else ""


def telling_cells(activity: Activity, name: str, most: int = CELLS) -> np.ndarray:
    """Return the cells whose mean voltage differs most from kind to kind of trial, the most telling one first."""
    means = _by_kind(activity, activity.voltages[name].mean(axis=1))
    return np.argsort(-means.std(axis=1), kind="stable")[:most]


def _by_kind(activity: Activity, values: np.ndarray) -> np.ndarray:
    """Return the mean of `values` [trial, cell] over the trials of each kind: [cell, kind]."""
    kinds = range(activity.kind.max() + 1)
    return np.stack([values[activity.kind == k].mean(axis=0) for k in kinds], axis=1)


def panels(activity: Activity) -> int:
    """Return how many trials are drawn."""
    return len(activity.shown) if len(activity.shown) <= PANELS else FEWER


def example_trials(activity: Activity, job: Job[Any]) -> list[Picture]:
    """Draw one good trial per kind: voltages of the cells that tell most, and the spikes of all cells."""
    readout = readout_of(job)
    cells = {name: telling_cells(activity, name) for name in activity.voltages}
    for name, chosen in cells.items():
        spikes = activity.spikes(name)[:, :, chosen].sum(axis=(1, 2)).max()
        cells[name] = chosen[: CELLS if spikes <= BUSY else 2]
    if readout in cells and activity.voltages[readout].shape[2] <= 10:
        cells[readout] = np.arange(activity.voltages[readout].shape[2])
    spiking = [name for name in activity.voltages if activity.spikes(name).any()]
    return [
        _trial(activity, trial, kind, cells, spiking, readout, job.score.output_names)
        for trial, kind in activity.shown[: panels(activity)]
    ]


def _trial(
    activity: Activity,
    trial: int,
    kind: str,
    cells: dict[str, np.ndarray],
    spiking: list[str],
    readout: str,
    outputs: tuple[str, ...],
) -> Picture:
    rows = [*cells, *(["spikes"] if spiking else [])]
    heights = [0.8] * len(cells) + ([1.1] if spiking else [])
    tall = 0.79 + 1.12 * sum(heights)
    figure, axes = plot.subplots(
        len(rows), 1, figsize=(4.1, tall), sharex=True, squeeze=False, height_ratios=heights, layout=None
    )
    # Fixed margins, so that time is at the same place in every picture.
    right = 0.85 if readout in cells and 0 < len(outputs) <= 4 else 0.96
    figure.subplots_adjust(left=0.2, right=right, top=1 - 0.34 / tall, bottom=0.45 / tall, hspace=0.17)
    phases, span = activity.phases[trial], float(activity.ts[-1] - activity.ts[0])
    for k, (ax, name) in enumerate(zip(axes[:, 0], rows, strict=True)):
        plot.shade(ax, phases, named=k == 0 and len(phases) > 1, span=span)
        if name == "spikes" and k == len(cells):
            _spikes(ax, activity, trial, spiking)
        else:
            names = outputs if name == readout else ()
            _voltages(ax, activity.ts, activity.voltages[name][trial], cells[name], names, kind)
        named = name != "spikes" or len(spiking) == 1
        ax.set_ylabel("" if not named else name if len(name) < 13 else f"{name[:11]}…", fontsize=8.5)
        ax.yaxis.set_label_coords(-0.15 / (right - 0.2), 0.5)
        plot.bare(ax)
    axes[-1, 0].set(xlabel="time (ms)", xlim=(activity.ts[0], activity.ts[-1]))
    judged, number = activity.judged, int(activity.which[trial])
    said, where = judged.said[number], f"trial {number} of the test" if judged.asked else ""
    head = ": ".join(part for part in (judged.asked, kind) if part)
    tail = "; ".join(part for part in (words(said), where) if part)
    alt = f"Voltages and spikes in trial {number} of the test, {head}. {said}"
    caption = f"<b>{words(head[:1].upper() + head[1:])}.</b>" + (
        f" {tail[:1].upper()}{tail[1:]}." if tail else ""
    )
    return Picture(plot.svg(figure, f"trial-{trial}", alt), caption)


def _voltages(
    ax: Any, ts: np.ndarray, v: np.ndarray, cells: np.ndarray, names: tuple[str, ...], kind: str
) -> None:
    """Draw some cells of a population; readouts carry the names of their outputs, the wanted one strongly."""
    outputs = v.shape[1] == len(names) and len(cells) == len(names)
    for k, cell in enumerate(cells):
        wanted = outputs and names[cell] == kind
        color = f"c{k % 7}" if not outputs or len(cells) <= 4 else "c1" if wanted else "c7"
        ax.plot(*plot.thinned(ts, v[:, cell], 400), lw=1.8 if wanted else 0.9, color=plot.ink(color))
    low, high = float(v[:, cells].min()), float(v[:, cells].max())
    ax.set_ylim(low - 0.08 * (high - low) - 0.5, high + 0.08 * (high - low) + 0.5)
    ax.locator_params(axis="y", nbins=3)
    if outputs and len(cells) <= 4:
        for k, cell in enumerate(cells):
            strong = "bold" if names[cell] == kind else "normal"
            where = {"transform": ax.transAxes, "va": "top", "fontsize": 8, "weight": strong}
            ax.text(1.02, 0.98 - 0.24 * k, names[cell][:9], color=plot.ink(f"c{k % 7}"), **where)


def _spikes(ax: Any, activity: Activity, trial: int, spiking: list[str]) -> None:
    start, ticks = 0, []
    for name in spiking:
        times = activity.spike_times(name, trial)
        color = plot.ink(f"c{list(activity.voltages).index(name) % 7}")
        plot.raster(ax, times, start, color)
        ticks.append((start + (len(times) - 1) / 2, name if len(name) < 9 else f"{name[:7]}…"))
        start += len(times)
        ax.axhline(start - 0.5, lw=0.6, color=plot.ink("line"))
    ax.set_ylim(start - 0.5, -0.5)
    ax.set_yticks([t for t, _ in ticks], [name if len(ticks) > 1 else "" for _, name in ticks])
    ax.tick_params(axis="y", length=0)


def tuning(activity: Activity) -> list[Picture]:
    """Draw, for each population, every cell's activity by kind of trial, sorted by the kind it prefers."""
    pictures = []
    for name, v in activity.voltages.items():
        if v.shape[2] < 2 or len(activity.shown) < 2:
            continue
        spikes = activity.spikes(name).sum(axis=1)
        fires = spikes.sum() >= 0.02 * spikes.size
        rates = _by_kind(activity, spikes / _seconds(activity) if fires else v.mean(axis=1))
        pictures.append(_heat(activity, name, rates, bool(fires)))
    return pictures


def _seconds(activity: Activity) -> float:
    """Return what spike counts are divided by: seconds, or one where a trial is too short to speak of a rate."""
    span = float(activity.ts[-1] - activity.ts[0]) / 1000.0
    return span if span >= 0.1 else 1.0


def _heat(activity: Activity, name: str, values: np.ndarray, fires: bool) -> Picture:
    shared, names = plot.brief(activity.judged.kinds[: values.shape[1]])
    kinds = [k if len(k) < 13 else f"{k[:11]}…" for k in names]
    shown = values if fires else values - values.mean(axis=1, keepdims=True)
    order = np.lexsort((-shown.max(axis=1), shown.argmax(axis=1)))
    limit, asked = float(np.abs(shown).max()) or 1.0, activity.judged.asked
    limits = (0.0, limit) if fires else (-limit, limit)
    unit = "spikes per trial" if _seconds(activity) == 1.0 else "spikes per second"
    figure, ax = plot.subplots(figsize=(4.1, 3.4))
    image = plot.heat(ax, shown[order], kinds, plot.heat_map(signed=not fires), limits)
    figure.colorbar(image, ax=ax, label=unit if fires else "mV from the cell's mean", shrink=0.85)
    ax.set(
        title=f"{name}: {len(values)} cells",
        ylabel="cell, sorted",
        xlabel=": ".join(part for part in (asked, shared) if part),
    )
    ax.locator_params(axis="y", integer=True, nbins=5)
    what = unit if fires else "voltage, less the cell's mean over all kinds"
    kind = f" ({asked})" if asked else ""
    alt = f"Heat map of the mean {what} of the {len(values)} cells of {name} by kind of trial{kind}"
    trials = int(np.bincount(activity.kind).max())
    caption = (
        f"<b>{words(name)}.</b> Mean somatic {what}, over up to {trials} trials of each kind, one row per cell, sorted "
        f"by the kind it prefers.{_selective(values) if fires else ''}"
    )
    return Picture(plot.svg(figure, f"tuning-{name}", alt), caption)


def _selective(rates: np.ndarray) -> str:
    """Say how many cells are silent, and how many fire for one kind twice as much as for the others on average."""
    best = rates.max(axis=1)
    others = (rates.sum(axis=1) - best) / max(1, rates.shape[1] - 1)
    silent, chosen = int((best == 0).sum()), int(((best >= 2 * others) & (best > 0)).sum())
    rest = "the other" if rates.shape[1] == 2 else "the others on average"
    said = f" {chosen} of {len(rates)} cells fire at least twice as much for one kind as for {rest}."
    return said + (f" {silent} never fire." if silent else "")
