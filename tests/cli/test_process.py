"""The process around a command: streams of any kind, signals, places that are not ours, two processes in one folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cajax.cli.process import cache

CODE = "from cajax.cli import main; main()"


def run(*args, cut=(), **options):
    """Run a command as a user would, with the environment changed and some variables cut."""
    env = {k: v for k, v in {**os.environ, **options.pop("env", {})}.items() if k not in cut}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 120} | options
    done = subprocess.run([sys.executable, "-c", CODE, *args], env=env, **options)
    done.stderr = (done.stderr or b"").decode()
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
    return done


def refused(done, *parts, code=1):
    """Check that a command failed in one line that holds all `parts`."""
    lines = done.stderr.splitlines()
    assert done.returncode == code and len(lines) == 1, done.stderr
    assert all(part in lines[0] for part in parts), lines[0]


def test_a_full_disk_behind_standard_output():
    with open("/dev/full", "wb") as full:
        refused(run("units", stdout=full), "No space left")


def test_a_reader_that_goes_away():
    read, write = os.pipe()
    os.close(read)
    done = run("units", stdout=write)
    os.close(write)
    assert done.returncode == 1 and done.stderr == ""


def test_text_that_standard_output_cannot_write(tmp_path):
    path = tmp_path / "µ.swc"
    path.write_text("1 1 0 0 0 5 -1\n2 3 5 0 0 1 1\n3 3 50 0 0 1 2\n")
    done = run("info", str(path), env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and b"u.swc" in done.stdout and b"um2" in done.stdout
    refused(
        run("info", os.fsencode(tmp_path) + b"/\xff.swc", env={"PYTHONIOENCODING": "ascii"}), r"\udcff.swc"
    )


def test_no_home(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
        assert cache() is None
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache() == tmp_path / "cajax" / "xla"


FIT = """
import sys, time, cajax as cx, jax.numpy as jnp, optax
model = cx.Cell(cx.cylinder(20, 5)).paint("all", leak=cx.mech.Leak()).discretize(cx.PerBranch(1))
def slow(step):
    print("step", flush=True)
    time.sleep(0.2)
    return jnp.zeros(())
loss = lambda m, x: (m.params["all.leak.g"] * 1e3 - 1.0) ** 2
free, adam = cx.Free({"all.leak.g": cx.positive()}), optax.adam(1e-2)
_, history = cx.fit(loss, model, free, adam, 300, batches=slow, run=sys.argv[1])
print(history.stopped, history.steps)
"""


@pytest.fixture
def fitting(tmp_path):
    """A fit that takes a minute, in a process of its own and a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", FIT, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline() == "step\n"
    yield process, tmp_path / "run"
    process.kill()
    process.communicate()


def test_sigterm_ends_a_fit_as_softly_as_ctrl_c(fitting):
    process, folder = fitting
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    stopped, steps = out.splitlines()[-1].split()
    assert stopped == "interrupted" and "Traceback" not in err
    kept = json.loads((folder / "history.json").read_text())
    assert kept["stopped"] == "interrupted" and len(kept["losses"]) == int(steps)
    assert not (folder / ".lock").exists()


def test_a_folder_is_of_one_process_until_that_is_gone(fitting):
    process, folder = fitting
    second = [sys.executable, "-c", FIT, str(folder)]
    done = subprocess.run(second, capture_output=True, text=True, timeout=120)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and "step" not in done.stdout
    assert f"is in use by process {process.pid} on " in last and " since 20" in last and "StoreError" in last
    process.kill()
    process.wait()
    begin = time.monotonic()
    again = subprocess.Popen(second, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert again.stdout is not None and again.stdout.readline() == "step\n", again.communicate()[1]
    again.kill()
    again.communicate()
    assert time.monotonic() - begin < 60
