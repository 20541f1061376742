"""Layer-5 cells: parameters and bounds as published, one shift for two regions, and NEURON's voltage."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import cajax as cx
from cajax.fitting import recipes
from cajax.mech.library import hay2011 as channels
from cajax.morph import Branch

# Lowest and highest value of what is fitted (S/cm²; ms; a share; mV), as in the paper's notebooks.
SYNTHETIC = """
apical.nats2.g 0 .04  apical.kv31.g 0 .04  apical.im.g 0 .001
soma.nats2.g 0 1  soma.kv31.g .25 1  soma.sk.g 0 .1  soma.ca.gamma .0005 .01  soma.ca.tau 20 1000
soma.hva.g 0 .001  soma.lva.g 0 .01
axon.nata.g 0 4  axon.kp.g 0 1  axon.kt.g 0 .1  axon.sk.g 0 .1  axon.kv31.g 0 2  axon.hva.g 0 .001  axon.lva.g 0 .01
axon.ca.gamma .0005 .05  axon.ca.tau 20 1000
"""
RECORDING = """
active.nats2.g.soma 0 6  soma.kv31.g .25 1  soma.sk.g 0 .1  excitable.hva.g.soma 0 .001  excitable.lva.g.soma 0 .01
soma.ca.gamma .0005 .05  soma.ca.tau 1 100
active.nats2.g.apical 0 .04  apical.kv31.g 0 .001  apical.im.g 0 .1
axon.nata.g 0 6  axon.kp.g 0 1  axon.kt.g 0 .1  axon.sk.g 0 .1  axon.kv31.g 0 2  excitable.hva.g.axon 0 .001
excitable.lva.g.axon 0 .01  axon.ca.gamma .0005 .05  axon.ca.tau 1 100
active.nats2.shift -10 0  excitable.hva.slow .2 5  excitable.lva.slow .2 5  apical.im.slow .2 5
all.k.e -100 -70  all.na.e 40 60
"""
MORPH = cx.pyramidal(0, tips=8, stems=2)


def table(text: str) -> dict[str, tuple[float, float]]:
    words = text.split()
    return {p: (float(a), float(b)) for p, a, b in zip(words[::3], words[1::3], words[2::3], strict=True)}


@pytest.mark.parametrize(
    ("problem", "text", "count"), [("synthetic", SYNTHETIC, 19), ("recording", RECORDING, 25)]
)
def test_the_published_parameters_and_bounds(problem, text, count):
    recipe = recipes.hay(MORPH, problem=problem)
    found = {path: c.bijection.range for path, c in recipe.free.choices(recipe.model).items()}
    assert found == table(text) and recipe.free.count(recipe.model) == count


def test_the_membrane_is_fixed_unless_it_is_asked_for():
    plain, freed = (recipes.hay(MORPH, membrane=m) for m in (False, True))
    assert set(freed.free.globs) - set(plain.free.globs) == {"all.cm", "all.ra", "all.leak.g", "all.leak.e"}
    both = recipes.hay(MORPH, problem="synthetic", membrane=True)
    assert {"all.cm", "apical.cm"} <= set(both.free.globs)


def test_a_cell_without_an_apical_dendrite_has_fewer_parameters():
    recipe = recipes.hay(cx.cylinder(20.0, 10.0))
    assert set(table(RECORDING)) - set(recipe.free.globs) == {
        "active.nats2.g.soma", "active.nats2.g.apical", "apical.kv31.g", "apical.im.g", "apical.im.slow",
    }  # fmt: skip
    assert recipe.free.globs["active.nats2.g"] == cx.bounded(0.0, 6.0)
    assert any("no apical dendrite" in note for note in recipe.notes)
    assert any("no axon" in note for note in recipe.notes)


def test_an_axon_is_kept():
    assert recipes.hay(MORPH).cell.morph is MORPH


def trace(model: cx.Model, t1: float = 20.0) -> np.ndarray:
    return np.asarray(cx.simulate(model, t1=t1, inputs=[cx.IClamp("soma", 2.0, t1 - 2.0, 1.0)])["v"])


def test_sharing_a_shift_changes_no_bit():
    """Currents painted once on several regions, or on each of them with the same shift and factor."""
    recipe = recipes.hay(MORPH, policy=cx.PerBranch(1))
    moved = {"active.nats2.shift": -5.0, "excitable.hva.slow": 2.0, "excitable.lva.slow": 0.5}
    kept = tuple(p for p in recipe.cell.paints if p.name not in ("nats2", "hva", "lva"))
    bare = cx.Cell(MORPH, cm=2.0, ra=100.0, v0=-80.0, temperature=34.0, paints=kept)
    own = (
        bare.paint("soma", nats2=channels.NaTs2(g=0.98, shift=-5.0))
        .paint("apical", nats2=channels.NaTs2(g=0.026, shift=-5.0))
        .paint("soma", hva=channels.CaHVA(g=9.9e-4, slow=2.0), lva=channels.CaLVA(g=3.3e-4, slow=0.5))
        .paint("axon", hva=channels.CaHVA(g=9.9e-4, slow=2.0), lva=channels.CaLVA(g=8.8e-3, slow=0.5))
    )
    shared = trace(recipe.model.replace(moved))
    np.testing.assert_array_equal(shared, trace(own.discretize(cx.PerBranch(1))))
    assert shared.max() > 0.0 and not np.array_equal(shared, trace(recipe.model))


@cache
def stored() -> tuple[dict, np.ndarray]:
    with np.load(Path(__file__).with_name("layer5.npz")) as file:
        return json.loads(str(file["meta"])), file["v"]


def published_cell(problem: str) -> recipes.Recipe:
    meta, _ = stored()
    branches = [
        Branch(np.array(s["points"]) * [1.0, 1.0, 1.0, 0.5], s["parent"], s["attach"], s["tag"])
        for s in meta["sections"]
    ]

    class Stored:
        def counts(self, morph, ra, cm):
            return np.array([s["nseg"] for s in meta["sections"]])

    return recipes.hay(cx.Morphology.of(branches), problem=problem, policy=Stored())


def compared(model: cx.Model, case: int) -> None:
    """Backward Euler agrees with NEURON's fixed step; see `neuron_layer5_traces.py`."""
    meta, v = stored()
    step = cx.IClamp("soma", *meta["clamp"])
    run = cx.simulate(model, t1=100.0, dt=0.025, inputs=[step], method=cx.BackwardEuler())["v"]
    ours = np.asarray(run)[:: meta["every"]]
    assert v[case].max() > 30.0
    print(f"{np.abs(ours - v[case]).max():.1e} mV")
    assert np.abs(ours - v[case]).max() < 5e-6


def test_the_synthetic_problem_equals_neuron():
    meta, _ = stored()
    compared(published_cell("synthetic").model.replace(meta["cases"]["densities"]), 0)


def test_shifts_and_factors_on_times_equal_neuron():
    """The same cell as the problem of recorded cells has it: shared shift and factors, other reversal potentials."""
    meta, _ = stored()
    model, told = published_cell("recording").model, meta["cases"]["shift and times"]
    shared = {
        "active.nats2.shift": "soma.nats2.shift", "active.nats2.g.soma": "soma.nats2.g",
        "active.nats2.g.apical": "apical.nats2.g", "excitable.hva.slow": "soma.hva.slow",
        "excitable.lva.slow": "soma.lva.slow", "excitable.hva.g.soma": "soma.hva.g",
        "excitable.hva.g.axon": "axon.hva.g", "excitable.lva.g.soma": "soma.lva.g",
        "excitable.lva.g.axon": "axon.lva.g",
    }  # fmt: skip
    values = {path: told[shared.get(path, path)] for path in model.params if shared.get(path, path) in told}
    values |= {"all.v0": -65.0, "all.cm": 1.0}
    painted = published_cell("recording").cell.paint("apical", cm=2.0)
    compared(painted.discretize(published_cell("recording").policy).replace(values), 1)
