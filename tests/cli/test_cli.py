"""The command line: what it prints, and that every mistake is one line without a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import cajax as cx
from cajax import tasks
from cajax.cli.commands import _require_same, main
from cajax.jobs.folder import start
from cajax.train import write_json

from ..helpers import raises


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
        monkeypatch.setenv("CAJAX_THREADS", "")  # a command sets it for its process
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


def refused(done, code=1):
    """Check that a command failed in one line, and return the line."""
    assert done.returncode == code
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


@pytest.mark.parametrize("name", ["[bold]x[/", "[/red]", "a\nb", "x" * 5000, "$(date)", "-", "\udcff"])
def test_names_of_files_are_names(cajax, tmp_path, name):
    for command in ("info", "report", "runs"):
        refused(cajax(command, "--", tmp_path / name))


def test_markup_in_names_is_shown_as_it_is(cajax, tmp_path):
    model = cx.Cell(cx.cylinder(20, 5)).paint("all", leak=cx.mech.Leak()).discretize(cx.PerBranch(1))
    assert "Model(1 cells" in cajax("info", cx.save(tmp_path / "[bold]", model)).stdout
    (tmp_path / "[red].swc").write_text("1 1 0 0 0 5 -1\n2 3 5 0 0 1 1\n3 3 50 0 0 1 2\n")
    assert "[red].swc: 2 branches" in cajax("info", tmp_path / "[red].swc").stdout
    (tmp_path / "[bold]run-001").mkdir()
    assert "[bold]run-001" in cajax("runs", tmp_path).stdout


def test_pipes_and_devices_are_refused(cajax, tmp_path):
    os.mkfifo(tmp_path / "pipe.swc")
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    for name in ("pipe.swc", "zero.npz"):
        assert "a device or a pipe" in refused(cajax("info", tmp_path / name))
    os.mkfifo(tmp_path / "run.json")
    assert "not a run folder" in refused(cajax("report", tmp_path))


def test_one_unreadable_run_does_not_hide_the_others(cajax, tmp_path):
    for name in ("good-001", "loop-001", "odd-001", "\udcff-001"):
        (tmp_path / name).mkdir()
    write_json(tmp_path / "good-001" / "run.json", {"task": "x", "settings": {}})
    (tmp_path / "loop-001" / "run.json").symlink_to("run.json")
    (tmp_path / "odd-001" / "run.json").write_text("[" * 100_000)
    done = cajax("runs", tmp_path)
    assert done.returncode == 0 and "good-001" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines() if line.strip().endswith("  damaged")] == [
        "loop-001",
        "odd-001",
    ]
    assert "symbolic links" in done.stdout and "nested too deeply" in done.stdout


def test_more_cores_than_there_are(cajax):
    assert "--cores 100000: this machine has" in refused(cajax("train", "digits", "--cores", 100000))


@pytest.mark.parametrize(
    "option", [("--epochs", "x"), ("--seed", "-1"), ("--hidden", "9" * 400), ("--bogus",)]
)
def test_misuse_is_one_line_with_where_to_look(cajax, option):
    assert "train digits --help" in refused(cajax("train", "digits", *option), code=2)


def test_a_command_without_a_word_shows_the_help(cajax):
    done = cajax()
    assert done.returncode == 2 and "Usage" in done.stdout and not done.stderr


def test_resuming_refuses_what_it_would_drop(tmp_path):
    start(tasks.Digits(seed=3, epochs=2), tmp_path)
    for options, said in (
        (("--epochs", 9), "--epochs 9: "), (("--seed", 1, "--epochs", 2), "seed is 3"), (("--runs", "x"), "--runs x"),
    ):  # fmt: skip
        settings = dict(zip([o[2:] for o in options[::2]], options[1::2], strict=True))
        runs = Path(settings.pop("runs")) if "runs" in settings else None
        raises(lambda s=settings, r=runs: _require_same(tmp_path / "digits-001", s, r), said, "leave")
    _require_same(tmp_path / "digits-001", {"seed": 3, "epochs": 2}, tmp_path)


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


@pytest.mark.slow
def test_training_has_the_same_bits_on_any_number_of_cores(tmp_path):
    contents = []
    for cores in (1, 2):
        few = ("--epochs", 1, "--hidden", 4, "--no-controls", "--runs", tmp_path / str(cores))
        done = alone("train", "digits", "--cores", cores, *few)
        assert done.returncode == 0, done.stderr
        with np.load(tmp_path / str(cores) / "digits-001" / "model.npz") as file:
            contents.append({name: file[name].tobytes() for name in file.files})
    assert contents[0] == contents[1]
