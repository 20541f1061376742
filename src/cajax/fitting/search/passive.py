"""Passive: the passive membrane first, from where the recording has no spike, active currents at their least."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...base.checks import count
from .stage import Arrays, Runner, Stage, Work
from .step import SCALES, Lanes, mean_square, weights

LEAST = 1e-4
"""Least half-width of a box."""


@final
@dataclass(frozen=True)
class Passive(Stage):
    """At most `steps` bounded Gauss–Newton steps on the parameters of the passive membrane, in free runs.

    The densities of all other conductances are at their lower bounds, so that no candidate spikes; only rows more than
    a few ms from a recorded spike count. What it finds is where later stages begin, not a constraint on them.
    """

    steps: int = 4

    def __post_init__(self) -> None:
        count(self.steps, "Passive steps")

    def begin(self, work: Work, saved: Mapping[str, Any]) -> Runner:
        return Settled(self, work, saved)


@final
class Settled(Runner):
    """Passive at work."""

    def __init__(self, stage: Passive, work: Work, saved: Mapping[str, Any]) -> None:
        self._stage, self._work = stage, work
        if saved:
            self._lanes, self._step = Lanes(saved["u"], saved["width"], LEAST), int(saved["step"])
            return
        start, lanes = work.found.start, work.problem.columns
        u = np.tile(start, (lanes, 1))
        u[1:, work.passive] = work.rng(0).uniform(size=(lanes - 1, int(work.passive.sum())))
        u[:, ~work.passive & work.problem.box.densities] = 0.0
        self._lanes, self._step = Lanes(u, np.full(lanes, 0.5), LEAST), 0

    @property
    def label(self) -> str:
        return f"passive {self._step}/{self._stage.steps}"

    def saved(self) -> Arrays:
        return {"u": self._lanes.u, "width": self._lanes.width, "step": np.array(self._step)}

    def advance(self) -> bool:
        work, lanes = self._work, self._lanes
        if not work.passive.any():
            return False
        calm = work.problem.calm
        rows, jacobian = (np.asarray(x, float)[:, calm] for x in work.problem.jacobian(lanes.u, 0.0))
        w = np.stack([weights(r, j[:, work.passive]) for r, j in zip(rows, jacobian, strict=True)])
        before = mean_square(w * rows)
        tried = lanes.tries(w * rows, w[:, :, None] * jacobian, work.passive)
        _, after = work.problem.evaluate(tried)
        now, _ = lanes.take(tried, mean_square(np.repeat(w, len(SCALES), 0) * after[:, calm]), before)
        self._step += 1
        more = self._step < self._stage.steps and bool(now.min() < 0.9 * before.min())
        if not more:
            work.scored(lanes.u[now.argmin()][None])
        return more
