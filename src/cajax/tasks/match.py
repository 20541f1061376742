"""Delayed match to sample: hold a stimulus through a silent delay, compare it with a second one, say the outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.distributions import each
from ..base.errors import ParameterError
from ..cell import Cell
from ..inputs.clamps import IClamp
from ..mech import HH, Graded, Leak
from ..model.model import Model
from ..morph import Morphology, PerBranch, cylinder, tag
from ..network import Network, all_to_all
from ..simulate import Solution, simulate
from ..train import Reached, annealed_adam, bounded, by_glob, positive, reached
from .shapes import point_of, three_compartments
from .task import Batch, Stage, Task, rng

STIMULI = 2
REST = -65.0  # mV, of the cells that only leak
BIN = 10.0  # ms, of `signal`
DRIVE = 0.1  # nA, the current of a stimulus: brings its cell from rest to +15 mV

LATER = 0.5  # of the readouts' rate, after the first stage
ANNEALED = 0.05  # of every rate, at the last step of a stage: few trials a step never let a larger one rest
EPS = 3e-4  # a gradient entry well below this moves its parameter little; the norm of all is clipped to 1

# What a random generator is for: no test trial is ever drawn like a training trial.
_NETWORK, _TRAIN, _CHECK, _TEST = range(4)


def balanced(weight: np.ndarray, rounds: int = 50) -> np.ndarray:
    """Return weights [pre, post] of mean 1 of which every cell gives, and every cell receives, the same sum.

    Rows and columns are scaled in turn (Sinkhorn & Knopp 1967, Pacific Journal of Mathematics 21:343). Else a stimulus
    with strong weights wakes most cells, which then are silent about which stimulus it was, and a weak one wakes none.
    """
    for _ in range(rounds):
        weight = weight / weight.mean(axis=1, keepdims=True)
        weight = weight / weight.mean(axis=0, keepdims=True)
    return weight


@final
@dataclass(frozen=True)
class Match(Task):
    """The task of delayed match to sample and the network that learns it.

    Times in ms: `onset` of the sample, `stimulus` (how long sample and test stimulus last), `response` (how long the
    answer is read after the test stimulus). The delay between the stimuli is drawn per trial: from `shortest` to
    `shortest + growth` in the first stage, `growth` longer in each next one, up to `longest`; half of the training
    trials of a stage have any delay up to its longest, so that it does not forget. A stage takes `steps`
    steps at most and ends when accuracy and loss of its last `over` steps are good: 0.95 and 0.65, as published, and in
    the last stage `goal` and `last_loss`.

    Weights in µS are what a cell receives by a projection in all, in log-normal shares; decays in 1/ms where all
    synapses of a projection start. `rate` and `membrane_rate` are Adam's for synapses and membranes inside the network,
    `output_rate` for the weights onto the readouts (in the first stage; half of it later); all sink to a twentieth in
    the course of a stage. `logit` (mV) of a readout's voltage count as one in the answer.
    """

    batch: int = 16
    excitatory: int = 80
    inhibitory: int = 10
    dt: float = 0.2
    onset: float = 10.0
    stimulus: float = 50.0
    response: float = 50.0
    shortest: float = 50.0
    longest: float = 550.0
    growth: float = 100.0
    steps: int = 200
    over: int = 15
    goal: float = 0.998
    last_loss: float = 0.1
    input_weight: float = 2.4e-3
    recurrent_weight: float = 6.4e-3
    relay_weight: float = 2e-3
    inhibitory_weight: float = 1e-2
    output_weight: float = 1.2e-3
    memory_decay: float = 0.002
    inhibitory_decay: float = 0.03
    output_decay: float = 0.02
    logit: float = 0.5
    rate: float = 0.0001
    membrane_rate: float = 0.0001
    output_rate: float = 0.1
    tested: int = 1000

    name: ClassVar[str] = "match"
    title: ClassVar[str] = "Remember a stimulus through a delay, and tell whether the next one is the same."
    published: ClassVar[str] = (
        "95 % at delays of 450–550 ms with up to 1,250 epochs on a GPU (Deistler et al., Nature Methods 2025)"
    )
    classes: ClassVar[tuple[str, ...]] = ("different", "same")
    synapses: ClassVar[Mapping[str, Any]] = {"*.weight": positive(), "*.k": bounded(1 / 1000, 1 / 5)}
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "input weights": ("stimuli->*.weight",),
        "recurrent excitation": ("excitatory->excitatory.*.weight",),
        "excitation of inhibitory cells": ("excitatory->inhibitory.*.weight",),
        "recurrent inhibition": ("inhibitory->excitatory.*.weight",),
        "output weights": ("*->readouts.*.weight",),
        "synaptic decay": ("*.k",),
        "sodium": ("*.hh.gna",),
        "potassium": ("*.hh.gk",),
        "leak": ("*.hh.gl",),
    }
    remembered: ClassVar[str] = "sample"
    lesions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "recurrent excitation": ("excitatory->excitatory.*.weight",),
        "recurrent inhibition": ("inhibitory->excitatory.*.weight",),
        "excitation of inhibitory cells": ("excitatory->inhibitory.*.weight",),
        "input of inhibitory cells": ("stimuli->inhibitory.*.weight",),
        "sodium channels of dendrites": ("*.dendrites.hh.gna",),
        "potassium channels of dendrites": ("*.dendrites.hh.gk",),
    }

    def check(self) -> None:
        if not 0.0 < self.shortest < self.longest or self.growth <= 0.0:
            raise ParameterError(
                f"match: delays from {self.shortest:g} to {self.longest:g} ms in stages of {self.growth:g} ms make no"
                " curriculum; write for example shortest=50, longest=550, growth=100"
            )
        if min(self.excitatory, self.inhibitory, self.batch, self.tested) < 1:
            raise ParameterError("match: cells and trials are counted from 1; give at least one of each")

    # The network

    def shapes(self) -> Mapping[str, tuple[Morphology, ...]]:
        """Population → the shape of its cells: soma, basal and apical dendrite, or a cylinder of the same area."""
        whole = three_compartments()
        cell = point_of(whole) if self.point else whole
        return {"excitatory": (cell,), "inhibitory": (cell,)}

    def network(self) -> Model:
        """Return the network before training: every connection of every kind, of random strength.

        The two stimuli are receptors that a current depolarises; they and all cells signal by graded synapses. The
        first spike of a cell opens its slow synapses almost fully: what a delay leaves of that is its memory.
        """
        shapes = self.shapes()
        leak = Cell(cylinder(20.0, 10.0)).paint("all", leak=Leak(g=1e-4, e=REST))
        net = Network().add("stimuli", leak, STIMULI)
        for name, count in (("excitatory", self.excitatory), ("inhibitory", self.inhibitory)):
            cell = Cell(shapes[name][0]).label(dendrites=~tag("soma")).paint("soma", hh=HH())
            net = net.add(name, cell if self.point else cell.paint("dendrites", hh=HH()), count)
        return self._connected(net.add("readouts", leak, len(self.classes))).discretize(PerBranch(1))

    def _connected(self, net: Network) -> Network:
        gen = rng(self.seed, _NETWORK)
        size = {p.name: p.size for p in net.populations}
        basal, apical = ("soma", "soma") if self.point else ("basal", "apical")
        # Receptors are silent at rest, and readouts deaf to it, which the usual slope would not let them be.
        stimulus = Graded(e=0.0, k=0.1, threshold=-50.0, slope=2.0)
        spikes = Graded(k=self.output_decay, slope=4.0)
        for pre, post, name, synapse, at, total, spread in (
            ("stimuli", "excitatory", "input", stimulus, basal, self.input_weight, 0.6),
            ("stimuli", "inhibitory", "input", stimulus, basal, self.input_weight, 0.6),
            ("excitatory", "excitatory", "slow", Graded(k=self.memory_decay), apical, self.recurrent_weight, 1.5),
            ("excitatory", "inhibitory", "fast", Graded(k=0.1), basal, self.relay_weight, 1.0),
            (
                "inhibitory", "excitatory", "inh", Graded(e=-80.0, k=self.inhibitory_decay),
                basal, self.inhibitory_weight, 1.0,
            ),
            # Nearly equal: a random preference for one answer would have to be unlearned first.
            ("excitatory", "readouts", "exc", spikes, "soma", self.output_weight, 0.1),
        ):  # fmt: skip
            weight = total / size[pre] * balanced(gen.lognormal(0.0, spread, (size[pre], size[post])))
            rule = all_to_all(autapses=True)
            net = net.connect(pre, post, synapse, rule, at=at, weight=weight, name=name)
        return net

    @property
    def membrane(self) -> Mapping[str, Any]:
        """The conductances of every compartment."""
        return {
            "*.hh.gna": each("cv", bounded(0.02, 0.6)),
            "*.hh.gk": each("cv", bounded(0.005, 0.15)),
            "*.hh.gl": each("cv", bounded(3e-5, 3e-3)),
        }

    # Training

    def stages(self) -> tuple[Stage, ...]:
        """Return stages of growing delays."""
        edges = [*np.arange(self.shortest, self.longest - 1e-6, self.growth), self.longest]
        last = len(edges) - 2
        return tuple(
            self.stage(float(lo), float(hi), self.steps, self._enough(k == last))
            for k, (lo, hi) in enumerate(pairwise(edges))
        )

    def stage(self, lo: float, hi: float, steps: int = 0, enough: Reached | None = None) -> Stage:
        """Return a stage of delays from `lo` to `hi` ms."""
        t1 = self.onset + 2 * self.stimulus + hi + self.response
        return Stage(f"{lo:g}–{hi:g} ms", steps, t1, (lo, hi), enough)

    def _enough(self, last: bool) -> Reached:
        return reached(self.goal, self.last_loss, self.over) if last else reached(0.95, 0.65, self.over)

    def optimizer(self, stage: Stage) -> Any:
        """Adam: quick for the readouts, slow within the network, each clipped by itself.

        What the cells do already tells the answer, mixed with much else. Where they change as quickly as the readouts
        learn to read them, the difference is lost before it is found, and with it every gradient. And the gradient
        through spikes is at times hundreds of times the readouts': clipped together, it would silence theirs.
        """

        # Adam makes equally large steps of the smallest gradients; `eps` lets what is learned rest.
        def adam(rate: float) -> Any:
            return annealed_adam(rate, stage.steps, ANNEALED, clip=1.0, eps=EPS)

        # A first step of a fresh Adam is a full one in every direction: what was learned before would not survive it.
        output = self.output_rate * (1.0 if stage.delay[0] <= self.shortest else LATER)
        rules = {"*": adam(self.rate), "*->readouts.*.weight": adam(output)}
        if self.membranes:
            rules["*.hh.*"] = adam(self.membrane_rate)
        return by_glob(rules)

    # Trials

    def _trials(self, count: int, stage: Stage, *where: int, again: bool = False) -> Batch:
        """Draw `count` trials, all four pairs of stimuli equally often: of the pairs only the delay is random.

        With `again` every other four have a delay from the shortest of all on, so that no stage forgets those before.
        """
        number = np.arange(count)
        sample, test = np.divmod(number % STIMULI**2, STIMULI)
        shortest, longest = stage.delay
        start = np.where(again & (number // STIMULI**2 % 2 == 1), self.shortest, shortest)
        random = rng(self.seed, *where, round(1e3 * shortest), round(1e3 * longest))
        delay = start + (longest - start) * random.random(count)
        one = np.eye(STIMULI, dtype=np.float32)
        inputs = {"sample": one[sample], "test": one[test], "delay": delay.astype(np.float32)}
        return Batch(inputs, (sample == test).astype(np.int32))

    def trials(self, stage: Stage, step: int) -> Batch:
        """Return the trials of a step: `sample` and `test` [trial, stimulus] 0 or 1, `delay` [trial] ms."""
        return self._trials(self.batch, stage, _TRAIN, step, again=True)

    def tests(self) -> Mapping[str, tuple[Stage, Batch]]:
        """Return trials at the longest trained delays, half as long again, and shorter ones."""
        longest, width = self.longest, min(self.growth, self.longest - self.shortest)
        middle = 0.5 * (self.shortest + longest)
        spans = (
            (longest - width, longest),
            (longest + 0.5 * width, longest + 2.5 * width),
            (middle - 0.5 * width, middle + 0.5 * width),
            (self.shortest, self.shortest + width),
        )
        stages = {stage.name: stage for stage in (self.stage(lo, hi) for lo, hi in spans)}
        return {name: (stage, self._trials(self.tested, stage, _TEST)) for name, stage in stages.items()}

    def checks(self) -> tuple[Stage, Batch]:
        """Return trials at the longest trained delays."""
        stage = self.stages()[-1]
        return stage, self._trials(min(self.tested, 200), stage, _CHECK)

    def _test_onset(self, inputs: dict[str, Any]) -> Any:
        return self.onset + self.stimulus + inputs["delay"]

    def run(self, model: Model, inputs: dict[str, Any], stage: Stage, record: Mapping[str, Any]) -> Solution:
        """Simulate one trial."""
        clamps = [
            IClamp("stimuli", self.onset, self.stimulus, DRIVE * inputs["sample"]),
            IClamp("stimuli", self._test_onset(inputs), self.stimulus, DRIVE * inputs["test"]),
        ]
        return simulate(model, stage.t1, self.dt, clamps, record=record)

    @property
    def readout(self) -> Mapping[str, Any]:
        """The voltage of the readouts."""
        return {"v": "readouts"}

    def read(self, solution: Solution, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        """Return the readouts' mean voltage above rest after the test stimulus, in units of `logit` mV."""
        start = self._test_onset(inputs) + self.stimulus
        late = (solution.ts > start) & (solution.ts <= start + self.response)
        above = jnp.where(late[:, None], solution["v"] - REST, 0.0).sum(axis=0)
        return above / jnp.maximum(late.sum(), 1) / self.logit

    def signal(self, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        """Return [trial, bin of 10 ms, stimulus]: how much of the bin each stimulus is on."""
        edges = jnp.arange(0.0, stage.t1 + BIN - 1e-6, BIN)

        def shown(which: jax.Array, start: Any) -> jax.Array:
            start = jnp.atleast_1d(jnp.asarray(start))
            upto = jnp.clip(edges[None] - start[:, None], 0.0, self.stimulus)
            return (jnp.diff(upto) / BIN)[..., None] * jnp.asarray(which)[:, None, :]

        return shown(inputs["sample"], self.onset) + shown(inputs["test"], self._test_onset(inputs))

    def phases(self, inputs: dict[str, Any], stage: Stage) -> dict[str, tuple[float, float]]:
        """Return the parts of one trial: sample, delay, test, response."""
        test = float(self._test_onset(inputs))
        ends = {
            "sample": self.onset + self.stimulus,
            "delay": test,
            "test": test + self.stimulus,
            "response": test + self.stimulus + self.response,
        }
        starts = (self.onset, *ends.values())
        return {name: (start, end) for (name, end), start in zip(ends.items(), starts, strict=False)}
