"""The score of traces against data: how far apart they are, in their unit."""

from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from ..base.errors import ParameterError
from ..base.types import Array, Float
from .figure import Figure
from .score import Readout, Score

SHOWN, SAMPLES = 6, 2000
"""At most so many traces, of so many samples each, are kept for the report."""


@final
@dataclass(frozen=True)
class Traces(Score):
    """Traces [trial, time, …] against data of the same shape, both in `unit`; NaN in the data is not compared.

    The loss is the mean squared difference in units of `scale`; the headline is the root of the mean square, in `unit`.
    `dt` (ms per sample) labels the axis of time.
    """

    unit: str = "mV"
    scale: float = 1.0
    dt: float | None = None

    def __post_init__(self) -> None:
        if not self.scale > 0.0:
            raise ParameterError(f"Traces: scale = {self.scale!r} {self.unit} must be above 0")

    @property
    def headline(self) -> Figure:
        said = (
            "The model is {value} away from the data (root mean square over {trials} held-out trials, {test})"
        )
        return Figure("error", self.unit, sentence=said)

    def loss(self, outputs: Float[Array, "..."], targets: Any) -> Array:
        """Return the mean squared difference in units of `scale`."""
        return _mean_square(outputs, targets) / self.scale**2

    def measure(self, outputs: Float[Array, "..."], targets: Any) -> Array:
        """Return the root of the mean squared difference."""
        return jnp.sqrt(_mean_square(outputs, targets))

    def figures(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        """Return error, loss, trials, the error of the worst trial, the variance explained, and "traces".

        Of "traces" each entry has a trial with its "error", and "data" and "model" every "step" (ms, or samples).
        """
        square = (outputs - targets) ** 2
        each = np.sqrt(np.nanmean(square.reshape(len(targets), -1), axis=1))
        error, spread = float(np.nanmean(square)), float(np.nanvar(targets))
        return {
            "error": error**0.5,
            "loss": error / self.scale**2,
            "trials": len(targets),
            f"error of the worst trial ({self.unit})": float(each.max()),
            **({"variance explained": 1.0 - error / spread} if spread else {}),
            "traces": self._examples(outputs, targets, each),
        }

    def _examples(self, outputs: np.ndarray, targets: np.ndarray, errors: np.ndarray) -> list[dict[str, Any]]:
        """Return trials from the best to the worst, of several sites the first."""
        order = np.argsort(errors, kind="stable")
        chosen = np.unique(np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int))
        stride = max(1, -(-targets.shape[1] // SAMPLES))

        def first(x: np.ndarray) -> np.ndarray:
            return x.reshape(*x.shape[:2], -1)[:, ::stride, 0]

        data, model, step = first(targets), first(outputs), stride * (self.dt or 1.0)
        time = "ms" if self.dt else "sample"
        return [
            {"trial": int(k), "error": float(errors[k]), "step": step, "time": time, "unit": self.unit,
             "data": data[k], "model": model[k]}
            for k in order[chosen]
        ]  # fmt: skip

    def readout(self, targets: np.ndarray) -> Readout:
        """Return that every sample is given out, in units of the spread of the data around their mean."""
        known = np.asarray(targets)[np.isfinite(targets)]
        return Readout(int(np.prod(np.shape(targets)[1:])), float(known.mean()), float(known.std()) or 1.0)

    def cases(self, targets: np.ndarray) -> np.ndarray:
        """Return the data [trial, sample]."""
        return np.reshape(targets, (len(targets), -1))


def _mean_square(outputs: Array, targets: Any) -> Array:
    shape, wanted = jnp.shape(outputs), jnp.shape(targets)
    if shape != wanted:
        raise ParameterError(
            f"Traces: the model gives traces of shape {shape}, the data have {wanted}; "
            "record the same samples at the same sites"
        )
    targets = jnp.asarray(targets, dtype=jnp.result_type(outputs))
    known = ~jnp.isnan(targets)
    difference = jnp.where(known, outputs - jnp.where(known, targets, 0.0), 0.0)
    return jnp.sum(jnp.square(difference)) / jnp.maximum(jnp.sum(known), 1)
