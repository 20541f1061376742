"""Are intervals right: 100 noisy recordings of a Hodgkin–Huxley point cell whose parameters are known.

True values are drawn from the prior; what is inferred from each recording must hold them in its 90 % interval 90 ± 5 %
of the time, with uniform ranks, and predict another protocol. Run with one thread to compare seconds:

    CAJAX_THREADS=1 python benchmarks/fitting/coverage.py --method hmc
"""

import argparse
import json
import sys
import time

import numpy as np

import cajax as cx
from cajax.fitting.infer import Calibration, calibrate
from cajax.fitting.infer.calibrate import binomial
from cajax.fitting.objective import Objective
from cajax.fitting.recordings import Sweep
from cajax.fitting.terms import Summary
from cajax.mech import HH

DT = 0.05
FITTED, HELD_OUT = (25.0, 5.0, 22.0, 0.25), (40.0, 5.0, 35.0, 0.15)
"""Length, begin and end of the step (ms), amplitude (nA)."""
WINDOWS = tuple((float(t), t + 2.0) for t in range(1, 25, 2))


def problem() -> tuple[cx.Model, cx.Free]:
    """The cell, and four parameters between bounds at which it is silent before the step."""
    cell = cx.Cell(cx.cylinder(20.0, 20.0)).paint("all", hh=HH())
    bounds = {
        "all.hh.gna": (0.08, 0.14),
        "all.hh.gk": (0.03, 0.05),
        "all.hh.gl": (2e-4, 5e-4),
        "all.cm": (0.7, 1.5),
    }
    return cell.discretize(cx.PerBranch(1)), cx.Free({p: cx.bounded(*b) for p, b in bounds.items()})


def protocol(length: float, on: float, off: float, amplitude: float) -> Objective:
    """A step of current; the voltage only says where the cell rests."""
    t = np.arange(round(length / DT) + 1) * DT
    i = np.where((t >= on) & (t < off), amplitude, 0.0)
    sweep = Sweep(v=np.full(len(t), -65.0), i=i, dt=DT, on=on, off=off, amplitude=amplitude, kind="step")
    return Objective([sweep], terms=[Summary(WINDOWS)], dt=DT)


def summary(found: Calibration, level: float = 0.9) -> dict[str, object]:
    """The figures as plain numbers."""
    inside = found.inside(level)
    n, d = inside.shape
    return {
        "recordings": n,
        "coverage": found.coverage(level),
        "binomial_95": {k: binomial(int(x), n) for k, x in zip(found.box.names, inside.sum(0), strict=True)},
        "of_all_values": binomial(int(inside.sum()), n * d),
        "coverage_of": {k: float(x) for k, x in zip(found.box.names, inside.mean(0), strict=True)},
        "levels": {f"{x:g}": found.coverage(x) for x in (0.5, 0.8, 0.9, 0.95)},
        "p_of_ranks": dict(zip(found.box.names, map(float, found.p_values()), strict=True)),
        "held_out_in_90": float(np.nanmean(found.predicted)),
        "rhat": dict(
            zip(("median", "90 %", "largest"), np.quantile(found.rhat, [0.5, 0.9, 1.0]), strict=True)
        ),
        "wall_s": found.seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", choices=("hmc", "nuts", "flow"), default="hmc")
    parser.add_argument("--truths", type=int, default=100)
    parser.add_argument("--noise", type=float, default=1.0, help="standard deviation of the noise, mV")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model, free = problem()
    begin = time.process_time()
    found = calibrate(
        protocol(*FITTED), model, free, noise=args.noise, truths=args.truths, method=args.method, seed=args.seed,
        held_out=protocol(*HELD_OUT), progress=True,
    )  # fmt: skip
    print(found, file=sys.stderr)
    print(
        json.dumps({"method": args.method, "cpu_s": time.process_time() - begin, **summary(found)}, indent=1)
    )


if __name__ == "__main__":
    main()
