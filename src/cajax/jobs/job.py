"""The contract of a trained job: a network, trials, what is read off them, and a score."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.checks import count, flag, number
from ..base.objects import optional
from ..model.model import Model
from ..morph import Morphology
from ..simulate import Solution
from ..train import Free, History
from .score import Score

Say = Callable[[str], None]

MOST_SIZE = 1_000_000
"""The most cells, trials or steps that a setting may ask for."""

S = TypeVar("S", bound=Score, covariant=True)


@final
class Batch(NamedTuple):
    """Trials: `inputs`, a dictionary of arrays [trial, …], and `targets` [trial, …], what the outputs should be."""

    inputs: dict[str, Any]
    targets: Any

    @property
    def labels(self) -> Any:
        """The targets, where they are numbers of classes."""
        return self.targets


@final
@dataclass(frozen=True)
class Stage:
    """A part of the curriculum: trials of one length, trained until `enough(history)` or for `steps` steps.

    `delay` is the shortest and longest wait (ms) within a trial, for jobs that have one.
    """

    name: str
    steps: int
    t1: float
    delay: tuple[float, float] = (0.0, 0.0)
    enough: Callable[[History], bool] | None = None


@dataclass(frozen=True)
class Job(ABC, Generic[S]):
    """A training job and its settings: the fields decide a run completely, and are written into the run folder.

    A subclass is a frozen dataclass with more fields. Trained, tested, controlled and reported by its `score`.
    """

    seed: int = 0
    batch: int = 32

    name: ClassVar[str]
    title: ClassVar[str]
    """One sentence that says what is trained to do what."""
    published: ClassVar[str] = ""
    """The figure to compare with, and its source."""
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Words → globs of trained parameters that can be put back to their start together."""
    lesions: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Words → globs of conductances and weights that can be silenced together."""
    attacked: ClassVar[str] = ""
    """The input, with values 0..1, that an adversary may change; "" where that makes no sense."""
    remembered: ClassVar[str] = ""
    """The input that is to be kept in memory (one number or one-hot per trial), where that is not the target."""

    def __post_init__(self) -> None:
        """Raise `ParameterError` for a setting of another kind than its field's, or a size that is beyond reason."""
        kinds = {int: self._as_size, float: lambda x, name: number(x, "1", name), bool: flag}
        for field in dataclasses.fields(self):
            if isinstance(field.type, type) and field.type in kinds:
                value = kinds[field.type](getattr(self, field.name), f"{type(self).__name__}: {field.name}")
                object.__setattr__(self, field.name, value)
        self.check()

    @staticmethod
    def _as_size(x: Any, name: str) -> int:
        return count(x, name, least=0, most=2**63 if name.endswith(": seed") else MOST_SIZE)

    @optional
    def check(self) -> None:
        """Raise `ParameterError` for settings that make no sense together."""

    @property
    @abstractmethod
    def score(self) -> S:
        """What is measured."""

    @abstractmethod
    def network(self) -> Model:
        """Return the model before training."""

    @abstractmethod
    def free(self) -> Free:
        """Return what is trained."""

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
        """Name → stage and held-out trials; the first one has the figure of the job."""

    @abstractmethod
    def checks(self) -> tuple[Stage, Batch]:
        """Return the trials, neither trained on nor tested, on which progress is measured."""

    @abstractmethod
    def run(self, model: Model, inputs: dict[str, Any], stage: Stage, record: Mapping[str, Any]) -> Solution:
        """Simulate one trial: `inputs` without the trial axis."""

    @property
    @abstractmethod
    def readout(self) -> Mapping[str, Any]:
        """What the output is read from, as `record` for `run`."""

    @abstractmethod
    def read(self, solution: Solution, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        """Return the output of one trial that recorded `readout`, as the score takes it."""

    @optional
    def loss(self, model: Model, batch: Batch, stage: Stage) -> tuple[jax.Array, jax.Array]:
        """Return the mean loss of a batch and its headline figure."""
        outputs = self.answer(model, batch.inputs, stage)
        return self.score.loss(outputs, batch.targets), self.score.measure(outputs, batch.targets)

    @optional
    def marks(self, outputs: np.ndarray, batch: Batch, stage: Stage) -> dict[str, float]:
        """Return further figures of a test, by name."""
        return {}

    @optional
    def phases(self, inputs: dict[str, Any], stage: Stage) -> dict[str, tuple[float, float]]:
        """Name → start and end (ms) of the parts of one trial."""
        return {"trial": (0.0, stage.t1)}

    @optional
    def shapes(self) -> Mapping[str, tuple[Morphology, ...]]:
        """Population → the shapes of its cells (one shape where all are alike), for drawing."""
        return {}

    @optional
    def signal(self, inputs: dict[str, Any], stage: Stage) -> Any:
        """Return what the model is shown as [case, time, channel], for controls without neurons; None for no such.

        Where a trial has several targets, [trial · target, time, channel].
        """
        return None

    @optional
    def versions(self) -> "Mapping[str, Job[Any]]":
        """Name → another version of this job that is trained beside it as a control."""
        return {}

    @optional
    def reset_groups(self) -> Mapping[str, tuple[str, ...]]:
        """Words → globs of the trained parameters that `analysis.resets` puts back together."""
        return {**self.groups, "everything": tuple(self.free().globs)}

    @optional
    def inspect(self, before: Model, after: Model, folder: Path, say: Say) -> dict[str, Any]:
        """Return what a look into the trained model finds, such as `analysis.inside(self, before, after, say)`.

        It is kept in `inside.json`; by default nothing is looked into.
        """
        return {}

    @optional
    def remark(self) -> str:
        """Return what is to be said of what was trained, in a sentence; "" for nothing."""
        return ""

    @optional
    def again(self, folder: Path, every_control: bool = False) -> str:
        """Return what to type to go on with a run, to the end of every control or not."""
        return f"cajax.jobs.resume(job, '{folder}'{', every_control=True' if every_control else ''})"

    def answer(self, model: Model, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        """Return the outputs [trial, …] of many trials."""

        def one(inputs: dict[str, Any]) -> jax.Array:
            return self.read(self.run(model, inputs, stage, self.readout), inputs, stage)

        return jax.vmap(one)(inputs)

    def settings(self) -> dict[str, Any]:
        """Return every field by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def but(self, **changes: Any) -> Self:
        """Return the job with some settings changed."""
        return dataclasses.replace(self, **changes)


def rng(seed: int, *where: int) -> np.random.Generator:
    """Return the generator of random numbers that belongs to a seed and a place in the run."""
    return np.random.default_rng((seed, *where))


def take(inputs: dict[str, Any], which: Any) -> dict[str, Any]:
    """Return some of the trials."""
    return {name: jnp.asarray(x)[which] for name, x in inputs.items()}
