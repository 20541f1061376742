"""Our side of the fitting benchmark: search a problem of `problems.py` with Cajax, and write what was best when.

    python ours.py PROBLEM.json OUT.json --seed 0 --seconds 60 [--method search | descent | evolve]
        [--data SHARED_DATA]

The history has an entry per improvement: seconds of work (without compiling and with it), protocols, score, parameters
under the problem's names. `descent` is plain gradient descent as published: g/‖g‖^0.8, rate = loss/3, ten restarts one
after the other. `evolve` is CMA-ES alone, on the same simulations.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scoring import load

import cajax as cx
from cajax.fitting import recipes
from cajax.fitting.box import Box
from cajax.fitting.objective import Objective
from cajax.fitting.recordings.sweep import Sweep
from cajax.fitting.search import Evolve, search
from cajax.fitting.search.front import STAGES
from cajax.fitting.terms import Features, Summary
from cajax.morph.morphology import Branch, Morphology

NAMES = {
    "NaTs2_t": "nats2", "SKv3_1": "kv31", "Im": "im", "SK_E2": "sk", "Ca_HVA": "hva", "Ca_LVAst": "lva",
    "NaTa_t": "nata", "K_Pst": "kp", "K_Tst": "kt", "CaDynamics_E2": "ca",
}  # fmt: skip
SHARED = {
    "na_shift": "active.nats2.shift",
    "Ca_HVA.tauscale": "excitable.hva.slow",
    "Ca_LVAst.tauscale": "excitable.lva.slow",
    "Im.tauscale": "apical.im.slow",
    "ek": "all.k.e",
    "ena": "all.na.e",
    "leak.g": "all.leak.g",
    "leak.e": "all.leak.e",
    "cm": "all.cm",
}


class Segments:
    """A policy: the number of control volumes of every branch."""

    def __init__(self, counts: list[int]) -> None:
        self._counts = np.array(counts)

    def counts(self, morph: Morphology, ra: Any, cm: Any) -> np.ndarray:
        return self._counts


def path_of(name: str, paths: Any) -> str:
    """Return the path of one of the problem's parameters."""
    if name in SHARED:
        return SHARED[name]
    region, mechanism, what = name.split(".")
    short = NAMES[mechanism]
    what = {"decay": "tau"}.get(what, what)
    near = [
        f"{region}.{short}.{what}",
        f"active.{short}.{what}.{region}",
        f"excitable.{short}.{what}.{region}",
    ]
    return next(path for path in near if path in paths)


def cell_of(problem: dict) -> tuple[cx.Model, dict[str, str]]:
    """Return the model in the middle of its bounds, and the path of every parameter of the problem."""
    sections = problem["cell"]["sections"]
    order = list(sections)
    branches = [
        Branch(
            np.array(s["points"], float) * [1.0, 1.0, 1.0, 0.5],
            order.index(s["parent"]) if s["parent"] else -1,
            1.0 if s["at"] is None else s["at"],
            s["region"],
        )
        for s in sections.values()
    ]
    policy = Segments([s["nseg"] for s in sections.values()])
    synthetic = "trace" in problem["sweeps"][0]
    kind = {"problem": "synthetic"} if synthetic else {"membrane": True}
    recipe = recipes.hay(Morphology.of(branches), policy=policy, **kind)
    model = recipe.model
    fixed = {"all.ra": 100.0, "soma.ca.ci": problem["cai"], "axon.ca.ci": problem["cai"]}
    model = model.replace({k: v for k, v in fixed.items() if k in model.params})
    return model, {p["name"]: path_of(p["name"], model.params) for p in problem["parameters"]}


def bounds_of(parameter: dict) -> tuple[float, float]:
    """Return lower and upper bound of a parameter as Cajax means it."""
    low, high = float(parameter["lower"]), float(parameter["upper"])
    return (-high, -low) if parameter["name"] == "na_shift" else (low, high)


def objective_of(problem: dict, fitted: bool, dt: float, data: Path | None) -> Objective:
    """Return the objective of the sweeps that are fitted, or of those that are not."""
    sweeps = [s for s in problem["sweeps"] if s["fit"] == fitted]
    if problem["reduce"] == "sum":
        [sweep] = sweeps
        windows = tuple((a * sweep["sample_dt"], b * sweep["sample_dt"]) for a, b in sweep["windows"])
        means = tuple(map(float, sweep["observed"]))
        term: Any = Summary(
            windows, (sweep["scale"][0], sweep["scale"][1]), weight=4.0, given={sweep["name"]: means}
        )
    else:
        given = {s["name"]: {k: (x["mean"], x["sd"]) for k, x in s["features"].items()} for s in sweeps}
        names = tuple(dict.fromkeys(k for s in sweeps for k in s["features"]))
        term = Features(names, given=given, every=sweeps[0]["sample_dt"])
    return Objective([recorded(problem, s, data) for s in sweeps], terms=[term], dt=dt)


def recorded(problem: dict, sweep: dict, data: Path | None) -> Sweep:
    """Return a sweep with the voltage that was recorded, or that the true cell has."""
    v, dt = (np.array(sweep["trace"]), sweep["sample_dt"]) if "trace" in sweep else measured(sweep, data)
    t = np.arange(len(v)) * dt
    i = np.where((t >= sweep["on"]) & (t < sweep["off"]), sweep["amplitude"], 0.0) + sweep["holding"]
    about = {key: sweep[key] for key in ("on", "off", "amplitude", "holding", "name")}
    return Sweep(v, i, dt, kind="step", **about)


def measured(sweep: dict, data: Path | None) -> tuple[np.ndarray, float]:
    """Return the samples (mV) of a recorded sweep and their step (ms)."""
    source = Path(data or ".") / sweep["source"]
    if source.suffix == ".npz":
        with np.load(source) as z:
            v, dt = np.asarray(z["v_mV"], float), float(z["dt_ms"])
    else:
        from igor2 import binarywave

        v, dt = np.asarray(binarywave.load(source)["wave"]["wData"], float), 0.25
    first = sweep["first_sample"]
    count = round(sweep["stop"] / dt) + 1
    return v[first : first + count] - sweep["junction"], dt


def descent(
    objective: Objective, model: cx.Model, box: Box, seed: int, seconds: float
) -> list[tuple[float, float, Any]]:
    """Plain gradient descent as published; return (seconds, score, coordinates) of every evaluation."""
    coupled = objective.coupled(box.model)

    def loss(x: Any) -> Any:
        return objective.score(objective.run(box.put(coupled, jax.nn.sigmoid(x)), jnp.zeros(())))

    slope = jax.jit(jax.value_and_grad(loss))
    rng, out = np.random.default_rng(seed), []
    slope(jnp.zeros(len(box)))[0].block_until_ready()
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        u = rng.uniform(size=len(box))
        x = jnp.asarray(np.log(u) - np.log1p(-u), jnp.float32)
        for _ in range(10):
            value, g = slope(x)
            out.append((time.perf_counter() - begin, float(value), np.asarray(jax.nn.sigmoid(x))))
            norm = float(jnp.linalg.norm(g))
            if not np.isfinite(norm) or norm == 0.0 or time.perf_counter() - begin > seconds:
                break
            x = x - (float(value) / 3.0) * g / norm**0.8
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("problem", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--method", choices=("search", "descent", "evolve"), default="search")
    parser.add_argument("--dt", type=float, default=0.05)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--data", type=Path)
    args = parser.parse_args()
    problem = load(args.problem)
    begin = time.perf_counter()
    objective = objective_of(problem, True, args.dt, args.data)
    model, paths = cell_of(problem)
    ends = {paths[p["name"]]: bounds_of(p) for p in problem["parameters"]}
    free = cx.Free({path: cx.bounded(*e) for path, e in ends.items()})
    model = model.replace({path: 0.5 * sum(e) for path, e in ends.items()})
    box = Box(model, free)
    start = box.put(
        box.model, jnp.asarray(np.random.default_rng(args.seed).uniform(size=len(box)), jnp.float32)
    )
    setup = time.perf_counter() - begin
    if args.method == "descent":
        found = descent(objective, start, box, args.seed, args.seconds)
        marks, scores, u, compiling, runs = (
            [f[0] for f in found],
            [f[1] for f in found],
            [f[2] for f in found],
            0.0,
            0,
        )
    else:
        stages = STAGES if args.method == "search" else (Evolve(sigma=0.3, generations=10_000),)
        budget = {"minutes": args.seconds / 60.0, "columns": args.columns, "seed": args.seed}
        result = search(objective, start, free, stages=stages, progress=False, **budget)
        marks, scores, u = result.marks[:, 1], result.scores, result.u
        compiling, runs = result.problem.compiling, result.runs
    best, history = np.inf, []
    for t, s, x in zip(marks, scores, u, strict=True):
        if s < best:
            best = s
            values = dict(zip(box.names, np.asarray(box.values(jnp.asarray(x))), strict=True))
            named = {
                name: float(values[path]) * (-1.0 if name == "na_shift" else 1.0)
                for name, path in paths.items()
            }
            history.append({"seconds": float(t), "score": float(s), "parameters": named})
    about = {"problem": problem["name"], "method": args.method, "seed": args.seed, "seconds": args.seconds}
    wall = time.perf_counter() - begin
    about |= {"setup": setup, "compiling": compiling, "wall": wall, "runs": runs, "history": history}
    args.out.write_text(json.dumps(about))
    print(f"{problem['name']} {args.method} seed {args.seed}: {best:.4g} in {wall:.0f} s, {runs:,} runs")


if __name__ == "__main__":
    main()
