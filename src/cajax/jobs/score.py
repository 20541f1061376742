"""What a job measures: its loss, its figures, and what its controls and its report have to know of them."""

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from ..base.objects import optional
from ..base.types import Array
from .figure import Figure


@final
@dataclass(frozen=True)
class Judged:
    """The trials of a test in words, for pictures of them.

    `kind` [trial] numbers `kinds`, by which trials are compared; `asked` says what kinds are ("to answer"), or nothing.
    `good` [trial]: whether the output is what it should be. `given` [trial]: the output in a word, "" where unknown;
    `said` [trial]: the same in a sentence.
    """

    kinds: tuple[str, ...]
    kind: np.ndarray
    good: np.ndarray
    given: tuple[str, ...]
    said: tuple[str, ...]
    asked: str = ""


@final
@dataclass(frozen=True)
class Readout:
    """What a network without neurons gives out for one case: `size` numbers, times `scale` plus `shift`."""

    size: int
    shift: float = 0.0
    scale: float = 1.0

    def __call__(self, x: Array) -> Array:
        """Return the outputs in the unit of the targets."""
        return x if (self.shift, self.scale) == (0.0, 1.0) else self.scale * x + self.shift


class Score(ABC):
    """What a job measures of outputs [trial, …], read off simulated trials, and of targets [trial, …].

    A score of your own names its headline figure and computes it and a loss; the rest has defaults.
    """

    @property
    @abstractmethod
    def headline(self) -> Figure:
        """The figure that stands for all: of checks, controls, resets, lesions, and in the list of runs."""

    @abstractmethod
    def loss(self, outputs: Array, targets: Any) -> Array:
        """Return what training reduces: one number, differentiable by the outputs."""

    @abstractmethod
    def measure(self, outputs: Array, targets: Any) -> Array:
        """Return the headline figure as one number; runs under `jit`."""

    @property
    @optional
    def loss_figure(self) -> Figure:
        """How the loss is written."""
        return Figure("loss")

    @optional
    def figures(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        """Return the figures of a test by name: the headline, "loss", "trials", and more.

        Some are drawn by the report: see `Classified.figures` and `Traces.figures`.
        """
        given, wanted = jnp.asarray(outputs), jnp.asarray(targets)
        return {
            self.headline.name: float(self.measure(given, wanted)),
            "loss": float(self.loss(given, wanted)),
            "trials": len(targets),
        }

    @optional
    def judged(self, outputs: np.ndarray | None, targets: np.ndarray) -> Judged:
        """Return the trials in words; `outputs` are None where a run has not kept any."""
        count = len(targets)
        values = [
            "" if outputs is None or k >= _WORDED else self._of_one(outputs[k : k + 1], targets[k : k + 1])
            for k in range(count)
        ]
        said = tuple(f"{self.headline.name.capitalize()}: {text}" if text else "" for text in values)
        names = tuple(f"trial {k}" for k in range(count))
        return Judged(names, np.arange(count), np.ones(count, bool), tuple(values), said)

    def _of_one(self, outputs: np.ndarray, targets: np.ndarray) -> str:
        return self.headline.text(float(self.measure(jnp.asarray(outputs), jnp.asarray(targets))))

    @property
    @optional
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, where each has one."""
        return ()

    @property
    @optional
    def kept_as(self) -> tuple[str, str]:
        """What outputs and targets are called in `answers.npz`."""
        return "outputs", "targets"

    @optional
    def about(self) -> dict[str, Any]:
        """Return plain values that `metrics.json` keeps beside the figures."""
        return {}

    @optional
    def readout(self, targets: np.ndarray) -> Readout | None:
        """Return what a network without neurons has to give out, None where none can stand beside the model."""
        return None

    @optional
    def cases(self, targets: np.ndarray) -> np.ndarray:
        """Return the targets [case, …] of such a network, one case for each entry of the job's `signal`."""
        return np.asarray(targets)

    def record(self) -> dict[str, Any]:
        """Return what a run folder keeps, so that tables and pages can be made without the score itself."""
        return {"headline": dataclasses.asdict(self.headline), "loss": dataclasses.asdict(self.loss_figure)}


_WORDED = 100
"""Trials of which the output is put into words, by default."""
