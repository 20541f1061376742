"""Controls: what else of the same size learns from the same trials in the same number of steps."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..base.disk import write_arrays
from ..train import Free, accuracy, annealed_adam, cross_entropy, fit, read_json, unbounded, write_json
from .job import Batch, Stage, Task, rng
from .learn import Interrupted, Learned, Say, learn, score

RATES = (1e-3, 3e-3, 1e-2)
"""Learning rates that a network without neurons may choose from, by its accuracy on the checks."""

Shapes = dict[str, tuple[int, ...]]


class Plain(eqx.Module, ABC):
    """A network without neurons, in the form that `fit` trains: arrays by name."""

    params: eqx.AbstractVar[dict[str, jax.Array]]

    @staticmethod
    @abstractmethod
    def arrays(bins: int, channels: int, classes: int, width: int) -> Shapes:
        """Return the shapes of the arrays of a network of `width` hidden units."""

    @abstractmethod
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the logits [class] of one trial [bin, channel]."""

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


class Linear(Plain):
    """Logits that are linear in everything that was shown."""

    params: dict[str, jax.Array]

    @staticmethod
    def arrays(bins: int, channels: int, classes: int, width: int) -> Shapes:
        return {"w": (bins * channels, classes), "b": (classes,)}

    def __call__(self, x: jax.Array) -> jax.Array:
        return x.ravel() @ self.params["w"] + self.params["b"]


class MLP(Plain):
    """One hidden layer of tanh units: small ones do not die."""

    params: dict[str, jax.Array]

    @staticmethod
    def arrays(bins: int, channels: int, classes: int, width: int) -> Shapes:
        return {
            "w": (bins * channels, width),
            "b": (width,),
            "w_out": (width, classes),
            "b_out": (classes,),
        }

    def __call__(self, x: jax.Array) -> jax.Array:
        p = self.params
        return jnp.tanh(x.ravel() @ p["w"] + p["b"]) @ p["w_out"] + p["b_out"]


class GRU(Plain):
    """Gated recurrent units that see the trial bin by bin and answer at its end. Source: Cho et al. (2014), EMNLP."""

    params: dict[str, jax.Array]

    @staticmethod
    def arrays(bins: int, channels: int, classes: int, width: int) -> Shapes:
        return {
            "w": (channels + width, 2 * width),
            "b": (2 * width,),
            "w_new": (channels + width, width),
            "b_new": (width,),
            "w_out": (width, classes),
            "b_out": (classes,),
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


def matched(kind: type[Plain], bins: int, channels: int, classes: int, parameters: int, seed: int) -> Plain:
    """Return a network of this kind with as near to `parameters` parameters as its width allows, before training."""
    widths = np.arange(1, 4097)
    sizes = np.array([_count(kind.arrays(bins, channels, classes, int(w))) for w in widths])
    shapes = kind.arrays(bins, channels, classes, int(widths[np.abs(sizes - parameters).argmin()]))
    random = rng(seed, 1)

    def start(shape: tuple[int, ...]) -> jax.Array:
        if len(shape) == 1:
            return jnp.zeros(shape)
        return jnp.asarray(random.normal(0.0, 1.0 / np.sqrt(shape[0]), shape), dtype=float)

    return kind({name: start(shape) for name, shape in shapes.items()})  # pyright: ignore[reportCallIssue]


def ordinary(task: Task, kind: type[Plain], name: str, learned: Learned, folder: Path) -> dict[str, Any]:
    """Train a network without neurons on what the neurons were shown, with as many parameters and steps.

    Its arrays are kept in `controls/<name>.npz`. A sequence is met in the same stages; a network that sees a whole
    trial at once learns the last stage only.
    """
    begin = time.perf_counter()
    stages = list(zip(task.stages(), learned.made, strict=True))
    if kind is not GRU:
        stages = [(stages[-1][0], sum(learned.made))]
    shown = partial(_shown, task, scale=_scale(task, stages[0][0]))
    bins, channels = shown(task.trials(stages[0][0], 0), stages[0][0])[0].shape[1:]
    net = matched(kind, bins, channels, len(task.classes), task.free().count(learned.before), task.seed)
    trained = [_fitted(task, net, stages, shown, rate) for rate in RATES]
    stage, batch = task.checks()
    best = max(trained, key=lambda net: _share(net, shown(batch, stage)))
    (folder / "controls").mkdir(exist_ok=True)
    write_arrays(
        folder / "controls" / f"{name}.npz", {name: np.asarray(x) for name, x in best.params.items()}
    )
    return {
        "name": name,
        "parameters": sum(x.size for x in net.params.values()),
        "steps": sum(steps for _, steps in stages),
        "seconds": time.perf_counter() - begin,
        "tests": {
            test: _share(best, shown(batch, stage))
            for test, (stage, batch) in task.tests().items()
            if kind is GRU or shown(batch, stage)[0].shape[1:] == (bins, channels)
        },
    }


def perceptron(task: Task, folder: Path) -> Callable[[dict[str, Any]], jax.Array] | None:
    """Return the trained MLP of a run as a function from inputs to logits [trial, class]; None where there is none."""
    path = folder / "controls" / "MLP.npz"
    if not path.is_file():
        return None
    with np.load(path) as kept:
        net = MLP({name: jnp.asarray(x) for name, x in kept.items()})
    stage = task.stages()[-1]
    scale = _scale(task, stage)
    return lambda inputs: jax.vmap(net)(task.signal(inputs, stage) / scale)


def _scale(task: Task, stage: Stage) -> float:
    return float(np.std(task.signal(task.trials(stage, 0).inputs, stage)))


def _shown(task: Task, batch: Batch, stage: Stage, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what was shown, in units of its spread, and the labels; of several answers each is a trial of its own."""
    return np.asarray(task.signal(batch.inputs, stage) / scale, np.float32), np.ravel(batch.labels)


def _loss(net: Any, batch: tuple[Any, Any]) -> tuple[jax.Array, jax.Array]:
    logits = jax.vmap(net)(batch[0])
    return cross_entropy(logits, batch[1]), accuracy(logits, batch[1])


def _fitted(task: Task, net: Any, stages: list[tuple[Stage, int]], shown: Any, rate: float) -> Any:
    for stage, steps in stages:
        adam = annealed_adam(rate, steps, clip=1.0)

        def batches(step: int, stage: Stage = stage) -> tuple[np.ndarray, np.ndarray]:
            return shown(task.trials(stage, step), stage)

        net, history = fit(
            _loss, net, Free({"*": unbounded()}), adam, steps, batches=batches, has_aux=True, progress=False
        )
        if history.stopped == "interrupted":
            raise Interrupted(f"stopped in a control of {task.name}")
    return net


def _share(net: Any, batch: tuple[np.ndarray, np.ndarray]) -> float:
    return float(_loss(net, batch)[1])


def neurons(task: Task, name: str, folder: Path, say: Say) -> dict[str, Any]:
    """Train another version of the network itself in a folder of its own, through the same stages."""
    learned = learn(task, folder, say)
    return {
        "name": name,
        "parameters": task.free().count(learned.before),
        "steps": sum(learned.made),
        "seconds": learned.seconds,
        "tests": {
            test: score(task, learned.after, stage, batch) for test, (stage, batch) in task.tests().items()
        },
    }


def controls(
    task: Task, learned: Learned, folder: Path, say: Say, all_of_them: bool = True
) -> list[dict[str, Any]]:
    """Train the controls that are not in `controls.json` yet; those made of neurons only if `all_of_them`."""
    path = folder / "controls.json"
    found = read_json(path) if path.is_file() else []
    images = task.signal(task.checks()[1].inputs, task.checks()[0]).shape[1] == 1
    planned: dict[str, Any] = {
        "linear": partial(ordinary, task, Linear, "linear", learned, folder),
        **({"MLP": partial(ordinary, task, MLP, "MLP", learned, folder)} if images else {}),
        **({} if images else {"GRU": partial(ordinary, task, GRU, "GRU", learned, folder)}),
    }
    if all_of_them:
        other = {"point neurons": task.but(point=True), "untrained membranes": task.but(membranes=False)}
        for name, version in other.items():
            planned[name] = partial(neurons, version, name, folder / "controls" / name.replace(" ", "-"), say)
    for name, make in planned.items():
        if name in {entry["name"] for entry in found}:
            continue
        say(f"control: {name}")
        found = [*found, make()]
        write_json(path, found)
    return found
