"""Controls: what else of the same size learns from the same trials in the same number of steps."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..base.archive import read_arrays
from ..base.disk import is_file, write_arrays
from ..base.errors import Interrupted, ParameterError, StoreError
from ..train import Free, annealed_adam, fit, hosts, unbounded, write_json
from . import team
from .contents import Control, read_as
from .job import Batch, Job, Say, Stage, rng
from .learn import Learned, learn, measured
from .score import Readout, Score

RATES = (1e-3, 3e-3, 1e-2)
"""Learning rates that a network without neurons may choose from, by its headline figure on the checks."""

Shapes = dict[str, tuple[int, ...]]


class Plain(eqx.Module, ABC):
    """A network without neurons, in the form that `fit` trains: arrays by name."""

    params: eqx.AbstractVar[dict[str, jax.Array]]
    sequential: ClassVar[bool] = False
    """Whether it sees a trial bin by bin, and so takes trials of any length."""

    @staticmethod
    @abstractmethod
    def arrays(bins: int, channels: int, outputs: int, width: int) -> Shapes:
        """Return the shapes of the arrays of a network of `width` hidden units."""

    @abstractmethod
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the outputs of one trial [bin, channel]."""

    @property
    def units(self) -> Mapping[str, str]:
        """Its numbers have none."""
        return dict.fromkeys(self.params, "1")

    def replace(self, params: Mapping[str, Any], /) -> Any:
        """The same network with some arrays replaced."""
        return type(self)({**self.params, **params})

    def widened(self, path: str, place: str, /) -> Any:
        """Itself: it has no places."""
        return self


@final
class Linear(Plain):
    """Outputs that are linear in everything that was shown."""

    params: dict[str, jax.Array]

    @staticmethod
    def arrays(bins: int, channels: int, outputs: int, width: int) -> Shapes:
        return {"w": (bins * channels, outputs), "b": (outputs,)}

    def __call__(self, x: jax.Array) -> jax.Array:
        return x.ravel() @ self.params["w"] + self.params["b"]


@final
class MLP(Plain):
    """One hidden layer of tanh units: small ones do not die."""

    params: dict[str, jax.Array]

    @staticmethod
    def arrays(bins: int, channels: int, outputs: int, width: int) -> Shapes:
        return {
            "w": (bins * channels, width),
            "b": (width,),
            "w_out": (width, outputs),
            "b_out": (outputs,),
        }

    def __call__(self, x: jax.Array) -> jax.Array:
        p = self.params
        return jnp.tanh(x.ravel() @ p["w"] + p["b"]) @ p["w_out"] + p["b_out"]


@final
class GRU(Plain):
    """Gated recurrent units that see the trial bin by bin and answer at its end. Source: Cho et al. (2014), EMNLP."""

    params: dict[str, jax.Array]
    sequential = True

    @staticmethod
    def arrays(bins: int, channels: int, outputs: int, width: int) -> Shapes:
        return {
            "w": (channels + width, 2 * width),
            "b": (2 * width,),
            "w_new": (channels + width, width),
            "b_new": (width,),
            "w_out": (width, outputs),
            "b_out": (outputs,),
        }

    def __call__(self, x: jax.Array) -> jax.Array:
        p = self.params

        def step(h: jax.Array, now: jax.Array) -> tuple[jax.Array, None]:
            reset, keep = jnp.split(jax.nn.sigmoid(jnp.concatenate([now, h]) @ p["w"] + p["b"]), 2)
            new = jnp.tanh(jnp.concatenate([now, reset * h]) @ p["w_new"] + p["b_new"])
            return keep * h + (1.0 - keep) * new, None

        h, _ = jax.lax.scan(step, jnp.zeros(p["b_new"].shape), x)
        return h @ p["w_out"] + p["b_out"]


def _count(shapes: Shapes) -> int:
    return sum(int(np.prod(shape)) for shape in shapes.values())


def matched(kind: type[Plain], bins: int, channels: int, outputs: int, parameters: int, seed: int) -> Plain:
    """Return a network of this kind with as near to `parameters` parameters as its width allows, before training."""
    widths = np.arange(1, 4097)
    sizes = np.array([_count(kind.arrays(bins, channels, outputs, int(w))) for w in widths])
    shapes = kind.arrays(bins, channels, outputs, int(widths[np.abs(sizes - parameters).argmin()]))
    random = rng(seed, 1)

    def start(shape: tuple[int, ...]) -> jax.Array:
        if len(shape) == 1:
            return jnp.zeros(shape)
        return jnp.asarray(random.normal(0.0, 1.0 / np.sqrt(shape[0]), shape), dtype=float)

    return kind({name: start(shape) for name, shape in shapes.items()})  # pyright: ignore[reportCallIssue]


def ordinary(job: Job[Any], kind: type[Plain], name: str, learned: Learned, folder: Path) -> dict[str, Any]:
    """Train a network without neurons on what the neurons were shown, with as many parameters and steps.

    Its arrays are kept in `controls/<name>.npz`. A sequence is met in the same stages; a network that sees a whole
    trial at once learns the last stage only.
    """
    begin = time.perf_counter()
    stages = list(zip(job.stages(), learned.steps, strict=True))
    if not kind.sequential:
        stages = [(stages[-1][0], sum(learned.steps))]
    shown = partial(_shown, job, scale=_scale(job, stages[0][0]))
    bins, channels = shown(job.trials(stages[0][0], 0), stages[0][0])[0].shape[1:]
    readout = _readout(job)
    net = matched(kind, bins, channels, readout.size, job.free().count(learned.before), job.seed)
    loss = partial(_loss, job.score, readout)
    trained = [_fitted(job, net, loss, stages, shown, rate) for rate in RATES]
    stage, batch = job.checks()
    checks = shown(batch, stage)
    best = trained[job.score.headline.best([float(loss(net, checks)[1]) for net in trained])]
    (folder / "controls").mkdir(exist_ok=True)
    arrays = {name: np.asarray(x) for name, x in best.params.items()}
    write_arrays(folder / "controls" / f"{name}.npz", arrays)
    tests = {test: shown(batch, stage) for test, (stage, batch) in job.tests().items()}
    return {
        "name": name,
        "parameters": sum(x.size for x in net.params.values()),
        "steps": sum(steps for _, steps in stages),
        "seconds": time.perf_counter() - begin,
        "tests": {
            test: float(loss(best, cases)[1])
            for test, cases in tests.items()
            if kind.sequential or cases[0].shape[1:] == (bins, channels)
        },
    }


def perceptron(job: Job[Any], folder: Path) -> Callable[[dict[str, Any]], jax.Array] | None:
    """Return the trained MLP of a run as a function from inputs to outputs [case, …]; None where there is none."""
    path = folder / "controls" / "MLP.npz"
    if not is_file(path):
        return None
    net = MLP({name: jnp.asarray(x) for name, x in read_arrays(path).items()})
    stage, readout = job.stages()[-1], _readout(job)
    _check_mlp(net, job, readout, path)
    scale = _scale(job, stage)
    return lambda inputs: readout(jax.vmap(net)(job.signal(inputs, stage) / scale))


def _check_mlp(net: MLP, job: Job[Any], readout: Readout, path: Path) -> None:
    """Raise `StoreError` unless the arrays of a file are those of a network for this job."""
    bins, channels = job.signal(job.trials(job.stages()[-1], 0).inputs, job.stages()[-1]).shape[1:]
    width = len(net.params["b"]) if "b" in net.params and net.params["b"].ndim else 0
    found = {name: x.shape for name, x in net.params.items()}
    if found != MLP.arrays(bins, channels, readout.size, width) or not all(
        x.dtype.kind == "f" and np.isfinite(x).all() for x in net.params.values()
    ):
        raise StoreError(f"{path} is not the perceptron of this run; remove it, and go on with the run")


def _readout(job: Job[Any]) -> Readout:
    first = job.trials(job.stages()[0], 0)
    readout = job.score.readout(np.asarray(first.targets))
    if readout is None:
        raise ParameterError(f"the score of '{job.name}' says nothing of networks without neurons")
    return readout


def _scale(job: Job[Any], stage: Stage) -> float:
    return float(np.std(job.signal(job.trials(stage, 0).inputs, stage)))


def _shown(job: Job[Any], batch: Batch, stage: Stage, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what was shown, in units of its spread, and the targets, case by case."""
    signal = np.asarray(job.signal(batch.inputs, stage) / scale, np.float32)
    return signal, job.score.cases(np.asarray(batch.targets))


def _loss(score: Score, readout: Readout, net: Any, batch: tuple[Any, Any]) -> tuple[jax.Array, jax.Array]:
    outputs = readout(jax.vmap(net)(batch[0]))
    return score.loss(outputs, batch[1]), score.measure(outputs, batch[1])


def _fitted(
    job: Job[Any], net: Any, loss: Any, stages: list[tuple[Stage, int]], shown: Any, rate: float
) -> Any:
    for stage, steps in stages:
        adam = annealed_adam(rate, steps, clip=1.0)

        def batches(step: int, stage: Stage = stage) -> tuple[np.ndarray, np.ndarray]:
            return shown(job.trials(stage, step), stage)

        net, history = fit(
            loss, net, Free({"*": unbounded()}), adam, steps, batches=batches, has_aux=True, progress=False
        )
        if history.stopped == "interrupted":
            raise Interrupted(f"stopped in a control of {job.name}")
    return net


def neurons(job: Job[Any], name: str, folder: Path, say: Say) -> dict[str, Any]:
    """Train another version of the job itself in a folder of its own, through the same stages, on all hosts."""
    team.order(name)
    learned = learn(job, folder, say)
    return {
        "name": name,
        "parameters": job.free().count(learned.before),
        "steps": sum(learned.steps),
        "seconds": learned.seconds,
        "tests": {
            test: measured(job, learned.after, stage, batch) for test, (stage, batch) in job.tests().items()
        },
    }


def kinds_of(job: Job[Any]) -> dict[str, type[Plain]]:
    """Return the networks without neurons that can stand beside a job: by its signal and its score."""
    stage, batch = job.checks()
    signal = job.signal(batch.inputs, stage)
    if signal is None or job.score.readout(np.asarray(batch.targets)) is None:
        return {}
    moment = signal.shape[1] == 1
    return {"linear": Linear, **({"MLP": MLP} if moment else {"GRU": GRU})}


def controls(
    job: Job[Any], learned: Learned, folder: Path, say: Say, all_of_them: bool = True
) -> list[Control]:
    """Train the controls that are not in `controls.json` yet; versions of the job only if `all_of_them`."""
    path = folder / "controls.json"
    known = read_as(path, list[Control]) if is_file(path) else []
    ordinaries: dict[str, Any] = {
        name: partial(ordinary, job, kind, name, learned, folder) for name, kind in kinds_of(job).items()
    }
    planned = dict(ordinaries)
    if all_of_them:
        for name, version in job.versions().items():
            planned[name] = partial(neurons, version, name, folder / "controls" / name.replace(" ", "-"), say)
    for name, make in planned.items():
        if name in {entry["name"] for entry in known}:
            continue
        say(f"control: {name}")
        with hosts.alone() if name in ordinaries else nullcontext():
            known = [*known, make()]
        write_json(path, known)
    return known
