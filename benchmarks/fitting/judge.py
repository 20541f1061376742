"""Judge parameters of a problem with NEURON and eFEL, whoever found them; prints JSON.

    python judge.py PROBLEM.json RUN.json… --bluepyopt UNPACKED_SDIST --scratch FOLDER

A run is a JSON object with `parameters`, values by name in their own units. The score is that of CVODE at a tolerance
of 1e-5; the score at a fixed step of 0.025 ms is shown beside it, and `--fine` adds a step of 0.005 ms.
"""

import argparse
import json
from pathlib import Path

from neuron_cell import Cell
from scoring import errors, load, score

SETTINGS = {"cvode": (0.0, 1e-5), "0.025 ms": (0.025, 0.0), "0.005 ms": (0.005, 0.0)}


def outside(problem: dict, values: dict) -> list[str]:
    """Return the parameters that are missing, or beyond their bounds by more than rounding."""
    wrong = []
    for p in problem["parameters"]:
        slack = 1e-6 * (p["upper"] - p["lower"])
        if not p["lower"] - slack <= values.get(p["name"], float("nan")) <= p["upper"] + slack:
            wrong.append(p["name"])
    return wrong


def judged(problem: dict, cell: Cell, values: dict, settings: list[str]) -> dict:
    """Return scores of the fitted sweeps, of the sweeps held out and of the features held out, by integration."""
    cell.set({p["name"]: values[p["name"]] for p in problem["parameters"]})
    out: dict = {"outside": outside(problem, values)}
    for name in settings:
        cell.use(*SETTINGS[name])
        traces = [(sweep, cell.run(sweep)) for sweep in problem["sweeps"]]
        fit = [errors(s, v) for s, v in traces if s["fit"]]
        held = [errors(s, v) for s, v in traces if not s["fit"]]
        rest = [errors(s, v, "held_features") for s, v in traces if "held_features" in s]
        found = {"score": score(problem, fit)}
        found |= {"held_out_sweeps": score(problem, held)} if held else {}
        found |= {"held_out_features": score(problem, rest)} if rest else {}
        if name == settings[0]:
            out |= found | {"errors": {s["name"]: errors(s, v) for s, v in traces}}
        else:
            out[name] = found
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("problem", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--bluepyopt", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True, help="where the mechanisms are compiled")
    parser.add_argument("--fine", action="store_true", help="a fixed step of 0.005 ms as well")
    parser.add_argument("--only-cvode", action="store_true", help="no fixed step")
    args = parser.parse_args()
    problem = load(args.problem)
    cell = Cell(problem, args.bluepyopt, args.scratch)
    settings = list(SETTINGS)[: 1 if args.only_cvode else 3 if args.fine else 2]
    for run in args.runs:
        values = json.loads(run.read_text())["parameters"]
        print(json.dumps({"run": str(run), **judged(problem, cell, values, settings)}), flush=True)


if __name__ == "__main__":
    main()
