"""`cajax fit`: its help, its mistakes in one line each, a whole run, and one that is stopped and goes on."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import cajax as cx
from cajax.base.disk import read_json
from cajax.cli.fit import _numbers, _pair
from cajax.fitting import recipes

from ..helpers import raises
from . import test_cli

cajax, refused = test_cli.cajax, test_cli.refused


@pytest.fixture(autouse=True)
def running(monkeypatch):
    """JAX has started in this process already, and takes no other number of devices."""
    monkeypatch.setattr("cajax.cli.commands._use", lambda cores: None)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Three steps of 30 ms of a Hodgkin–Huxley cell."""
    path = tmp_path_factory.mktemp("recording") / "cell.npz"
    model = recipes.hh(cx.cylinder(20.0, 10.0)).model.replace({"all.cm": 1.3})
    t = np.arange(1001) * 0.05
    i = [np.where((t >= 10.0) & (t < 40.0), a, 0.0) for a in (0.1, 0.2, 0.3)]
    v = [
        np.ravel(cx.simulate(model, 50.0, 0.05, [cx.Current("soma", x, 0.05)], {"v": "soma"})["v"]) for x in i
    ]
    np.savez(path, v_mV=np.array(v), i_nA=np.array(i), dt_ms=0.05)
    return path


@pytest.mark.parametrize("columns", [80, 120])
def test_help_fits_on_a_screen(cajax, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    done = cajax("fit", "--help")
    assert done.returncode == 0 and len(done.stdout.splitlines()) <= 40
    for option in ("--model", "--minutes", "--held-out", "--junction", "--resume", "pyramidal"):
        assert option in done.stdout


def test_mistakes_are_one_line(cajax, file, tmp_path):
    def told(*args):
        return refused(cajax("fit", *args, "--runs", tmp_path / "runs"))

    assert "needs a morphology and a recording" in told()
    assert "needs a morphology and a recording" in told("ball")
    assert "soma, ball, pyramidal" in told("nothing", file)
    assert "nothing.swc" in told("nothing.swc", file)
    assert "nothing.npz" in told("ball", tmp_path / "nothing.npz")
    assert "suffix" in told("ball", __file__)
    assert "passive, hh, allen_perisomatic, hay" in told("ball", file, "--model", "neuron")
    assert "0 to 2" in told("ball", file, "--sweeps", "7")
    assert "such as 3,5,7" in told("ball", file, "--sweeps", "1;2")
    assert "such as 100,900" in told("ball", file, "--window", "5")
    assert "minutes" in told("ball", file, "--minutes", "0")
    assert "apical" in told("ball", file, "--at", "apicl")
    assert "not a run folder" in refused(cajax("fit", "--resume", tmp_path))
    assert not (tmp_path / "runs").exists()  # nothing is left behind


def test_a_missing_package_says_which_extra_brings_it(cajax, file, monkeypatch):
    monkeypatch.setattr("cajax.cli.fit.find_spec", lambda name: None if name == "cma" else object())
    assert "cajax[fit]" in refused(cajax("fit", "ball", file))


def test_numbers_and_times():
    assert _numbers("3, 5,7", "--sweeps") == (3, 5, 7)
    assert _numbers("none", "--held-out") == () and _numbers(None, "--sweeps") is None
    assert _pair("100,900.5") == (100.0, 900.5) and _pair(None) is None
    for text in ("", "x", "1,,2", "1.5", "-1", "9999999"):
        raises(lambda text=text: _numbers(text, "--sweeps"), "--sweeps")
    for text in ("", "1", "1,2,3", "a,b"):
        raises(lambda text=text: _pair(text), "--window")


SMALL = ("--model", "hh", "--sweeps", "0,2", "--held-out", "1", "--simulations", "700")


@pytest.mark.slow
def test_from_files_to_a_page(cajax, file, tmp_path):
    runs = tmp_path / "runs"
    done = cajax("fit", "soma", file, *SMALL, "--runs", runs)
    assert done.returncode == 0, done.stderr
    folder = runs / "fit-001"
    assert "3 sweeps" in done.stdout and "cell.npz" in done.stdout
    assert "fitted: sweep 0, 2 (as you say); held out: 1" in done.stdout
    assert done.stdout.splitlines()[-1] == f"report: {folder / 'report.html'}"
    assert "Traceback" not in done.stderr and "score" in done.stderr
    settings = read_json(folder / "run.json")["settings"]
    assert settings["recording"] == str(file) and settings["sweeps"] == [0, 2]
    assert "fit-001" in cajax("runs", runs).stdout

    again = cajax("fit", "--resume", folder)
    assert again.returncode == 0 and "residuals within 3 SD" in again.stdout
    assert len(read_json(folder / "run.json")["later"]) == 1
    assert "goes on with its own settings" in refused(cajax("fit", "--resume", folder, "--model", "hay"))
    assert "goes on where it is" in refused(cajax("fit", "--resume", folder, "--runs", tmp_path))
    assert "of 'recording', not of 'digits'" in refused(cajax("train", "digits", "--resume", folder))


@pytest.mark.slow
def test_it_is_stopped_killed_and_goes_on_to_the_same_end(file, tmp_path):
    args = ["soma", str(file), *SMALL[:-1], "4000", "--runs", str(tmp_path)]
    folder = tmp_path / "fit-001"

    def started(*more):
        code = "from cajax.cli import main; main()"
        command = [sys.executable, "-c", code, "fit", *more]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def searching():
        end = time.monotonic() + 300.0
        while not (folder / "search" / "search.npz").exists() and time.monotonic() < end:
            time.sleep(0.2)

    first = started(*args)
    searching()
    first.send_signal(signal.SIGTERM)
    _, err = first.communicate(timeout=300)
    assert first.returncode == 130 and "Traceback" not in err
    assert (
        err.splitlines()[-1]
        == f"cajax: interrupted; {folder} has all that was found: cajax fit --resume {folder}"
    )
    second = started("--resume", str(folder))
    time.sleep(10.0)
    os.kill(second.pid, signal.SIGKILL)
    second.communicate()
    third = started("--resume", str(folder))
    _, err = third.communicate(timeout=600)
    assert third.returncode == 0, err
    whole = started(*args[:-1], str(tmp_path / "whole"))
    whole.communicate(timeout=600)
    ends = [read_json(p / "results.json")["scores"] for p in (folder, tmp_path / "whole" / "fit-001")]
    assert ends[0] == ends[1]
