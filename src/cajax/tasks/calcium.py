"""Calcium imaging: the synapses and channels of a ganglion cell of the retina from the calcium in its dendrites."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, final

import jax
import numpy as np

from ..analysis import inside
from ..base.distributions import each
from ..base.errors import ParameterError
from ..cell import Cell
from ..fitting.recordings import Imaging, Indicator
from ..inputs.clamps import IClamp
from ..jobs.job import Batch, Job, Say, Stage, rng
from ..mech import Graded, Leak, Pool, Reversal
from ..mech.library import fohlmeister1997 as channels
from ..model.model import Model
from ..morph import MaxLength, Morphology, cylinder, every_cv, read_morphology
from ..network import Network, edges
from ..record.quantities import Concentration
from ..simulate import Solution, simulate
from ..solve import Truncated
from ..train import Free, annealed_adam, bounded, positive
from .imaged import Correlation, correlations, recovered
from .retina import contacts, fields, noise_images, responses
from .shapes import ganglion
from .tree import Middles, branches_of, group_of, middle_distances, smooth_shares

REST = -65.0
FRAME = 200.0
"""How long a noise image is shown (ms): 5 Hz, as published."""
RISE, DECAY = 5.0 / np.log(2.0), 100.0
"""Time constants of the indicator (ms); half of its rise takes 5 ms, as published."""
REACH = 100.0
"""µm over which the true conductances vary along the dendrites."""
LONGEST = 80.0
"""The longest control volume (µm)."""
TEMPERATURE = 22.0
WEIGHT = "bipolar->ganglion.ribbon.weight"
LOCAL = {"ganglion.all.nav.g": (0.01, 0.12), "ganglion.all.cav.g": (5e-4, 8e-3)}
"""Path → bounds (S/cm²) of what differs from branch to branch."""
SHARED = {
    "ganglion.all.kv.g": (0.004, 0.04),
    "ganglion.all.a.g": (0.01, 0.1),
    "ganglion.all.kca.g": (1e-5, 2e-4),
    "ganglion.all.leak.g": (2e-5, 2e-4),
    "ganglion.all.leak.e": (-70.0, -60.0),
    "ganglion.all.ca.gamma": (0.3, 1.0),
    "ganglion.all.ca.tau": (5.0, 50.0),
    "ganglion.all.cm": (0.7, 1.5),
    "ganglion.all.ra": (70.0, 200.0),
    "bipolar->ganglion.ribbon.k": (0.03, 0.3),
}
"""Path → bounds of what the whole cell, or all synapses, have in common."""


@final
class Setup(NamedTuple):
    """What the settings of a run come to before any number is drawn for training.

    `model` is the cell with its inputs at mid-range values, `fields` [bipolar, pixel] are those of the bipolar cells,
    `rois` the branches that are imaged.
    """

    shape: Morphology
    model: Model
    fields: np.ndarray
    rois: tuple[int, ...]


@final
class Data(NamedTuple):
    """Responses of bipolar cells [image, bipolar], and fluorescence [image, frame, roi] (µM), clean and as recorded."""

    bipolars: np.ndarray
    clean: np.ndarray
    recorded: np.ndarray


@final
@dataclass(frozen=True)
class Calcium(Job[Correlation]):
    """Find 607 numbers of a ganglion cell of 155 branches from calcium imaging at 147 of them.

    The cell sees images of noise through `bipolars` synapses; each is shown for 200 ms, and an indicator (half of the
    rise 5 ms, decay 100 ms) is read out `frames` times. Trained are the weight of every synapse, the sodium and calcium
    conductance of every branch, and ten numbers of the whole cell; gradients are cut every `cut` ms. The recording is
    simulated, with noise of `noise` times its standard deviation; it must be told from `images` images, and is tested
    on `tested` others. `morphology` is a file to take instead of the built-in cell number `cell`; `membranes=False`
    trains the synapses alone. The fit starts at equal weights and random values of all else.

    Source: Deistler et al., Nature Methods 2025, doi 10.1038/s41592-025-02895-w.
    """

    batch: int = 16
    morphology: str = ""
    cell: int = 0
    bipolars: int = 287
    regions: int = 147
    images: int = 1024
    checked: int = 64
    tested: int = 256
    frames: int = 4
    dt: float = 0.2
    cut: float = 50.0
    drive: float = 0.01
    weight: float = 6e-4
    spread: float = 1.0
    noise: float = 0.3
    steps: int = 150
    rate: float = 0.1
    membranes: bool = True

    name: ClassVar[str] = "calcium"
    title: ClassVar[str] = (
        "find the synapses and channels of a ganglion cell from the calcium in its dendrites"
    )
    published: ClassVar[str] = (
        "mean correlation 0.247 on recordings of a real cell, greatest 0.512, 146 of 147 positive"
        " (Deistler et al., Nature Methods 2025)"
    )
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "synaptic weights": (WEIGHT,),
        "sodium and calcium of branches": tuple(LOCAL),
        "numbers of the whole cell": tuple(SHARED),
    }

    def check(self) -> None:
        every = FRAME / self.frames if self.frames else 0.0
        for name, x in (("the time between frames", every), ("cut", self.cut)):
            steps = x / self.dt if self.dt > 0 else 0.0
            if steps < 1.0 - 1e-6 or abs(steps - round(steps)) > 1e-6:
                raise ParameterError(f"calcium: dt = {self.dt:g} ms does not go into {name}, {x:g} ms")
        if self.bipolars < 1 or self.regions < 1 or min(self.images, self.checked, self.tested) < 2:
            raise ParameterError(
                "calcium: take at least one bipolar cell, one region, and two images of each kind"
            )

    @property
    def score(self) -> Correlation:
        return Correlation(self.frames)

    @property
    def setup(self) -> Setup:
        """The cell and what it sees."""
        return _setup(self.morphology, self.cell, self.bipolars, self.regions, self.weight)

    def free(self) -> Free:
        local = {path: each("branch", bounded(*ends)) for path, ends in LOCAL.items()}
        shared = {path: bounded(*ends) for path, ends in SHARED.items()}
        return Free({WEIGHT: positive(), **(local | shared if self.membranes else {})})

    def network(self) -> Model:
        """The cell with equal weights, and with all else random between 5 % and 95 % of its range."""
        gen = rng(self.seed, 0)
        return _drawn(self.setup.model, lambda path, size: gen.uniform(0.05, 0.95, size))

    def truth(self) -> Model:
        """The recorded cell: weights differ by factors, the conductances of branches vary smoothly."""
        gen, model = rng(self.seed, 1), self.setup.model
        distance = middle_distances(group_of(model, "ganglion").cvs)

        def shares(path: str, size: tuple[int, ...]) -> np.ndarray:
            if path in SHARED:
                return gen.uniform(0.2, 0.8, size)
            return smooth_shares(gen, distance[branches_of(_wide(model), path)], REACH)

        weights = self.weight * gen.lognormal(0.0, self.spread, self.bipolars)
        return _drawn(model, shares).replace({WEIGHT: weights})

    @property
    def recorded(self) -> "Calcium":
        """The settings that decide the recording, all others as they are by default."""
        kept = (
            "seed",
            "batch",
            "morphology",
            "cell",
            "bipolars",
            "regions",
            "images",
            "checked",
            "tested",
            "frames",
        )
        kept = (*kept, "dt", "drive", "weight", "spread", "noise")
        return Calcium(**{name: getattr(self, name) for name in kept})

    def shapes(self) -> Mapping[str, tuple[Morphology, ...]]:
        return {"ganglion": (self.setup.shape,)}

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("noise", self.steps, FRAME),)

    def optimizer(self, stage: Stage) -> Any:
        return annealed_adam(self.rate, stage.steps, 0.05, norm_power=0.8)

    def _shown(self, first: int, count: int, which: Any = None) -> Batch:
        data = _recorded(self.recorded)
        chosen = slice(first, first + count) if which is None else first + which
        return Batch({"bipolars": data.bipolars[chosen]}, data.recorded[chosen])

    def trials(self, stage: Stage, step: int) -> Batch:
        """Images in random order, all of them once before one comes again."""
        per_epoch = max(1, self.images // self.batch)
        epoch, k = divmod(step, per_epoch)
        order = np.resize(rng(self.seed, 3, epoch).permutation(self.images), self.batch * per_epoch)
        return self._shown(0, self.images, order[k * self.batch : (k + 1) * self.batch])

    def checks(self) -> tuple[Stage, Batch]:
        return self.stages()[0], self._shown(self.images, self.checked)

    def tests(self) -> Mapping[str, tuple[Stage, Batch]]:
        return {"held-out images": (self.stages()[0], self._shown(self.images + self.checked, self.tested))}

    def marks(self, outputs: np.ndarray, batch: Batch, stage: Stage) -> dict[str, float]:
        """Return what noise leaves to be reached: the correlation of the recorded cell itself with its recording."""
        data = _recorded(self.recorded)
        clean = data.clean[-self.tested :]
        if len(clean) != len(batch.targets):
            return {}
        return {"correlation without noise": float(correlations(clean, batch.targets, self.frames).mean())}

    def run(self, model: Model, inputs: dict[str, Any], stage: Stage, record: Mapping[str, Any]) -> Solution:
        clamp = IClamp("bipolar", delay=0.0, dur=stage.t1, amp=self.drive * inputs["bipolars"])
        cut = Truncated(round(self.cut / self.dt))
        return simulate(model, stage.t1, self.dt, [clamp], record=record, adjoint=cut)

    @property
    def readout(self) -> Mapping[str, Any]:
        return {"ca": Concentration(("ganglion", Middles(self.setup.rois)), "ca", every=self._every)}

    @property
    def _every(self) -> int:
        """Steps between the samples that the indicator follows, about one each ms."""
        steps = round(FRAME / self.frames / self.dt)
        return max(k for k in range(1, steps + 1) if steps % k == 0 and (k == 1 or k * self.dt <= 1.0 + 1e-6))

    def read(self, solution: Solution, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        """Return the fluorescence [frame, roi] in µM of free calcium."""
        calcium = solution["ca"].reshape(len(solution["ca"]), -1)
        return self.imaging.observe(1e3 * calcium, self._every * self.dt)

    @property
    def imaging(self) -> Imaging:
        """How the fluorescence is imaged: frames at a rate, and the kernel of the indicator."""
        every, empty = FRAME / self.frames, np.zeros((self.frames, len(self.setup.rois)))
        return Imaging(empty, 1e3 / every, indicator=Indicator(RISE, DECAY), start=every, unit="µM")

    def signal(self, inputs: dict[str, Any], stage: Stage) -> np.ndarray:
        """Return what the bipolar cells give out, as one moment."""
        return np.asarray(inputs["bipolars"])[:, None]

    def versions(self) -> Mapping[str, Job[Any]]:
        """Gradients that are not cut, and synapses alone."""
        return {"gradients not cut": self.but(cut=FRAME), "synapses alone": self.but(membranes=False)}

    def inspect(self, before: Model, after: Model, folder: Path, say: Say) -> dict[str, Any]:
        """Return what `analysis.inside` finds, and how near the parameters are to the true ones."""
        found = recovered(before, after, self.truth(), self.free())
        return {"recovered": found} | inside(self, before, after, say, trials=64, followed=16)

    def again(self, folder: Path, every_control: bool = False) -> str:
        return f"cajax train {self.name} --resume {folder}{' --controls' if every_control else ''}"


def _wide(model: Model) -> Model:
    for path in LOCAL:
        model = model.widened(path, "branch")
    return model


def _drawn(model: Model, shares: Any) -> Model:
    """Return a model with every parameter of `LOCAL` and `SHARED` at `shares(path, shape)` of its range."""
    model = _wide(model)
    ends = LOCAL | SHARED
    values = {p: lo + (hi - lo) * shares(p, np.shape(model.params[p])) for p, (lo, hi) in ends.items()}
    return model.replace(values)


@lru_cache(maxsize=8)
def _setup(morphology: str, cell: int, bipolars: int, regions: int, weight: float) -> Setup:
    shape = read_morphology(morphology) if morphology else ganglion(cell)
    policy = MaxLength(LONGEST)
    neuron = Cell(shape, v0=REST, temperature=TEMPERATURE).paint("all", **membrane())
    alone = neuron.discretize(policy).cvs
    where = contacts(rng(cell, bipolars, 4), alone, bipolars)
    pairs = np.stack([np.arange(bipolars), np.zeros(bipolars, int), where], axis=1)
    relay = Cell(cylinder(10.0, 5.0), v0=REST, temperature=TEMPERATURE)
    # Graded cells that follow their current within 3 ms and release in proportion to what lies above rest.
    relay = relay.paint("all", leak=Leak(g=3e-4, e=REST))
    ribbon = Graded(e=0.0, k=0.1, threshold=REST + 20.0, slope=4.0)
    net = Network().add("bipolar", relay, bipolars).add("ganglion", neuron, 1)
    weights = np.full(bipolars, weight)
    net = net.connect("bipolar", "ganglion", ribbon, edges(pairs), every_cv(), weights, "ribbon")
    dendrites = np.flatnonzero(np.array(shape.tags) != "soma")
    chosen = np.unique(np.linspace(0, len(dendrites) - 1, min(regions, len(dendrites))).round().astype(int))
    return Setup(shape, net.discretize(policy), fields(alone, where), tuple(dendrites[chosen].tolist()))


def membrane() -> dict[str, Any]:
    """Return the channels and ions of a ganglion cell; Fohlmeister & Miller, J Neurophysiol 78:1935 (1997)."""
    ions = {"na": Reversal(35.0), "k": Reversal(-75.0), "ca": Pool(co=1.8, gamma=0.5, depth=0.3, tau=20.0)}
    kinds = {
        "nav": channels.Na(),
        "kv": channels.K(),
        "a": channels.KA(),
        "cav": channels.Ca(),
        "kca": channels.KCa(),
    }
    return {**ions, **kinds, "leak": Leak(g=5e-5, e=REST)}


@lru_cache(maxsize=4)
def _recorded(job: Calcium) -> Data:
    """Return the recording: images that are trained on, then those of the checks, then those of the test."""
    gen, model = rng(job.seed, 2), job.truth()
    shown = responses(noise_images(gen, job.images + job.checked + job.tested), job.setup.fields)
    answer = jax.jit(lambda part: job.answer(model, {"bipolars": part}, job.stages()[0]))
    size = 4 * job.batch
    parts = [shown[np.minimum(np.arange(i, i + size), len(shown) - 1)] for i in range(0, len(shown), size)]
    clean = np.concatenate([np.asarray(answer(part)) for part in parts])[: len(shown)]
    spread = clean.std(axis=0, keepdims=True)
    noise = job.noise * spread * gen.standard_normal(clean.shape)
    return Data(shown, clean, (clean + noise).astype(clean.dtype))
