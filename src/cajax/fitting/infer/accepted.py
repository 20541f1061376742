"""Accepted models: a population that does what was recorded, as well as measurements let one ask."""

import time
from dataclasses import dataclass
from functools import partial
from typing import final

import jax
import jax.numpy as jnp
import numpy as np

from ...base.checks import count, number, of_kind
from ...base.types import Array, Float
from ...model.model import Model
from ...train.interrupt import Interrupt
from ..box import Box
from ..objective import Objective
from ..search import Problem, Result
from ..search.problem import BRIEF
from .degeneracy import Degeneracy, degeneracy
from .draws import in_units
from .progress import Telling

NARROW = 1e-4
"""Standard deviation of the noise that is added to a move."""
JUMPS = 10
"""Every tenth move has the length of a whole difference: members can so jump between separate groups."""
KEEP = 10
"""Generations between two that are kept."""
WANTED = 0.25
"""Share of moves that should be accepted; their length is fitted to it."""


@final
@dataclass(frozen=True, eq=False)
class Accepted:
    """Models whose compared residuals are all within `sd` standard deviations, on fitted and held-out sweeps.

    `u` [member, parameter] are coordinates of the box, `worst` [member] the largest residual of each, `residuals` those
    compared [member, residual], with names in `labels`; `tried` is how many candidates were run. `nearest` are the
    coordinates of the candidate whose largest residual is `least`.
    """

    problem: Problem
    u: Float[np.ndarray, "member parameter"]
    worst: Float[np.ndarray, " member"]
    residuals: Float[np.ndarray, "member residual"]
    labels: tuple[str, ...]
    sd: float
    tried: int
    seconds: float
    nearest: Float[np.ndarray, " parameter"]
    least: float

    def __len__(self) -> int:
        return len(self.u)

    @property
    def box(self) -> Box:
        """The free parameters and their bounds."""
        return self.problem.box

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return self.box.names

    @property
    def parameters(self) -> Float[np.ndarray, "member parameter"]:
        """The parameters of every member in their units."""
        return in_units(self.box, self.u)

    def model(self, member: int = 0) -> Model:
        """Return the model of one member."""
        return self.problem.model_at(self.u[count(member, "model: member", least=0, most=len(self) - 1)])

    def degeneracy(self, conductances: bool = True) -> Degeneracy:
        """Return how members differ and what compensates: among conductances, or among all parameters."""
        which = self.box.densities if conductances else np.ones(len(self.names), bool)
        return degeneracy(self.names, self.u, which)

    def __repr__(self) -> str:
        if not len(self):
            return (
                f"Accepted(none of {self.tried:,} candidates within {self.sd:g} SD; the nearest one has a residual of"
                f" {self.least:.3g} SD, {self.seconds:.0f} s)"
            )
        return f"Accepted({len(self)} models of {self.tried:,} within {self.sd:g} SD, {self.seconds:.0f} s)"


def accepted(
    result: Result,
    sd: float = 3.0,
    held_out: Objective | None = None,
    most: int = 100,
    *,
    generations: int = 200,
    seed: int = 0,
    progress: bool | None = None,
) -> Accepted:
    """Grow a population of models whose residuals are all within `sd` standard deviations, `most` at most.

    It begins with the best candidates of a search that differ, and moves them by differences between one another
    (differential evolution as a Markov chain, ter Braak 2006, Stat Comput 16:239): members wander evenly over the whole
    region of accepted models, the sloppy directions included, so that what they have in common is the data's doing and
    not the search's. Candidates outside move towards it. Each half of a generation is one call of the search's compiled
    program; every tenth generation is kept, until there are twice `most` members (the last half is returned) or after
    so many `generations`. `held_out` sweeps are run only for candidates that do well on the fitted ones. Ctrl-C returns
    what there is.
    """
    of_kind(result, Result, "accepted: result", "the result of a search")
    sd = number(sd, "1", "accepted: sd", above=0.0)
    if held_out is not None:
        of_kind(held_out, Objective, "accepted: held_out", "an Objective(sweeps)")
    most, generations = count(most, "accepted: most"), count(generations, "accepted: generations")
    begin = time.perf_counter()
    judge = _Judge(result.problem, held_out)
    rng = np.random.default_rng(count(seed, "accepted: seed", least=0))
    pool, kept, told = _Pool(result, judge, sd, rng), _Kept(sd), Telling(progress)
    kept.take(pool)
    with Interrupt() as interrupt:
        for k in range(generations):
            pool.move(k)
            if (k + 1) % KEEP == 0 or k + 1 == generations:
                kept.take(pool)
            told(f"{kept.number} accepted models,", (k + 1) / generations)
            if kept.number >= 2 * most or interrupt.asked:
                break
    at, seconds = int(pool.worst.argmin()), time.perf_counter() - begin
    u, worst, residuals = kept.chosen(most)
    nearest = (pool.u[at], float(pool.worst[at]))
    return Accepted(result.problem, u, worst, residuals, judge.labels, sd, judge.tried, seconds, *nearest)


@final
class _Judge:
    """Runs candidates and says how large their residuals are: on fitted sweeps, and on held-out ones."""

    def __init__(self, problem: Problem, held_out: Objective | None) -> None:
        self.problem = problem
        self._objectives = [problem.objective, *([] if held_out is None else [held_out])]
        brief = partial(jax.jit, compiler_options=BRIEF if jax.default_backend() == "cpu" else None)
        self._compare = [brief(jax.vmap(partial(_compared, o))) for o in self._objectives]
        self._counted = [np.concatenate([c.ravel() for c in o.counted]) for o in self._objectives]
        self._other = jax.jit(jax.vmap(self._run_held_out))
        uses = ("", "held-out ") if held_out is not None else ("",)
        self.labels = tuple(
            name
            for o, use, counted in zip(self._objectives, uses, self._counted, strict=True)
            for name, real in zip(_names(o, use), counted, strict=True)
            if real
        )
        """The names of the compared residuals."""
        self.tried = 0

    def __call__(self, u: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the largest residual [candidate] and all of them [candidate, residual].

        Those of held-out sweeps are NaN where a fitted one is above the candidate's bound [candidate] already.
        """
        self.tried += len(u)
        found = self._residuals(0, self.problem.voltages(u))
        worst = np.abs(found).max(1, initial=0.0)
        if len(self._objectives) > 1:
            more = np.full((len(u), int(self._counted[1].sum())), np.nan)
            good = np.flatnonzero(worst <= bounds)
            if len(good):
                more[good] = self._residuals(1, self._held_out(u[good]))
                worst[good] = np.maximum(worst[good], np.abs(more[good]).max(1, initial=0.0))
            found = np.concatenate([found, more], 1)
        return worst, found

    def _residuals(self, use: int, v: np.ndarray) -> np.ndarray:
        lanes = self.problem.lanes
        parts = [_filled(v[k : k + lanes], lanes) for k in range(0, len(v), lanes)]
        r = np.concatenate([np.asarray(self._compare[use](jnp.asarray(part)), float) for part in parts])
        return r[: len(v), self._counted[use]]

    def _held_out(self, u: np.ndarray) -> np.ndarray:
        lanes, dtype = self.problem.lanes, self.problem.box.model.area.dtype
        parts = [_filled(u[k : k + lanes], lanes) for k in range(0, len(u), lanes)]
        return np.concatenate([np.asarray(self._other(jnp.asarray(part, dtype))) for part in parts])[: len(u)]

    def _run_held_out(self, u: Array) -> Array:
        box = self.problem.box
        return self._objectives[1].run(box.put(box.model, u))


@final
class _Pool:
    """Candidates in two groups, each of which moves by differences within the other."""

    def __init__(self, result: Result, judge: _Judge, sd: float, rng: np.random.Generator) -> None:
        self._judge, self._sd, self._rng = judge, sd, rng
        self._group = judge.problem.lanes
        size = 2 * self._group
        u = result.members(2 * size)
        worst, residuals = judge(u, np.full(len(u), np.inf))
        order = np.argsort(worst, kind="stable")[np.arange(size) % min(size, len(u))]
        self.u, self.worst, self.residuals = u[order], worst[order], residuals[order]
        self.moved = np.ones(size, bool)
        self._length = 1.0
        doubles = np.flatnonzero(np.arange(size) >= len(u))
        if len(doubles):  # few candidates differ: the others begin beside them
            self._take(
                doubles, _reflected(self.u[doubles] + 0.02 * rng.standard_normal(self.u[doubles].shape))
            )

    def move(self, generation: int) -> None:
        """Move every candidate once, where it stays accepted, or (outside) comes no further away."""
        group, d = self._group, self.u.shape[1]
        rate = []
        for first in (0, group):
            own, others = np.arange(first, first + group), self.u[group - first : 2 * group - first]
            one = self._rng.integers(group, size=group)
            other = (one + self._rng.integers(1, group, size=group)) % group
            length = 1.0 if generation % JUMPS == JUMPS - 1 else self._length * 2.38 / np.sqrt(2.0 * d)
            noise = NARROW * self._rng.standard_normal((group, d))
            rate.append(
                self._take(own, _reflected(self.u[own] + length * (others[one] - others[other]) + noise))
            )
        if generation % JUMPS != JUMPS - 1:
            self._length = float(np.clip(self._length * np.exp(0.3 * (np.mean(rate) - WANTED)), 0.05, 3.0))

    def _take(self, which: np.ndarray, tried: np.ndarray) -> float:
        bounds = np.maximum(self.worst[which], self._sd)
        worst, residuals = self._judge(tried, bounds)
        better = worst <= bounds
        taken = which[better]
        self.u[taken], self.worst[taken], self.residuals[taken] = (
            tried[better],
            worst[better],
            residuals[better],
        )
        self.moved[taken] = True
        return float(better.mean())


@final
class _Kept:
    """Members seen so far: of every taking, those accepted that have moved since the last."""

    def __init__(self, sd: float) -> None:
        self._sd = sd
        self._rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    @property
    def number(self) -> int:
        """How many there are."""
        return sum(len(worst) for _, worst, _ in self._rows)

    def take(self, pool: _Pool) -> None:
        """Add the accepted members of a pool."""
        new = pool.moved & (pool.worst <= self._sd)
        pool.moved[:] = False
        self._rows.append((pool.u[new].copy(), pool.worst[new].copy(), pool.residuals[new].copy()))

    def chosen(self, most: int) -> tuple[np.ndarray, ...]:
        """Return coordinates, largest residuals and residuals of the last `most` members: of a pool that has spread."""
        return tuple(np.concatenate(x)[-most:] for x in zip(*self._rows, strict=True))


def _compared(objective: Objective, v: Array) -> Array:
    return jnp.concatenate([r.ravel() for r in objective.residuals(v)])


def _names(objective: Objective, use: str) -> list[str]:
    """Return the names of all residuals of an objective, in their order."""
    sweeps = [[rows[k].name for rows in objective.sweeps.values()] for k in range(len(objective))]
    return [
        f"{name}, {use}{s}"
        for term in objective.terms
        for row in sweeps
        for s in row
        for name in term.names()
    ]


def _filled(x: np.ndarray, lanes: int) -> np.ndarray:
    return np.concatenate([x, np.broadcast_to(x[:1], (lanes - len(x), *x.shape[1:]))])


def _reflected(u: np.ndarray) -> np.ndarray:
    return 1.0 - np.abs(1.0 - np.abs(u) % 2.0)
