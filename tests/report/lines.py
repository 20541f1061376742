"""A task with everything a report can show, and a run folder of it as training would leave it; nothing is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

import cajax as cx
from cajax.mech import HH, Graded, Leak
from cajax.tasks.task import Batch, Stage, Task, rng
from cajax.train import History, record, write_json

SIDE = 4
NASTY = "<script>alert('\"&')</script>"


@dataclass(frozen=True)
class Lines(Task):
    """Is there a row, a column or a diagonal? Sixteen pixels, three pyramids of different shape, three readouts."""

    batch: int = 6
    t1: float = 10.0
    dt: float = 0.1
    note: str = NASTY

    name: ClassVar[str] = "lines"
    title: ClassVar[str] = "three cells tell lines apart"
    published: ClassVar[str] = "none < ever & nowhere"
    classes: ClassVar[tuple[str, ...]] = ("row", "column", "diagonal")
    synapses: ClassVar[Mapping[str, Any]] = {"*.weight": cx.positive()}
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    lesions: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    attacked: ClassVar[str] = "image"

    def network(self) -> cx.Model:
        leak = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak(g=3e-4, e=-65.0))
        hidden = [cx.Cell(shape).paint("all", hh=HH()) for shape in self.shapes()["hidden"]]
        net = cx.Network().add("pixels", leak, SIDE**2).add("hidden", hidden).add("lines", leak, 3)
        weight = rng(self.seed).lognormal(-7.0, 0.5, (SIDE**2, 3))
        net = net.connect("pixels", "hidden", Graded(e=0.0, k=0.5), weight=weight)
        net = net.connect("hidden", "lines", Graded(e=0.0, k=0.05), weight=1e-3 * np.ones((3, 3)))
        return net.discretize(cx.PerBranch(1))

    @property
    def membrane(self) -> Mapping[str, Any]:
        return {
            "hidden.all.hh.gna": cx.each("cv", cx.positive()),
            "hidden.all.hh.gk": cx.each("branch", cx.positive()),
            "lines.all.leak.g": cx.each("cell", cx.positive()),
        }

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("bright", 30, self.t1), Stage("dim", 20, self.t1))

    def optimizer(self, stage: Stage) -> Any:
        raise NotImplementedError

    def trials(self, stage: Stage, step: int) -> Batch:
        labels = np.arange(24) % 3
        images = np.zeros((24, SIDE, SIDE))
        for k, label in enumerate(labels):
            where = k % SIDE
            if label == 2:
                images[k] = np.roll(np.eye(SIDE), where, axis=1)
            else:
                images[k, where] = 1.0
                images[k] = images[k].T if label else images[k]
        return Batch({"image": images}, labels)

    def tests(self) -> Mapping[str, tuple[Stage, Batch]]:
        return {
            name: (self.stages()[0], self.trials(self.stages()[0], -1)) for name in ("all lines", "again")
        }

    def checks(self) -> tuple[Stage, Batch]:
        return self.stages()[0], self.trials(self.stages()[0], -2)

    def run(self, model: cx.Model, inputs: dict[str, Any], stage: Stage, record: Any) -> cx.Solution:
        clamp = cx.IClamp("pixels", delay=0.0, dur=stage.t1, amp=0.2 * jnp.ravel(inputs["image"]))
        return cx.simulate(model, stage.t1, self.dt, [clamp], record=record)

    @property
    def readout(self) -> Mapping[str, Any]:
        return {"v": "lines"}

    def read(self, solution: cx.Solution, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        return solution["v"][-20:].mean(axis=0)

    def signal(self, inputs: dict[str, Any], stage: Stage) -> np.ndarray:
        return np.asarray(inputs["image"]).reshape(len(inputs["image"]), 1, -1)

    def shapes(self) -> Mapping[str, tuple[cx.Morphology, ...]]:
        return {"hidden": tuple(cx.pyramidal(k, tips=4, stems=2, scale=0.4, axon=False) for k in range(3))}

    def phases(self, inputs: dict[str, Any], stage: Stage) -> dict[str, tuple[float, float]]:
        return {"image": (0.0, 8.0), "answer": (8.0, self.t1)}


def trained(task: Lines) -> tuple[cx.Model, cx.Model]:
    """Return the models before and "after": sodium doubled in the first cell, halved in the others; gk untouched."""
    before = task.network()
    wide = task.free().widened(before)
    groups = before.structure.layout("hidden").groups
    factor = np.concatenate(
        [np.tile(np.where(g.first_cell + np.arange(g.lanes) == 0, 2.0, 0.5), len(g.cvs)) for g in groups]
    )
    gna, weight = "hidden.all.hh.gna", "pixels->hidden.graded.weight"
    return before, wide.replace(
        {gna: wide.params[gna] * factor, weight: wide.params[weight] * np.array([[1.0, 2.0, 3.0]])}
    )


def begin(folder: Path, task: Lines) -> None:
    """Leave what a training that was stopped at its first stage leaves."""
    record(
        folder,
        seed=0,
        data_hash="sha256:" + "0" * 64,
        task=task.name,
        settings=task.settings(),
        score=task.score.record(),
    )
    stage = folder / "stages" / "1-bright"
    (stage / "checkpoints" / "30").mkdir(parents=True)
    losses = (1.1 * np.exp(-np.arange(30) / 9.0) + 0.02).tolist()
    shares = np.linspace(0.3, 0.9, 30).tolist()
    History(losses, [1.0] * 30, [9.0, *[0.1] * 29], shares, [], "finished").to_json(stage / "history.json")
    checks = [
        {"step": s, "seconds": 9.0 + 0.1 * s, "accuracy": s / 40, "loss": 1.0 / s} for s in (10, 20, 30)
    ]
    write_json(stage / "checks.json", checks)


def finish(folder: Path, task: Lines) -> None:
    """Leave what a whole run leaves, with made-up figures: the last two trials of each test were answered wrong."""
    begin(folder, task)
    stage = folder / "stages" / "2-dim"
    stage.mkdir()
    History([0.1] * 20, [0.5] * 20, [0.1] * 20, [0.9] * 20, [], "enough").to_json(stage / "history.json")
    write_json(stage / "checks.json", [{"step": 20, "seconds": 16.0, "accuracy": 0.95, "loss": 0.05}])
    for name, model in zip(("before", "model"), trained(task), strict=True):
        cx.save(folder / f"{name}.npz", model)
    labels = np.asarray(task.trials(task.stages()[0], -1).labels)
    given = np.where(np.arange(24) < 22, labels, (labels + 1) % 3)
    confusion = np.histogram2d(labels, given, bins=[np.arange(4)] * 2)[0].astype(int)
    np.savez(
        folder / "answers.npz",
        **{f"all lines/{k}": v for k, v in (("logits", np.eye(3)[given]), ("labels", labels))},
    )
    test = {"accuracy": 22 / 24, "loss": 0.2, "trials": 24, "confusion": confusion}
    write_json(folder / "metrics.json", {
        "task": task.name, "title": task.title, "published": task.published, "classes": task.classes,
        "parameters": task.free().count(task.network()), "seconds": 17.9, "steps": 50, "before_training": 1 / 3,
        "tests": {"all lines": test, "again": test | {"accuracy": 0.5, "confusion": None, "bits right": 1.5}},
        "extra": {"seeds that solve it": "9 of 10"},
    })  # fmt: skip
    write_json(folder / "controls.json", [
        {"name": name, "parameters": 99, "steps": 50, "seconds": 10.0**k, "tests": {"all lines": 0.9, "again": None}}
        for k, name in enumerate(("linear", "mlp", "point neurons"))
    ])  # fmt: skip
    write_json(folder / "inside.json", {
        "resets": {"intact": 0.9, "sodium": 0.4, "everything": 0.3},
        "lesions": {"intact": 0.9, "hidden: all basal": 0.7},
        "attack": {
            name: {"steps": [0, 1, 2], "accuracy": [0.9, 0.5, 0.0], "l2": [0, 0.1, 0.2]} for name in ("network", "mlp")
        },
        "held_by": {"times": [1.0, 2.0, 3.0], "names": ["leak", "sodium"], "separation": [[0, 1], [1, 3], [1, 4]],
                    "share": {"leak": 0.25, "sodium": 0.75}},
        "energy": {"spikes": {"hidden": 2.5}, "atp": {"hidden": {"channels": 3.1e8}}},
    })  # fmt: skip
    points = [(3, 2, 1.0), (3, 4, 0.4), (6, 2, 1.0), (6, 4, 0.96)]
    write_json(folder / "capacity.json", {
        "goal": 0.95,
        "points": [dict(zip(("cells", "patterns", "accuracy"), point, strict=True)) for point in points],
    })  # fmt: skip
