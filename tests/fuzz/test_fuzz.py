"""A share of the hostile inputs of this folder, the same at every run; the scripts try them by the thousand."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from . import files, mods, pool

HERE = Path(__file__).resolve().parent
SHARE = 60


def test_spoiled_models_are_read_or_refused():
    kinds = [pool.outcome(files.of_model, 0, number) for number in range(SHARE)]
    assert not [about for kind, about in kinds if kind not in pool.GOOD]
    assert sum(kind == "refused" for kind, _ in kinds) > SHARE / 2


@pytest.mark.parametrize("number", range(6))
def test_spoiled_run_folders_are_read_or_refused(number):
    kind, about = pool.outcome(files.folders.attempt, 1, number)
    assert kind in pool.GOOD, about


def test_an_input_is_made_from_its_numbers_alone(tmp_path):
    texts = [files.json_mutant({"a": [1, {"b": "c"}], "d": 2.0}, random.Random("3/4"))[0] for _ in range(2)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("number", range(5))
def test_spoiled_mod_files_are_read_or_refused(number):
    pytest.importorskip("neuron.nmodl", reason="cajax[neuron] is not installed")
    kinds = [pool.outcome(mods.attempt, number, k) for k in range(8)]
    assert not [about for kind, about in kinds if kind not in pool.GOOD]
    assert any(kind == "refused" for kind, _ in kinds)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_thousands_of_spoiled_mod_files(part):
    pytest.importorskip("neuron.nmodl", reason="cajax[neuron] is not installed")
    done = subprocess.run(
        [sys.executable, str(HERE / "mods.py"), "--seed", str(part), "--count", "250", "--children", "1"],
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_command_lines_work_or_are_refused():
    done = subprocess.run(
        [sys.executable, str(HERE / "commands.py"), "--count", "40", "--children", "1", "--seconds", "240"],
        capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


HANGS = """
import os, sys, time
sys.path.insert(0, {root!r})
from tests.fuzz import pool
pool.WAIT, pool.LIMIT = 5.0, 1.0

def attempt(random, folder):
    time.sleep(60) if random.random() < 0.3 else os.abort() if random.random() < 0.5 else None

def warm():
    import cajax
    return attempt

pool.main(__file__, warm)
"""


def test_crashes_and_hangs_count(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(HANGS.format(root=str(HERE.parents[1])))
    done = subprocess.run(
        [sys.executable, str(script), "--count", "8"], capture_output=True, text=True, timeout=200
    )
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 1 and "8 inputs" in last and " 0 crash" not in last and " 0 hang" not in last, (
        done.stdout
    )
