"""Search a problem by several methods and seeds, one run after the other on one core; judge; draw the score over time.

    python compare.py PROBLEM.json FOLDER --rivals ENV/bin/python --bluepyopt UNPACKED_SDIST --scratch FOLDER
        [--methods search cma ibea descent] [--seeds 10] [--seconds 120] [--core 1] [--threshold 0.55]
        [--data SHARED_DATA]

Methods take turns, seed by seed, so that a machine that is slower for a while is so for all. A run that FOLDER has is
not run again. Writes `summary.json` and `score.png` there. Time is that of the search: building the cell and compiling
(mechanisms or programs) are not counted, but told.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
RIVALS = ("cma", "ibea")
NAMES = {
    "search": "Cajax, search", "evolve": "Cajax, CMA-ES", "descent": "Cajax, gradient descent",
    "cma": "BluePyOpt, CMA", "ibea": "BluePyOpt, IBEA",
}  # fmt: skip
LONGER = 5.0
"""A run that takes so many times its budget, and two minutes, is ended."""


def one(args: argparse.Namespace, method: str, seed: int) -> dict[str, Any]:
    """Return a run: seconds, scores and parameters of every improvement; run it if it is not in the folder."""
    path = args.folder / f"{method}-{seed}.json"
    if not path.exists():
        common = ["--seed", str(seed), "--seconds", str(args.seconds)]
        if method in RIVALS:
            about = ["--bluepyopt", args.bluepyopt, "--scratch", args.scratch, "--out", path]
            command = [args.rivals, HERE / "rivals.py", args.problem, method, *common, *about]
        else:
            about = ["--method", method, *(["--data", args.data] if args.data else [])]
            command = [sys.executable, HERE / "ours.py", args.problem, path, *common, *about]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CAJAX_THREADS": "1"}
        pinned = (lambda: os.sched_setaffinity(0, {args.core})) if args.core is not None else None
        limit = LONGER * args.seconds + 120.0
        subprocess.run([*map(str, command)], check=True, env=environment, preexec_fn=pinned, timeout=limit)
    run = json.loads(path.read_text())
    points = [
        (float(h.get("cpu", h.get("seconds"))), float(h["score"]), h["parameters"])
        for h in run["history"]
        if "parameters" in h
    ]
    setup = run.get("setup_s", run.get("setup", 0.0)) + run.get("compiling", 0.0)
    return {"method": method, "seed": seed, "points": points, "setup": setup}


def judged(args: argparse.Namespace, values: dict[str, float]) -> dict[str, Any]:
    """Return what NEURON and eFEL say of parameters."""
    path = args.folder / "judged.tmp.json"
    path.write_text(json.dumps({"parameters": values}))
    command = [args.rivals, HERE / "judge.py", args.problem, path, "--only-cvode"]
    command += ["--bluepyopt", args.bluepyopt, "--scratch", args.scratch]
    found = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True).stdout
    path.unlink()
    return {k: v for k, v in json.loads(found).items() if k not in ("run", "errors")}


def best_after(run: dict[str, Any], t: np.ndarray) -> np.ndarray:
    """Return the best score that a run had found at each time."""
    times, scores = (np.array([p[k] for p in run["points"]]) for k in (0, 1))
    return np.array([scores[times <= x].min(initial=np.inf) for x in t])


def summary(args: argparse.Namespace, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return, by method, the share of seeds that are solved by time, scores in the end, and the judge's."""
    marks = [t for t in (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600) if t <= args.seconds]
    found: dict[str, Any] = {"problem": args.problem.stem, "seconds": args.seconds}
    for method in args.methods:
        own = [run for run in runs if run["method"] == method]
        scores = np.array([best_after(run, np.array([*marks, np.inf])) for run in own])
        entry: dict[str, Any] = {
            "median": dict(zip(marks, np.median(scores, 0).round(4).tolist(), strict=False)),
            "best": dict(zip(marks, scores.min(0).round(4).tolist(), strict=False)),
            "last": scores[:, -1].round(4).tolist(),
            "setup": [round(run["setup"], 1) for run in own],
            "judged": [run["judged"] for run in own],
        }
        if args.threshold:
            solved = (scores < args.threshold).sum(0).tolist()
            entry["solved"] = dict(zip(marks, solved, strict=False))
        found[method] = entry
    return found


def drawn(args: argparse.Namespace, runs: list[dict[str, Any]]) -> None:
    """Save the best and the median score against time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    t = np.geomspace(1.0, args.seconds, 200)
    for k, method in enumerate(args.methods):
        scores = np.array([best_after(run, t) for run in runs if run["method"] == method])
        scores = np.where(np.isfinite(scores), scores, np.nan)
        color = f"C{k}"
        axes.plot(t, np.median(scores, 0), color=color, label=f"{NAMES[method]}: median of {len(scores)}")
        axes.plot(t, scores.min(0), color=color, lw=0.8, ls="--")
    if args.threshold:
        axes.axhline(args.threshold, color="0.6", lw=0.8)
        axes.text(1.0, args.threshold, " solved", va="bottom", color="0.4", fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="seconds of one core", ylabel="score (dashed: best seed)")
    axes.set_title(args.problem.stem)
    axes.legend(fontsize=8)
    figure.savefig(args.folder / "score.png", dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("problem", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rivals", type=Path, required=True, help="a Python with bluepyopt, neuron and efel")
    parser.add_argument("--bluepyopt", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", choices=tuple(NAMES), default=["search", "cma", "ibea"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--core", type=int, help="the core that every run has to itself")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--threshold", type=float, help="a score below this is a solution")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    runs = []
    for seed in range(1, args.seeds + 1):
        for method in args.methods:
            run = one(args, method, seed)
            path = args.folder / f"{method}-{seed}.judged"
            if not path.exists():
                path.write_text(json.dumps(judged(args, run["points"][-1][2])))
            run["judged"] = json.loads(path.read_text())
            runs.append(run)
            print(f"{method} {seed}: {run['points'][-1][1]:.4g}, judged {run['judged']}", flush=True)
    (args.folder / "summary.json").write_text(json.dumps(summary(args, runs), indent=1))
    drawn(args, runs)


if __name__ == "__main__":
    main()
