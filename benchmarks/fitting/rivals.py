"""Fit a problem with BluePyOpt's own optimisations on NEURON, for a given time on one core, and write how it went.

    OMP_NUM_THREADS=1 python rivals.py PROBLEM.json ibea|cma --seed 1 --seconds 300 --out RUN.json
        --bluepyopt UNPACKED_SDIST --scratch FOLDER

The cell is built once and only its parameters are set, eFEL runs in the same process, the mechanisms are compiled with
-O3 -march=native -ffast-math. Every choice below was measured to be the rival's faster one (README.md).
"""

import argparse
import json
import platform
import time
import warnings
from pathlib import Path
from typing import final

import numpy as np
from bluepyopt.deapext.optimisations import IBEADEAPOptimisation
from bluepyopt.deapext.optimisationsCMA import DEAPOptimisationCMA
from bluepyopt.evaluators import Evaluator
from bluepyopt.objectives import Objective
from bluepyopt.parameters import Parameter
from neuron_cell import Cell
from scoring import errors, fitted, load, named, score, unit_bounds

FAST = "-O3 -march=native -ffast-math"
STEP = {"windows": (0.05, 0.0, 2), "features": (0.0, 1e-3, 0)}
"""Fixed step (ms, 0 for CVODE), CVODE's tolerance and NEURON's `secondorder`, by kind of target."""
ENDLESS = 10**9


class TimeIsUp(Exception):
    """The budget is spent; nothing else ends a run."""


@final
class Race(Evaluator):
    """BluePyOpt's evaluator of one problem, which keeps the history and stops when the time is up."""

    def __init__(self, problem: dict, cell: Cell, seconds: float, clock: str, joint: bool, every: int):
        self.problem, self.cell, self.sweeps, self.joint = problem, cell, fitted(problem), joint
        self.seconds, self.now, self.every = (
            seconds,
            time.process_time if clock == "cpu" else time.monotonic,
            every,
        )
        self.count, self.best, self.history = 0, np.inf, []
        self.begun, self.wall, self.cpu = self.now(), time.monotonic(), time.process_time()
        names = ["score"] if joint else [f"{s['name']} {k}" for s in self.sweeps for k in self._features(s)]
        lower, upper = unit_bounds(problem)
        bounds = zip(problem["parameters"], lower, upper, strict=True)
        parameters = [Parameter(p["name"], bounds=[float(a), float(b)]) for p, a, b in bounds]
        super().__init__(objectives=[Objective(name) for name in names], params=parameters)

    def _features(self, sweep: dict) -> list:
        return sweep["observed"] if "windows" in sweep else list(sweep["features"])

    def init_simulator_and_evaluate_with_lists(self, x: list, target: str = "scores") -> list[float]:
        """Return the objectives of one individual: an error per feature, or the score alone."""
        if self.now() - self.begun > self.seconds:
            raise TimeIsUp
        values = named(self.problem, x)
        self.cell.set(values)
        each = [errors(sweep, self.cell.run(sweep)) for sweep in self.sweeps]
        total = score(self.problem, each)
        self._note(total, values)
        return [total] if self.joint else [e for sweep in each for e in sweep.values()]

    def _note(self, total: float, values: dict) -> None:
        self.count += 1
        better = total < self.best
        self.best = min(total, self.best)
        if better or self.count % self.every == 0:
            times = {"t": time.monotonic() - self.wall, "cpu": time.process_time() - self.cpu}
            entry = {**times, "evaluations": self.count, "score": self.best}
            self.history.append(entry | ({"parameters": values} if better else {}))


def ibea(race: Race, seed: int, offspring: int, eta: float) -> None:
    """BluePyOpt's default: the indicator-based evolutionary algorithm."""
    IBEADEAPOptimisation(race, seed=seed, offspring_size=offspring, eta=eta).run(max_ngen=ENDLESS)


def cma(race: Race, seed: int, offspring: int | None, sigma: float, draws: int) -> None:
    """BluePyOpt's CMA-ES from the best of `draws` random points; begun again with twice the offspring when it stops."""
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # its criteria average nothing at first
    rng, bounds = np.random.default_rng(seed), np.transpose(unit_bounds(race.problem))
    offspring = offspring or int(4 + 3 * np.log(len(bounds)))
    for k in range(ENDLESS):
        points = [list(rng.uniform(*bounds.T)) for _ in range(draws)]
        best = min(points, key=lambda x: sum(race.init_simulator_and_evaluate_with_lists(x)), default=None)
        size = offspring * 2 ** min(k, 5)
        about = {"seed": seed + 1000 * k, "offspring_size": size, "sigma": sigma}
        DEAPOptimisationCMA(race, centroids=best and [best], **about).run(max_ngen=ENDLESS)


def fit(args: argparse.Namespace) -> dict:
    """Run one search and return its history."""
    begun = time.monotonic()
    problem = load(args.problem)
    step = STEP["windows" if "windows" in problem["sweeps"][0] else "features"]
    step = step if args.dt is None else (args.dt, 1e-3, args.secondorder)
    cell = Cell(problem, args.bluepyopt, args.scratch, flags=FAST)
    cell.use(*step)
    every = args.offspring or 10
    race = Race(problem, cell, args.seconds, args.clock, args.joint, every)
    setup = time.monotonic() - begun
    try:
        if args.algorithm == "ibea":
            ibea(race, args.seed, args.offspring or 10, args.eta)
        else:
            cma(race, args.seed, args.offspring, args.sigma, args.draws)
    except TimeIsUp:
        pass
    best = next((e["parameters"] for e in reversed(race.history) if "parameters" in e), None)
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
    settings |= {"step": step, "flags": FAST, "machine": platform.processor() or platform.machine()}
    out = {"problem": problem["name"], "algorithm": args.algorithm, "seed": args.seed, "setup_s": setup}
    return out | {
        "score": race.best,
        "evaluations": race.count,
        "parameters": best,
        "settings": settings,
        "history": race.history,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("problem", type=Path)
    parser.add_argument("algorithm", choices=["ibea", "cma"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="what the budget counts")
    parser.add_argument("--offspring", type=int, help="default 10 (ibea), 4 + 3 ln(parameters) (cma)")
    parser.add_argument("--eta", type=float, default=10.0, help="ibea: spread of crossover and mutation")
    parser.add_argument(
        "--sigma", type=float, default=0.4, help="cma: first step as a share of half the range"
    )
    parser.add_argument(
        "--draws", type=int, default=20, help="cma: it starts at the best of so many random points"
    )
    parser.add_argument(
        "--joint", action="store_true", help="ibea: one objective, the score, not one per feature"
    )
    parser.add_argument("--dt", type=float, help="fixed step in ms, 0 for CVODE; by default the faster one")
    parser.add_argument("--secondorder", type=int, default=0, help="NEURON's `secondorder`, with --dt")
    parser.add_argument("--bluepyopt", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True, help="where the mechanisms are compiled")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    result = fit(args)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result))
    per = (
        1e3 * result["history"][-1]["cpu"] / result["history"][-1]["evaluations"]
        if result["history"]
        else float("nan")
    )
    print(f"{result['problem']} {args.algorithm} seed {args.seed}: score {result['score']:.4f}", end=" ")
    print(f"after {result['evaluations']} evaluations, {per:.0f} ms of CPU each")


if __name__ == "__main__":
    main()
