"""Cells and noisy recordings whose parameters are known, for the tests of this folder."""

import numpy as np

import cajax as cx
from cajax.fitting import Sweep
from cajax.fitting.objective import Objective
from cajax.fitting.terms import Summary
from cajax.mech import HH, Leak

DT = 0.1
WINDOWS = Summary(tuple((float(t), t + 5.0) for t in range(0, 30, 5)), scale=(1.0, 1.0))

PASSIVE = (
    cx.Cell(cx.cylinder(20.0, 20.0)).paint("all", leak=Leak(g=1e-4, e=-70.0)).discretize(cx.PerBranch(1))
)
PASSIVE_FREE = cx.Free({"all.leak.g": cx.bounded(5e-5, 2e-4), "all.cm": cx.bounded(0.5, 2.0)})
ACTIVE = cx.Cell(cx.cylinder(20.0, 20.0)).paint("all", hh=HH()).discretize(cx.PerBranch(1))
ACTIVE_FREE = cx.Free(
    {
        "all.hh.gna": cx.bounded(0.08, 0.14),
        "all.hh.gk": cx.bounded(0.03, 0.05),
        "all.cm": cx.bounded(0.7, 1.5),
    }
)


def objective(
    model: cx.Model,
    amplitude: float,
    noise: float,
    seed: int = 0,
    terms: tuple = (WINDOWS,),
    length: float = 30.0,
) -> Objective:
    """One step of current (nA) from 5 ms on, recorded from a model that was at rest, with noise (mV)."""
    n, before = round(length / DT) + 1, 800
    i = np.where(np.arange(n) * DT >= 5.0, amplitude, 0.0)
    whole = np.concatenate([np.zeros(before), i])
    v = np.ravel(cx.simulate(model, (len(whole) - 1) * DT, DT, [cx.Current("soma", whole, DT)])["v"])[before:]
    v = v + noise * np.random.default_rng(seed).standard_normal(n)
    sweep = Sweep(
        v=v, i=i, dt=DT, on=5.0, off=length, amplitude=amplitude, kind="step", name=f"step {amplitude:g}"
    )
    return Objective([sweep], terms=list(terms), dt=DT)
