"""The synthetic layer-5 cell: 19 parameters with a known answer, in Cajax, and the same cell in NEURON beside it.

    python benchmarks/fitting/layer5.py                                       the built-in pyramidal cell
    python benchmarks/fitting/layer5.py C060114A7.asc --neuron ENV/bin/python the published one, compared with NEURON

The problem is that of Deistler et al. (2025, Nat Methods, doi 10.1038/s41592-025-02895-w): somatic voltage under a step
of current, summarised by mean and standard deviation in two windows. Their morphology C060114A7 is in the tests of the
`bluepyopt` wheel; with it, 4 control volumes per piece of at most 300 µm are the published 1,356. Calcium starts at the
pool's rest, 1e-4 mM, on both sides. `--neuron` is an interpreter with `neuron` 9.0.1 and `numpy`, and needs a C++
compiler: largest difference of the voltage, and seconds per run, for the true and for random parameters.
"""

import argparse
import json
import subprocess
import time
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import cajax as cx
from cajax.fitting import recipes
from cajax.fitting.recipes import Recipe

HERE = Path(__file__).resolve().parent

TRUTH = {
    "apical.nats2.g": 0.026145,
    "apical.kv31.g": 0.004226,
    "apical.im.g": 0.000143,
    "soma.nats2.g": 0.983955,
    "soma.kv31.g": 0.303472,
    "soma.sk.g": 0.008407,
    "soma.ca.gamma": 0.000609,
    "soma.ca.tau": 210.485,
    "soma.hva.g": 0.000994,
    "soma.lva.g": 0.000333,
    "axon.nata.g": 3.137968,
    "axon.kp.g": 0.973538,
    "axon.kt.g": 0.089259,
    "axon.sk.g": 0.007104,
    "axon.kv31.g": 1.021945,
    "axon.hva.g": 0.00099,
    "axon.lva.g": 0.008752,
    "axon.ca.gamma": 0.00291,
    "axon.ca.tau": 287.199,
}
"""Path → true value (S/cm², ms, or a share)."""

WINDOWS = ((5.0, 55.0), (55.0, 95.0))
"""ms; samples 200:2200 and 2200:3800 at dt 0.025 ms."""
SCALE = (8.0, 4.0)
"""mV, what a mean and a standard deviation are measured in."""
SOLVED = 0.55
"""A score below this is a solution."""


@final
@dataclass(frozen=True)
class Pieces:
    """A policy: `n` control volumes in every piece of a branch of at most `um` µm."""

    n: int = 4
    um: float = 300.0

    def counts(self, morph: cx.Morphology, ra: Any, cm: Any) -> np.ndarray:
        return self.n * np.ceil(morph.lengths / self.um).astype(int)


@final
@dataclass(frozen=True)
class Layer5:
    """The problem on a morphology: a step of `amp` nA after 10 ms for 80 ms, 100 ms of the soma's voltage."""

    morph: cx.Morphology
    policy: Any = field(default_factory=Pieces)
    amp: float = 3.0

    @cached_property
    def recipe(self) -> Recipe:
        """Model, free parameters and bounds."""
        return recipes.hay(self.morph, problem="synthetic", policy=self.policy)

    @cached_property
    def model(self) -> cx.Model:
        """The model with every parameter in the middle of its bounds: it holds nothing of the answer."""
        return self.put({path: 0.5 * sum(ends) for path, ends in self.bounds.items()})

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Path → lowest and highest value; fewer than 19 where the morphology has no apical dendrite."""
        choices = self.recipe.free.choices(self.recipe.model)
        return {path: choice.bijection.range for path, choice in choices.items()}

    @property
    def truth(self) -> dict[str, float]:
        """Path → true value."""
        return {path: TRUTH[path] for path in self.bounds}

    def drawn(self, seed: int) -> dict[str, float]:
        """Return parameters drawn uniformly between their bounds."""
        rng = np.random.default_rng(seed)
        return {path: float(rng.uniform(*ends)) for path, ends in self.bounds.items()}

    def put(self, params: dict[str, Any]) -> cx.Model:
        """Return the model with these parameters."""
        return self.recipe.model.replace(params)

    def trace(self, model: cx.Model, dt: float = 0.025, method: Any = cx.BackwardEuler()) -> jax.Array:
        """Return the voltage of the soma (mV) every `dt` ms from 0 to 100 ms; by default as NEURON computes it."""
        step = cx.IClamp("soma", delay=10.0, dur=80.0, amp=self.amp)
        return cx.simulate(model, t1=100.0, dt=dt, inputs=[step], method=method)["v"]

    def summary(self, v: Any, dt: float = 0.025) -> jax.Array:
        """Return mean and standard deviation (mV) in both windows of a trace that starts at 0 ms."""
        parts = [v[..., round(a / dt) : round(b / dt)] for a, b in WINDOWS]
        return jnp.stack([f(p, axis=-1) for p in parts for f in (jnp.mean, jnp.std)], axis=-1)

    def score(self, summary: Any, observed: Any) -> Any:
        """Return the distance of a summary from the observed one, in units of `SCALE`."""
        return jnp.sum(jnp.abs(jnp.asarray(summary) - jnp.asarray(observed)) / jnp.array(SCALE * 2), axis=-1)

    @property
    def cell(self) -> dict[str, Any]:
        """What the worker in NEURON is told of the cell."""
        morph, counts = self.recipe.cell.morph, np.diff(self.recipe.model.cvs.offsets)
        points = np.column_stack([morph.xyz, 2.0 * morph.radius])
        sections = [
            {
                "points": points[a:b].tolist(),
                "parent": int(morph.parent[k]),
                "attach": float(morph.attach[k]),
                "tag": morph.tags[k],
                "nseg": int(counts[k]),
            }
            for k, (a, b) in enumerate(zip(morph.offsets[:-1], morph.offsets[1:], strict=True))
        ]
        return {"sections": sections, "clamp": [10.0, 80.0, self.amp]}

    @property
    def constants(self) -> dict[str, float]:
        """Everything that is not fitted, by the worker's names."""
        regions = [r for r in ("soma", "basal", "apical", "axon") if r in self.recipe.cell.morph.tags]
        fixed = {"all.leak.g": 3e-5, "all.leak.e": -75.0, "all.ra": 100.0, "all.cm": 1.0, "apical.cm": 2.0}
        kept = {path: x for path, x in fixed.items() if path.split(".")[0] in (*regions, "all")}
        return (
            kept | {"all.na.e": 50.0, "all.k.e": -85.0} | ({"basal.ih.g": 8e-5} if "basal" in regions else {})
        )


def single(morph: cx.Morphology) -> cx.Morphology:
    """Return a morphology rounded to the single precision in which NEURON keeps points and diameters."""
    xyz, diameter = morph.xyz.astype(np.float32), (2.0 * morph.radius).astype(np.float32)
    return replace(morph, xyz=xyz.astype(float), radius=diameter.astype(float) / 2.0)


@final
class Neuron:
    """A worker in another interpreter: `neuron_layer5.py`."""

    def __init__(self, python: str, mechanisms: str, problem: Layer5, **settings: Any) -> None:
        command = [python, str(HERE / "neuron_layer5.py"), mechanisms]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask({"cell": problem.cell | settings})
        self.constants = problem.constants

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one request."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"NEURON stopped with status {self.process.wait()}")
        return json.loads(line)

    def run(self, params: dict[str, float], trace: bool = True) -> dict[str, Any]:
        """Return {"summary", "seconds", "v"} of a run with these parameters."""
        return self.ask({"params": self.constants | params, "trace": trace})

    def close(self) -> None:
        """Let the worker end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def compare(problem: Layer5, python: str, mechanisms: str, draws: int) -> None:
    """Print how far NEURON's voltage is from ours, for the true parameters and for `draws` random ones."""
    neuron = Neuron(python, mechanisms, problem)
    run = eqx.filter_jit(partial(problem.trace))
    observed = problem.summary(run(problem.put(problem.truth)))
    print(
        f"{'parameters':<12}{'|dv| mV':>12}{'spikes':>8}{'score':>10}{'NEURON':>10}{'s, ours':>9}{'s, NEURON':>11}"
    )
    for name, params in [("true", problem.truth), *((f"seed {k}", problem.drawn(k)) for k in range(draws))]:
        start = time.perf_counter()
        v = np.asarray(run(problem.put(params)))
        seconds, theirs = time.perf_counter() - start, neuron.run(params)
        spikes = int(np.sum((v[:-1] < -20.0) & (v[1:] >= -20.0)))
        scores = [float(problem.score(s, observed)) for s in (problem.summary(v), theirs["summary"])]
        difference = np.abs(v - np.array(theirs["v"])).max()
        print(
            f"{name:<12}{difference:>12.2e}{spikes:>8}{scores[0]:>10.4f}{scores[1]:>10.4f}"
            f"{seconds:>9.2f}{theirs['seconds']:>11.2f}"
        )
    neuron.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "morphology", nargs="?", help="a morphology file; the built-in pyramidal cell if left out"
    )
    parser.add_argument("--amp", type=float, help="current (nA); 3.0 for a file, 0.9 for the built-in cell")
    parser.add_argument("--cvs", type=int, default=4, help="control volumes per piece of at most 300 µm")
    parser.add_argument("--neuron", help="a Python with neuron: compare with it")
    parser.add_argument(
        "--mechanisms", default="build/neuron_layer5", help="folder for NEURON's compiled mechanisms"
    )
    parser.add_argument("--draws", type=int, default=4, help="random parameter sets to compare")
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    morph = single(cx.read_morphology(asked.morphology) if asked.morphology else cx.pyramidal(0))
    amp = asked.amp or (3.0 if asked.morphology else 0.9)
    problem = Layer5(morph, Pieces(asked.cvs), amp)
    print(problem.recipe.free.table(problem.put(problem.truth)))
    if asked.neuron:
        compare(problem, asked.neuron, asked.mechanisms, asked.draws)


if __name__ == "__main__":
    main()
