"""Voltage imaging: the conductances of every branch of a cell from the voltage in the middle of all of its branches."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, final

import jax
import numpy as np

from ..analysis import resets
from ..base.distributions import each
from ..base.errors import ParameterError
from ..fitting.coupling import Coupling
from ..fitting.recipes import Recipe, hay
from ..inputs.clamps import IClamp
from ..jobs.job import Batch, Job, Say, Stage, rng
from ..model.model import Model
from ..morph import Morphology, PerBranch, read_morphology
from ..simulate import Solution, simulate
from ..train import Free, annealed_adam, scale_by_norm_power
from ..train.free import matching
from .imaged import Distance, epochs_until, recovered, within
from .shapes import layer5
from .tree import Middles, between, branches_of, middle_distances, neighbours, roughness, smooth_shares

V0 = -70.0
T1 = 5.0
EVERY = 0.125
FRAMES = np.arange(1.0, T1, EVERY)
"""When the voltage is imaged (ms): 32 frames, one each `EVERY` ms."""
STIMULI = {"recording": (1.0, 3.0), "another current": (1.4, 2.0), "checks": (1.2, 2.5)}
"""Name → amplitude, in `Voltage.amplitude`, and duration (ms) of the current into the soma; the first one is fitted."""
STRONG, USUAL = 5.0, 3.0
"""nA that the built-in cell, and one from a file, get: the former needs more to fire. The latter is as published."""
REACH = 400.0
"""µm over which the true conductances of the apical dendrite vary."""
PULL = (0.02, 2.0)
"""Time constants (ms) of the coupling to the recording, in the first epoch and in the last coupled one."""
GOAL = 0.4985
"""The published distance from the recording (mV), after `EPOCHS` epochs."""
EPOCHS = 252


@final
@dataclass(frozen=True)
class Voltage(Job[Distance]):
    """Find 1,381 numbers of a layer-5 cell of 338 branches from 5 ms of voltage imaging at all of them.

    `morphology` is a file to take instead of the built-in cell number `cell`, `current` (nA) the amplitude of the
    stimulus (0: 5 nA into the built-in cell, 3 nA into another one). Every apical branch has three conductances of its
    own, every axonal one seven; soma and calcium pools have nine numbers. The recording is simulated: its apical
    conductances vary smoothly with the distance from the soma, axonal ones are uniform; `noise` (mV) is added. The fit
    starts at random in every branch.

    The loss is the distance from the recording plus `smoothness` times the sum, over neighbouring branches, of squared
    differences of the unconstrained numbers. A step is an epoch: one gradient of everything. In the first `coupled`
    epochs a current pulls the voltage at every site towards the recording, ever more weakly, so that each branch feels
    its own error before the spike is right everywhere. `sgd` takes the published optimiser, `regional` one value per
    region.

    Source: Deistler et al., Nature Methods 2025, doi 10.1038/s41592-025-02895-w.
    """

    batch: int = 1
    morphology: str = ""
    cell: int = 0
    compartments: int = 4
    current: float = 0.0
    dt: float = 0.025
    steps: int = 120
    coupled: int = 20
    rate: float = 0.3
    last: float = 0.02
    smoothness: float = 1e-3
    noise: float = 0.0
    sgd: bool = False
    regional: bool = False

    name: ClassVar[str] = "voltage"
    title: ClassVar[str] = "find the conductances of every branch from the voltage at all of them"
    published: ClassVar[str] = (
        f"{GOAL} mV after {EPOCHS} epochs, on a reconstructed cell (Deistler et al., Nature Methods 2025)"
    )
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "apical dendrite": ("apical.*",),
        "axon": ("axon.*",),
        "soma": ("soma.*",),
        "sodium": ("*.nats2.g", "*.nata.g"),
        "potassium": ("*.kv31.g", "*.im.g", "*.kp.g", "*.kt.g", "*.sk.g"),
        "calcium": ("*.hva.g", "*.lva.g", "*.ca.gamma", "*.ca.tau"),
    }

    def check(self) -> None:
        if self.batch != 1:
            raise ParameterError(f"voltage: batch = {self.batch}, but there is one recording; leave it at 1")
        ratio = EVERY / self.dt if self.dt > 0 else 0.0
        if ratio < 1.0 - 1e-6 or abs(ratio - round(ratio)) > 1e-6:
            raise ParameterError(
                f"voltage: dt = {self.dt:g} ms does not go into the {EVERY:g} ms between frames; take"
                " 0.025 or 0.0125"
            )
        if self.compartments < 1:
            raise ParameterError("voltage: compartments = 0; every branch needs at least one")
        if not self.coupled < self.steps:
            raise ParameterError(
                f"voltage: {self.coupled} coupled epochs leave none of {self.steps} free; take fewer (or 0)"
            )

    @property
    def score(self) -> Distance:
        return Distance(start=FRAMES[0], every=EVERY)

    @property
    def amplitude(self) -> float:
        """The current (nA) that the recorded cell gets."""
        return self.current or (USUAL if self.morphology else STRONG)

    @property
    def recipe(self) -> Recipe:
        """The cell, and the bounds of one value per region."""
        return _recipe(self.morphology, self.cell, self.compartments)

    def free(self) -> Free:
        """One value for every branch of apical dendrite and axon, but for calcium pools and the soma."""
        found = self.recipe.free.globs
        if self.regional:
            return Free(found)
        return Free({p: each("branch", x) if _varies(p) else x for p, x in found.items()})

    def network(self) -> Model:
        """The cell with random values, uniform between 5 % and 95 % of their ranges."""
        gen, free = rng(self.seed, 0), self.free()
        model = free.widened(self.recipe.model).replace({"all.v0": V0})
        shares = {p: gen.uniform(0.05, 0.95, np.shape(model.params[p])) for p in free.choices(model)}
        return model.replace(within(free, model, shares))

    def truth(self) -> Model:
        """The recorded cell."""
        gen, free = rng(self.seed, 1), self.recorded.free()
        model = free.widened(self.recipe.model).replace({"all.v0": V0})
        distance, shares = middle_distances(model.cvs), {}
        for path in free.choices(model):
            value = model.params[path]
            if path.startswith("apical."):
                shares[path] = smooth_shares(gen, distance[branches_of(model, path)], REACH)
            else:
                shares[path] = np.full(value.shape, between(gen.standard_normal(1)))
        return model.replace(within(free, model, shares))

    @property
    def recorded(self) -> "Voltage":
        """The settings that decide the recording, all others as they are by default."""
        kept = ("seed", "morphology", "cell", "compartments", "current", "dt", "noise")
        return Voltage(**{name: getattr(self, name) for name in kept})

    def shapes(self) -> Mapping[str, tuple[Morphology, ...]]:
        return {"cell": (self.recipe.cell.morph,)}

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("imaging", self.steps, T1),)

    def optimizer(self, stage: Stage) -> Any:
        if not self.sgd:
            return annealed_adam(self.rate, stage.steps, self.last)
        import optax

        return optax.chain(scale_by_norm_power(0.8), optax.sgd(0.1, momentum=0.9))

    def trials(self, stage: Stage, step: int) -> Batch:
        """Return the recording; where epochs are coupled also how strongly (1/ms), and towards which voltage."""
        batch = self._recorded("recording")[1]
        if not self.coupled:
            return batch
        inputs = {**batch.inputs, "pull": self.pull(step)[None], "towards": towards(batch.targets)}
        return Batch(inputs, batch.targets)

    def pull(self, step: int) -> np.ndarray:
        """Return the rate (1/ms) at which the voltage follows the recording in an epoch; 0 in free ones."""
        rates = 1.0 / np.geomspace(*PULL, max(self.coupled, 1))
        return np.array(rates[step] if step < self.coupled else 0.0)

    def tests(self) -> Mapping[str, tuple[Stage, Batch]]:
        """Return the recording that is fitted, and the same cell with another current."""
        return {name: self._recorded(name) for name in STIMULI if name != "checks"}

    def checks(self) -> tuple[Stage, Batch]:
        """Return the same cell with a third current."""
        return self._recorded("checks")

    def _recorded(self, name: str) -> tuple[Stage, Batch]:
        return self.stages()[0], _recorded(self.recorded)[name]

    def run(self, model: Model, inputs: dict[str, Any], stage: Stage, record: Mapping[str, Any]) -> Solution:
        if "pull" in inputs:
            coupling = Coupling(Middles(), v=np.zeros(inputs["towards"].shape), every=EVERY)
            pull = {"pull.v": inputs["towards"], "pull.rate": inputs["pull"]}
            model = model.with_part("pull", coupling).replace(pull)
        clamp = IClamp("soma", delay=0.0, dur=inputs["dur"], amp=inputs["amp"])
        return simulate(model, stage.t1, self.dt, [clamp], record=record)

    @property
    def readout(self) -> Mapping[str, Any]:
        return {"v": Middles()}

    def read(self, solution: Solution, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        """Return the voltage (mV) [frame, site]."""
        return solution["v"][np.round(FRAMES / self.dt).astype(int)]

    def loss(self, model: Model, batch: Batch, stage: Stage) -> tuple[jax.Array, jax.Array]:
        """Return the distance from the recording plus the penalty on rough conductances, and the distance (mV)."""
        distance = self.score.loss(self.answer(model, batch.inputs, stage), batch.targets)
        choices, edges = self.free().choices(model), {} if self.regional else self.edges()
        theta = {path: choices[path].bijection.inverse(model.params[path], path) for path in edges}
        return distance + self.smoothness * roughness(theta, edges), distance

    def edges(self) -> dict[str, np.ndarray]:
        """Path → pairs [edge, 2] of values of neighbouring branches."""
        return _edges(self.morphology, self.cell, self.compartments)

    def phases(self, inputs: dict[str, Any], stage: Stage) -> dict[str, tuple[float, float]]:
        end = float(inputs["dur"])
        return {"current": (0.0, end), "after": (end, stage.t1)}

    def versions(self) -> Mapping[str, Job[Any]]:
        """The published optimiser, no coupling, no smoothness, one value per region."""
        return {
            "published optimiser": self.but(sgd=True, steps=EPOCHS, coupled=0),
            "no coupling": self.but(coupled=0),
            "no smoothness": self.but(smoothness=0.0),
            "one value per region": self.but(regional=True),
        }

    def reset_groups(self) -> Mapping[str, tuple[str, ...]]:
        paths = list(self.free().globs)
        found = {n: tuple(p for g in globs for p in matching(g, paths)) for n, globs in self.groups.items()}
        return {**{name: x for name, x in found.items() if x}, "everything": tuple(paths)}

    def inspect(self, before: Model, after: Model, folder: Path, say: Say) -> dict[str, Any]:
        """Return what each group of parameters is needed for, what was found, and how soon the goal was reached."""
        say("looking inside: what was learned where, and how near to the truth it is")
        stage, batch = self._recorded("recording")
        found = {} if self.regional else {"recovered": recovered(before, after, self.truth(), self.free())}
        reached = epochs_until(folder, GOAL, self.coupled)
        return {"resets": resets(self, before, after, stage, batch), "epochs": reached, **found}

    def remark(self) -> str:
        """Say how the first epochs differ from the others."""
        return (
            f"In the first {self.coupled} epochs the model was coupled to the recording."
            if self.coupled
            else ""
        )

    def again(self, folder: Path, every_control: bool = False) -> str:
        return f"cajax train {self.name} --resume {folder}{' --controls' if every_control else ''}"


def _varies(path: str) -> bool:
    """Whether a parameter of the recipe differs from branch to branch."""
    return path.startswith(("apical.", "axon.")) and path.endswith(".g")


def towards(v: np.ndarray) -> np.ndarray:
    """Return recorded frames [trial, frame, site] with those from rest to the first one before them, on a line."""
    count = round(FRAMES[0] / EVERY)
    rising = V0 + (v[:, :1] - V0) * (np.arange(count) / count)[None, :, None]
    return np.concatenate([rising, v], axis=1).astype(v.dtype)


@lru_cache(maxsize=8)
def _recipe(morphology: str, cell: int, compartments: int) -> Recipe:
    shape = read_morphology(morphology) if morphology else layer5(cell)
    return hay(shape, problem="synthetic", policy=PerBranch(compartments))


@lru_cache(maxsize=8)
def _edges(morphology: str, cell: int, compartments: int) -> dict[str, np.ndarray]:
    job = Voltage(morphology=morphology, cell=cell, compartments=compartments)
    model = job.free().widened(job.recipe.model)
    return {p: neighbours(model.cvs, branches_of(model, p)) for p in job.free().globs if _varies(p)}


@lru_cache(maxsize=8)
def _recorded(job: Voltage) -> dict[str, Batch]:
    """Return name → the stimulus, and the recorded voltage [1, frame, site] (mV)."""
    model, gen, found = job.truth(), rng(job.seed, 2), {}
    answer = jax.jit(lambda inputs: job.answer(model, inputs, job.stages()[0]))
    for name, (factor, dur) in STIMULI.items():
        inputs = {"amp": np.array([factor * job.amplitude]), "dur": np.array([dur])}
        v = np.asarray(answer(inputs))
        found[name] = Batch(inputs, v + (job.noise * gen.standard_normal(v.shape)).astype(v.dtype))
    return found
