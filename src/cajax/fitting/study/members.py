"""The models that stand beside the best one: a population of accepted models, or the nearest where none is."""

from dataclasses import dataclass
from typing import final

import numpy as np

from ..infer import Accepted, accepted
from ..objective import Objective
from ..search import Result
from .judge import Assessor
from .plan import Plan
from .protocols import Protocols

LEVELS = (3.0, 5.0)
"""Standard deviations within which every compared residual of an accepted model is; the first that any model meets."""
NEAREST = 20
"""Best candidates of the search that are judged, and shown where no model is accepted."""
MOST = 100
"""Most accepted models."""
JUDGED = 24
"""Accepted models, at most, that are run once more for traces and features."""
SHARE = 0.25
"""The time, or simulations, that accepted models take at most, as a share of the search's."""
GENERATIONS = (5, 200)
"""Least generations for which it is worth while to grow a population, and most."""


@final
@dataclass(frozen=True, eq=False)
class Members:
    """Models with free runs of all sweeps: coordinates `u` [member, parameter], the best of the search first.

    `accepted` [member] says which are within `sd` standard deviations everywhere (None: no model is within any of
    `LEVELS`). `voltages` are free runs [member, sweep, sample] mV, `scores` [member] and `residuals` those of
    an `Assessor`, by use ("fitted", "held out"). `grown` is the whole population, if one was grown.
    """

    u: np.ndarray
    accepted: np.ndarray
    sd: float | None
    voltages: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    residuals: dict[str, list[np.ndarray]]
    grown: Accepted | None = None

    @property
    def worst(self) -> np.ndarray:
        """The largest compared residual of every member."""
        return np.max([np.abs(r).max((1, 2, 3)) for rs in self.residuals.values() for r in rs], axis=0)

    @property
    def population(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates of the best model and all accepted ones (or the nearest), and which of them are accepted."""
        if self.grown is None or not len(self.grown):
            return self.u, self.accepted
        u = np.concatenate([self.u[:1], self.grown.u])
        return u, np.concatenate([self.accepted[:1], np.ones(len(self.grown), bool)])


def members(plan: Plan, result: Result, protocols: Protocols, progress: bool | None = None) -> Members:
    """Judge the best candidates of a search on all sweeps, and grow a population of accepted models from them."""
    assess = {use: Assessor(objective, JUDGED + 1) for use, objective in _objectives(plan).items()}
    near = _judged(assess, protocols, result.members(NEAREST + 1))
    generations = _affordable(plan, result)
    # A population moves towards what it should be within: it may get there from the next level.
    levels = LEVELS if near.worst.min() <= LEVELS[1] else LEVELS[1:]
    if generations >= GENERATIONS[0]:
        for sd in levels:
            grown = accepted(
                result, sd, plan.held_out, MOST, generations=generations // len(levels), progress=progress
            )
            if len(grown):
                chosen = np.unique(np.linspace(0, len(grown) - 1, JUDGED).round().astype(int))
                u = np.concatenate([near.u[:1], grown.u[chosen]])
                return _within(_judged(assess, protocols, u), sd, grown)
    sd = next((level for level in LEVELS if (near.worst <= level).any()), None)
    return near if sd is None else _within(near, sd)


def _affordable(plan: Plan, result: Result) -> int:
    """Return for how many generations a population may grow, by what the search took."""
    size = 2 * result.problem.lanes * sum(len(o) for o in _objectives(plan).values())
    settings = plan.settings
    if settings.simulations is not None:
        runs = SHARE * settings.simulations
    else:
        runs = SHARE * 60.0 * (settings.minutes or 0.0) * result.runs / max(result.seconds, 1e-3)
    return min(GENERATIONS[1], int(runs / size))


def _objectives(plan: Plan) -> dict[str, Objective]:
    found = {"fitted": plan.objective, "held out": plan.held_out}
    return {use: objective for use, objective in found.items() if objective is not None}


def _judged(assess: dict[str, Assessor], protocols: Protocols, u: np.ndarray) -> Members:
    """Return models with their runs of all sweeps; none of them counts as accepted yet."""
    voltages, scores, residuals = {}, {}, {}
    for use, judge in assess.items():
        currents, first = judge.objective.currents[:, 0], judge.objective.voltages[:, 0, 0]
        voltages[use] = protocols(u, currents, first)
        scores[use], residuals[use] = judge(voltages[use])
    return Members(u, np.zeros(len(u), bool), None, voltages, scores, residuals)


def _within(found: Members, sd: float, grown: Accepted | None = None) -> Members:
    accepted = found.worst <= sd * (1.0 + 1e-3)  # other programs round otherwise
    return Members(found.u, accepted, sd, found.voltages, found.scores, found.residuals, grown)
