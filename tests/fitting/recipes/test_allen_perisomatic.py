"""Perisomatic models: bounds against published models, and the cell that the recipe starts from."""

import json

import numpy as np
import pytest

import cajax as cx
from cajax.fitting import recipes

CHANNELS = {
    "Im": "im", "Ih": "ih", "NaTs": "nats", "Nap": "nap", "K_P": "kp", "K_T": "kt", "SK": "sk", "Kv3_1": "kv31",
    "Ca_HVA": "hva", "Ca_LVA": "lva",
}  # fmt: skip
REGIONS = {"soma": "soma", "axon": "axon", "dend": "basal", "apic": "apical"}
FITTED = ["472363762", "473863035", "473863510"]
"""The published models with these channels among those beside the project."""


def published(shared, name: str) -> dict[str, float]:
    """Our path → value of a published model."""
    folder = shared / "sonata/shared_components/biophysical_neuron_templates/json"
    told = json.loads((folder / f"{name}_fit.json").read_text())
    [passive] = told["passive"]
    [cm] = [x["cm"] for x in passive["cm"] if x["section"] == "dend"]
    found = {"all.ra": passive["ra"], "all.leak.e": passive["e_pas"], "dendrites.cm": cm}
    for gene in told["genome"]:
        value, mechanism = float(gene["value"]), gene["mechanism"]
        if gene["name"] == "g_pas":
            found[f"all.leak.g.{REGIONS[gene['section']]}"] = value
        elif mechanism == "CaDynamics":
            found["soma.ca." + {"gamma": "gamma", "decay": "tau"}[gene["name"].split("_")[0]]] = value
        else:
            found[f"soma.{CHANNELS[mechanism]}.g"] = value
    return found


@pytest.mark.parametrize("name", FITTED)
def test_published_models_have_our_parameters_and_lie_within_our_bounds(name, shared):
    values = published(shared, name)
    recipe = recipes.allen_perisomatic(cx.pyramidal(0, tips=8, stems=2))
    choices = recipe.free.choices(recipe.model)
    assert set(values) == set(choices) and len(values) == 19
    for path, value in values.items():
        lo, hi = choices[path].bijection.range
        assert lo <= value <= hi, path


def test_it_starts_from_a_published_model(shared):
    params = recipes.allen_perisomatic(cx.pyramidal(0, tips=8, stems=2)).model.params
    for path, value in published(shared, FITTED[0]).items():
        assert float(params[path]) == pytest.approx(value, rel=5e-3), path


def test_on_its_own_morphology_that_model_fires_and_adapts(shared):
    """A cell of mouse V1, layer 4: silent at 50 pA, tens of spikes per second at 200 pA."""
    morph = cx.read_morphology(shared / "sonata/shared_components/morphologies/Scnn1a_473845048_m.swc")
    model = recipes.allen_perisomatic(morph, policy=cx.PerBranch(1)).model
    for amp, (least, most) in {0.05: (0, 0), 0.2: (10, 30)}.items():
        v = np.asarray(cx.simulate(model, t1=550.0, inputs=[cx.IClamp("soma", 50.0, 500.0, amp)])["v"])
        times = 0.025 * np.flatnonzero((v[:-1] < -20.0) & (v[1:] >= -20.0))
        assert least <= len(times) <= most
        assert len(times) < 3 or np.diff(times)[-1] > np.diff(times)[0]


def test_the_axon_is_a_stub_and_only_the_soma_is_active():
    recipe = recipes.allen_perisomatic(cx.pyramidal(0))
    axon = np.array(recipe.cell.morph.tags) == "axon"
    np.testing.assert_allclose(recipe.cell.morph.lengths[axon], 30.0)
    cvs = recipe.model.cvs
    for site in recipe.model.structure.channels:
        where = set(cvs.tag[site.index])
        assert where == ({"soma", "basal", "apical", "axon"} if site.name == "leak" else {"soma"}), site.name
    assert any("stand for the axon" in note for note in recipe.notes)


def test_a_smooth_cell_has_one_capacitance():
    spiny, smooth = (recipes.allen_perisomatic(cx.ball_and_stick(), spiny=s) for s in (True, False))
    assert {p for p in spiny.free.globs if p.endswith(".cm")} == {"dendrites.cm"}
    assert {p for p in smooth.free.globs if p.endswith(".cm")} == {"all.cm"}
    point = recipes.allen_perisomatic(cx.cylinder(20.0, 10.0))  # no dendrites to carry spines
    assert {p for p in point.free.globs if p.endswith(".cm")} == {"all.cm"}


def test_other_branches_count_as_basal(shared):
    morph = cx.read_morphology(shared / "morphologies" / "dendrotweaks_poirazi2003_ca1.swc")
    recipe = recipes.allen_perisomatic(morph, policy=cx.PerBranch(1))
    assert "all.leak.g.basal" in recipe.free.globs and "all.leak.g.apical" not in recipe.free.globs
    assert any("count as basal" in note for note in recipe.notes)
