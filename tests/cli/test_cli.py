"""The command line: what it prints, and that every mistake is one line without a traceback."""

import json
import subprocess
import sys

import pytest

import cajax as cx


def cajax(*args, cwd=None):
    """Run the program as a user would, in a process of its own."""
    code = "from cajax.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, cwd=cwd, timeout=300
    )


def refused(*args, cwd=None):
    """Run the program, check that it fails in one line, and return the line."""
    done = cajax(*args, cwd=cwd)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_units_prints_the_table():
    out = cajax("units").stdout
    assert "S/cm2" in out and "mV" in out


def test_help_fits_on_a_screen():
    for args in (["--help"], ["train", "--help"], ["train", "digits", "--help"]):
        done = cajax(*args)
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) <= 30


def test_info_on_a_morphology_and_a_model(tmp_path):
    (tmp_path / "cell.swc").write_text("1 1 0 0 0 5 -1\n2 3 5 0 0 1 1\n3 3 50 0 0 1 2\n")
    out = cajax("info", tmp_path / "cell.swc").stdout
    assert "2 branches (1 basal, 1 soma)" in out
    model = cx.Cell(cx.cylinder(20, 5)).discretize(cx.PerBranch(1))
    out = cajax("info", cx.save(tmp_path / "model", model)).stdout
    assert "all.ra" in out


def test_mistakes_are_one_line(tmp_path):
    assert "missing.swc" in refused("info", tmp_path / "missing.swc")
    assert "missing.npz" in refused("info", tmp_path / "missing.npz")
    broken = tmp_path / "broken.swc"
    broken.write_text("1 1 0 0 0 5 -1\n2 3 five 0 0 1 1\n")
    assert "line 2" in refused("info", broken)
    (tmp_path / "no.npz").write_bytes(b"nothing")
    assert "not a Cajax model" in refused("info", tmp_path / "no.npz")
    assert "run.json" in refused("train", "digits", "--resume", tmp_path)
    (tmp_path / "file").write_text("")
    assert "run folder" in refused("train", "digits", "--runs", tmp_path / "file")


@pytest.mark.slow
def test_training_leaves_a_whole_run_folder(tmp_path):
    done = cajax("train", "digits", "--epochs", 1, "--hidden", 4, "--cores", 2, "--runs", tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "digits-001"
    metrics = json.loads((run / "metrics.json").read_text())
    assert 0 <= metrics["test_accuracy"] <= 1 and 0.9 < metrics["linear_classifier"] < 1
    for name in ("curves", "confusion", "misread", "traces", "cells"):
        assert (run / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert cx.load(run / "model.npz").params["hidden.all.hh.gna"].shape != ()
    for line in ("biophysical network", "linear classifier", "membranes untrained", "membranes reset"):
        assert line in done.stdout
