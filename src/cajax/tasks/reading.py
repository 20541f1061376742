"""Networks that read images: graded receptors, spiking cells with dendrites, leaky readouts."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.distributions import each
from ..cell import Cell
from ..inputs.clamps import IClamp
from ..mech import HH, Graded, Leak
from ..model.model import Model
from ..morph import Morphology, PerBranch, cylinder, every_cv, pyramidal, tag
from ..network import Network, edges
from ..simulate import Solution, simulate
from ..train import annealed_adam, bounded, by_glob, positive
from .images import Distortion, minibatches
from .task import Batch, Stage, Task, rng


@final
class Images(NamedTuple):
    """Images [image, row, column] with values 0..1 and their classes: to learn from, to check on the way, to test."""

    train: tuple[np.ndarray, np.ndarray]
    checks: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Reading(Task):
    """Sizes, times (ms), drive (nA), first weights (µS), rates of learning, distortion of the training images."""

    hidden: int = 64
    tips: int = 5
    dendrites: int = 1
    t1: float = 10.0
    dt: float = 0.1
    window: float = 6.0
    drive: float = 0.2
    input_weight: float = 1e-4
    output_weight: float = 1e-4
    epochs: int = 48
    rate: float = 0.03
    membrane_rate: float = 0.02
    membrane_wait: float = 0.25
    turn: float = 0.08
    shift: float = 0.25
    noise: float = 0.03

    classes = tuple("0123456789")
    attacked = "image"
    side: ClassVar[int]

    synapses = {"*.weight": positive()}  # noqa: RUF012
    groups = {  # noqa: RUF012
        "input synapses": ("pixels->*.weight",),
        "output synapses": ("hidden->*.weight",),
        "sodium": ("*.gna",),
        "potassium": ("*.gk",),
        "leak": ("*.gl", "digits.*.g"),
    }
    lesions = {  # noqa: RUF012
        "sodium channels": ("*.gna",),
        "potassium channels": ("*.gk",),
    }

    @property
    def membrane(self) -> Mapping[str, Any]:
        """Conductances of every hidden control volume and of every readout."""
        return {
            "hidden.*.gna": each("cv", bounded(0.02, 0.6)),
            "hidden.*.gk": each("cv", bounded(0.005, 0.15)),
            "hidden.*.gl": each("cv", bounded(3e-5, 3e-3)),
            "digits.*.leak.g": each("cell", bounded(3e-5, 3e-3)),
        }

    @abstractmethod
    def images(self) -> Images:
        """Return the images, always split the same way."""

    @cached_property
    def _images(self) -> Images:
        return self.images()

    def shapes(self) -> Mapping[str, tuple[Morphology, ...]]:
        """Every hidden cell has a shape of its own; as point neurons they are cylinders of the same area."""
        grown = [pyramidal(k + 1, tips=self.tips, stems=2, scale=0.5, axon=False) for k in range(self.hidden)]
        if self.point:
            sides = [float(np.sqrt(cell.areas.sum() / np.pi)) for cell in grown]
            grown = [cylinder(side, side / 2) for side in sides]
        return {"hidden": tuple(grown)}

    def network(self) -> Model:
        """Return the network before training: pixels onto dendrites of the hidden cells, and these onto the readouts.

        The receptors signal by graded potentials, as photoreceptors and bipolar cells do. The hidden cells have
        Hodgkin–Huxley channels in soma and dendrites. Every connection has an excitatory and an inhibitory conductance.
        """
        random = rng(self.seed)
        passive = Cell(cylinder(20.0, 10.0)).paint("all", leak=Leak(g=3e-4, e=-65.0))
        hidden = [
            Cell(shape).label(dendrites=tag("soma") if self.point else ~tag("soma")).paint("all", hh=HH())
            for shape in self.shapes()["hidden"]
        ]

        def weights(mean: float, *size: int) -> np.ndarray:
            return mean * random.lognormal(0.0, 0.6, size)

        onto = self.contacts()
        net = Network().add("pixels", passive, self.side**2).add("hidden", hidden).add("digits", passive, 10)
        for name, e_in, e_out in (("exc", 0.0, 0.0), ("inh", -80.0, -130.0)):
            w_in, w_out = weights(self.input_weight, len(onto)), weights(self.output_weight, self.hidden, 10)
            net = net.connect(
                "pixels", "hidden", Graded(e=e_in, k=0.5), edges(onto), every_cv("dendrites"), w_in, name
            )
            net = net.connect("hidden", "digits", Graded(e=e_out, k=0.05), weight=w_out, name=name)
        return net.discretize(PerBranch(1))

    def contacts(self) -> np.ndarray:
        """Return [contact, 3] of pixel, hidden cell and dendrite: every cell sees every pixel `dendrites` times.

        Each dendrite looks at bands of rows, as axons that enter a layer side by side reach neighbouring dendrites.
        """
        sites = 1 if self.point else len(self.shapes()["hidden"][0].parent) - 1
        row = np.arange(self.side**2) // self.side
        first = row * sites // self.side
        triples = [
            np.stack([np.arange(self.side**2), np.full(self.side**2, cell), (first + shift) % sites], axis=1)
            for cell in range(self.hidden)
            for shift in range(min(self.dendrites, sites))
        ]
        return np.concatenate(triples)

    @property
    def _per_epoch(self) -> int:
        return len(self._images.train[0]) // self.batch

    def stages(self) -> tuple[Stage, ...]:
        """All images, `epochs` times."""
        return (Stage("images", self.epochs * self._per_epoch, self.t1),)

    def optimizer(self, stage: Stage) -> Any:
        """Return Adam with rates that fall to zero along a cosine; membranes join after `membrane_wait` of the steps.

        Before the synapses have found what each cell answers to, the gradient knows spike times but not whether a cell
        should fire at all. Membranes that follow it then end as cells that always or never fire, from which no gradient
        leads back: a freer network with a higher training loss.
        """
        rates: dict[str, Any] = {"*.weight": annealed_adam(self.rate, stage.steps)}
        if self.membranes:
            slow = annealed_adam(self.membrane_rate, stage.steps, wait=self.membrane_wait)
            rates |= dict.fromkeys(self.membrane, slow)
        return by_glob(rates)

    def trials(self, stage: Stage, step: int) -> Batch:
        """Return the images of a step, distorted; every epoch visits all of them in a new order."""
        distortion = Distortion(rotation=self.turn, shift=self.shift, noise=self.noise)
        images, labels = minibatches(*self._images.train, self.batch, self.seed, distortion)(step)
        return Batch({"image": images}, labels)

    def checks(self) -> tuple[Stage, Batch]:
        """Return the images kept out of training."""
        images, labels = self._images.checks
        return self.stages()[0], Batch({"image": images}, labels)

    def tests(self) -> Mapping[str, tuple[Stage, Batch]]:
        """Return the test images."""
        images, labels = self._images.test
        return {"test images": (self.stages()[0], Batch({"image": images}, labels))}

    def run(self, model: Model, inputs: dict[str, Any], stage: Stage, record: Mapping[str, Any]) -> Solution:
        """Show one image: each receptor gets a current in proportion to its pixel."""
        clamp = IClamp("pixels", delay=0.0, dur=stage.t1, amp=self.drive * jnp.ravel(inputs["image"]))
        return simulate(model, stage.t1, self.dt, [clamp], record=record)

    @property
    def readout(self) -> Mapping[str, Any]:
        """The voltages of the ten readouts."""
        return {"v": "digits"}

    def read(self, solution: Solution, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        """Return the readouts' mean voltage over the last `window` ms, above rest, in 2 mV."""
        return (solution["v"][-round(self.window / self.dt) :].mean(axis=0) + 65.0) / 2.0

    def signal(self, inputs: dict[str, Any], stage: Stage) -> Any:
        """Return the pixels, as one moment; differentiable, so that a perceptron can be attacked, too."""
        return inputs["image"].reshape(len(inputs["image"]), 1, -1)

    def phases(self, inputs: dict[str, Any], stage: Stage) -> dict[str, tuple[float, float]]:
        """The answer is read while the image is still shown."""
        return {"image": (0.0, stage.t1 - self.window), "answer": (stage.t1 - self.window, stage.t1)}
