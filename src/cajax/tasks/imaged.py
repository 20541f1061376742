"""Cells imaged at many sites: how near a model is to the images, and how near its parameters are to the true ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from ..base.disk import read_json
from ..base.types import Array, Float
from ..jobs.figure import Figure
from ..jobs.score import Judged, Readout, Score
from ..model.model import Model
from ..train import Free, History
from .tree import branches_of, group_of, middle_distances

SHOWN = 6
"""Sites of a trial that are kept for the report, from the best to the worst."""


@final
@dataclass(frozen=True)
class Distance(Score):
    """Images [trial, frame, site] of a voltage against a recording (mV): the mean absolute difference is reduced.

    The first frame lies at `start` ms, the next `every` ms later.
    """

    start: float = 0.0
    every: float = 1.0

    @property
    def headline(self) -> Figure:
        said = "The model is {value} away from the data ({test}): the mean absolute difference over frames and sites"
        return Figure("distance", "mV", sentence=said)

    @property
    def loss_figure(self) -> Figure:
        return Figure("loss", "mV")

    def loss(self, outputs: Float[Array, "trial frame site"], targets: Any) -> Array:
        """Return the mean absolute difference (mV)."""
        return jnp.mean(jnp.abs(outputs - jnp.asarray(targets, outputs.dtype)))

    def measure(self, outputs: Float[Array, "trial frame site"], targets: Any) -> Array:
        """Return the mean absolute difference (mV)."""
        return self.loss(outputs, targets)

    def figures(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        """Return distance, loss, trials, the distance at the worst site, and "traces" at some sites."""
        away = np.abs(outputs - targets).mean(axis=(0, 1))
        return {
            "distance": float(away.mean()),
            "loss": float(away.mean()),
            "trials": len(targets),
            "distance at the worst site (mV)": float(away.max()),
            "traces": some_sites(outputs[0], targets[0], away, self.start, self.every, "mV"),
        }


def some_sites(
    outputs: np.ndarray, targets: np.ndarray, away: np.ndarray, start: float, every: float, unit: str
) -> list[dict[str, Any]]:
    """Return model and data [frame, site] at sites from the least `away` [site] to the most, for the report."""
    order = np.argsort(away, kind="stable")
    chosen = np.unique(np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int))
    return [
        {"trial": 0, "name": f"site {k}", "error": float(away[k]), "start": start, "step": every, "time": "ms",
         "unit": unit, "data": targets[:, k], "model": outputs[:, k]}
        for k in order[chosen]
    ]  # fmt: skip


def within(free: Free, model: Model, shares: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return path → values that lie at `shares` (0..1) of the range that `free` gives each."""
    found = {}
    for path, choice in free.choices(model).items():
        low, high = choice.bijection.range
        found[path] = low + (high - low) * shares[path]
    return found


def recovered(before: Model, after: Model, truth: Model, free: Free) -> dict[str, Any]:
    """Return path → "unit", and the values "true", "before" and "found" of every trained parameter.

    "low" and "high" are its bounds, or the least and the greatest of the values where it has none. Where every branch
    has its own, "distance" is that of its middle from the soma (µm).
    """
    found = {}
    for path, choice in free.choices(after).items():
        values = {"before": before, "true": truth, "found": after}
        one = {name: np.ravel(model.params[path]).tolist() for name, model in values.items()}
        every = np.concatenate(list(one.values()))
        ends = zip(choice.bijection.range, (every.min(), every.max()), strict=True)
        low, high = (float(bound) if np.isfinite(bound) else float(value) for bound, value in ends)
        painted = after.structure.painted(path)
        if painted is not None and painted.scope == "branch":
            distance = middle_distances(group_of(after, painted.address.population).cvs)
            one["distance"] = distance[branches_of(after, path)].tolist()
        found[path] = {"unit": after.units[path], "low": low, "high": high, **one}
    return found


def epochs_until(folder: Path, goal: float, since: int = 0) -> dict[str, Any]:
    """Return after how many steps and seconds of a run the headline figure first was `goal` or less; None for never.

    Figures of the first `since` steps do not count.
    """
    figures, seconds = [], []
    for path in sorted(folder.glob("stages/*/history.json")):
        history = History.from_json(read_json(path))
        figures, seconds = figures + history.aux, seconds + history.seconds
    hits = since + np.flatnonzero(np.array(figures[since:], float) <= goal)
    first = int(hits[0]) if len(hits) else None
    return {
        f"epochs until {goal:g}": first,
        f"seconds until {goal:g}": None if first is None else float(np.sum(seconds[:first])),
        "epochs": len(figures),
    }


@final
@dataclass(frozen=True)
class Correlation(Score):
    """Fluorescence [trial, frame, roi] against a recording: the mean absolute difference is reduced.

    The headline is the correlation, over trials, of the mean over the `frames` of a trial, on average over regions of
    interest; what does not vary counts as uncorrelated.
    """

    frames: int = 1
    unit: str = "µM"

    @property
    def headline(self) -> Figure:
        said = "The {name} with the recording, on average over regions of interest, is {value} on {trials} {test}"
        return Figure("correlation", more_is_better=True, chance=0.0, sentence=said)

    @property
    def loss_figure(self) -> Figure:
        return Figure("loss", self.unit)

    def loss(self, outputs: Float[Array, "trial ..."], targets: Any) -> Array:
        """Return the mean absolute difference."""
        return jnp.mean(jnp.abs(outputs - jnp.asarray(targets, outputs.dtype)))

    def measure(self, outputs: Float[Array, "trial ..."], targets: Any) -> Array:
        """Return the mean correlation."""
        return jnp.mean(correlations(outputs, jnp.asarray(targets, outputs.dtype), self.frames))

    def figures(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        """Return correlation, its greatest, the share of regions where it is positive, and "traces" at some of them."""
        found = np.asarray(correlations(outputs, targets, self.frames))
        model, data = (np.asarray(_means(x, self.frames))[:STIMULI] for x in (outputs, targets))
        kept = some_sites(model, data, -found, 0.0, 1.0, self.unit)
        for one in kept:
            one.update(time="sample", error=-one["error"], name=one["name"].replace("site", "region"))
        return {
            "correlation": float(found.mean()),
            "loss": float(np.abs(outputs - targets).mean()),
            "trials": len(targets),
            "greatest correlation": float(found.max()),
            "least correlation": float(found.min()),
            "share of positive correlations": float((found > 0.0).mean()),
            "traces": kept,
        }

    def judged(self, outputs: np.ndarray | None, targets: np.ndarray) -> Judged:
        """Return the trials in words: of a single one there is a distance, no correlation."""
        count = len(targets)
        given = ("",) * count
        if outputs is not None:
            away = np.abs(outputs - targets).reshape(count, -1).mean(axis=1)
            given = tuple(f"{x:.3g} {self.unit}" for x in away)
        said = tuple(text and f"Mean distance from the recording: {text}" for text in given)
        names = tuple(f"image {k}" for k in range(count))
        return Judged(names, np.arange(count), np.ones(count, bool), given, said)

    def readout(self, targets: np.ndarray) -> Readout:
        """Return that every frame of every region is given out, in units of the spread around their mean."""
        return Readout(int(np.prod(targets.shape[1:])), float(targets.mean()), float(targets.std()) or 1.0)

    def cases(self, targets: np.ndarray) -> np.ndarray:
        """Return the recording [trial, frame · roi]."""
        return np.reshape(targets, (len(targets), -1))


STIMULI = 60
"""Trials that the report draws."""


def _means(x: Any, frames: int) -> Any:
    """Return the mean over the frames of each trial [trial, roi]."""
    return x.reshape(len(x), frames, -1).mean(axis=1)


def correlations(outputs: Any, targets: Any, frames: int) -> Any:
    """Return Pearson's correlation over trials for every region [roi], 0 where either does not vary."""
    a, b = (_means(x, frames) for x in (outputs, targets))
    a, b = (x - x.mean(axis=0, keepdims=True) for x in (a, b))
    square = (a**2).sum(axis=0) * (b**2).sum(axis=0)
    size = jnp.sqrt(jnp.where(square > 0.0, square, 1.0))
    return jnp.where(square > 0.0, (a * b).sum(axis=0) / size, 0.0)
