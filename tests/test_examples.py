"""Every example runs as a user would run it, says what it promises, and stays short and plain."""

import ast
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.py"))


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run an example by its number, in an empty folder; return its names, its output and the folder."""

    def start(number: int, *arguments: str) -> tuple[dict[str, Any], str]:
        (path,) = (p for p in EXAMPLES if p.name.startswith(f"{number:02d}_"))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        return runpy.run_path(str(path), run_name="__main__"), capsys.readouterr().out

    return start


def test_every_example_is_run_here():
    assert [int(p.name[:2]) for p in EXAMPLES] == list(range(1, 10))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_are_short_and_use_public_names_only(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [part for alias in node.names for part in alias.name.split(".")]
        assert not [name for name in names if name.startswith("_")], f"{path.name}:{node.lineno}"


def test_first_spike(run, tmp_path):
    names, out = run(1, str(tmp_path / "spike.png"))
    assert 20.0 < names["v"].max() < 50.0
    assert (tmp_path / "spike.png").read_bytes().startswith(b"\x89PNG")
    assert "spike.png" in out


def test_own_channel_makes_the_voltage_sag(run):
    names, out = run(2)
    v = np.asarray(names["v"])  # of the cell that has the channel
    assert v.min() + 3.0 < v[-1]
    assert "the gate opens" in out


def test_fit_finds_the_hidden_conductances(run):
    names, out = run(3)
    true, fitted = names["true"].params, names["fitted"].params
    for path in ("soma.na.g", "soma.kd.g"):
        assert float(fitted[path]) == pytest.approx(float(true[path]), rel=0.03)
        assert path in out


def test_rates_grow_with_the_current(run):
    names, _ = run(4)
    rates = np.asarray(names["rates"])
    assert rates[0] == 0.0
    assert rates[-1] > 100.0
    assert (np.diff(rates) >= 0.0).all()


def test_followers_fire_because_of_their_synapses(run):
    names, out = run(5)
    assert names["sol"]["followers"].shape[1] == 2
    assert float(names["sol"]["followers"].max()) > 0.0
    assert "transmitter" in out


def test_a_continued_run_is_the_unbroken_run(run):
    names, _ = run(6)
    np.testing.assert_array_equal(names["halves"], names["whole"]["v"])
    assert float(names["gradient"].params[names["path"]]) == pytest.approx(
        float(names["difference"]), rel=1e-2
    )


def test_sk_slows_the_firing_down(run):
    names, out = run(7)
    without, adapting = names["intervals"]["without SK"], names["intervals"]["with SK"]
    assert adapting[-1] > 1.2 * adapting[0]
    assert abs(without[-1] - without[0]) < 0.5
    assert "calcium" in out


def test_a_spike_goes_round_the_ring(run):
    names, out = run(8)
    fired = np.asarray(names["fired"])
    assert (fired.sum(axis=0) >= 2).all()
    assert names["first"][1] - names["first"][0] > names["delays"].sum()
    assert "a round takes" in out


def test_trained_delays_let_the_spikes_arrive_together(run):
    names, _ = run(9)
    assert abs(np.diff(names["arrives"]["before"])[0]) > 4.0
    assert abs(np.diff(names["arrives"]["after"])[0]) < 0.5
    assert names["history"].losses[-1] < names["history"].losses[0]
