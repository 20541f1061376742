"""A task that takes seconds: which of two eyes saw the light? Two cells that excite themselves remember it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import jax
import numpy as np

import cajax as cx
from cajax.mech import HH, Graded, Leak
from cajax.tasks.task import Batch, Stage, Task, rng


@dataclass(frozen=True)
class Tiny(Task):
    """Two passive eyes, each seen by one of two spiking cells with a dendrite, once `trained` has made it so."""

    batch: int = 16
    t1: float = 12.0
    dt: float = 0.1
    light: float = 3.0
    noise: float = 0.05

    name: ClassVar[str] = "tiny"
    title: ClassVar[str] = "two cells remember which eye saw the light"
    classes: ClassVar[tuple[str, ...]] = ("left", "right")
    synapses: ClassVar[Mapping[str, Any]] = {"*.weight": cx.positive()}
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "input": ("eyes->*.weight",),
        "recurrent": ("cells->*.weight",),
        "sodium": ("*.gna",),
    }
    lesions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "sodium channels": ("*.gna",),
        "excitation": ("*.weight",),
    }
    attacked: ClassVar[str] = "light"

    def network(self) -> cx.Model:
        shape = cx.cylinder(20.0, 10.0) if self.point else cx.ball_and_stick()
        cell = cx.Cell(shape, v0=-65.0).paint("all", hh=HH(), leak=Leak(g=1e-5, e=-65.0))
        eye = cx.Cell(cx.cylinder(10.0, 5.0), v0=-65.0).paint("all", leak=Leak(g=3e-4, e=-65.0))
        onto = "soma" if self.point else "apical"
        net = cx.Network().add("eyes", eye, 2).add("cells", cell, 2)
        net = net.connect(
            "eyes",
            "cells",
            Graded(e=0.0, k=1.0, threshold=-48.0, slope=2.0),
            at=onto,
            weight=np.full((2, 2), 2e-2),
            name="see",
        )
        itself = cx.all_to_all(autapses=True)
        net = net.connect(
            "cells", "cells", Graded(e=0.0, k=0.1), itself, weight=np.full((2, 2), 1e-4), name="keep"
        )
        return net.discretize(cx.PerBranch(1))

    @property
    def membrane(self) -> Mapping[str, Any]:
        return {"cells.all.hh.gna": cx.each("cv", cx.bounded(0.01, 1.0)), "*.leak.g": cx.positive()}

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("light", 2, self.t1),)

    def optimizer(self, stage: Stage) -> Any:
        import optax

        return optax.adam(0.01)

    def trials(self, stage: Stage, step: int) -> Batch:
        random = rng(self.seed, step)
        labels = np.arange(self.batch) % 2
        light = 0.1 + 0.6 * np.eye(2)[labels] + self.noise * random.standard_normal((self.batch, 2))
        return Batch({"light": np.clip(light, 0.0, 1.0)}, labels)

    def tests(self) -> Mapping[str, tuple[Stage, Batch]]:
        return {"light": self.checks()}

    def checks(self) -> tuple[Stage, Batch]:
        return self.stages()[0], self.trials(self.stages()[0], 1000)

    def run(
        self, model: cx.Model, inputs: dict[str, Any], stage: Stage, record: Mapping[str, Any]
    ) -> cx.Solution:
        clamp = cx.IClamp("eyes", delay=0.0, dur=self.light, amp=0.05 * inputs["light"])
        return cx.simulate(model, stage.t1, self.dt, [clamp], record=record)

    @property
    def readout(self) -> Mapping[str, Any]:
        return {"v": "cells"}

    def read(self, solution: cx.Solution, inputs: dict[str, Any], stage: Stage) -> jax.Array:
        return solution["v"][-30:].mean(axis=0) / 2.0

    def signal(self, inputs: dict[str, Any], stage: Stage) -> np.ndarray:
        return np.asarray(inputs["light"])[:, None]

    def shapes(self) -> Mapping[str, tuple[cx.Morphology, ...]]:
        return {"cells": (cx.ball_and_stick(),)}

    def phases(self, inputs: dict[str, Any], stage: Stage) -> dict[str, tuple[float, float]]:
        return {"light": (0.0, self.light), "delay": (self.light, self.t1)}


@cache
def trained(task: Tiny) -> tuple[cx.Model, cx.Model]:
    """Return the network before and after "training": each cell sees its own eye and excites itself."""
    before = task.network()
    after = task.free().widened(before)
    own = np.eye(2)
    weights = {"eyes->cells.see.weight": 4e-2 * own + 1e-6, "cells->cells.keep.weight": 2e-2 * own + 1e-6}
    return before, after.replace(weights)
