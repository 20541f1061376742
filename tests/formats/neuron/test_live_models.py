"""Models built in NEURON do the same here: voltages within 1e-3 mV, spikes within a step.

Each in a process of its own, see live_models.py; those with mechanisms of ours are compiled once.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BMTK = importlib.util.find_spec("bmtk")
REAL = HERE.parents[3] / "shared" / "data" / "morphologies" / "ca1" / "morph_ca1_n120.swc"
MV = 1e-3
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("neuron") is None, reason="NEURON is not installed"),
]


def compiled(mods, folder):
    """Compile .mod files in a folder of their own; return it."""
    tool = Path(sys.executable).with_name("nrnivmodl")
    tool = str(tool) if tool.exists() else shutil.which("nrnivmodl")
    if tool is None or not any(shutil.which(c) for c in ("c++", "g++", "clang++")):
        pytest.skip("no compiler for .mod files here")
    shutil.copytree(mods, folder / "mod")
    done = subprocess.run([tool, "mod"], cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def mechanisms(tmp_path_factory):
    return compiled(HERE / "mod", tmp_path_factory.mktemp("mechanisms"))


def compared(*args):
    """Run one comparison in its own process."""
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(HERE / "live_models.py"), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def check(found, spikes):
    assert found["difference"] <= MV
    assert abs(found["spikes"]) <= 1
    assert [n for n, _ in found["rows"]] == spikes
    assert min(size for _, size in found["rows"]) > 0.5
    assert found["executor"] == "native"
    assert (found["approximated"], found["refused"]) == ([], [])


def test_five_sections_with_four_mechanisms_and_two_netcons(mechanisms):
    found = compared("five", mechanisms)
    check(found, [2, 0, 2])
    assert found["recipe"] == "Network(1 cell, 1 netstim; netstim->cell.expsyn, cell->cell.lvnmda)"
    assert "lvpool: lvpool on 3 sections" in found["exact"]
    assert "na: Reversal" in found["exact"]


def test_synapses_and_clamps_that_share_a_segment(mechanisms):
    found = compared("shared", mechanisms)
    check(found, [2, 1])
    assert "'netstim->cell.exp2syn': 6 connections to 2 Exp2Syn" in found["exact"]
    assert {"IClamp: 2 in all", "SEClamp: 1 in all", "AlphaSynapse: 1 in all"} <= set(found["exact"])


def test_a_ring_of_ten_cells(mechanisms):
    found = compared("ring", mechanisms)
    check(found, [5, 5, 5, 5, 4, 5, 5, 5, 5, 4])
    assert found["recipe"] == "Network(10 Ball, 1 netstim; Ball->Ball.expsyn, netstim->Ball.expsyn)"


def test_gap_junctions_by_pointer_are_approximate(mechanisms):
    found = compared("coupled", mechanisms)
    assert found["recipe"] == "Network(3 cell; cell->cell.lvgap, cell->cell.lvgap_2)"
    assert found["difference"] < 0.5  # NEURON's is a step late
    assert ["gap junctions by pointer" in x for x in found["approximated"]] == [True]


def test_point_processes_of_other_kinds(mechanisms):
    found = compared("processes", mechanisms)
    check(found, [1, 2, 0])
    assert (
        found["recipe"] == "Network(2 cell, 1 cell_2, 1 netstim; netstim->cell.lvsat, cell->cell_2.lvgraded)"
    )
    assert "lvwave: painted in single control volumes" in found["exact"]


def test_ions_that_stand_still_or_follow_nernst(mechanisms):
    found = compared("styles", mechanisms)
    check(found, [1, 0, 0])
    assert {"ca: Held", "k: Fixed", "k: Reversal", "hh: hh on 1 sections"} <= set(found["exact"])


@pytest.mark.parametrize(
    ("name", "spikes"),
    [("hh", [1]), ("stylized", [1, 1, 1, 1, 1]), ("pyramid", [1, 1, 1, 1, 1]), ("release", [0])],
)
def test_neurons_own_demonstrations(name, spikes):
    check(compared(f"demo_{name}", "-"), spikes)


@pytest.mark.skipif(BMTK is None or not REAL.exists(), reason="bmtk, or the morphology, is not here")
def test_a_cell_with_published_mechanisms(tmp_path):
    mods = Path(BMTK.origin).parent / "utils" / "scripts" / "bionet" / "mechanisms" / "modfiles"
    check(compared("hay", compiled(mods, tmp_path / "bmtk"), REAL), [1, 0])
