"""What a task is: a job whose network answers one of several classes. All tasks share controls, analyses and report."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..analysis import inside_classified
from ..base.objects import optional
from ..jobs.classified import Classified
from ..jobs.controls import perceptron
from ..jobs.job import Batch as Batch
from ..jobs.job import Job, Say
from ..jobs.job import Stage as Stage
from ..jobs.job import rng as rng
from ..model.model import Model
from ..morph import Morphology
from ..train import Free


@dataclass(frozen=True)
class Task(Job[Classified]):
    """A task and its settings: the fields decide a run completely, and are written into the run folder.

    `membranes=False` trains the synapses alone, `point=True` puts one compartment in the place of every cell: the
    controls. `read` returns the logits [class] (or [answer, class]) of one trial; targets are labels [trial] (or
    [trial, answer]). A subclass is a frozen dataclass with more fields.
    """

    membranes: bool = True
    point: bool = False

    classes: ClassVar[tuple[str, ...]]
    """The possible answers, in the order of the logits."""
    synapses: ClassVar[Mapping[str, Any]]
    """Glob → bijection of the trained synaptic parameters."""

    @property
    @abstractmethod
    def membrane(self) -> Mapping[str, Any]:
        """Glob → bijection of the trained membrane parameters."""

    @abstractmethod
    def signal(self, inputs: dict[str, Any], stage: Stage) -> Any:
        """Return what the network is shown as [trial, time, channel], for controls that are not of neurons.

        Where a trial has several answers, [trial · answer, time, channel].
        """

    @abstractmethod
    def shapes(self) -> Mapping[str, tuple[Morphology, ...]]:
        """Population → the shapes of its cells (one shape where all are alike), for drawing."""

    @property
    def score(self) -> Classified:
        """Cross-entropy of the logits, and accuracy."""
        return Classified(tuple(self.classes))

    @optional
    def free(self) -> Free:
        """Return what is trained."""
        return Free({**self.synapses, **(self.membrane if self.membranes else {})})

    def versions(self) -> Mapping[str, Job[Any]]:
        """The same network of point neurons, and with its membranes left as they are."""
        return {"point neurons": self.but(point=True), "untrained membranes": self.but(membranes=False)}

    def reset_groups(self) -> Mapping[str, tuple[str, ...]]:
        """The task's own groups, all membranes, all synapses, everything."""
        return {
            **self.groups,
            "all membranes": tuple(self.membrane) if self.membranes else (),
            "all synapses": tuple(self.synapses),
            "everything": tuple(self.free().globs),
        }

    def inspect(self, before: Model, after: Model, folder: Path, say: Say) -> dict[str, Any]:
        """Take the network apart in every way that makes sense for it, beside the perceptron among the controls."""
        rival = perceptron(self, folder) if self.attacked else None
        return inside_classified(self, before, after, say, rivals={} if rival is None else {"MLP": rival})

    def remark(self) -> str:
        """Say where membranes were not trained."""
        return (
            ""
            if self.membranes
            else "The membranes of this run were left as they were; only synapses were trained."
        )

    def again(self, folder: Path, every_control: bool = False) -> str:
        """Return the command that goes on with a run."""
        return f"cajax train {self.name} --resume {folder}{' --controls' if every_control else ''}"
