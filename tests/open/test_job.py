"""A job and a score of a user's own, outside the package: a cell is fitted to traces, judged by a distance in mV.

Trained, interrupted, killed and resumed, controlled, looked into, reported and listed; no file of the package knows it.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import cajax as cx
from cajax import analysis, jobs
from cajax.base.show import text_of
from cajax.jobs import Batch, Figure, Job, Readout, Score, Stage
from cajax.mech import HH, Leak
from cajax.report import compare, read_run, report, runs_table

T1, DT = 6.0, 0.1
AMPLITUDES = np.array([0.05, 0.1, 0.2, 0.3])


@final
@dataclass(frozen=True)
class Distance(Score):
    """Mean absolute distance between traces [trial, time], in mV; its square is reduced."""

    @property
    def headline(self) -> Figure:
        return Figure("distance", "mV")

    def loss(self, outputs: Any, targets: Any) -> Any:
        return jnp.mean((outputs - targets) ** 2)

    def measure(self, outputs: Any, targets: Any) -> Any:
        return jnp.mean(jnp.abs(outputs - targets))

    def readout(self, targets: np.ndarray) -> Readout:
        return Readout(targets.shape[1], -65.0, 10.0)


@final
@dataclass(frozen=True)
class FitCell(Job[Distance]):
    """Find the sodium and leak conductances of a cell from its answers to steps of current."""

    batch: int = 4
    steps: int = 4
    leak: bool = True

    name = "fit-cell"
    title = "a cell comes to answer current steps as another one does"
    groups = {"sodium": ("soma.hh.gna",)}  # noqa: RUF012
    lesions = {"sodium channels": ("soma.hh.gna",)}  # noqa: RUF012

    @property
    def score(self) -> Distance:
        return Distance()

    def network(self) -> cx.Model:
        cell = cx.Cell(cx.ball_and_stick(), v0=-65.0).paint("all", leak=Leak(g=1e-4, e=-65.0))
        return cell.paint("soma", hh=HH(gna=0.09)).discretize(cx.PerBranch(1))

    def free(self) -> cx.Free:
        leak = {"all.leak.g": cx.positive()} if self.leak else {}
        return cx.Free({"soma.hh.gna": cx.bounded(0.01, 1.0), **leak})

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("steps", self.steps, T1),)

    def optimizer(self, stage: Stage) -> Any:
        return optax.adam(0.05)

    def trials(self, stage: Stage, step: int) -> Batch:
        return Batch({"amp": AMPLITUDES}, recording())

    def tests(self) -> Mapping[str, tuple[Stage, Batch]]:
        return {"steps": self.checks()}

    def checks(self) -> tuple[Stage, Batch]:
        return self.stages()[0], Batch({"amp": AMPLITUDES}, recording())

    def run(self, model: cx.Model, inputs: Any, stage: Stage, record: Mapping[str, Any]) -> cx.Solution:
        clamp = cx.IClamp("soma", delay=1.0, dur=4.0, amp=inputs["amp"])
        return cx.simulate(model, T1, DT, [clamp], record=record)

    @property
    def readout(self) -> Mapping[str, Any]:
        return {"v": "soma"}

    def read(self, solution: cx.Solution, inputs: Any, stage: Stage) -> Any:
        return solution["v"]

    def signal(self, inputs: Any, stage: Stage) -> np.ndarray:
        return np.asarray(inputs["amp"])[:, None, None]

    def versions(self) -> Mapping[str, Job[Any]]:
        return {"leak as it is": FitCell(self.seed, self.batch, self.steps, leak=False)}

    def inspect(self, before: cx.Model, after: cx.Model, folder: Path, say: Any) -> dict[str, Any]:
        return analysis.inside(self, before, after, say)


@cache
def recording() -> np.ndarray:
    """The answers [trial, time] of the cell that is to be found."""
    job = FitCell()
    true = job.network().replace({"soma.hh.gna": 0.12, "all.leak.g": 2e-4})
    runs = [job.run(true, {"amp": amp}, job.stages()[0], job.readout)["v"] for amp in AMPLITUDES]
    return np.asarray(jnp.stack(runs))


def weights(folder: Path) -> dict[str, np.ndarray]:
    return {path: np.asarray(x) for path, x in jobs.models(folder)[1].params.items()}


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """The folder of a run with all its controls."""
    folder = jobs.run(FitCell(), tmp_path_factory.mktemp("runs"), every_control=True)
    assert folder is not None
    return folder


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def test_it_is_trained_and_tested(done):
    metrics = json.loads((done / "metrics.json").read_text())
    test = metrics["tests"]["steps"]
    assert 0.0 < test["distance"] < metrics["before_training"] and test["trials"] == 4
    checks = json.loads((done / "stages" / "1-steps" / "checks.json").read_text())
    assert [c["step"] for c in checks] == [1, 2, 3, 4] and checks[-1]["distance"] == test["distance"]
    kept = np.load(done / "answers.npz")
    assert kept["steps/outputs"].shape == kept["steps/targets"].shape == recording().shape
    assert np.abs(kept["steps/outputs"] - recording()).mean() == pytest.approx(test["distance"], rel=1e-6)


def test_controls_choose_by_the_least_distance(done):
    entries = {entry["name"]: entry for entry in json.loads((done / "controls.json").read_text())}
    assert list(entries) == ["linear", "MLP", "leak as it is"]
    assert entries["leak as it is"]["parameters"] == 1
    assert all(np.isfinite(entry["tests"]["steps"]) for entry in entries.values())


def test_it_is_looked_into(done):
    inside = json.loads((done / "inside.json").read_text())
    assert list(inside) == ["resets", "lesions", "energy"]
    assert list(inside["resets"]) == ["intact", "sodium", "everything"]
    assert inside["resets"]["everything"] > inside["resets"]["intact"]
    assert inside["lesions"]["sodium channels"] > inside["lesions"]["intact"]


def test_it_has_a_page(done):
    page = report(done, FitCell()).read_text()
    said = words(page)
    assert "The distance on 4 held-out trials (steps) is" in said and " mV" in said
    for part in (
        "Distance by step",
        "Distance by wall time",
        "Trained groups put back",
        "Beside its controls",
        "Lesions",
    ):
        assert part in said, part
    assert "could not be made" not in said and "not simulated" not in said and "missing" not in said
    assert not re.search(
        "accura|confus|logit|attack|decoded", said.split("How it was made")[1].split("How it was made")[0]
    )
    assert "%" not in words(page[page.index('id="controls"') : page.index('id="inside"')])


def test_the_page_does_not_need_the_job(done):
    said = words(report(done).read_text())
    assert "The task cannot be built again" in said and "Distance by step" in said


def test_it_is_listed_and_compared(done, tmp_path):
    assert f"{read_run(done).figure:.3g} mV" in text_of(runs_table(done.parent), 100)
    other = jobs.run(FitCell(steps=1), tmp_path, every_control=False)
    table = text_of(compare(done, other), 120)
    assert "steps: distance" in table and "mV" in table
    (line,) = (
        x
        for x in compare.__globals__["figures"](read_run(done), read_run(other))
        if x.what.startswith("steps:")
    )
    assert line.best == 0  # less is better


def test_interrupted_it_goes_on_to_the_same_bits(done, tmp_path, monkeypatch, capsys):
    whole, trials = weights(done), FitCell.trials

    def press(self, stage, step):
        if step == 2:
            signal.raise_signal(signal.SIGINT)
        return trials(self, stage, step)

    monkeypatch.setattr(FitCell, "trials", press)
    assert jobs.run(FitCell(), tmp_path, every_control=False) is None
    monkeypatch.setattr(FitCell, "trials", trials)
    folder = tmp_path / "fit-cell-001"
    assert "cajax.jobs.resume(job, " in capsys.readouterr().out and not (folder / "model.npz").exists()
    assert "interrupted" in text_of(runs_table(tmp_path), 100)
    assert jobs.resume(FitCell(), folder, every_control=False) == folder
    for path, value in whole.items():
        np.testing.assert_array_equal(value, weights(folder)[path])


def test_other_data_and_settings_are_refused(done, monkeypatch):
    other = 1.01 * recording()
    monkeypatch.setattr(sys.modules[__name__], "recording", lambda: other)
    with pytest.raises(cx.CajaxError, match="other data"):
        jobs.resume(FitCell(), done)


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_in_the_same_weights(tmp_path):
    program = (
        "import sys, jax; jax.config.update('jax_enable_x64', True);"
        "import cajax.train.loop as loop; loop.SAVE_SECONDS = loop.SAVE_SHARE = 0.0;"
        "from pathlib import Path; from test_job import FitCell; from cajax import jobs; folder = Path(sys.argv[1]);"
        "job = FitCell(steps=30);"
        "jobs.resume(job, folder / 'fit-cell-001', False) if folder.exists() else jobs.run(job, folder, False)"
    )
    paths = [str(Path(__file__).parent), *(p for p in sys.path if p)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def go(folder):
        return subprocess.Popen(
            [sys.executable, "-c", program, str(folder)], env=env, stdout=subprocess.DEVNULL
        )

    def saved(folder):
        return max(
            (int(p.name) for p in folder.glob("*/stages/*/checkpoints/*") if p.name.isdecimal()), default=0
        )

    assert go(tmp_path / "whole").wait(timeout=600) == 0
    random = np.random.default_rng()
    for target in sorted(random.choice(np.arange(1, 26), 4, replace=False)):
        child = go(tmp_path / "killed")
        while child.poll() is None and saved(tmp_path / "killed") < target:
            time.sleep(0.002)
        time.sleep(float(random.uniform(0.0, 0.02)))
        assert child.poll() is None, "it ended before it could be killed"
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert go(tmp_path / "killed").wait(timeout=600) == 0
    one, two = (weights(tmp_path / name / "fit-cell-001") for name in ("whole", "killed"))
    for path, value in one.items():
        np.testing.assert_array_equal(value, two[path])
