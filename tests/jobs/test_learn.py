"""The one trainer: stages, checks, tests; a run that is killed, interrupted or goes wrong."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ParameterError, StoreError
from cajax.jobs import folder as folders
from cajax.jobs import learn as job
from cajax.tasks.task import Batch, Stage
from cajax.train import DivergedError, reached

from ..tasks.tiny import Tiny

TASK = Tiny(t1=3.0)
SAID: list[str] = []


@dataclasses.dataclass(frozen=True)
class Staged(Tiny):
    """Two stages; the first ends as soon as it can."""

    def stages(self):
        early = Stage("short", 30, 2.0, enough=reached(accuracy=0.0, over=2))
        return early, Stage("long", 3, self.t1)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A staged task, trained and tested in a folder."""
    task, folder = Staged(t1=3.0), tmp_path_factory.mktemp("job")
    learned = job.learn(task, folder, SAID.append)
    folders.keep_models(learned.before, learned.after, folder)
    return task, folder, learned, job.test(task, learned, folder)


def test_stages_follow_one_another(done):
    _, folder, learned, _ = done
    assert learned.steps == (2, 3)
    for name, stopped in (("1-short", "enough"), ("2-long", "finished")):
        assert json.loads((folder / "stages" / name / "history.json").read_text())["stopped"] == stopped
    start = learned.before.params["eyes->cells.see.weight"]
    assert not np.array_equal(learned.after.params["eyes->cells.see.weight"], start)
    assert any("short: 2 steps" in line for line in SAID)


def test_checks_are_made_on_the_way(done):
    _, folder, learned, _ = done
    checks = json.loads((folder / "stages" / "2-long" / "checks.json").read_text())
    assert [entry["step"] for entry in checks] == [1, 2, 3]
    assert all(0 <= e["accuracy"] <= 1 and np.isfinite(e["loss"]) for e in checks)
    assert checks[-1]["seconds"] == pytest.approx(learned.seconds, rel=1e-6)


def test_a_finished_job_is_not_done_again(done):
    task, folder, learned, _ = done
    begin = time.perf_counter()
    again = job.learn(task, folder, SAID.append)
    assert again.steps == learned.steps and again.seconds == learned.seconds
    assert time.perf_counter() - begin < 5.0
    for path, value in learned.after.params.items():
        np.testing.assert_array_equal(again.after.params[path], value)


def test_the_figures_of_a_test(done):
    task, folder, learned, metrics = done
    (figures,) = metrics["tests"].values()
    kept = np.load(folder / "answers.npz")
    logits, labels = kept["light/logits"], kept["light/labels"]
    assert figures["accuracy"] == np.mean(logits.argmax(1) == labels)
    assert np.sum(figures["confusion"]) == figures["trials"] == len(labels) == 16
    assert np.trace(figures["confusion"]) / 16 == figures["accuracy"]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(figures["loss"], -np.log(p[np.arange(16), labels]).mean(), rtol=1e-5)
    assert metrics["parameters"] == task.free().count(learned.before)
    before, after = folders.models(folder)
    np.testing.assert_array_equal(after.params["cells.all.hh.gna"], learned.after.params["cells.all.hh.gna"])
    assert before.params["cells.all.hh.gna"].shape == ()


def test_answers_do_not_depend_on_the_chunks():
    model = TASK.network()
    stage, batch = TASK.checks()
    many = Batch({"light": np.tile(batch.inputs["light"], (5, 1))[:70]}, np.zeros(70, int))
    found = job.answers(TASK, model, stage, many)
    assert found.shape == (70, 2)
    np.testing.assert_array_equal(found[:16], job.answers(TASK, model, stage, batch))
    np.testing.assert_allclose(found[64:70], found[:6], rtol=1e-12)


def test_a_training_that_goes_wrong_says_where(tmp_path):
    """Step, parameter and simulated time; the last good parameters are kept."""

    class Poisoned(Tiny):
        def trials(self, stage, step):
            inputs, labels = super().trials(stage, step)
            light = inputs["light"].copy()
            light[3] = 1e308 if step == 1 else light[3]
            return Batch({"light": light}, labels)

    with pytest.raises(DivergedError) as caught:
        job.learn(Poisoned(t1=3.0), tmp_path, SAID.append)
    text = str(caught.value)
    assert "\n" not in text
    for part in ("step 1", "see.weight", "trial 3", "became NaN or infinite at t = 0.", "last good"):
        assert part in text, text
    assert (tmp_path / "stages" / "1-light" / "checkpoints" / "1").is_dir()


def test_folders_that_are_no_runs(tmp_path):
    with pytest.raises(StoreError, match=r"has no run\.json"):
        folders.load_run(tmp_path)
    (tmp_path / "run.json").write_text("[1]")
    with pytest.raises(StoreError, match="is a list of 1"):
        folders.load_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(StoreError, match="not JSON"):
        folders.load_run(tmp_path)


def test_a_run_of_another_version_is_refused(tmp_path):
    folder = folders.start(TASK, tmp_path)
    entry = folders.load_run(folder)
    assert folders.rebuilt(Tiny, entry, folder) == TASK
    assert entry["data"].startswith("sha256:") and entry["seed"] == 0 and "jax" in entry["versions"]
    entry["settings"]["new"] = entry["settings"].pop("light")
    with pytest.raises(StoreError, match=r"another version of Cajax \(.*light, new"):
        folders.rebuilt(Tiny, entry, folder)


def test_other_data_are_noticed(tmp_path):
    folder = folders.start(TASK, tmp_path)
    folders.resumed(TASK, folder)
    assert len(folders.load_run(folder)["later"]) == 1
    with pytest.raises(StoreError, match="other data"):
        folders.resumed(TASK.but(noise=0.1), folder)


def test_without_data_there_is_no_folder(tmp_path):
    class Lost(Tiny):
        def trials(self, stage, step):
            raise StoreError("no data")

    with pytest.raises(StoreError, match="no data"):
        folders.start(Lost(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_batch_must_fit_the_cores(monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda: [None] * 3)
    with pytest.raises(ParameterError, match="--cores 1"):
        folders.require_devices(TASK)


def test_the_file_system_says_no(tmp_path):
    """A full disk ends in one line; what is whole stays whole."""
    program = f"""
import resource, signal, sys
import numpy as np
from pathlib import Path
from cajax.base.errors import StoreError
from cajax.base.disk import write_arrays
write_arrays(Path({str(tmp_path)!r}) / "answers.npz", {{"x": np.zeros(3)}})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    write_arrays(Path({str(tmp_path)!r}) / "answers.npz", {{"x": np.random.default_rng(0).random(9000)}})
except StoreError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=dict(os.environ)
    )
    assert "cannot write" in done.stdout and "make room" in done.stdout, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["answers.npz"]
    assert np.load(tmp_path / "answers.npz")["x"].shape == (3,)


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_in_the_same_weights(tmp_path):
    """`kill -9` at ten random moments, resumed each time: the weights of an uninterrupted run, bit for bit."""
    program = (
        "import sys; from pathlib import Path; import cajax.train.loop as f;"
        "f.SAVE_SECONDS = 0.0; f.SAVE_SHARE = 0.0;"
        "from cajax.jobs import learn as job; from cajax.jobs.folder import keep_models;"
        "from tiny import Tiny;"
        "from cajax.tasks.task import Stage;"
        "Tiny.stages = lambda self: (Stage('a', 30, 3.0), Stage('b', 30, 4.0));"
        "folder = Path(sys.argv[1]); learned = job.learn(Tiny(), folder, print);"
        "keep_models(learned.before, learned.after, folder)"
    )
    paths = [str(Path(__file__).parents[1] / "tasks"), *(p for p in sys.path if p)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def go(folder):
        return subprocess.Popen(
            [sys.executable, "-c", program, str(folder)], env=env, stdout=subprocess.DEVNULL
        )

    def made(folder):
        """How many steps are on disk."""
        stages = folder.glob("stages/*/checkpoints")
        return sum(max((int(p.name) for p in s.iterdir() if p.name.isdecimal()), default=0) for s in stages)

    assert go(tmp_path / "whole").wait(timeout=600) == 0
    assert made(tmp_path / "whole") == 60
    random = np.random.default_rng()  # another moment every time: no moment may matter
    for target in sorted(random.choice(np.arange(1, 56), 10, replace=False)):
        child = go(tmp_path / "killed")
        while child.poll() is None and made(tmp_path / "killed") < target:
            time.sleep(0.002)
        time.sleep(float(random.uniform(0.0, 0.02)))  # in the midst of whatever it does
        assert child.poll() is None, "it ended before it could be killed"
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert go(tmp_path / "killed").wait(timeout=600) == 0
    one, two = (cx.load(tmp_path / name / "model.npz") for name in ("whole", "killed"))
    for path, value in one.params.items():
        assert np.array_equal(value, two.params[path]), path
