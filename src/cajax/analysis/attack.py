"""Adversarial attacks: the smallest changes of what a network sees that change what it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.errors import ParameterError, unknown
from ..base.types import Array
from ..jobs.classified import Classified
from ..jobs.job import Batch, Job, Stage, rng
from ..model.model import Model
from .energy import in_chunks

Answer = Callable[[dict[str, Any]], Array]
"""Inputs [trial, …] by name → logits [trial, class]."""

_NORMS = ("linf", "l2")
_TARGETS = 7001  # where in a run the random targets belong
_STRONGEST = -1  # the target that stands for whichever wrong class has the largest logit


@final
@dataclass(frozen=True, eq=False)
class Attack:
    """What an attack did, after 0, 1, … `steps` steps [step].

    `accuracy`; `l2`, `linf`: mean size of the change of the input over the trials. `inputs`: the batch as it ended.
    `broken`: norm → size of the change [trial] that first made a trial's answer wrong: 0 where it was wrong already,
    infinity where it stayed right.
    """

    accuracy: np.ndarray
    l2: np.ndarray
    linf: np.ndarray
    inputs: dict[str, Any]
    broken: dict[str, np.ndarray]

    def surviving(self, sizes: Any, norm: str = "l2") -> np.ndarray:
        """Return the share of trials that no change up to each of `sizes` has broken, to compare networks by."""
        if norm not in self.broken:
            raise unknown("norm", norm, self.broken)
        return (self.broken[norm] > np.asarray(sizes, float)[..., None]).mean(axis=-1)


def attack(
    job: Job[Classified],
    model: Model | Answer,
    batch: Batch,
    stage: Stage,
    steps: int = 25,
    rate: float = 0.02,
    targeted: bool = True,
    norm: str = "linf",
    chunk: int = 64,
) -> Attack:
    """Change `job.attacked` of every trial step by step, along the gradient of the logits, within 0..1.

    `model` is a biophysical model, or any function from inputs to logits, such as a matched perceptron. Targeted, the
    logit of a wrong class drawn per trial is raised above the right one's; else that of the strongest wrong class. A
    step changes every value by `rate` ("linf": the fast gradient sign method of Goodfellow et al. 2015, repeated), or
    the whole input by the length `rate` ("l2"). `chunk` trials are computed at a time.

    Raises `ParameterError` for a job that names no input to attack, and for choices that make no sense.
    """
    name = job.attacked
    _check(job, batch, steps, rate, norm)
    labels = np.asarray(batch.targets)
    targets = _targets(job, labels) if targeted else np.full_like(labels, _STRONGEST)
    clean = np.clip(np.asarray(batch.inputs[name], dtype=jnp.result_type(float)), 0.0, 1.0)
    slope = _slope_of(job, model, stage)
    changed, rows = clean, []
    right = np.ones(len(labels), bool)
    broken = {n: np.full(len(labels), np.inf) for n in _NORMS}
    for step in range(steps + 1):
        trials = ({**batch.inputs, name: changed}, labels, targets)
        logits, gradient = in_chunks(slope, trials, chunk)
        size = _sizes(changed - clean)
        hit = (logits.argmax(axis=-1) == labels).reshape(len(labels), -1)
        fell = right & ~hit.all(axis=1)
        for n in _NORMS:
            broken[n] = np.where(fell, size[n], broken[n])
        right = right & ~fell
        rows.append((hit.mean(), size["l2"].mean(), size["linf"].mean()))
        if step < steps:
            changed = np.clip(changed + _move(gradient, rate, norm), 0.0, 1.0).astype(clean.dtype)
    accuracy, l2, linf = np.array(rows, float).T
    return Attack(accuracy, l2, linf, {**batch.inputs, name: changed}, broken)


def _check(job: Job[Classified], batch: Batch, steps: int, rate: float, norm: str) -> None:
    if not job.attacked:
        raise ParameterError(
            f"'{job.name}' has no input to attack; name one of {', '.join(batch.inputs)} as `attacked`"
        )
    if job.attacked not in batch.inputs:
        raise unknown("input", job.attacked, batch.inputs, f"the trials of '{job.name}'")
    if norm not in _NORMS:
        raise unknown("norm", norm, _NORMS)
    if steps < 0 or not rate > 0.0:
        raise ParameterError(f"attack: steps = {steps} and rate = {rate} must be positive")


def _targets(job: Job[Classified], labels: np.ndarray) -> np.ndarray:
    """Return a wrong class for every label, drawn at random, always the same for a seed."""
    count = len(job.score.classes)
    return (labels + rng(job.seed, _TARGETS).integers(1, count, labels.shape)) % count


def _sizes(change: np.ndarray) -> dict[str, np.ndarray]:
    flat = change.reshape(len(change), -1)
    return {"linf": np.abs(flat).max(axis=1), "l2": np.sqrt((flat**2).sum(axis=1))}


def _move(gradient: np.ndarray, rate: float, norm: str) -> np.ndarray:
    gradient = np.nan_to_num(gradient)
    if norm == "linf":
        return rate * np.sign(gradient)
    # Scaled by the largest value first: squares of tiny gradients would vanish in single precision.
    flat = gradient.reshape(len(gradient), -1)
    flat = flat / np.maximum(np.abs(flat).max(axis=1, keepdims=True), np.finfo(flat.dtype).tiny)
    length = np.sqrt((flat**2).sum(axis=1, keepdims=True))
    return (rate * flat / np.maximum(length, 1e-12)).reshape(gradient.shape)


def _slope_of(job: Job[Classified], model: Any, stage: Stage) -> Callable[[Any], Any]:
    if isinstance(model, Model):
        return lambda trials: _model_slope(model, trials, job, stage)
    return jax.jit(lambda trials: _slope(model, trials, job.attacked))


@partial(jax.jit, static_argnames=("job", "stage"))
def _model_slope(model: Model, trials: Any, job: Job[Classified], stage: Stage) -> tuple[Array, Array]:
    return _slope(lambda inputs: job.answer(model, inputs, stage), trials, job.attacked)


def _slope(answer: Answer, trials: Any, name: str) -> tuple[Array, Array]:
    """Return the logits, and the gradient of the wrong logit less the right one by the attacked input."""
    inputs, labels, targets = trials

    def gain(x: Array) -> tuple[Array, Array]:
        logits = answer({**inputs, name: x})

        def of(classes: Array) -> Array:
            return jnp.take_along_axis(logits, jnp.maximum(classes, 0)[..., None], axis=-1)[..., 0]

        own = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
        strongest = jnp.where(own, -jnp.inf, logits).max(axis=-1)
        wrong = jnp.where(targets == _STRONGEST, strongest, of(targets))
        return jnp.sum(wrong - of(labels)), logits

    gradient, logits = jax.grad(gain, has_aux=True)(inputs[name])
    return logits, gradient
