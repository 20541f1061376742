"""What a task is: a network, trials and an answer. Training, controls, dissection and report are the same for all."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from ..model.model import Model
from ..morph import Morphology
from ..simulate import Solution
from ..train import Free, History, accuracy, cross_entropy


class Batch(NamedTuple):
    """Trials: `inputs`, a dictionary of arrays [trial, …], and the right answers `labels` [trial, …]."""

    inputs: dict[str, Any]
    labels: Any


@dataclass(frozen=True)
class Stage:
    """A part of the curriculum: trials of one length, trained until `enough(history)` or for `steps` steps.

    `delay` is the shortest and longest wait (ms) within a trial, for tasks that have one.
    """

    name: str
    steps: int
    t1: float
    delay: tuple[float, float] = (0.0, 0.0)
    enough: Callable[[History], bool] | None = None


@dataclass(frozen=True)
class Task(ABC):
    """A task and its settings: the fields decide a run completely, and are written into the run folder.

    `membranes=False` trains the synapses alone, `point=True` puts one compartment in the place of every cell: the
    controls. A subclass is a frozen dataclass with more fields.
    """

    seed: int = 0
    batch: int = 32
    membranes: bool = True
    point: bool = False

    name: ClassVar[str]
    title: ClassVar[str]
    """One sentence that says what the network learns."""
    published: ClassVar[str] = ""
    """The figure to compare with, and its source."""
    classes: ClassVar[tuple[str, ...]]
    """The possible answers, in the order of the logits."""
    synapses: ClassVar[Mapping[str, Any]]
    """Glob → bijection of the trained synaptic parameters."""
    groups: ClassVar[Mapping[str, tuple[str, ...]]]
    """Words → globs of trained parameters that can be put back to their start together."""
    lesions: ClassVar[Mapping[str, tuple[str, ...]]]
    """Words → globs of conductances and weights that can be silenced together."""
    attacked: ClassVar[str] = ""
    """The input, with values 0..1, that an adversary may change; "" where that makes no sense."""

    remembered: ClassVar[str] = ""
    """The input that is to be kept in memory (one number or one-hot per trial), where that is not the answer."""

    @abstractmethod
    def network(self) -> Model:
        """Return the network before training."""

    @property
    @abstractmethod
    def membrane(self) -> Mapping[str, Any]:
        """Glob → bijection of the trained membrane parameters."""

    @abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """Return the curriculum."""

    @abstractmethod
    def optimizer(self, stage: Stage) -> Any:
        """Return the optimizer of a stage."""

    @abstractmethod
    def trials(self, stage: Stage, step: int) -> Batch:
        """Return `self.batch` training trials; they depend on the seed, the stage and the step alone."""

    @abstractmethod
    def tests(self) -> Mapping[str, tuple[Stage, Batch]]:
        """Name → stage and held-out trials; the first one is the figure of the task."""

    @abstractmethod
    def checks(self) -> tuple[Stage, Batch]:
        """Return the trials, neither trained on nor tested, on which progress is measured."""

    @abstractmethod
    def run(self, model: Model, inputs: dict[str, Any], stage: Stage, record: Mapping[str, Any]) -> Solution:
        """Simulate one trial: `inputs` without the trial axis."""

    @property
    @abstractmethod
    def readout(self) -> Mapping[str, Any]:
        """What the answer is read from, as `record` for `run`."""

    @abstractmethod
    def read(self, solution: Solution, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        """Return the logits [class] (or [answer, class]) of one trial that recorded `readout`."""

    @abstractmethod
    def signal(self, inputs: dict[str, Any], stage: Stage) -> Any:
        """Return what the network is shown as [trial, time, channel], for controls that are not of neurons.

        Where a trial has several answers, [trial · answer, time, channel].
        """

    @abstractmethod
    def shapes(self) -> Mapping[str, tuple[Morphology, ...]]:
        """Population → the shapes of its cells (one shape where all are alike), for drawing."""

    def phases(self, inputs: dict[str, Any], stage: Stage) -> dict[str, tuple[float, float]]:
        """Name → start and end (ms) of the parts of one trial."""
        return {"trial": (0.0, stage.t1)}

    def free(self) -> Free:
        """Return what is trained."""
        return Free({**self.synapses, **(self.membrane if self.membranes else {})})

    def answer(self, model: Model, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        """Return the logits [trial, class] of many trials."""

        def one(inputs: dict[str, Any]) -> jax.Array:
            return self.read(self.run(model, inputs, stage, self.readout), inputs, stage)

        return jax.vmap(one)(inputs)

    def loss(self, model: Model, batch: Batch, stage: Stage) -> tuple[jax.Array, jax.Array]:
        """Return the mean loss of a batch and its accuracy."""
        logits = self.answer(model, batch.inputs, stage)
        return cross_entropy(logits, batch.labels), accuracy(logits, batch.labels)

    def marks(self, logits: np.ndarray, batch: Batch, stage: Stage) -> dict[str, float]:
        """Return further figures of a test, by name."""
        return {}

    def settings(self) -> dict[str, Any]:
        """Return every field by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def but(self, **changes: Any) -> Self:
        """Return the task with some settings changed."""
        return dataclasses.replace(self, **changes)


def rng(seed: int, *where: int) -> np.random.Generator:
    """Return the generator of random numbers that belongs to a seed and a place in the run."""
    return np.random.default_rng((seed, *where))


def take(inputs: dict[str, Any], which: Any) -> dict[str, Any]:
    """Return some of the trials."""
    return {name: jnp.asarray(x)[which] for name, x in inputs.items()}
