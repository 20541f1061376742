"""The score of classification: which of several answers is right."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..base.types import Array
from ..train import accuracy, cross_entropy
from .figure import Figure
from .score import Judged, Readout, Score


@final
@dataclass(frozen=True)
class Classified(Score):
    """Logits [trial, …, class] against labels [trial, …]: cross-entropy is reduced, accuracy is the headline."""

    classes: tuple[str, ...]

    @property
    def headline(self) -> Figure:
        said = "{value} of the answers to {trials} held-out trials ({test}) are right"
        chance = 1.0 / len(self.classes) if self.classes else None
        return Figure("accuracy", "%", more_is_better=True, chance=chance, sentence=said)

    @property
    def loss_figure(self) -> Figure:
        return Figure("loss", "nats")

    @property
    def output_names(self) -> tuple[str, ...]:
        return self.classes

    @property
    def kept_as(self) -> tuple[str, str]:
        return "logits", "labels"

    def loss(self, outputs: Array, targets: Any) -> Array:
        """Return the mean cross-entropy (nats)."""
        return cross_entropy(outputs, targets)

    def measure(self, outputs: Array, targets: Any) -> Array:
        """Return the share of right answers."""
        return accuracy(outputs, targets)

    def figures(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
        """Return accuracy, loss (nats), trials and confusion [right, given]."""
        chosen = np.take_along_axis(outputs, targets[..., None], -1)[..., 0]
        given, edges = outputs.argmax(-1), np.arange(outputs.shape[-1] + 1)
        return {
            "accuracy": float(np.mean(given == targets)),
            "loss": float(np.mean(np.logaddexp.reduce(outputs, axis=-1) - chosen)),
            "trials": len(targets),
            "confusion": np.histogram2d(targets.ravel(), given.ravel(), bins=[edges] * 2)[0].astype(int),
        }

    def judged(self, outputs: np.ndarray | None, targets: np.ndarray) -> Judged:
        """Return the trials by what is to be answered; without logits every answer counts as right."""
        given = targets if outputs is None else outputs.argmax(-1)
        named = [self._named(row) for row in targets]
        keys = targets.reshape(len(targets), -1)
        first = np.unique(keys, axis=0, return_index=True)[1]  # in the order of the classes
        kinds = tuple(dict.fromkeys(named[i] for i in first))
        order = {name: k for k, name in enumerate(kinds)}
        hits = (given == targets).reshape(len(targets), -1)
        good = hits.all(axis=1)
        if targets.ndim > 1:
            read = tuple(f"{n} of {hits.shape[1]} right" for n in hits.sum(axis=1))
            said = tuple(f"Answered {text}" for text in read)
        else:
            read = tuple(self._named(row) for row in given)
            said = tuple(
                f"Answered {text}, {'right' if ok else 'wrong'}" for text, ok in zip(read, good, strict=True)
            )
        return Judged(kinds, np.array([order[n] for n in named]), good, read, said, "to answer")

    def _named(self, answer: Any) -> str:
        """Return the name of an answer; of several answers one name where they agree, else all in a row."""
        known = self.classes
        names = [known[int(a)] if 0 <= int(a) < len(known) else str(a) for a in np.ravel(answer)]
        if len(set(names)) == 1:
            return names[0]
        return ("" if max(map(len, names)) == 1 else " ").join(names)

    def about(self) -> dict[str, Any]:
        """Return the names of the classes."""
        return {"classes": self.classes}

    def readout(self, targets: np.ndarray) -> Readout:
        """Return that one logit per class is given out."""
        return Readout(len(self.classes))

    def cases(self, targets: np.ndarray) -> np.ndarray:
        """Return the labels; of several answers each is a case of its own."""
        return np.ravel(targets)
