"""Recall: the weights associate cues with patterns; what a cue has called up must last through a delay."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.distributions import each
from ..base.errors import ParameterError
from ..base.types import Array, Float
from ..cell import Cell
from ..inputs.clamps import Current, IClamp
from ..mech import Graded, Kd, Leak, Na
from ..model.model import Model
from ..morph import Morphology, PerBranch, cylinder
from ..network import Network, all_to_all, edges
from ..simulate import Solution, simulate
from ..solve import Truncated
from ..train import accuracy, annealed_adam, bounded, by_glob, positive, reached, scale_by_norm_power
from .shapes import point_of, three_compartments
from .task import Batch, Stage, Task, rng

REST = -70.0
BIN = 10.0
"""Bins of `signal`, ms."""
SAMPLE = 5.0
"""One number of the cells' noise every so many ms, interpolated between."""
LEVELS = (0.05, 0.1, 0.2)
"""The shares of flipped cue bits that are tested."""


@final
@dataclass(frozen=True)
class Recall(Task):
    """Cue receptors → pyramidal cells, held together by interneurons → leaky readouts, one per bit of the pattern.

    A cue is which of the receptors are lit; a pattern is which of the readouts lie above rest in the response window.
    With random weights alone such a network has two states, all silent and all active. So every pyramidal cell starts
    with a slow synapse onto itself, which holds what the cell was told (an autapse: Seung et al., J Comput Neurosci
    9:171, 2000).

    Every pyramidal cell sees a few cue receptors, `contacts` of them: a flipped bit then changes the state of a few
    cells only. Did each see all receptors, 5 % of flipped bits would flip 14 % of the cells.

    Times are ms, `drive` and `noise` nA, weights µS: what all synapses of a projection onto a cell add up to. Training
    flips each bit of a cue with a probability drawn up to `flips`, and draws the delay from `shortest` to `delay`. What
    the readouts learn, they learn by `readout_rate`; the rest moves slowly, so that the readouts can follow.
    """

    batch: int = 16
    patterns: int = 24
    channels: int = 64
    bits: int = 16
    cells: int = 64
    inhibitory: int = 12
    contacts: int = 3
    onset: float = 5.0
    cue: float = 30.0
    shortest: float = 50.0
    delay: float = 100.0
    response: float = 20.0
    dt: float = 0.2
    flips: float = 0.15
    noise: float = 0.0
    drive: float = 0.3
    input_weight: float = 3.1e-3
    recurrent_weight: float = 8e-4
    self_weight: float = 4e-3
    slow: float = 100.0
    feedback_weight: float = 2e-3
    inhibition: float = 2.4e-3
    readout_weight: float = 1.2e-2
    spread: float = 1.2
    readout_scale: float = 2.0
    reach: float = 10.0
    steps: int = 500
    rate: float = 0.003
    readout_rate: float = 0.1
    beta: float = 0.5
    tested: int = 256

    name: ClassVar[str] = "recall"
    title: ClassVar[str] = "recall patterns from whole and from corrupted cues after a delay"
    synapses: ClassVar[Mapping[str, Any]] = {
        "*.weight": positive(),
        "pyramids->*.k": bounded(1 / 150, 1 / 5),
        "interneurons->*.k": bounded(1 / 100, 1 / 2),
    }
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cue weights": ("cues->*.weight",),
        "recurrent excitation": ("pyramids->pyramids.*.weight",),
        "inhibition": ("interneurons->*.weight", "pyramids->interneurons.*.weight"),
        "readout weights": ("pyramids->readouts.*.weight",),
        "synaptic times": ("pyramids->*.k", "interneurons->*.k"),
    }
    lesions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "recurrent excitation": ("pyramids->pyramids.*.weight",),
        "inhibition": ("interneurons->*.weight",),
        "sodium channels": ("*.na.g",),
        "potassium channels": ("*.kd.g",),
    }
    attacked: ClassVar[str] = "cue"

    def check(self) -> None:
        for name in ("patterns", "channels", "bits", "cells", "inhibitory"):
            if getattr(self, name) < 2:
                raise ParameterError(f"Recall: {name} = {getattr(self, name)!r} must be at least 2")
        if not 1 <= self.contacts <= self.channels:
            raise ParameterError(
                f"Recall: contacts = {self.contacts!r} must be from 1 to channels = {self.channels}"
            )
        if not self.onset < self.reach:
            raise ParameterError(
                f"Recall: reach = {self.reach:g} ms must be longer than onset = {self.onset:g} ms"
            )

    @property
    def classes(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """One class per pattern."""
        return tuple(f"pattern {k}" for k in range(self.patterns))

    def associations(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the cues [pattern, channel] and the patterns [pattern, bit] to be associated, of 0 and 1."""
        return _associations(self.seed, self.patterns, self.channels, self.bits)

    def shapes(self) -> Mapping[str, tuple[Morphology, ...]]:
        whole, relay = three_compartments(basal=200.0), cylinder(20.0, 10.0)
        cell = point_of(whole) if self.point else whole
        return {"cues": (relay,), "pyramids": (cell,), "interneurons": (cell,), "readouts": (relay,)}

    def network(self) -> Model:
        shape = self.shapes()["pyramids"][0]
        # The channels of the soma are all there is of them: spread over the point cell they are as many.
        share = float(three_compartments(basal=200.0).areas[0] / shape.areas.sum()) if self.point else 1.0
        cell = Cell(shape, v0=REST).paint("all", leak=Leak(g=1e-4, e=REST))
        cell = cell.paint("soma", na=Na(g=0.05 * share), kd=Kd(g=5e-3 * share))
        relay = Cell(cylinder(20.0, 10.0), v0=REST).paint("all", leak=Leak(g=3e-4, e=REST))
        sizes = {
            "cues": self.channels,
            "pyramids": self.cells,
            "interneurons": self.inhibitory,
            "readouts": self.bits,
        }
        net = Network()
        for name, count in sizes.items():
            net = net.add(name, cell if name in ("pyramids", "interneurons") else relay, count)
        random, every = rng(self.seed, 1002), all_to_all(autapses=True)
        for pre, post, name, synapse, at, total in self._projections():
            weight = random.lognormal(0.0, self.spread, (sizes[pre], sizes[post]))
            sparse = (pre, post) == ("cues", "pyramids")
            if sparse:
                weight = np.where(random.random(weight.shape).argsort(axis=0) < self.contacts, weight, 0.0)
            # Every cell starts with the same total, near its threshold: else most are silent, or fire at every cue.
            weight = total * weight / weight.sum(axis=0)
            if pre == post:
                weight = weight + self.self_weight * np.eye(sizes[pre])
            rule, weight = (edges(np.argwhere(weight)), weight[weight > 0.0]) if sparse else (every, weight)
            net = net.connect(pre, post, synapse, rule, at=at, weight=weight, name=name)
        return net.discretize(PerBranch(1))

    def _projections(self) -> tuple[tuple[str, str, str, Graded, str, float], ...]:
        """Return (pre, post, name, synapse, place, weight onto a cell in all) of every projection."""
        basal, apical = ("soma", "soma") if self.point else ("basal", "apical")
        seen = Graded(e=0.0, k=0.5, threshold=-45.0, slope=5.0)
        # At this threshold a spike opens about a third of what is closed: the signal tells rates apart.
        slow = Graded(e=0.0, k=1 / self.slow, threshold=10.0, slope=10.0)
        gaba = Graded(e=-80.0, k=1 / 10, threshold=0.0, slope=10.0)
        read = {"k": 1 / self.slow, "threshold": 10.0, "slope": 10.0}
        return (
            ("cues", "pyramids", "seen", seen, basal, self.input_weight),
            ("cues", "interneurons", "seen", seen, basal, self.input_weight),
            ("pyramids", "pyramids", "slow", slow, apical, self.recurrent_weight),
            ("pyramids", "interneurons", "slow", slow, apical, self.feedback_weight),
            ("interneurons", "pyramids", "gaba", gaba, "soma", self.inhibition),
            ("pyramids", "readouts", "up", Graded(e=0.0, **read), "soma", self.readout_weight),
            ("pyramids", "readouts", "down", Graded(e=2 * REST, **read), "soma", self.readout_weight),
        )

    @property
    def membrane(self) -> Mapping[str, Any]:
        cells = ("pyramids", "interneurons")
        kinds = {
            "na.g": bounded(3e-3, 0.3), "kd.g": bounded(3e-4, 0.03), "leak.g": bounded(2e-5, 5e-4),
        }  # fmt: skip
        return {f"{cell}.*.{path}": each("cv", limits) for cell in cells for path, limits in kinds.items()}

    def stage(self, delay: float, name: str = "test") -> Stage:
        """Return a stage of trials with one delay, a whole number of `reach` long."""
        whole = self.onset + self.cue + delay + self.response
        return Stage(name, 0, self.reach * np.ceil(whole / self.reach - 1e-9), (delay, delay))

    def stages(self) -> tuple[Stage, ...]:
        t1 = self.stage(self.delay).t1
        return (Stage("learn", self.steps, t1, (self.shortest, self.delay), reached(0.999, 0.05, 50)),)

    def optimizer(self, stage: Stage) -> Any:
        import optax

        def adam(rate: float) -> Any:
            return annealed_adam(rate, stage.steps, 0.1)

        rates = by_glob({"*": adam(self.rate), "*->readouts.*": adam(self.readout_rate)})
        return optax.chain(scale_by_norm_power(self.beta), optax.clip_by_global_norm(1.0), rates)

    def trials(self, stage: Stage, step: int) -> Batch:
        random = rng(self.seed, 1, step)
        labels = random.integers(self.patterns, size=self.batch)
        flips = random.uniform(0.0, self.flips, self.batch)
        return self._batch(random, stage, labels, flips, random.uniform(*stage.delay, self.batch))

    def tests(self) -> Mapping[str, tuple[Stage, Batch]]:
        usual, longer = self.stage(self.delay), self.stage(2 * self.delay)
        found = {"clean cue": (usual, self._held_out(2000, usual, 0.0))}
        for k, level in enumerate(LEVELS, 2001):
            found[f"{level:.0%} of the cue flipped"] = (usual, self._held_out(k, usual, level))
        return found | {"twice the delay": (longer, self._held_out(2010, longer, 0.0))}

    def checks(self) -> tuple[Stage, Batch]:
        stage = self.stage(self.delay)
        return stage, self._held_out(3000, stage, LEVELS[1])

    def _held_out(self, tag: int, stage: Stage, flips: float) -> Batch:
        labels = np.arange(max(self.tested, self.patterns)) % self.patterns
        return self._batch(rng(self.seed, tag), stage, labels, flips, stage.delay[1])

    def _batch(
        self, random: np.random.Generator, stage: Stage, labels: np.ndarray, flips: Any, delay: Any
    ) -> Batch:
        cue = self.associations()[0][labels]
        flip = random.random(cue.shape) < np.reshape(flips, (-1, 1))
        inputs = {"cue": np.where(flip, 1.0 - cue, cue), "delay": np.broadcast_to(delay, labels.shape)}
        if self.noise:
            samples = int(np.ceil(stage.t1 / SAMPLE)) + 1
            inputs["noise"] = self.noise * random.standard_normal((len(labels), samples, self.cells))
        return Batch({k: x.astype(np.float32) for k, x in inputs.items()}, labels.astype(np.int32))

    def run(self, model: Model, inputs: dict[str, Any], stage: Stage, record: Mapping[str, Any]) -> Solution:
        """Simulate one trial. Gradients pass from one part of `reach` ms to the next through the synapses alone.

        Through spikes they grow from part to part: by four orders of magnitude over a delay. What cells remember for
        longer than their membranes do is in the slow synapses, whose gradient is whole.
        """
        clamps: list[Any] = [IClamp("cues", delay=self.onset, dur=self.cue, amp=self.drive * inputs["cue"])]
        if "noise" in inputs:
            clamps.append(Current("pyramids", inputs["noise"], SAMPLE))
        synapses = tuple(projection.wires.path for projection in model.structure.graded)
        cut = Truncated(round(self.reach / self.dt), keep=synapses)
        return simulate(model, stage.t1, self.dt, clamps, record=record, adjoint=cut)

    @property
    def readout(self) -> Mapping[str, Any]:
        return {"readouts": "readouts"}

    def recalled(self, solution: Solution, inputs: dict[str, Any]) -> Float[Array, "bit"]:
        """Return the logit of every bit: the readout's mean voltage in the response window above rest."""
        since = solution.ts - (self.onset + self.cue + inputs["delay"])
        window = ((since >= 0.0) & (since < self.response)).astype(solution.ts.dtype)
        return (window @ (solution["readouts"] - REST)) / window.sum() / self.readout_scale

    def read(self, solution: Solution, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        """Return the similarity of what is recalled to each pattern."""
        return self.recalled(solution, inputs) @ self._signs().T

    def _signs(self) -> Array:
        return jnp.asarray(2.0 * self.associations()[1] - 1.0, dtype=float)

    def bit_logits(self, model: Model, inputs: dict[str, Any], stage: Stage) -> Float[Array, "trial bit"]:
        """Return the logits of the bits of many trials."""
        return jax.vmap(lambda x: self.recalled(self.run(model, x, stage, self.readout), x))(inputs)

    def bit_accuracy(self, model: Model, batch: Batch, stage: Stage) -> float:
        """Return the share of right bits."""
        wanted = self.associations()[1][np.asarray(batch.labels)] > 0.5
        return float(np.mean((np.asarray(self.bit_logits(model, batch.inputs, stage)) > 0.0) == wanted))

    def loss(self, model: Model, batch: Batch, stage: Stage) -> tuple[jax.Array, jax.Array]:
        """Return the mean cross-entropy of the bits, and the share of trials whose nearest pattern is the right one.

        Bit by bit every readout is told what it should have been; the cross-entropy over whole patterns stops teaching
        as soon as the nearest pattern is the right one, and leaves wrong bits.
        """
        z, signs = self.bit_logits(model, batch.inputs, stage), self._signs()
        right = jnp.take(signs, jnp.asarray(batch.labels), axis=0)
        return jnp.mean(jax.nn.softplus(-right * z)), accuracy(z @ signs.T, batch.labels)

    def signal(self, inputs: dict[str, Any], stage: Stage) -> np.ndarray:
        """Return the cue while it is shown, in bins of 10 ms, and nothing after it."""
        edges = np.arange(0.0, stage.t1 - 1e-6, BIN)
        inside = np.minimum(edges + BIN, self.onset + self.cue) - np.maximum(edges, self.onset)
        return np.asarray(inputs["cue"])[:, None, :] * (np.clip(inside, 0.0, None) / BIN)[:, None]

    def phases(self, inputs: dict[str, Any], stage: Stage) -> dict[str, tuple[float, float]]:
        end = self.onset + self.cue
        answer = end + float(inputs["delay"])
        return {
            "cue": (self.onset, end),
            "delay": (end, answer),
            "response": (answer, answer + self.response),
        }


@lru_cache(maxsize=64)
def _associations(seed: int, patterns: int, channels: int, bits: int) -> tuple[np.ndarray, np.ndarray]:
    random = rng(seed, 1001)
    return codes(patterns, channels, random), codes(patterns, bits, random)


def codes(count: int, width: int, random: np.random.Generator, tries: int = 100) -> np.ndarray:
    """Return random binary words [count, width], half of each 1, that differ in a quarter of their bits where possible.

    Of `tries` draws the word farthest from those before is kept. Raises `ParameterError` where two words are the same.
    """
    words = np.empty((0, width))
    for _ in range(count):
        draws = random.permuted(np.tile(np.arange(width) < width // 2, (tries, 1)), axis=1).astype(float)
        apart = np.abs(draws[:, None] - words[None]).sum(-1).min(1, initial=width)
        best = int(np.argmax(apart >= width / 4)) if (apart >= width / 4).any() else int(apart.argmax())
        if apart[best] == 0:
            raise ParameterError(
                f"there are no {count} different words of {width} bits, half of them 1; take more bits"
            )
        words = np.concatenate([words, draws[best : best + 1]])
    return words
