"""Models of recipes are saved and loaded, those with a value by region too; a changed file is refused."""

import numpy as np
import pytest

import cajax as cx
from cajax.fitting import recipes

MORPH = cx.pyramidal(0, tips=8, stems=2)


@pytest.mark.parametrize(
    "recipe", [recipes.hay, recipes.allen_perisomatic, recipes.hh], ids=lambda x: x.__name__
)
def test_a_loaded_model_runs_with_the_same_bits(recipe, tmp_path):
    model = recipe(MORPH, policy=cx.PerBranch(1)).model
    same = cx.load(cx.save(tmp_path / "cell.npz", model))
    assert same.params.keys() == model.params.keys() and same.units == model.units
    clamp = cx.IClamp("soma", 1.0, 3.0, 1.0)
    ours, theirs = (cx.simulate(m, t1=4.0, dt=0.1, inputs=[clamp])["v"] for m in (model, same))
    np.testing.assert_array_equal(ours, theirs)


def test_values_by_region_have_the_unit_and_the_bounds_of_their_field():
    model = recipes.hay(MORPH, policy=cx.PerBranch(1)).model
    assert model.units["active.nats2.g.soma"] == "S/cm2"
    with pytest.raises(cx.CajaxError, match="below its lower bound 0"):
        model.replace({"active.nats2.g.soma": -1.0})
