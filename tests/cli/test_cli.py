"""The command line: what it prints, and that every mistake is one line without a traceback."""

import json
import subprocess
import sys
from typing import NamedTuple

import pytest

import cajax as cx
from cajax.cli.commands import main


class Done(NamedTuple):
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def cajax(capsys, monkeypatch):
    """Run a command within this process: what is imported and compiled need not be so again."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["cajax", *map(str, args)])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        with pytest.raises(SystemExit) as end:
            main()
        return Done(end.value.code or 0, *capsys.readouterr())

    return run


def alone(*args):
    """Run a command as a user would, in a process of its own, as training must be."""
    code = "from cajax.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, timeout=600
    )


def refused(done):
    """Check that a command failed in one line, and return the line."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_units_prints_the_table(cajax):
    out = cajax("units").stdout
    assert "S/cm2" in out and "mV" in out


@pytest.mark.parametrize(
    "args", [(), ("train",), ("train", "digits"), ("train", "mnist"), ("train", "recall")]
)
def test_help_fits_on_a_screen(cajax, args):
    done = cajax(*args, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) <= 40


def test_info_on_a_morphology_and_a_model(cajax, tmp_path):
    (tmp_path / "cell.swc").write_text("1 1 0 0 0 5 -1\n2 3 5 0 0 1 1\n3 3 50 0 0 1 2\n")
    out = cajax("info", tmp_path / "cell.swc").stdout
    assert "2 branches (1 basal, 1 soma)" in out
    model = cx.Cell(cx.cylinder(20, 5)).discretize(cx.PerBranch(1))
    out = cajax("info", cx.save(tmp_path / "model", model)).stdout
    assert "all.ra" in out


def test_mistakes_are_one_line(cajax, tmp_path):
    assert "missing.swc" in refused(cajax("info", tmp_path / "missing.swc"))
    assert "missing.npz" in refused(cajax("info", tmp_path / "missing.npz"))
    broken = tmp_path / "broken.swc"
    broken.write_text("1 1 0 0 0 5 -1\n2 3 five 0 0 1 1\n")
    assert "line 2" in refused(cajax("info", broken))
    (tmp_path / "no.npz").write_bytes(b"nothing")
    assert "not a Cajax model" in refused(cajax("info", tmp_path / "no.npz"))
    assert "no folder" in refused(cajax("runs", tmp_path / "nowhere"))


@pytest.mark.parametrize("command", [("train", "digits", "--resume"), ("report",)])
def test_a_folder_that_is_no_run_is_refused(tmp_path, command):
    assert "run.json" in refused(alone(*command, tmp_path))


@pytest.mark.slow
def test_training_leaves_a_whole_run_folder_and_a_page(cajax, tmp_path):
    done = alone("train", "digits", "--epochs", 1, "--hidden", 4, "--cores", 2, "--runs", tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "digits-001"
    metrics = json.loads((run / "metrics.json").read_text())
    assert 0 <= metrics["tests"]["test images"]["accuracy"] <= 1
    assert cx.load(run / "model.npz").params["hidden.all.hh.gna"].shape != ()
    assert "<html" in (run / "report.html").read_text()
    for line in ("network of neurons", "linear", "MLP", "point neurons", "untrained membranes", "report: "):
        assert line in done.stdout
    assert "digits-001" in cajax("runs", tmp_path).stdout
    (tmp_path / "file").write_text("")
    assert "run folder" in refused(alone("train", "digits", "--runs", tmp_path / "file"))
