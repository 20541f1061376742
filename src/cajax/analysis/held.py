"""What holds a memory: which currents tell the classes apart through a delay, and which keep them apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.errors import ParameterError, unknown
from ..base.types import Array
from ..jobs.classified import Classified
from ..jobs.job import Batch, Job, Stage
from ..lower.territory import Territory
from ..model.model import Model
from ..model.structure import Structure
from .energy import Flow, by_cv, flows, in_chunks, recordings

VOLTAGE = "voltage"


@final
@dataclass(frozen=True, eq=False)
class Held:
    """What separates the classes in one population, at the times `ts` [bin] ms, above all in the `phase` (ms).

    `names`: the currents, then the conductances of projections, then "voltage". `separation` [bin, name]: d′ between
    two classes, the mean over all pairs, along the direction that separates them best in the phase; negative where the
    code is reversed. `decoded` [bin, name]: share of trials whose class it tells. Both are of trials that had no
    part in finding the direction, whose numbers are the cells. `share` [name]: what each current does for the
    difference in voltage between the classes, of all that sustains it; negative where it works against it. NaN for
    what is no current.
    """

    population: str
    phase: tuple[float, float]
    ts: np.ndarray
    names: tuple[str, ...]
    separation: np.ndarray
    decoded: np.ndarray
    share: np.ndarray

    def __str__(self) -> str:
        inside = np.flatnonzero((self.ts > self.phase[0]) & (self.ts <= self.phase[1]))
        few = max(1, len(inside) // 5)
        ends = [self.separation[at].mean(axis=0) for at in (inside[:few], inside[-few:])]
        decoded = self.decoded[inside[-few:]].mean(axis=0)
        width = max(len(name) for name in self.names)
        lines = [f"{self.population or 'cell'}, {self.phase[0]:g} to {self.phase[1]:g} ms"]
        lines.append(f"{'':{width}s} {'share':>7s} {'d′ first':>9s} {'d′ last':>9s} {'decoded':>8s}")
        for k in np.argsort(-np.nan_to_num(self.share, nan=-np.inf), kind="stable"):
            share = "" if np.isnan(self.share[k]) else f"{self.share[k]:+.0%}"
            lines.append(
                f"{self.names[k]:{width}s} {share:>7s} {ends[0][k]:9.1f} {ends[1][k]:9.1f} {decoded[k]:8.0%}"
            )
        return "\n".join(lines)


def held_by(
    job: Job[Classified],
    model: Model,
    batch: Batch,
    stage: Stage,
    population: str | None = None,
    classes: Any = None,
    phase: str = "delay",
    bins: int = 100,
    chunk: int = 8,
) -> Held:
    """Follow what is remembered through `phase`: which currents tell the classes apart, and which hold them apart.

    `classes`: what is to be remembered: numbers [trial], or the name of an input (one number or one-hot per trial); by
    default the labels. `population`: by default the largest that excites or inhibits itself. A job without such a
    phase is followed throughout. Trials of differing delays are compared while all of them wait.

    The share: between classes, a current that differs by ΔI (nA) where the voltage differs by ΔV feeds the difference
    with the power −ΔI·ΔV, summed over control volumes and classes. At rest all powers sum to zero (to what flows along
    the dendrites), so those that sustain it balance those that level it out; electrodes and gap junctions are not seen.

    Raises `ParameterError` where a class has fewer than two trials, or no time is common to all delays.
    """
    structure = model.structure
    population = _recurrent(structure) if population is None else population
    structure.layout(population)
    labels = _classes(batch, classes)
    spans = np.array([_span(job, batch, stage, phase, k) for k in range(len(labels))])
    common = float(spans[:, 0].max()), float(spans[:, 1].min())
    if not common[0] < common[1]:
        raise ParameterError(
            f"held_by: no time is common to the '{phase}' of all trials; give trials of like delays"
        )
    run = partial(_recorded, job=job, stage=stage, population=population, bins=bins)
    spans = np.broadcast_to(np.array(common), spans.shape)
    ts, series, means, volts = in_chunks(lambda trials: run(model, *trials), (batch.inputs, spans), chunk)
    names = (*means, *(name for name in series if name not in means and name != VOLTAGE), VOLTAGE)
    found = [_separation(series[name][0], series[name][1], labels) for name in names]
    share = _shares(means, volts, labels)
    return Held(
        population,
        common,
        ts[0],
        names,
        np.stack([d for d, _ in found], axis=1),
        np.stack([share for _, share in found], axis=1),
        np.array([share.get(name, np.nan) for name in names]),
    )


def _recurrent(structure: Structure) -> str:
    """Return the largest population that projects to itself, or else the largest that anything projects to."""
    size = {layout.name: layout.size for layout in structure.layouts if not layout.virtual}
    ends = [(p.wires.pre_population, p.wires.post_population) for p in structure.projections]
    own = [pre for pre, post in ends if pre == post] or [post for _, post in ends] or list(size)
    return max(own, key=lambda name: size[name])


def _classes(batch: Batch, classes: Any) -> np.ndarray:
    if isinstance(classes, str):
        classes = numbers(batch, classes)
    found = np.unique(np.asarray(batch.targets if classes is None else classes), return_inverse=True)
    labels, count = found[1], len(found[0])
    if np.ndim(labels) != 1 or len(labels) != len(np.asarray(batch.targets)):
        raise ParameterError(
            "held_by: classes must be one number per trial; give classes=… where labels are more"
        )
    if count < 2 or np.bincount(labels).min() < 2:
        raise ParameterError("held_by needs at least two classes with two trials each; give more trials")
    return labels


def numbers(batch: Batch, name: str) -> np.ndarray:
    """Return the class of every trial from an input that is one number or one-hot per trial."""
    if name not in batch.inputs:
        raise unknown("input", name, batch.inputs, "the trials")
    kinds = np.asarray(batch.inputs[name])
    return kinds.argmax(axis=-1) if kinds.ndim == 2 else kinds


def _span(job: Job[Classified], batch: Batch, stage: Stage, phase: str, k: int) -> tuple[float, float]:
    phases = job.phases({name: np.asarray(x)[k] for name, x in batch.inputs.items()}, stage)
    start, end = phases.get(phase, (0.0, stage.t1))
    return float(start), float(end)


@partial(jax.jit, static_argnames=("job", "stage", "population", "bins"))
def _recorded(
    model: Model, inputs: Any, spans: Array, *, job: Job[Classified], stage: Stage, population: str, bins: int
) -> tuple[Array, dict[str, tuple[Array, Array]], dict[str, Array], dict[str, Array]]:
    """Return, per trial, the times of the bins and what `Held` is made of.

    Per quantity its course [bin, cell] and its mean in the span [cell]; per current the means in the span of itself
    [site] and of the voltage there.
    """
    structure = model.structure
    layout = structure.layout(population)
    cell, first = Territory(layout).numbers["cell"], layout.start
    record = recordings(structure, population)

    def one(inputs: Any, span: Array) -> Any:
        solution = job.run(model, inputs, stage, record)
        width = -(-(len(solution.ts) - 1) // bins)
        inside = ((solution.ts > span[0]) & (solution.ts <= span[1])).astype(solution.ts.dtype)
        inside = inside / jnp.maximum(inside.sum(), 1.0)

        def binned(x: Array) -> Array:
            count = (len(x) - 1) // width
            return x[1 : 1 + count * width].reshape(count, width, *x.shape[1:]).mean(axis=1)

        def course(x: Array, cvs: np.ndarray) -> tuple[Array, Array]:
            per_cell = x @ jnp.asarray(cell[cvs - first, None] == np.arange(layout.size), x.dtype)
            return binned(per_cell), inside @ per_cell

        found: dict[str, Flow] = flows(model, solution, population)
        v, everywhere = by_cv(structure, population, solution), first + np.arange(len(cell))
        series = {name: course(flow.current, flow.cvs) for name, flow in found.items()}
        for name, flow in found.items():
            if flow.conductance is not None:
                series[f"{name} (conductance)"] = course(flow.conductance, flow.cvs)
        series[VOLTAGE] = course(v, everywhere)
        means = {name: inside @ flow.current for name, flow in found.items()}
        volts = {name: inside @ v[:, flow.cvs - first] for name, flow in found.items()}
        return binned(solution.ts), series, means, volts

    return jax.vmap(one)(inputs, spans)


def _separation(course: np.ndarray, means: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return d′ [bin] and the share of right answers [bin] along linear discriminants found on the other trials.

    `course` [trial, bin, cell] is judged, `means` [trial, cell], its means in the phase, give the directions: class
    means over the variance within classes, cell by cell. The answer is the class whose mean is nearest at that time.
    """
    count = int(labels.max()) + 1
    rank = np.array([np.sum(labels[:k] == label) for k, label in enumerate(labels)])
    fold = rank % min(4, int(np.bincount(labels).min()))
    center, scale = means.mean(axis=0), float(means.std()) or 1.0
    course, means = (course - center) / scale, (means - center) / scale
    scores, decoded = np.empty((*course.shape[:2], count)), np.empty(course.shape[:2], int)
    for k in range(fold.max() + 1):
        learn, judge = fold != k, fold == k
        mean = np.stack([means[learn & (labels == label)].mean(axis=0) for label in range(count)])
        within = np.mean((means[learn] - mean[labels[learn]]) ** 2, axis=0)
        direction = mean / (within + 0.01 * np.mean(means[learn].var(axis=0)) + 1e-12)
        along = course @ direction.T
        typical = np.stack([along[learn & (labels == label)].mean(axis=0) for label in range(count)], axis=1)
        # What moves all classes alike is no code, and would set the folds apart.
        scores[judge] = along[judge] - typical.mean(axis=1)
        decoded[judge] = np.sum((along[judge][:, :, None] - typical) ** 2, axis=-1).argmin(axis=-1)
    pairs = [_d_prime(scores, labels, a, b) for a in range(count) for b in range(a)]
    return np.mean(pairs, axis=0), np.mean(decoded == labels[:, None], axis=0)


def _d_prime(scores: np.ndarray, labels: np.ndarray, a: int, b: int) -> np.ndarray:
    gap = scores[..., a] - scores[..., b]
    ours, theirs = gap[labels == a], gap[labels == b]
    apart = ours.mean(axis=0) - theirs.mean(axis=0)
    # Trials without noise have no spread; d′ then ends at 100.
    spread = 0.5 * (ours.var(axis=0) + theirs.var(axis=0)) + 1e-4 * apart**2
    return apart / np.sqrt(np.maximum(spread, 1e-24))


def _shares(
    means: Mapping[str, np.ndarray], volts: Mapping[str, np.ndarray], labels: np.ndarray
) -> dict[str, float]:
    """Return what every current does for the difference between the classes, of all that sustains it."""

    def between(x: np.ndarray) -> np.ndarray:
        mean = np.stack(
            [x[labels == label].mean(axis=0, dtype=np.float64) for label in range(labels.max() + 1)]
        )
        return mean - mean.mean(axis=0)

    power = {name: -float(np.sum(between(x) * between(volts[name]))) for name, x in means.items()}
    whole = sum(p for p in power.values() if p > 0.0)
    return {name: p / whole if whole else float("nan") for name, p in power.items()}
