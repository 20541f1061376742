"""Looking inside: parts put back, parts silenced, branches cut, and what holds a memory, on a task of seconds."""

import importlib
import json
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.analysis import Attack, Energy, cut_off, held_by, inside_classified, lesions, resets, silenced
from cajax.analysis.lesions import dendrites, matching
from cajax.analysis.resets import as_wide
from cajax.base.disk import plain
from cajax.base.errors import ParameterError, UnknownNameError
from cajax.jobs.learn import measured
from cajax.mech import HH
from cajax.tasks.task import Batch

from ..helpers import raises
from ..tasks.tiny import Tiny, trained

held = importlib.import_module("cajax.analysis.held")
inside = importlib.import_module("cajax.analysis.inside")
classified = importlib.import_module("cajax.analysis.classified")

TASK = Tiny(batch=8)
STAGE, BATCH = TASK.checks()


@pytest.fixture(scope="module")
def models() -> tuple[cx.Model, cx.Model]:
    return trained(TASK)


def test_accuracy_before_and_after(models):
    before, after = models
    wide = as_wide(before, after)
    assert measured(TASK, wide, STAGE, BATCH) == 0.5 and measured(TASK, after, STAGE, BATCH) == 1.0


def test_resets(models):
    before, after = models
    gna = np.asarray(after.params["cells.all.hh.gna"])
    after = after.replace({"cells.all.hh.gna": 1.1 * gna})
    found = resets(TASK, before, after, STAGE, BATCH)
    names = ["intact", "input", "recurrent", "sodium", "all membranes", "all synapses", "everything"]
    assert list(found) == names
    assert found["intact"] == found["sodium"] == found["all membranes"] == 1.0
    assert found["recurrent"] < 1.0 and found["all synapses"] == found["everything"] == 0.5


def test_a_reset_puts_back_the_very_numbers(models, monkeypatch):
    before, after = models
    seen: dict[int, Any] = {}
    room = importlib.import_module("cajax.analysis.resets")

    def look(job: Any, model: cx.Model, stage: Any, batch: Batch) -> float:
        seen[len(seen)] = model
        return 0.0

    monkeypatch.setattr(room, "measured", look)
    resets(TASK, before, after.replace({"cells.all.hh.gna": jnp.full(4, 0.2)}), STAGE, BATCH)
    everything, sodium = seen[6].params, seen[3].params
    for path, value in before.params.items():
        np.testing.assert_array_equal(everything[path], np.broadcast_to(value, everything[path].shape))
    np.testing.assert_array_equal(sodium["cells.all.hh.gna"], np.full(4, 0.12))
    np.testing.assert_array_equal(sodium["eyes->cells.see.weight"], after.params["eyes->cells.see.weight"])
    assert "all membranes" not in resets(TASK.but(membranes=False), before, before, STAGE, BATCH)


def test_lesions(models):
    found = lesions(TASK, models[1], STAGE, BATCH)
    assert list(found) == [
        "intact", "sodium channels", "excitation", "eyes->cells.see", "cells->cells.keep", "cells: branch 1 (apical)",
    ]  # fmt: skip
    assert found["intact"] == 1.0
    # Where no cell sees anything, rounding answers.
    assert max(found["excitation"], found["eyes->cells.see"], found["cells: branch 1 (apical)"]) <= 0.5
    assert found["cells->cells.keep"] < 1.0 and found["sodium channels"] < 1.0


def test_silenced(models):
    model = silenced(models[1], ("*.gna", "*.keep.weight"))
    assert not np.any(model.params["cells.all.hh.gna"]) and not np.any(
        model.params["cells->cells.keep.weight"]
    )
    assert np.all(model.params["cells.all.hh.gk"] == 0.036)
    raises(lambda: silenced(model, ("*.ena",)), "ena", "mV", "conductances", kind=ParameterError)
    raises(lambda: matching(("*.gnu",), model), "'*.gnu'", kind=UnknownNameError)


def test_a_cell_without_its_dendrite_is_its_soma():
    """Cut off, a branch neither drives nor loads the rest; the others stay."""
    cell = cx.Cell(cx.ball_and_stick()).paint("all", hh=HH())
    model = cell.discretize(cx.PerBranch(3))
    soma = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", hh=HH()).discretize(cx.PerBranch(3))

    def v(model: cx.Model) -> np.ndarray:
        clamp = cx.IClamp("soma", delay=0.5, dur=1.0, amp=0.3)
        return np.asarray(cx.simulate(model, 4.0, 0.1, [clamp], record={"v": "soma"})["v"])

    np.testing.assert_allclose(v(cut_off(model, "", (1,))), v(soma), atol=1e-6)
    assert np.abs(v(model) - v(soma)).max() > 5.0
    np.testing.assert_array_equal(
        v(cut_off(model, "", (0, 7))), v(model)
    )  # the root, and a branch that is not there


def test_the_right_branch_of_every_cell_is_cut():
    """In a network of different shapes: of a current into the soma nothing arrives in what is cut."""
    shapes = [cx.pyramidal(k, tips=4, stems=2, scale=0.3, axon=False) for k in (1, 2)]
    cells = [cx.Cell(shape).paint("all", hh=HH()) for shape in shapes]
    other = cx.Cell(cx.ball_and_stick()).paint("all", hh=HH())
    net = cx.Network().add("other", other, 3).add("cells", cells)
    model = net.discretize(cx.PerBranch(2))
    places = model.structure.layout("cells")
    branch = [g.cvs.branch for g in places.groups]

    @jax.jit
    def simulated(model: cx.Model, amp: float) -> jax.Array:
        clamp = cx.IClamp("cells", delay=0.0, dur=1.0, amp=amp)
        return cx.simulate(model, 1.0, 0.1, [clamp], record={"v": ("cells", cx.every_cv())})["v"][-1].ravel()

    def run(model: cx.Model, amp: float = 0.5) -> np.ndarray:
        return np.asarray(simulated(model, amp))

    whole, rest, basal = run(model), run(model, 0.0), run(cut_off(model, "cells", "basal"))
    tags = np.concatenate([g.cvs.tag for g in places.groups])
    np.testing.assert_allclose(basal[tags == "basal"], rest[tags == "basal"], atol=0.01)
    assert np.all(basal[tags == "apical"] > rest[tags == "apical"] + 0.01)
    one = run(cut_off(model, "cells", (1,)))
    assert np.abs(one - rest)[np.concatenate(branch) == 1].max() < 0.01 < (whole - rest).min()
    assert (one - rest)[np.concatenate(branch) != 1].min() > 0.01


def test_names_of_dendrites():
    shape = cx.pyramidal(1, tips=4, stems=2, scale=0.3, axon=False)
    cell = cx.Cell(shape).paint("all", hh=HH()).discretize(cx.PerBranch(1))
    found = dendrites(cell.structure.layouts[0])
    assert list(found)[:2] == ["all apical", "all basal"] and found["branch 1 (basal)"] == (1,)
    assert len(found) == 2 + len(shape.parent) - 1
    assert list(dendrites(cell.structure.layouts[0], most_branches=3)) == ["all apical", "all basal"]
    point = Tiny(point=True).network()
    assert dendrites(point.structure.layout("cells")) == {}


def test_what_holds_the_memory(models):
    held = held_by(TASK, models[1], BATCH, STAGE)
    assert held.population == "cells" and held.phase == (3.0, 12.0)
    assert held.separation.shape == held.decoded.shape == (len(held.ts), len(held.names)) == (60, 9)
    at = {name: k for k, name in enumerate(held.names)}
    late = held.ts > 9.0
    keep = at["cells->cells.keep (conductance)"]
    assert held.separation[late, keep].min() > 10.0 and held.decoded[late, keep].min() == 1.0
    assert np.abs(held.separation[0]).max() < np.abs(held.separation[-1, keep])
    currents = [k for name, k in at.items() if "(" not in name and name != "voltage"]
    share = held.share[currents]
    assert share[share > 0].sum() == pytest.approx(1.0) and held.share[at["cells->cells.keep"]] > 0.0
    assert np.isnan(held.share[[keep, at["voltage"]]]).all()
    assert "share" in str(held) and "cells->cells.keep" in str(held)
    again = held_by(TASK, models[1], BATCH, STAGE, classes="light")
    np.testing.assert_array_equal(again.separation, held.separation)  # the brighter eye is the label


def test_everything_at_once_in_figures_that_json_holds(models, monkeypatch):
    fooled = Attack(np.array([1.0, 0.5]), np.array([0.0, 0.1]), np.array([0.0, 0.1]), {}, {})
    cost = Energy({"cells": 1.0}, {"cells": {"channels": 3e8}}, ())
    monkeypatch.setattr(classified, "attack", lambda *args: fooled)
    monkeypatch.setattr(inside, "energy", lambda *args: cost)
    said: list[str] = []
    found = inside_classified(TASK, *models, said.append)
    assert list(found) == ["resets", "lesions", "attack", "held_by", "energy"] and len(said) == 3
    assert found["resets"]["intact"] == found["lesions"]["intact"] == 1.0
    assert json.loads(json.dumps(plain(found)))["attack"]["network of neurons"]["steps"] == [0, 1]
    held = found["held_by"]
    assert np.shape(held["separation"]) == (len(held["times"]), len(held["names"]))
    assert "voltage" in held["names"] and "voltage" not in held["share"]
    assert found["energy"]["in spikes of a cortical neuron"] == pytest.approx(3e8 / 3.84e8)


def test_only_classes_that_occur_twice_are_followed():
    batch = Batch({"x": np.arange(5.0), "one_hot": np.eye(3)[[0, 0, 1, 1, 2]]}, np.array([1, 2, 3, 2, 1]))
    assert np.array_equal(classified._repeated(batch, None).labels, [1, 2, 2, 1])
    assert np.array_equal(classified._repeated(batch, "one_hot").inputs["x"], [0.0, 1.0, 2.0, 3.0])
    assert classified._repeated(Batch(batch.inputs, np.zeros(5, int)), None) is None
    assert classified._repeated(Batch(batch.inputs, np.zeros((5, 2), int)), None) is None


def test_separation_of_known_courses():
    """Two cells, unit noise, 3 apart, at last reversed: d′ is 3, then −3; a code that means nothing has none."""
    random = np.random.default_rng(0)
    labels = np.arange(400) % 2
    sign = np.array([1.0, 1.0, -1.0])[None, :, None]
    course = random.standard_normal((400, 3, 2)) + 3.0 / 2**0.5 * (labels[:, None, None] - 0.5) * sign
    d, told = held._separation(course, course[:, :2].mean(axis=1), labels)
    np.testing.assert_allclose(d, [3.0, 3.0, -3.0], atol=0.3)
    assert told.min() > 0.9  # reversed, the classes are told apart as well
    drift = np.array([0.0, 5.0, -9.0])[None, :, None]  # of all classes alike
    moved = held._separation(course + drift, course[:, :2].mean(axis=1), labels)
    np.testing.assert_allclose(moved[0], d)
    np.testing.assert_allclose(moved[1], told)
    d, told = held._separation(course, random.standard_normal((400, 2)), random.permutation(labels))
    assert np.abs(d).max() < 0.4 and np.abs(told - 0.5).max() < 0.1
    three = np.arange(60) % 3
    d, told = held._separation(np.eye(3)[three][:, None], np.eye(3)[three], three)
    assert d == pytest.approx([100.0], rel=1e-3) and told == [1.0]
    d, told = held._separation(np.zeros((60, 1, 3)), np.zeros((60, 3)), three)
    assert d == [0.0] and told == pytest.approx([1 / 3])


def test_mistakes(models):
    def call(batch: Batch = BATCH, **options: Any) -> Any:
        return lambda: held_by(TASK, models[1], batch, STAGE, **options)

    raises(call(population="cell"), "'cell'", "'cells'", kind=UnknownNameError)
    raises(call(classes="colour"), "'colour'", "'light'", kind=UnknownNameError)
    raises(call(classes=np.arange(8)), "two trials", kind=ParameterError)
    raises(call(classes=np.zeros((8, 2), int)), "one number per trial", kind=ParameterError)

    @dataclass(frozen=True)
    class Apart(Tiny):
        def phases(self, inputs: dict[str, Any], stage: Any) -> dict[str, tuple[float, float]]:
            start = 10.0 * float(inputs["light"][0] > inputs["light"][1])
            return {"delay": (start, start + 1.0)}

    apart = Apart(**TASK.settings())
    raises(lambda: held_by(apart, models[1], BATCH, STAGE), "no time is common", kind=ParameterError)
