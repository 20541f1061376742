"""The passive recipe."""

import numpy as np

import cajax as cx
from cajax.fitting import recipes


def test_four_parameters_and_their_bounds():
    recipe = recipes.passive(cx.pyramidal(0, tips=8, stems=2))
    bounds = {path: choice.bijection.range for path, choice in recipe.free.choices(recipe.model).items()}
    assert bounds == {
        "all.leak.g": (1e-7, 1e-3),
        "all.leak.e": (-100.0, -35.0),
        "all.cm": (0.3, 10.0),
        "all.ra": (10.0, 1000.0),
    }
    assert set(recipe.passive) == set(bounds)


def test_a_sphere_charges_with_its_time_constant():
    """One compartment: v = e + i/(g A) (1 − exp(−t g/cm))."""
    recipe = recipes.passive(cx.cylinder(20.0, 10.0), policy=cx.PerBranch(1))
    g, cm, e = (float(recipe.model.params[p]) for p in ("all.leak.g", "all.cm", "all.leak.e"))
    amp, area = 0.01, float(recipe.model.cvs.area.sum()) * 1e-8  # nA, cm²
    v = cx.simulate(recipe.model, t1=30.0, dt=0.025, inputs=[cx.IClamp("soma", 0.0, 30.0, amp)])["v"]
    t = np.arange(len(v)) * 0.025
    expected = e + amp * 1e-6 / (g * area) * (1.0 - np.exp(-t * g * 1e3 / cm))
    np.testing.assert_allclose(v, expected, atol=1e-5)
