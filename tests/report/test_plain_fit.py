"""The page of a plain fit: its loss, its gradient, its parameters; and its line in the list of runs."""

import re

import jax.numpy as jnp
import optax
import pytest

import cajax as cx
from cajax.base.show import text_of
from cajax.mech import Graded, Leak
from cajax.report import compare, read_run, report, runs_table
from cajax.train import write_json


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    cell = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak(g=1e-4, e=-65.0))
    net = cx.Network().add("a", cell, 3).connect("a", "a", Graded(), weight=jnp.full((3, 3), 1e-3))
    free = cx.Free({"*.weight": cx.positive(), "*.leak.e": cx.bounded(-90.0, -40.0)})

    def loss(model):
        return (model.params["a.all.leak.e"] + 70.0) ** 2 + jnp.sum(model.params["a->a.graded.weight"])

    folder = tmp_path_factory.mktemp("fits") / "first"
    cx.fit(loss, net.discretize(cx.PerBranch(1)), free, optax.adam(0.05), 20, run=folder, progress=False)
    return folder


def words(path):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", path.read_text()))


def test_the_page_shows_loss_gradient_and_parameters(run):
    path = report(run)
    said = words(path)
    assert re.findall(r'<section id="([^"]+)"', path.read_text()) == ["learning", "learned", "made"]
    assert "A loss was reduced from" in said and "10 numbers were trained" in said
    assert "Gradient and pace" in said and "a.all.leak.e" in said and "−90 … −40 mV" in said
    assert "Synaptic weights" in said
    assert "could not be made" not in said and "There is no" not in said and "accuracy" not in said


def test_it_is_listed_and_compared(run):
    found = read_run(run)
    assert (found.state, found.steps, found.size, found.task) == ("finished", 20, 10, "fit")
    listed = text_of(runs_table(run.parent), 80)
    assert f"loss {found.figure:.3g}" in listed and "finished" in listed
    assert "loss" in text_of(compare(run, run), 100)


def test_parts_that_are_missing_or_damaged(run, tmp_path):
    write_json(tmp_path / "run.json", {"kind": "fit", "settings": {}})
    assert "This fit is not finished (training)" in words(report(tmp_path))
    (tmp_path / "parameters.json").write_text("[3]")
    assert "not a table of parameters" in words(report(tmp_path))
