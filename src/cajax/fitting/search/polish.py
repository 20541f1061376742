"""Polish: Levenberg–Marquardt on the residuals of the score, where they are smooth: as many spikes as were recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...base.checks import count
from .stage import Arrays, Runner, Stage, Work
from .step import Lanes

LEAST = 1e-4
"""Least half-width of a box."""
NEAR = 0.02
"""Distance (root mean square of coordinates) below which two candidates are one."""


@final
@dataclass(frozen=True)
class Polish(Stage):
    """At most `steps` bounded Gauss–Newton steps on all residuals, from the best candidates that agree in their spikes.

    A step is taken only where the score itself falls; a spike that comes or goes is seen, never trusted.
    """

    steps: int = 8

    def __post_init__(self) -> None:
        count(self.steps, "Polish steps")

    def begin(self, work: Work, saved: Mapping[str, Any]) -> Runner:
        return Polished(self, work, saved)


@final
class Polished(Runner):
    """Polish at work: lanes with their scores [lane]."""

    def __init__(self, stage: Polish, work: Work, saved: Mapping[str, Any]) -> None:
        self._stage, self._work = stage, work
        if saved:
            self._lanes = Lanes(saved["u"], saved["width"], LEAST)
            self._scores, self._step = np.array(saved["scores"]), int(saved["step"])
            return
        top = work.found.top(work.problem.columns, NEAR, work.found.round)
        top = top[work.problem.agrees(top)] if len(top) else top
        self._lanes, self._step = Lanes(top, np.full(len(top), 0.1), LEAST), 0
        self._scores = work.scored(top) if len(top) else np.zeros(0)

    @property
    def label(self) -> str:
        return f"polish {self._step}/{self._stage.steps}"

    def saved(self) -> Arrays:
        lanes = {"u": self._lanes.u, "width": self._lanes.width, "scores": self._scores}
        return {**lanes, "step": np.array(self._step)}

    def advance(self) -> bool:
        lanes = self._lanes
        if not len(lanes):
            return False
        residuals, jacobian = (np.asarray(x, float) for x in self._work.problem.local(lanes.u))
        tried = lanes.tries(residuals, jacobian, np.ones(lanes.u.shape[1], bool))
        before = self._scores
        self._scores, _ = lanes.take(tried, self._work.scored(tried), before)
        self._step += 1
        gain = float(np.max(1.0 - self._scores / np.maximum(before, 1e-12)))
        return self._step < self._stage.steps and (gain > 1e-3 or self._step < 3)
