"""`search`: the one function that looks for the parameters with which a model does what was recorded."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, final

import numpy as np

from ...base.checks import count, flag, number, of_kind
from ...base.errors import ParameterError
from ...base.lock import claimed
from ...model.model import Model, require_model
from ...train.free import Free, matching
from ...train.interrupt import Interrupt
from ..objective import Objective
from .evolve import Evolve
from .fading import Fading
from .passive import Passive
from .polish import Polish
from .problem import Problem
from .progress import Line
from .result import Result
from .stage import Clock, Found, Runner, Stage, Work
from .store import Folder, restored

PASSIVE = ("*.cm", "*.ra", "*leak*", "*pas*")
"""Globs of the parameters that decide the passive membrane, unless they are given."""
STAGES = (Passive(), Fading(), Evolve(), Polish())


def search(
    objective: Objective,
    model: Model,
    free: Free,
    *,
    minutes: float | None = None,
    simulations: int | None = None,
    until: float | Callable[[Result], Any] | None = None,
    stages: Sequence[Stage] = STAGES,
    passive: Sequence[str] = PASSIVE,
    lanes: int = 32,
    columns: int = 4,
    seed: int = 0,
    run: str | Path | None = None,
    resume: bool | None = None,
    progress: bool | None = None,
) -> Result:
    """Search the parameters `free` of `model` (all with bounds) for the least score of `objective`; return a `Result`.

    - `minutes` of work without compiling, or `simulations` of one protocol each (a tangent of a Jacobian counts as
      one); five minutes where neither is given. With `simulations` the result follows from the seed, bit for bit.
    - `until`: a score that is good enough, or a function of the `Result` so far that says so.
    - `stages` are gone through in rounds, each from new random candidates, until the budget is spent: by default the
      passive membrane first, the coupling to the recording that fades, evolution from the best, then a polish.
      `passive` are globs of the parameters that the first one fits.
    - `lanes`: candidates that run at once; `columns`: Jacobians at once.
    - `run`: a folder for the state and the record; the same call goes on there (`resume` as in `fit`). Ctrl-C, or
      SIGTERM, ends the iteration, saves, and returns what there is.

    A candidate whose run fails has a bad score. Raises `ParameterError` for parameters without bounds and arguments
    that make no sense, `StoreError` for a folder of another run.
    """
    of_kind(objective, Objective, "search: objective", "an Objective(sweeps)")
    require_model(model, "search")
    of_kind(free, Free, "search: free", "Free({'*.hh.gna': bounded(0.01, 0.5)})")
    budget = _Budget(minutes, simulations)
    _check(until, stages, seed, resume, progress)
    problem = Problem(objective, model, free, lanes, columns)
    settings = {"simulations": simulations, "stages": repr(tuple(stages)), "lanes": lanes, "columns": columns}
    with ExitStack() as stack:
        if run is not None:
            stack.enter_context(claimed(run))
        folder = Folder(run)
        state = folder.open(problem, seed, {**settings, "passive": list(passive)}, resume)
        interrupt = stack.enter_context(Interrupt())
        line = stack.enter_context(Line(progress))
        mask = problem.box.matching({p for glob in passive for p in matching(glob, problem.box.shapes)})
        return _Search(problem, tuple(stages), mask, budget, until, seed, folder, interrupt, line).run(state)


def _check(until: Any, stages: Any, seed: Any, resume: Any, progress: Any) -> None:
    if until is not None and not callable(until):
        number(until, "1", "search: until")
    if not isinstance(stages, Sequence) or not stages or not all(isinstance(s, Stage) for s in stages):
        raise ParameterError("search: stages are a list such as [Fading(), Evolve()], at least one")
    count(seed, "search: seed", least=0, most=2**63 - 1)
    for value, name in ((resume, "resume"), (progress, "progress")):
        if value is not None:
            flag(value, f"search: {name}")


@final
class _Budget(Clock):
    """The clock of a search: seconds without compiling, and simulated protocols, against what may be spent."""

    def __init__(self, minutes: float | None, simulations: int | None) -> None:
        if minutes is None and simulations is None:
            minutes = 5.0
        self._seconds = None if minutes is None else 60.0 * number(minutes, "1", "search: minutes", above=0.0)
        self._runs = None if simulations is None else count(simulations, "search: simulations")
        self._begin, self._before = time.perf_counter(), 0.0
        self.problem: Problem | None = None

    def start(self, problem: Problem, before: float) -> None:
        """Start the clock, `before` seconds after that of the search."""
        self.problem, self._before, self._begin = problem, before, time.perf_counter()

    @property
    def seconds(self) -> float:
        compiling = self.problem.compiling if self.problem else 0.0
        return self._before + time.perf_counter() - self._begin - compiling

    @property
    def share(self) -> float:
        parts = [0.0 if self._seconds is None else self.seconds / self._seconds]
        if self._runs is not None and self.problem is not None:
            parts.append(self.problem.runs / self._runs)
        return max(parts)


@final
class _Search:
    """A search at work."""

    def __init__(
        self, problem: Problem, stages: tuple[Stage, ...], passive: np.ndarray, budget: _Budget, until: Any,
        seed: int, folder: Folder, interrupt: Interrupt, line: Line,
    ) -> None:  # fmt: skip
        self.problem, self.stages, self.passive, self.budget, self.until = (
            problem,
            stages,
            passive,
            budget,
            until,
        )
        self.seed, self.folder, self.interrupt, self.line = seed, folder, interrupt, line
        self.found = Found(problem.box.start())
        self.round, self.stage = 0, 0

    def run(self, state: dict[str, np.ndarray]) -> Result:
        """Go through the stages until the budget is spent, or it is enough."""
        saved: dict[str, np.ndarray] = {}
        before = 0.0
        if state:
            saved = restored(self.found, state, len(self.problem.box))
            self.round, self.stage = (int(x) for x in state["at"])
            self.problem.runs, before = int(state["spent"][0]), float(state["spent"][1])
        self.budget.start(self.problem, before)
        if not len(self.found.scores):
            self._work().scored(self.found.start[None])
        runner, stopped = None, self._over()
        while not stopped:
            if runner is None:
                runner, saved = self.stages[self.stage].begin(self._work(), saved), {}
            more = runner.advance()
            self._tell(runner)
            if not more:
                self._next()
                runner = None
            self.folder.save(self.found, self._at(), runner.saved() if runner else {})
            stopped = self._over()
        self.folder.save(self.found, self._at(), runner.saved() if runner else {}, now=True)
        result = Result(self.problem, self.found, self.budget.seconds, stopped)
        self.folder.finish(
            {"score": result.score, "runs": result.runs, "seconds": result.seconds, "stopped": stopped,
             "parameters": result.parameters, "curve": result.curve()}
        )  # fmt: skip
        return result

    def _work(self) -> Work:
        seed = int(np.random.SeedSequence([self.seed, self.round, self.stage]).generate_state(1)[0])
        return Work(self.problem, self.found, self.passive, seed, self.budget)

    def _at(self) -> dict[str, np.ndarray]:
        spent = np.array([float(self.problem.runs), self.budget.seconds])
        return {"at": np.array([self.round, self.stage]), "spent": spent}

    def _next(self) -> None:
        self.stage += 1
        if self.stage == len(self.stages):
            self.round, self.stage, self.found.round = self.round + 1, 0, len(self.found.scores)

    def _over(self) -> str:
        """Return why the search ends now, "" where it goes on."""
        if self.interrupt.asked:
            return "interrupted"
        if self.budget.share >= 1.0:
            return "finished"
        if self.until is None:
            return ""
        if callable(self.until):
            enough = bool(self.until(Result(self.problem, self.found, self.budget.seconds, "")))
        else:
            enough = self.found.best <= self.until
        return "enough" if enough else ""

    def _tell(self, runner: Runner) -> None:
        self.line.update(self.budget.share, self.found.best, self.round, runner.label, self.budget.seconds)
