"""The main job: train the digits network and its control, test both, and leave a run folder with pictures."""

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._errors import StoreError
from ..files import save
from ..model import Model
from ..train import Free, History, data_hash, fit, new_run, record, split_mean, write_json
from ..train.store import read_json
from .digits import CLASSES, MEMBRANES, Data, Settings, data, free, logits, loss, network
from .digits_pictures import draw
from .images import Distortion, minibatches


def optimizer(settings: Settings, steps: int) -> Any:
    """Return Adam with rates that fall to zero along a cosine; membranes join after `membrane_wait` of the steps.

    Before the synapses have found what each cell answers to, the gradient knows spike times but not whether a cell
    should fire at all. Membranes that follow it then end as cells that always or never fire, from which no gradient
    leads back: a freer network with a higher training loss.
    """
    import optax

    def adam(rate: float, wait: float = 0.0) -> Any:
        cosine: Any = optax.cosine_decay_schedule(rate, steps)

        def at(step: Any) -> Any:
            return jnp.where(step < wait * steps, 0.0, cosine(step))

        return optax.adam(at)

    rates: Any = {
        "synapse": adam(settings.rate),
        "membrane": adam(settings.membrane_rate, settings.membrane_wait),
    }
    return optax.multi_transform(
        rates, lambda theta: {p: "synapse" if p.endswith(".weight") else "membrane" for p in theta}
    )


def train(settings: Settings, images: Data, trainable: Free, run: Path) -> tuple[Model, Model, History]:
    """Train the network's `trainable` parameters, resuming from `run` if it holds checkpoints.

    Returns the model before, the model after, and the history.
    """
    model = network(settings)
    steps = settings.epochs * (len(images.train) // settings.batch)
    batches = minibatches(images.train, images.train_labels, settings.batch, settings.seed, Distortion())
    mean_loss = split_mean(lambda m, batch: loss(m, batch, settings))
    fitted, history = fit(
        mean_loss, model, trainable, optimizer(settings, steps), steps, batches=batches, run=run, has_aux=True
    )
    return model, fitted, history


def reader(settings: Settings) -> Callable[[Model, np.ndarray], np.ndarray]:
    """Return the function that reads images [image, 8, 8] into digits [image], in chunks of one shape."""
    run = jax.jit(lambda model, images: logits(model, images, settings).argmax(axis=1))

    def read(model: Model, images: np.ndarray, chunk: int = 120) -> np.ndarray:
        short = -len(images) % chunk
        padded = jnp.asarray(np.concatenate([images, images[:1].repeat(short, axis=0)]))
        parts = [run(model, padded[i : i + chunk]) for i in range(0, len(padded), chunk)]
        return np.concatenate(parts)[: len(images)]

    return read


def linear_classifier(images: Data) -> float:
    """Return the test accuracy of logistic regression on the pixels, its penalty chosen by cross-validation."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    flat = images.train.reshape(len(images.train), -1)
    search: Any = GridSearchCV(LogisticRegression(max_iter=5000), {"C": [0.1, 0.3, 1.0, 3.0, 10.0, 30.0]})
    search.fit(flat, images.train_labels)
    return float(search.score(images.test.reshape(len(images.test), -1), images.test_labels))


def reset_membranes(before: Model, after: Model) -> Model:
    """Return the trained network with its membranes put back to where they started, its synapses kept."""
    wide = free().apply(before, free().init(before))
    paths = Free(MEMBRANES).init(before)
    return after.replace({path: wide.params[path] for path in paths})


def _settings(settings: Settings, runs: Path, resume: Path | None) -> tuple[Settings, Path]:
    if resume is None:
        return settings, new_run(runs, "digits")
    if not (resume / "run.json").is_file():
        raise StoreError(
            f"{resume} is not a run folder (it has no run.json); give one that 'cajax train' made"
        )
    return Settings(**read_json(resume / "run.json")["settings"]), resume


def run(settings: Settings, runs: Path = Path("runs"), resume: Path | None = None) -> dict[str, Any] | None:
    """Train, test, compare and draw; print the figures and return them (None when interrupted).

    The run folder holds `metrics.json`, `model.npz` (trained), `before.npz`, `history.json`, checkpoints, pictures.
    """
    from rich.console import Console

    say = partial(Console().print, soft_wrap=True, highlight=False)
    settings, folder = _settings(settings, runs, resume)
    images = data()
    record(
        folder,
        seed=settings.seed,
        data_hash=data_hash(images.train, images.train_labels, images.test, images.test_labels),
        settings=dataclasses.asdict(settings),
    )
    say(f"run folder: {folder}")
    begin = time.perf_counter()
    say(
        f"training synapses and membranes ({free().count(network(settings)):,} parameters, {settings.epochs} epochs)"
    )
    before, after, history = train(settings, images, free(), folder)
    if history.stopped == "interrupted":
        say(f"go on with: cajax train digits --resume {folder}")
        return None
    save(folder / "before.npz", before)
    save(folder / "model.npz", after)
    say("the control: the same network, synapses trained as before, membranes left untrained")
    (folder / "control").mkdir(exist_ok=True)
    _, control, control_history = train(settings, images, free(membranes=False), folder / "control")
    if control_history.stopped == "interrupted":
        say(f"go on with: cajax train digits --resume {folder}")
        return None
    save(folder / "control" / "model.npz", control)
    read = reader(settings)
    answers = read(after, images.test)

    def score(model: Model) -> float:
        return float(np.mean(read(model, images.test) == images.test_labels))

    metrics = {
        "test_accuracy": float(np.mean(answers == images.test_labels)),
        "train_accuracy": float(np.mean(read(after, images.train) == images.train_labels)),
        "linear_classifier": linear_classifier(images),
        "untrained_membranes": score(control),
        "membranes_reset": score(reset_membranes(before, after)),
        "before_training": score(before),
        "test_images": len(images.test),
        "confusion": np.histogram2d(images.test_labels, answers, bins=[np.arange(CLASSES + 1)] * 2)[0].astype(
            int
        ),
        "parameters": free().count(before),
        "seconds": time.perf_counter() - begin,
        "seconds_per_step": float(np.median(history.seconds)),
    }
    write_json(folder / "metrics.json", metrics)
    draw(folder, settings, images, (before, after), (history, control_history), answers, metrics)
    report(say, folder, metrics)
    return metrics


def report(say: Callable[[str], None], folder: Path, metrics: dict[str, Any]) -> None:
    """Print the figures of a run side by side."""
    beats = metrics["test_accuracy"] > metrics["linear_classifier"]
    lines = [
        ("biophysical network", "test_accuracy"),
        ("linear classifier on the pixels", "linear_classifier"),
        ("same network, membranes untrained", "untrained_membranes"),
        ("trained network, membranes reset", "membranes_reset"),
        ("network before training", "before_training"),
    ]
    say(f"\naccuracy on {metrics['test_images']} held-out images")
    for text, key in lines:
        say(f"  {text:36s} {metrics[key]:7.2%}")
    say(f"  the network is {'above' if beats else 'NOT above'} the linear classifier")
    say(f"{metrics['seconds']:.0f} s in all; figures and pictures are in {folder}")
