"""One neuron, one nonlinear decision: fire for two unequal inputs, stay silent for two equal ones. Many seeds at once.

Why plain training sticks, and what cures it: every neuron answers a trial from some factor on its inputs on, its
threshold. It is solved when the thresholds for both kinds of unequal inputs are below 1 and that for equal ones is
above. The voltage at one moment says next to nothing about thresholds, except in the hair's breadth around them, where
its gradient explodes; followed, it makes neurons graded, or listen to one dendrite alone. The threshold itself is a
smooth function of all parameters with a gradient of order 1, which the voltage of a run just at it gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.distributions import each
from ..base.errors import ParameterError
from ..cell import Cell
from ..inputs.clamps import IClamp
from ..mech import HH
from ..model.model import Model
from ..morph import Branch, Morphology, PerBranch, at, cylinder
from ..network import Network
from ..simulate import Solution, simulate
from ..train import Free, annealed_adam, bounded
from .task import Batch, Stage, Task, rng

BOUNDS = {
    "radius": (0.1, 5.0),
    "length": (1.0, 20.0),
    "ra": (500.0, 5500.0),
    "gna": (0.05, 1.1),
    "gk": (0.01, 0.3),
    "gl": (1e-4, 1e-3),
}
"""The published ranges of the trained numbers of a compartment: µm, µm, Ω·cm, S/cm²."""
SHAPE = ("radius", "length", "ra")
BRANCHES, COMPARTMENTS = 3, 4
TARGETS = (-70.0, 35.0)
MIDDLE = sum(TARGETS) / 2
"""A voltage above it (mV) is the answer "unequal"."""
UNIT = 10.0
"""The logits are ± (V − MIDDLE) in this unit (mV)."""
WIDEST, HALVINGS = 3.0, 9
"""Thresholds are looked for between exp(−WIDEST) and exp(WIDEST) times the input, by bisection."""
FLATTEST = 5.0
"""A trial whose voltage does not rise by this (mV per e-fold of the input) at its threshold tells no gradient."""


def three_branches() -> Morphology:
    """Return a root branch with two dendrites; lengths and radii are painted over."""

    def rod(*ends: tuple[float, float]) -> np.ndarray:
        return np.array([[x, y, 0.0, 2.5] for x, y in ends])

    return Morphology.of(
        [
            Branch(rod((0.0, 0.0), (40.0, 0.0)), tag="soma"),
            Branch(rod((40.0, 0.0), (70.0, 28.0)), 0, 1.0, "apical"),
            Branch(rod((40.0, 0.0), (70.0, -28.0)), 0, 1.0, "apical"),
        ]
    )


def peak(v: jax.Array, ts: jax.Array, when: float, width: Any) -> jax.Array:
    """Return the highest voltage (mV) of `v` [time, …], less 2.5 mV · (distance from `when` / `width`)²; smooth."""
    away = 2.5 * ((ts - when) / width) ** 2
    return 2.0 * jax.nn.logsumexp((v - away[:, None]) / 2.0, axis=0)


@final
@dataclass(frozen=True)
class Dendrite(Task):
    """`seeds` neurons, each with its own random start and its own data, trained side by side.

    A start lies between the shares `low` and `high` of the published ranges. `thresholds=False` with low=0, high=1,
    batch=1 is the published recipe: L1 loss of the voltage at one moment, Adam 0.01, 200 epochs.
    """

    seeds: int = 10
    batch: int = 16
    points: int = 32
    tested: int = 16
    spacing: float = 1.0
    noise: float = 0.1
    drive: float = 0.05
    delay: float = 0.1
    dur: float = 0.9
    when: float = 3.0
    dt: float = 0.05
    low: float = 0.2
    high: float = 0.8
    thresholds: bool = True
    margin: float = 0.1
    sharpness: float = 0.05
    steps: int = 150
    timing_steps: int = 150
    rate: float = 0.03
    timing_rate: float = 0.015
    timing_share: float = 0.1

    name: ClassVar[str] = "dendrite"
    title: ClassVar[str] = "one neuron fires for unequal inputs to its two dendrites, not for equal ones"
    published: ClassVar[str] = "4 of 10 seeds (Deistler et al., Nature Methods 2025)"
    classes: ClassVar[tuple[str, ...]] = ("equal", "unequal")
    synapses: ClassVar[Mapping[str, Any]] = {}
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "radius and length": ("*.radius", "*.length"),
        "sodium": ("*.hh.gna",),
        "potassium": ("*.hh.gk",),
        "leak": ("*.hh.gl",),
    }
    lesions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "sodium channels": ("*.hh.gna",),
        "potassium channels": ("*.hh.gk",),
    }

    def check(self) -> None:
        if self.seeds < 1 or not 0.0 <= self.low < self.high <= 1.0:
            raise ParameterError(
                f"dendrite: seeds = {self.seeds}, low = {self.low:g}, high = {self.high:g} make no start; "
                "take at least one seed and shares 0 ≤ low < high ≤ 1"
            )

    def start(self) -> dict[str, np.ndarray]:
        """Return the random start of every neuron: name → values [compartment, seed]."""
        shares = [rng(self.seed, 0, k).uniform(self.low, self.high, (6, 12)) for k in range(self.seeds)]
        # A start on the bound itself would have no gradient.
        share = np.clip(np.stack(shares, axis=-1), 1e-3, 1.0 - 1e-3)
        return {name: lo + (hi - lo) * u for (name, (lo, hi)), u in zip(BOUNDS.items(), share, strict=True)}

    def network(self) -> Model:
        start = self.start()
        if self.point:  # the same area, the mean channels
            area = start["radius"] * start["length"]
            length = start["length"].sum(axis=0) / BRANCHES
            start = {name: (x * area).sum(0) / area.sum(0) for name, x in start.items()}
            start |= {"length": length, "radius": area.sum(axis=0) / length}
        own = {name: each("cv", x.ravel()) for name, x in start.items()}
        channels = HH(gna=own["gna"], gk=own["gk"], gl=own["gl"])
        cell = Cell(self.shapes()["neuron"][0]).paint("all", hh=channels, **{n: own[n] for n in SHAPE})
        policy = PerBranch(1 if self.point else COMPARTMENTS)
        return Network().add("neuron", cell, self.seeds).discretize(policy)

    def shapes(self) -> Mapping[str, tuple[Morphology, ...]]:
        return {"neuron": (cylinder(40.0, 2.5) if self.point else three_branches(),)}

    @property
    def shape(self) -> Mapping[str, Any]:
        """Glob → bijection of radii, lengths and axial resistivity."""
        bounds: dict[str, tuple[float, float]] = {name: BOUNDS[name] for name in SHAPE}
        if self.point:
            bounds = {"radius": (0.1, 5.0 * BRANCHES * 20.0), "length": (COMPARTMENTS, COMPARTMENTS * 20.0)}
        return {f"neuron.all.{name}": each("cv", bounded(*b)) for name, b in bounds.items()}

    @property
    def membrane(self) -> Mapping[str, Any]:
        channels = [name for name in BOUNDS if name not in SHAPE]
        return {f"neuron.all.hh.{name}": each("cv", bounded(*BOUNDS[name])) for name in channels}

    def free(self) -> Free:
        """Return what is trained: the shape, and with `membranes` the channels."""
        return Free({**self.shape, **(self.membrane if self.membranes else {})})

    def stages(self) -> tuple[Stage, ...]:
        if not self.thresholds:
            return (Stage("voltage", 200 * max(1, self.points // self.batch), self.when),)
        # A little longer than the question, so that late spikes are seen coming.
        t1 = self.when + 1.0
        return (Stage("thresholds", self.steps, t1), Stage("timing", self.timing_steps, t1))

    def optimizer(self, stage: Stage) -> Any:
        if stage.name == "voltage":
            import optax

            return optax.adam(0.01)
        rate = self.rate if stage.name == "thresholds" else self.timing_rate
        # Elementwise, so the neurons do not feel one another; their gradients may be tiny.
        return annealed_adam(rate, stage.steps, 0.05, b2=0.95, eps=1e-12)

    def data(self, count: int, tag: int) -> Batch:
        """Return `count` points for every neuron, from each of the three clouds in turn."""
        centres = 2.5 + self.spacing * np.array([[-1.0, 1.0], [0.0, 0.0], [1.0, -1.0]])
        cloud = np.arange(count) % 3
        noise = [rng(self.seed, tag, k).normal(0.0, self.noise, (count, 2)) for k in range(self.seeds)]
        x = centres[cloud][:, None] + np.stack(noise, axis=1)
        labels = np.broadcast_to((cloud != 1)[:, None], (count, self.seeds))
        return Batch(
            {"x": x.astype(np.float32), "width": np.zeros(count, np.float32)}, labels.astype(np.int32)
        )

    def trials(self, stage: Stage, step: int) -> Batch:
        data = self.data(self.points, 1)
        epoch, k = divmod(step, max(1, self.points // self.batch))
        order = np.resize(rng(self.seed, 2, epoch).permutation(self.points), self.batch * (k + 1))
        chosen = order[k * self.batch :]
        # The moment of the question: first the spike counts wherever it is, then nearer and nearer, then there only.
        done = step / max(1, stage.steps) if stage.name == "timing" else 0.0
        width = 0.05 ** (done / 0.7) if stage.name == "timing" and done < 0.7 else 0.0
        inputs = {"x": data.inputs["x"][chosen], "width": np.full(self.batch, width, np.float32)}
        return Batch(inputs, data.labels[chosen])

    def question(self) -> Stage:
        """Return the stage of a test: nothing after the question."""
        return Stage("question", 0, self.when)

    def tests(self) -> Mapping[str, tuple[Stage, Batch]]:
        return {"held-out points": (self.question(), self.data(self.tested, 3))}

    def checks(self) -> tuple[Stage, Batch]:
        return self.question(), self.data(self.tested, 4)

    def run(self, model: Model, inputs: dict[str, Any], stage: Stage, record: Mapping[str, Any]) -> Solution:
        tips = ((0, 0.5), (0, 0.5)) if self.point else ((1, 1.0), (2, 1.0))
        clamps = [
            IClamp(("neuron", at(*tip)), self.delay, self.dur, self.drive * inputs["x"][:, side])
            for side, tip in enumerate(tips)
        ]
        return simulate(model, stage.t1, self.dt, clamps, record=record)

    @property
    def readout(self) -> Mapping[str, Any]:
        return {"v": ("neuron", at(0, 0.0))}

    def read(self, solution: Solution, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        """Return the logits [seed, class] of the somatic voltage at the moment of the question."""
        u = (solution["v"][round(self.when / self.dt)] - MIDDLE) / UNIT
        return jnp.stack([-u, u], axis=-1)

    def log_thresholds(self, model: Model, x: jax.Array, stage: Stage) -> jax.Array:
        """Return [trial, seed]: ln of the factor on the inputs `x` [trial, seed, 2] from which the neurons spike."""
        frozen = jax.lax.stop_gradient(model)

        def height(model: Model, k: jax.Array, x: jax.Array) -> jax.Array:
            solution = self.run(model, {"x": jnp.exp(k)[:, None] * x}, stage, self.readout)
            return peak(solution["v"], solution.ts, self.when, 1.0) - MIDDLE

        heights = jax.vmap(lambda k, x: height(frozen, k, x))

        def halve(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            middle = 0.5 * (ends[0] + ends[1])
            above = heights(middle, x) > 0.0
            return jnp.where(above, ends[0], middle), jnp.where(above, middle, ends[1])

        lowest = jnp.full(x.shape[:2], -WIDEST)
        low, high = jax.lax.fori_loop(0, HALVINGS, halve, (lowest, -lowest))
        k = jax.lax.stop_gradient(0.5 * (low + high))

        def one(k: jax.Array, x: jax.Array) -> jax.Array:
            # The implicit function: dk/dθ = −(∂h/∂θ) / (∂h/∂k). Both explode at the threshold; their ratio does not.
            slope = jax.jvp(lambda k: height(frozen, k, x), (k,), (jnp.ones_like(k),))[1]
            found = (slope > FLATTEST) & (jnp.abs(k) < 0.98 * WIDEST)
            h = height(model, k, x)
            return k - (h - jax.lax.stop_gradient(h)) / jax.lax.stop_gradient(
                jnp.where(found, slope, jnp.inf)
            )

        return jax.vmap(one)(k, x)

    def loss(self, model: Model, batch: Batch, stage: Stage) -> tuple[jax.Array, jax.Array]:
        """Return the mean over trials and neurons of the stage's loss, and the accuracy."""
        solution = jax.vmap(lambda i: self.run(model, i, stage, self.readout))(batch.inputs)
        v, labels = solution["v"], jnp.asarray(batch.labels)
        end = v[:, round(self.when / self.dt)]
        accuracy = jnp.mean((end > MIDDLE) == (labels == 1), dtype=v.dtype)
        if stage.name != "thresholds":
            width = batch.inputs["width"]
            wide = jax.vmap(lambda v, w: peak(v, solution.ts[0], self.when, jnp.maximum(w, 0.05)))(v, width)
            near = jnp.where(width[:, None] > 0.0, wide, end)
            missed = jnp.mean(jnp.abs(near - jnp.where(labels == 1, TARGETS[1], TARGETS[0])))
            if stage.name == "voltage":
                return missed, accuracy
        else:
            missed = 0.0
        k = self.log_thresholds(model, batch.inputs["x"], stage)
        beyond = jnp.where(labels == 1, k, -k) + self.margin
        wrong = self.sharpness * jnp.mean(jax.nn.softplus(beyond / self.sharpness))
        return wrong + self.timing_share * missed / 50.0, accuracy

    def voltages(self, logits: np.ndarray) -> np.ndarray:
        """Return the somatic voltages [trial, seed] (mV) at the question that `logits` [trial, seed, class] tell."""
        return MIDDLE + UNIT * np.asarray(logits)[..., 1]

    def solved(self, logits: Any, labels: Any) -> np.ndarray:
        """Return [seed]: whether a neuron answers every trial right."""
        return (np.argmax(logits, axis=-1) == np.asarray(labels)).all(axis=0)

    def marks(self, outputs: np.ndarray, batch: Batch, stage: Stage) -> dict[str, float]:
        missed = np.abs(self.voltages(outputs) - np.asarray(TARGETS)[np.asarray(batch.labels)])
        solved = self.solved(outputs, batch.labels)
        return {
            "seeds solved": float(solved.sum()),
            "seeds": float(self.seeds),
            "mean distance from the target voltage (mV)": float(missed.mean()),
        }

    def signal(self, inputs: dict[str, Any], stage: Stage) -> np.ndarray:
        """Return both inputs [trial · seed, 1, 2]: the neurons learn apart, and so are further trials to others."""
        return np.asarray(inputs["x"]).reshape(-1, 1, 2)

    def phases(self, inputs: dict[str, Any], stage: Stage) -> dict[str, tuple[float, float]]:
        end = self.delay + self.dur
        return {"input": (self.delay, end), "after": (end, self.when)}
