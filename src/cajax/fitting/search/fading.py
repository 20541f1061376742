"""Fading: the model coupled to the recorded voltage, ever more weakly, one bounded Gauss–Newton step after another.

Coupled strongly, every candidate follows the recording, spikes included, and the difference that is left is a smooth
function of the parameters: there are no silent cells and no spikes that come or go. As the coupling fades the fit is
carried to the free model. Nudging: Abarbanel et al. (2009), SIAM J Appl Dyn Syst 8:1341.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...base.checks import count, number
from ...base.errors import ParameterError
from .stage import Arrays, Runner, Stage, Work, spread
from .step import SCALES, Lanes, mean_square, weights

LEAST = 0.02
"""Least half-width of a box."""
LEVEL = 0.9
"""A cost or score that is left above this share of itself has levelled."""
STILL = 3
"""Levels without a better score in free runs after which the stage is over, if there was a better one before."""


@final
@dataclass(frozen=True)
class Fading(Stage):
    """Coupling to the recording with time constants from `first` to `last` ms in `levels` stages, on several lanes.

    A stage takes a bounded Gauss–Newton step on the difference from the recording in each of the problem's `columns`
    lanes, at most `steps` of them while the cost falls by a tenth. Lanes begin at the model's own values and at random;
    late ones that are far behind are begun again beside the best. After every level the lanes are scored in free runs;
    where these no longer get better the stage ends early.
    """

    levels: int = 10
    first: float = 0.003
    last: float = 10.0
    steps: int = 2

    def __post_init__(self) -> None:
        count(self.levels, "Fading levels", least=2)
        count(self.steps, "Fading steps")
        for name in ("first", "last"):
            number(getattr(self, name), "ms", f"Fading {name}", above=0.0)
        if not self.first < self.last:
            raise ParameterError(
                f"Fading goes from strong to weak: first = {self.first:g} ms must be less than last"
            )

    def begin(self, work: Work, saved: Mapping[str, Any]) -> Runner:
        return Faded(self, work, saved)


@final
class Faded(Runner):
    """Fading at work: lanes at one level of the coupling."""

    def __init__(self, stage: Fading, work: Work, saved: Mapping[str, Any]) -> None:
        self._stage, self._work = stage, work
        self._taus = np.geomspace(stage.first, stage.last, stage.levels)
        if saved:
            self._lanes = Lanes(saved["u"], saved["width"], LEAST)
            self._level, self._step, self._still = (int(x) for x in saved["at"])
            self._known, self._best = map(float, saved["free"])
            return
        since = work.found.scores[work.found.round :]
        self._known = self._best = float(since.min(initial=np.inf))
        self._still = 0
        count, start = work.problem.columns, work.found.start
        u = work.rng(0).uniform(size=(count, len(start)))
        known = work.found.top(1, since=work.found.round)
        passive = known[0] if len(known) else start
        u[:, work.passive] = spread(work.rng(1), passive, count, 0.1)[:, work.passive]
        if work.found.round == 0:
            u[0] = np.where(work.passive, passive, start)
        self._lanes, self._level, self._step = Lanes(u, np.full(count, 0.5), LEAST), 0, 0

    @property
    def label(self) -> str:
        level = min(self._level, len(self._taus) - 1)
        return f"coupling {level + 1}/{len(self._taus)}, τ = {self._taus[level]:.2g} ms"

    def saved(self) -> Arrays:
        at, free = np.array([self._level, self._step, self._still]), np.array([self._known, self._best])
        return {"u": self._lanes.u, "width": self._lanes.width, "at": at, "free": free}

    def advance(self) -> bool:
        falls, off = self._moved(1.0 / self._taus[self._level])
        self._step += 1
        if self._step < self._stage.steps and falls:
            return True
        late = (self._level + 1) / len(self._taus)
        if late > 0.6:
            self._begun_again(off)
        best = float(self._work.scored(self._lanes.u).min())
        self._still = 0 if best < LEVEL * self._best else self._still + 1
        self._best = min(self._best, best)
        self._level, self._step = self._level + 1, 0
        levelled = self._best < LEVEL * self._known and self._still >= STILL
        return self._level < len(self._taus) and not levelled

    def _moved(self, rate: float) -> tuple[bool, np.ndarray]:
        """Take a step in every lane; return whether costs still fall, and the mean square differences (mV²) [lane]."""
        problem, lanes = self._work.problem, self._lanes
        rows, jacobian = (np.asarray(x, float) for x in problem.jacobian(lanes.u, rate))
        w = np.stack([weights(r, j) for r, j in zip(rows, jacobian, strict=True)])
        before = mean_square(w * rows)
        before = np.where(np.isfinite(before), before, np.inf)
        tried = lanes.tries(w * rows, w[:, :, None] * jacobian, np.ones(lanes.u.shape[1], bool))
        _, after = problem.evaluate(tried, rate)
        now, moved = lanes.take(tried, mean_square(np.repeat(w, len(SCALES), 0) * after), before)
        self._redraw(~np.isfinite(before) & ~moved)
        off = mean_square(after).reshape(len(lanes), -1)
        off = np.where(np.isfinite(off), off, np.inf).min(1)
        with np.errstate(invalid="ignore"):  # of lanes whose runs have failed
            share = np.where(moved, now / np.maximum(before, 1e-30), 1.0)
        return bool(np.median(share) < LEVEL), off

    def _redraw(self, lost: np.ndarray) -> None:
        """Begin lanes again at random whose runs have failed."""
        drawn = self._work.rng(2, self._level, self._step).uniform(size=self._lanes.u.shape)
        self._lanes.u[lost], self._lanes.width[lost] = drawn[lost], 0.5

    def _begun_again(self, off: np.ndarray) -> None:
        """Begin lanes again near the best one that are far behind it."""
        lanes, best, behind = self._lanes, int(off.argmin()), off > 4.0 * off.min()
        near = spread(self._work.rng(3, self._level), lanes.u[best], len(lanes), 0.05)
        lanes.u[behind], lanes.width[behind] = near[behind], 0.2
