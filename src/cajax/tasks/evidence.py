"""Evidence integration: which way does a noisy current lean? Half a second to weigh it, the answer at the end."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.distributions import each
from ..base.errors import ParameterError
from ..cell import Cell
from ..inputs.clamps import Current
from ..mech import HH, Graded, Leak
from ..model.model import Model
from ..morph import Morphology, PerBranch, cylinder
from ..network import Network, bernoulli
from ..simulate import Solution, simulate
from ..train import annealed_adam, bounded, by_glob, positive
from .shapes import point_of, three_compartments
from .task import Batch, Stage, Task, rng

REST = -65.0
PUBLISHED = {"spread": 0.2, "tau": 31.8}
"""Mean .005, white noise of .05 in steps of .025 ms through a 5 Hz low-pass: as noise in units of the mean, and ms."""
ANNEALED = 0.02  # of the rate, at the last step of a stage


def wandering(gen: np.random.Generator, count: int, samples: int, step: float, tau: float) -> np.ndarray:
    """Return Ornstein–Uhlenbeck noise [trial, sample] of mean 0 and deviation 1, sampled each `step` ms."""
    keep = math.exp(-step / tau)
    fresh = gen.normal(size=(samples, count))
    x = np.empty((samples, count))
    x[0] = fresh[0]
    for k in range(1, samples):
        x[k] = keep * x[k - 1] + math.sqrt(1.0 - keep**2) * fresh[k]
    return x.T


@final
@dataclass(frozen=True)
class Evidence(Task):
    """Two input cells see the current and its negative; 20 cells of three compartments answer through two readouts.

    The current is Ornstein–Uhlenbeck noise of `std` nA and `tau` ms around ± `mean`, strong enough that a glance does
    not do: averaging the last 50 ms gives nine answers in ten, averaging all of it practically every one. Synapses
    release at high voltages only, so they count spikes; they forget with `k` (1/ms), which is trained. What the input
    cells release lasts some 1 / `input_k` ms.
    """

    batch: int = 32
    excitatory: int = 15
    inhibitory: int = 5
    dt: float = 0.2
    mean: float = 0.028
    std: float = 0.05
    tau: float = 5.0
    sample: float = 1.0
    length: float = 500.0
    response: float = 20.0
    steps: int = 500
    input_weight: float = 1.2e-2
    recurrent_weight: float = 1e-4
    output_weight: float = 1e-3
    probability: float = 0.2
    k: float = 0.002
    input_k: float = 0.02
    scale: float = 0.3
    rate: float = 0.05
    inner: float = 0.1
    beta: float = 0.5
    tested: int = 1000

    name: ClassVar[str] = "evidence"
    title: ClassVar[str] = "weigh a noisy current for half a second, then tell its direction"
    published: ClassVar[str] = (
        "99.9 % of 1,000 trials with gentler noise (Deistler et al., Nature Methods 2025)"
    )
    classes: ClassVar[tuple[str, ...]] = ("negative", "positive")
    synapses: ClassVar[Mapping[str, Any]] = {
        "*.weight": positive(),
        "excitatory->*.k": bounded(1 / 1000, 1 / 5),
        "inhibitory->*.k": bounded(1 / 1000, 1 / 5),
    }
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "input weights": ("input->*.weight",),
        "recurrent weights": ("*->excitatory.recurrent.weight", "*->inhibitory.recurrent.weight"),
        "output weights": ("*->readouts.*.weight",),
        "synaptic times": ("*.k",),
    }
    lesions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "recurrent excitation": ("excitatory->excitatory.*.weight",),
        "inhibition": ("inhibitory->*.weight",),
        "sodium channels": ("*.hh.gna",),
    }

    def check(self) -> None:
        lengths = (self.length, 10.0)
        if not self.sample > 0 or any(abs(x / self.sample - round(x / self.sample)) > 1e-6 for x in lengths):
            raise ParameterError(
                f"evidence: sample = {self.sample:g} ms does not go into {self.length:g} and 10 ms; take 1, 2 or 5"
            )

    def network(self) -> Model:
        gen = rng(self.seed, 0)
        cell = Cell(self.shapes()["excitatory"][0]).paint("all", hh=HH())
        passive = Cell(cylinder(20.0, 10.0), v0=REST).paint("all", leak=Leak(g=1e-3, e=REST))
        basal, apical = ("soma", "soma") if self.point else ("basal", "apical")
        net = Network().add("input", passive, 2).add("excitatory", cell, self.excitatory)
        net = net.add("inhibitory", cell, self.inhibitory).add("readouts", passive, 2)
        cells = {"excitatory": self.excitatory, "inhibitory": self.inhibitory}
        # The input cells are graded: half open at rest, nearly linear in the current, and slow: they average the noise
        # before the threshold of the spikes, which would tell little more than its sign.
        see = Graded(e=0.0, k=self.input_k, threshold=REST, slope=4.0)
        for name, count in cells.items():
            w = self.input_weight * gen.lognormal(0.0, 0.5, (2, count))
            net = net.connect("input", name, see, at=basal, weight=w, name="see")
        for number, (pre, post) in enumerate(
            (("excitatory", "excitatory"), ("excitatory", "inhibitory"), ("inhibitory", "excitatory"))
        ):
            synapse = Graded(e=0.0 if pre == "excitatory" else -80.0, k=self.k, threshold=0.0)
            rule = bernoulli(self.probability, seed=1000 * self.seed + number, autapses=True)
            w = each("edge", self.recurrent_weight)
            at = apical if pre == "excitatory" else basal
            net = net.connect(pre, post, synapse, rule, at=at, weight=w, name="recurrent")
        for name, count in cells.items():
            synapse = Graded(e=0.0 if name == "excitatory" else -80.0, k=self.k, threshold=0.0)
            w = self.output_weight * gen.lognormal(0.0, 0.5, (count, 2))
            net = net.connect(name, "readouts", synapse, weight=w, name="answer")
        return net.discretize(PerBranch(1))

    @property
    def membrane(self) -> Mapping[str, Any]:
        return {
            "*.hh.gna": each("cv", bounded(0.02, 0.6)),
            "*.hh.gk": each("cv", bounded(0.005, 0.15)),
            "*.hh.gl": each("cv", bounded(3e-5, 3e-3)),
        }

    def shapes(self) -> Mapping[str, tuple[Morphology, ...]]:
        whole = three_compartments()
        cell = point_of(whole) if self.point else whole
        return {"excitatory": (cell,), "inhibitory": (cell,)}

    def stages(self) -> tuple[Stage, ...]:
        return (Stage(f"{self.length:g} ms", self.steps, self.length + self.response),)

    def optimizer(self, stage: Stage) -> Any:
        def tamed(rate: float) -> Any:
            return annealed_adam(rate, stage.steps, ANNEALED, norm_power=self.beta, clip=1.0, b2=0.99)

        # What lies behind half a second of spikes has a large gradient of much noise: it moves slowly, and has a norm
        # of its own, lest its cliffs drown what the readouts learn.
        return by_glob({"*": tamed(self.inner * self.rate), "*->readouts.*": tamed(self.rate)})

    def drawn(self, count: int, *where: int, spread: float = 0.0, tau: float = 0.0) -> Batch:
        """Return `count` trials, half of them of each kind; `spread` is the noise in units of the mean."""
        gen = rng(self.seed, *where)
        labels = np.arange(count) % 2
        samples = round(self.length / self.sample)
        noise = wandering(gen, count, samples, self.sample, tau or self.tau)
        std = spread * self.mean if spread else self.std
        x = (2 * labels - 1)[:, None] * self.mean + std * noise
        # A last sample of 0: the current ends, instead of being held.
        return Batch({"x": np.pad(x, ((0, 0), (0, 1))).astype(np.float32)}, labels.astype(np.int32))

    def trials(self, stage: Stage, step: int) -> Batch:
        return self.drawn(self.batch, 1, round(stage.t1), step)

    def tests(self) -> Mapping[str, tuple[Stage, Batch]]:
        (stage,) = self.stages()
        return {
            "noise that needs integration": (stage, self.drawn(self.tested, 2)),
            "published noise": (stage, self.drawn(self.tested, 3, **PUBLISHED)),
        }

    def checks(self) -> tuple[Stage, Batch]:
        (stage,) = self.stages()
        return stage, self.drawn(4 * self.batch, 4)

    def run(self, model: Model, inputs: dict[str, Any], stage: Stage, record: Mapping[str, Any]) -> Solution:
        x = inputs["x"]
        return simulate(
            model,
            stage.t1,
            self.dt,
            [Current("input", jnp.stack([-x, x], axis=-1), self.sample)],
            record=record,
        )

    @property
    def readout(self) -> Mapping[str, Any]:
        return {"v": "readouts"}

    def read(self, solution: Solution, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        """Return the logits: both readouts' mean voltage while the answer is due, above rest, in `scale` mV."""
        late = round(self.response / self.dt)
        return (solution["v"][-late:].mean(axis=0) - REST) / self.scale

    def ideal(self, batch: Batch, last: float | None = None) -> float:
        """Return the accuracy of the sign of the current's mean: over all of it, or over its `last` ms."""
        x = np.asarray(batch.inputs["x"])[:, :-1]
        kept = x.shape[1] if last is None else max(1, round(last / self.sample))
        return float(np.mean((x[:, -kept:].mean(axis=1) > 0.0) == (np.asarray(batch.labels) == 1)))

    def expected(self, window: float) -> float:
        """Return the accuracy that averaging the current over `window` ms can reach, by its statistics alone."""
        x = window / self.tau
        share = (
            2.0 / x * (1.0 - (1.0 - math.exp(-x)) / x)
        )  # variance of the mean of the noise, over its variance
        return 0.5 * math.erfc(-self.mean / (self.std * math.sqrt(2.0 * share)))

    def marks(self, outputs: np.ndarray, batch: Batch, stage: Stage) -> dict[str, float]:
        return {
            "mean of the whole input": self.ideal(batch),
            "mean of its last 50 ms": self.ideal(batch, 50.0),
        }

    def signal(self, inputs: dict[str, Any], stage: Stage) -> np.ndarray:
        """Return the mean current [trial, bin, 1] in bins of 10 ms, the silence of the answer included."""
        x = np.asarray(inputs["x"])
        bins = math.ceil(stage.t1 / 10.0)
        each_bin = round(10.0 / self.sample)
        padded = np.zeros((len(x), bins * each_bin), np.float32)
        padded[:, : x.shape[1]] = x[:, : padded.shape[1]]
        return padded.reshape(len(x), bins, each_bin).mean(axis=2, keepdims=True)

    def phases(self, inputs: dict[str, Any], stage: Stage) -> dict[str, tuple[float, float]]:
        end = stage.t1 - self.response
        return {"evidence": (0.0, end), "answer": (end, stage.t1)}
