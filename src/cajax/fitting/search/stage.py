"""What a stage of a search is, and what all stages share: the candidates found so far."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, final

import numpy as np

from .problem import Problem

Arrays = dict[str, np.ndarray]


@final
class Found:
    """All candidates that a search has scored in free runs: `u` [candidate, parameter] and `scores` [candidate].

    `marks` [candidate]: the simulated protocols and the seconds until each was known. `round` is where those of the
    present round begin, `start` are the coordinates of the model that the search began with.
    """

    def __init__(self, start: np.ndarray) -> None:
        self.start = start
        self.u = np.zeros((0, len(start)))
        self.scores = np.zeros(0)
        self.marks = np.zeros((0, 2))
        self.round = 0

    def add(self, u: np.ndarray, scores: np.ndarray, runs: float, seconds: float) -> None:
        """Add candidates that were scored."""
        self.u = np.concatenate([self.u, u])
        self.scores = np.concatenate([self.scores, scores])
        self.marks = np.concatenate([self.marks, np.tile([float(runs), seconds], (len(u), 1))])

    @property
    def best(self) -> float:
        """The least score so far; infinite before there is one."""
        return float(self.scores.min(initial=np.inf))

    def top(self, count: int, apart: float = 0.0, since: int = 0) -> np.ndarray:
        """Return up to `count` of the best candidates [candidate, parameter], none within `apart` of a better one.

        The distance is the root mean square over coordinates. `since`: leave out those found before.
        """
        chosen: list[np.ndarray] = []
        for k in np.argsort(self.scores[since:], kind="stable"):
            u = self.u[since + k]
            if all(np.sqrt(np.mean(np.square(u - other))) >= apart for other in chosen):
                chosen.append(u)
                if len(chosen) == count:
                    break
        return np.array(chosen).reshape(-1, len(self.start))


class Runner(ABC):
    """A stage at work."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What it does, for the progress line."""

    @abstractmethod
    def advance(self) -> bool:
        """Do one iteration; return whether there is another."""

    @abstractmethod
    def saved(self) -> Arrays:
        """Return what a runner needs to go on from here, as plain arrays."""


class Stage(ABC):
    """A part of a search: it proposes candidates, learns from their runs, and leaves the scored ones in `Found`.

    A subclass of your own is a frozen dataclass. What it draws follows from `rng` alone, so that a search that goes on
    from `saved` arrays ends with the same bits.
    """

    @abstractmethod
    def begin(self, work: "Work", saved: Mapping[str, Any]) -> Runner:
        """Return the stage at work, from its start or (where `saved` is not empty) from where it was saved."""


@final
class Work:
    """What a stage works with: the problem, the candidates found, a seed of its own, and the clock of the search.

    `passive` [parameter] says which coordinates decide the passive membrane.
    """

    def __init__(
        self, problem: Problem, found: Found, passive: np.ndarray, seed: int, clock: "Clock"
    ) -> None:
        self.problem, self.found, self.passive, self.seed, self.clock = problem, found, passive, seed, clock

    def rng(self, *path: int) -> np.random.Generator:
        """Return the random numbers of one iteration: the same whenever it is made."""
        return np.random.default_rng([self.seed, *path])

    def scored(self, u: np.ndarray) -> np.ndarray:
        """Return the scores of candidates in free runs, and keep both."""
        scores, _ = self.problem.evaluate(u)
        self.found.add(u, scores, self.problem.runs, self.clock.seconds)
        return scores


class Clock(ABC):
    """How much of a search's budget is spent."""

    @property
    @abstractmethod
    def seconds(self) -> float:
        """Seconds of work so far, those before a resume included, compiling left out."""

    @property
    @abstractmethod
    def share(self) -> float:
        """The spent share of the budget, from 0 to 1."""


def spread(rng: np.random.Generator, around: np.ndarray, count: int, width: float) -> np.ndarray:
    """Return candidates [candidate, parameter] normally distributed around one, reflected into the box."""
    u = around + width * rng.standard_normal((count, len(around)))
    return 1.0 - np.abs(1.0 - np.abs(u) % 2.0)
