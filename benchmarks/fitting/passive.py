"""Are Cm, Rm and Ra found: a noisy recording of two pulses at the soma of real morphologies, passive.

    python passive.py SHARED/morphologies/ca1/n120.swc … [--seeds 5] [--noise 0.2]

A brief strong pulse (0.5 ms) and a long weak one (300 ms), ten repeats of each, averaged: what a rig records before
everything else. True values are drawn: Cm 0.8–1.5 µF/cm², Rm 10–40 kΩ cm², Ra 80–250 Ω cm. Prints the error of each.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import cajax as cx
from cajax.fitting import Objective, Subthreshold, Sweep, recipes, search
from cajax.fitting.search import Passive, Polish

DT, REPEATS = 0.025, 10
PULSES = ((10.0, 10.5, 2.0, 60.0), (10.0, 310.0, -0.05, 400.0))
"""Begin and end (ms), amplitude (nA), length of the sweep (ms)."""
PATHS = ("all.cm", "all.leak.g", "all.ra", "all.leak.e")


def recorded(model: cx.Model, noise: float, rng: np.random.Generator) -> list[Sweep]:
    """Return the two averaged sweeps."""
    found = []
    for on, off, amplitude, length in PULSES:
        t = np.arange(round(length / DT) + 1) * DT
        i = np.where((t >= on) & (t < off), amplitude, 0.0)
        v = np.ravel(cx.simulate(model, length, DT, [cx.Current("soma", i, DT)])["v"])
        v = v + rng.normal(0.0, noise / np.sqrt(REPEATS), v.shape)
        found.append(
            Sweep(v, i, DT, on=on, off=off, amplitude=amplitude, kind="pulse", name=f"{amplitude} nA")
        )
    return found


def errors(path: Path, seed: int, noise: float) -> dict[str, float]:
    """Return the relative errors of Cm, Rm and Ra (%), and seconds."""
    rng = np.random.default_rng(seed)
    recipe = recipes.passive(cx.read_morphology(path))
    truth = dict(
        zip(
            PATHS,
            (rng.uniform(0.8, 1.5), 1.0 / rng.uniform(1e4, 4e4), rng.uniform(80, 250), -70.0),
            strict=True,
        )
    )
    sweeps = recorded(recipe.model.replace(truth), noise, rng)
    terms = [Subthreshold(pieces=400, scale=0.1)]
    objective = Objective(sweeps, terms=terms, dt=DT)
    begin = time.perf_counter()
    stages = (Passive(), Polish(steps=20))
    result = search(
        objective, recipe.model, recipe.free, stages=stages, simulations=2000, lanes=8, columns=4, seed=seed,
        progress=False,
    )  # fmt: skip
    off = {p: 100.0 * (result.parameters[p] / truth[p] - 1.0) for p in PATHS[:3]}
    off["all.leak.g"] = 100.0 * (truth["all.leak.g"] / result.parameters["all.leak.g"] - 1.0)
    found = dict(zip(("Cm", "Rm", "Ra"), off.values(), strict=True))
    return found | {"score": result.score, "seconds": time.perf_counter() - begin}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("morphologies", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--noise", type=float, default=0.2, help="standard deviation of a single sweep, mV")
    args = parser.parse_args()
    worst = 0.0
    for path in args.morphologies:
        for seed in range(args.seeds):
            found = errors(path, seed, args.noise)
            worst = max(worst, *(abs(found[k]) for k in ("Cm", "Rm", "Ra")))
            print(path.stem, seed, " ".join(f"{k} {x:+.2f}" for k, x in found.items()), flush=True)
    print(f"largest error {worst:.2f} %")


if __name__ == "__main__":
    main()
