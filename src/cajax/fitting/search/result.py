"""The result of a search: the candidates that were scored, the best of them as models and as a table."""

from functools import cached_property
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from ...base.checks import count
from ...model.model import Model
from ...train.table import ParameterTable
from .problem import Problem
from .stage import Found

APART = 0.02
"""Candidates closer than this (root mean square of their coordinates) are one, where several are asked for."""


@final
class Result:
    """What a search found.

    `u` [candidate, parameter] and `scores` [candidate] are all candidates that were scored; `marks` [candidate, 2] the
    simulated protocols and the seconds until each was known. `stopped` is "finished", "enough" or "interrupted".
    """

    def __init__(self, problem: Problem, found: Found, seconds: float, stopped: str) -> None:
        self.problem, self.objective = problem, problem.objective
        self.u, self.scores, self.marks = found.u, found.scores, found.marks
        self.runs, self.seconds, self.stopped = problem.runs, seconds, stopped
        self._found = found

    @property
    def score(self) -> float:
        """The best score."""
        return self._found.best

    @cached_property
    def best(self) -> np.ndarray:
        """The coordinates [parameter] of the best candidate."""
        return self._found.top(1)[0]

    @property
    def model(self) -> Model:
        """The best model."""
        return self.problem.model_at(self.best)

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters of the best model by name, in their units."""
        values = np.asarray(self.problem.box.values(jnp.asarray(self.best)))
        return dict(zip(self.problem.box.names, map(float, values), strict=True))

    def members(self, number: int = 20, apart: float = APART) -> np.ndarray:
        """Return the coordinates of the best candidates [member, parameter] that differ from one another."""
        return self._found.top(count(number, "members: number"), apart)

    def curve(self) -> np.ndarray:
        """Return how the search went: rows (protocols simulated, seconds, best score) of every improvement."""
        order = np.minimum.accumulate(self.scores)
        better = np.flatnonzero(np.diff(order, prepend=np.inf) < 0.0)
        return np.column_stack([self.marks[better], order[better]])

    def table(self) -> ParameterTable:
        """Return a printable table of the parameters, with the change against the model that the search began with."""
        from ...train.bijections import bounded
        from ...train.free import Free

        box = self.problem.box
        free = Free({path: bounded(*_range(box, path)) for path in box.shapes})
        return free.table(self.model, box.model)

    def __repr__(self) -> str:
        return f"Result(score {self.score:.4g} after {self.runs:,} protocols and {self.seconds:.0f} s, {self.stopped})"


def _range(box: Any, path: str) -> tuple[float, float]:
    k = next(k for k, name in enumerate(box.names) if name in (path, f"{path}[0]"))
    return float(box.lo[k]), float(box.hi[k])
