"""Handwritten digits read by a three-layer network: graded receptors, spiking cells with dendrites, leaky readouts."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ..cell import Cell
from ..distributions import each
from ..mech import HH, Graded, Leak
from ..model import Model
from ..morph import Morphology, PerBranch, cylinder, every_cv, pyramidal, tag
from ..network import Network
from ..protocol import IClamp
from ..simulate import Solution, simulate
from ..train import Free, accuracy, bounded, cross_entropy, positive

SIDE = 8
CLASSES = 10


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run: sizes, times (ms), drive (nA), first weights (µS), training."""

    hidden: int = 64
    shape: int = 3
    tips: int = 4
    t1: float = 10.0
    dt: float = 0.1
    readout: float = 6.0
    drive: float = 0.2
    input_weight: float = 2.5e-5
    output_weight: float = 1e-4
    epochs: int = 48
    batch: int = 32
    rate: float = 0.03
    membrane_rate: float = 0.02
    membrane_wait: float = 0.25
    seed: int = 0


@dataclass(frozen=True)
class Data:
    """Images [image, 8, 8] with values 0..1 and labels, split once and for all."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def data() -> Data:
    """Return scikit-learn's 1,797 digits: four fifths to learn from, one fifth to test, stratified, always the same.

    Source: Alpaydin & Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch: Any = load_digits()
    images = (bunch.images / 16.0).astype(np.float32)
    split: Any = train_test_split(images, bunch.target, test_size=0.2, stratify=bunch.target, random_state=0)
    train, test, train_labels, test_labels = split
    return Data(train, train_labels, test, test_labels)


def shape(settings: Settings) -> Morphology:
    """Return the shape that all hidden cells share: a small pyramidal cell, soma, basal and apical dendrites."""
    return pyramidal(settings.shape, tips=settings.tips, stems=2, scale=0.5, axon=False)


def network(settings: Settings) -> Model:
    """Return the network before training: 64 receptors → hidden cells → 10 readouts, each input onto every dendrite.

    The receptors signal by graded potentials, as photoreceptors and bipolar cells do. The hidden cells have
    Hodgkin–Huxley channels in soma and dendrites. Every connection has an excitatory and an inhibitory conductance.
    """
    rng = np.random.default_rng(settings.seed)
    s = settings
    receptor = Cell(cylinder(20.0, 10.0)).paint("all", leak=Leak(g=3e-4, e=-65.0))
    pyramid = Cell(shape(s)).label(dendrites=~tag("soma")).paint("all", hh=HH())
    readout = Cell(cylinder(20.0, 10.0)).paint("all", leak=Leak(g=3e-4, e=-65.0))

    def weights(mean: float, *size: int) -> np.ndarray:
        return mean * rng.lognormal(0.0, 0.6, size)

    dendrites = sum(t != "soma" for t in shape(s).tags)
    onto, out = (SIDE * SIDE, s.hidden, dendrites), (s.hidden, CLASSES)
    net = Network().add("pixels", receptor, SIDE * SIDE).add("hidden", pyramid, s.hidden)
    net = net.add("digits", readout, CLASSES)
    at: Any = {"at": every_cv("dendrites")}
    for name, e_in, e_out in (("exc", 0.0, 0.0), ("inh", -80.0, -130.0)):
        w_in, w_out = weights(s.input_weight, *onto), weights(s.output_weight, *out)
        net = net.connect("pixels", "hidden", Graded(e=e_in, k=0.5), weight=w_in, name=name, **at)
        net = net.connect("hidden", "digits", Graded(e=e_out, k=0.05), weight=w_out, name=name)
    return net.discretize(PerBranch(1))


SYNAPSES = {"*.weight": positive()}
MEMBRANES = {
    "hidden.*.gna": each("cv", bounded(0.02, 0.6)),
    "hidden.*.gk": each("cv", bounded(0.005, 0.15)),
    "hidden.*.gl": each("cv", bounded(3e-5, 3e-3)),
    "digits.*.leak.g": each("cell", bounded(3e-5, 3e-3)),
}


def free(membranes: bool = True) -> Free:
    """Return what is trained: all synapses and, with `membranes`, the conductances of every hidden CV and readout."""
    return Free({**SYNAPSES, **(MEMBRANES if membranes else {})})


def show(model: Model, image: jax.Array, settings: Settings, record: dict[str, Any]) -> Solution:
    """Run the network on one image [8, 8]: each receptor gets a current in proportion to its pixel."""
    clamp = IClamp("pixels", delay=0.0, dur=settings.t1, amp=settings.drive * image.ravel())
    return simulate(model, settings.t1, settings.dt, [clamp], record=record)


def logits(model: Model, images: jax.Array, settings: Settings) -> jax.Array:
    """Return [image, digit]: the readouts' mean voltage over the last `settings.readout` ms, above rest, in 2 mV."""

    def one(image: jax.Array) -> jax.Array:
        v = show(model, image, settings, {"v": "digits"})["v"]
        return (v[-round(settings.readout / settings.dt) :].mean(axis=0) + 65.0) / 2.0

    return jax.vmap(one)(images)


def loss(model: Model, batch: tuple[jax.Array, jax.Array], settings: Settings) -> tuple[jax.Array, jax.Array]:
    """Return the mean cross-entropy of a batch, and its accuracy."""
    images, labels = batch
    z = logits(model, images, settings)
    return cross_entropy(z, labels), accuracy(z, labels)
