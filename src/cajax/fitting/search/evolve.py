"""Evolve: a covariance-matrix adaptation evolution strategy (CMA-ES) around the best candidate; Hansen (2016)."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...base.checks import count, number
from .stage import Arrays, Runner, Stage, Work

STILL = 12
"""Generations without a gain of one percent after which a run is over."""


@final
@dataclass(frozen=True)
class Evolve(Stage):
    """CMA-ES from the best candidate of the round, by the package `cma`; a generation fills the problem's lanes.

    `sigma` is the first width, in coordinates of the box; a run ends after `generations`, or when it stands still.
    Source: Hansen (2016), arXiv:1604.00772.
    """

    sigma: float = 0.08
    generations: int = 80

    def __post_init__(self) -> None:
        number(self.sigma, "1", "Evolve sigma", above=0.0)
        count(self.generations, "Evolve generations")

    def begin(self, work: Work, saved: Mapping[str, Any]) -> Runner:
        return Evolved(self, work, saved)


@final
class Evolved(Runner):
    """CMA-ES at work. What is saved are the scores of its generations: it draws the same candidates again."""

    def __init__(self, stage: Evolve, work: Work, saved: Mapping[str, Any]) -> None:
        import cma

        self._stage, self._work = stage, work
        if saved:
            self._begin, told = np.array(saved["begin"]), np.array(saved["told"])
        else:
            top = work.found.top(1, since=work.found.round)
            self._begin, told = (top[0] if len(top) else work.found.start), np.zeros((0, work.problem.lanes))
        options = {
            "bounds": [0.0, 1.0], "popsize": work.problem.lanes, "seed": work.seed % (2**31 - 2) + 1,
            "verbose": -9, "verb_log": 0, "verb_disp": 0,
        }  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._es = cma.CMAEvolutionStrategy(np.clip(self._begin, 1e-3, 1.0 - 1e-3), stage.sigma, options)
        self._told: list[np.ndarray] = []
        for scores in told:
            self._tell(np.array(self._es.ask()), scores)

    @property
    def label(self) -> str:
        return f"evolution {len(self._told)}/{self._stage.generations}"

    def saved(self) -> Arrays:
        return {"begin": self._begin, "told": np.array(self._told).reshape(-1, self._work.problem.lanes)}

    def advance(self) -> bool:
        u = np.clip(np.array(self._es.ask()), 0.0, 1.0)
        self._tell(u, self._work.scored(u))
        bests = np.minimum.accumulate([scores.min() for scores in self._told])
        still = len(bests) > STILL and bests[-1] > 0.99 * bests[-1 - STILL]
        return len(self._told) < self._stage.generations and not still and not self._es.stop()

    def _tell(self, u: np.ndarray, scores: np.ndarray) -> None:
        self._es.tell(list(u), list(map(float, scores)))
        self._told.append(np.asarray(scores, float))
