"""Hodgkin–Huxley recipes."""

import numpy as np
import pytest

import cajax as cx
from cajax.fitting import recipes
from cajax.mech import HH

# Gonçalves et al. (2020): mS/cm², mS/cm², mS/cm², mS/cm², ms, −mV, −mV.
PRIOR = {"na": (0.5, 80.0), "kd": (1e-4, 15.0), "leak": (1e-4, 0.6), "km": (1e-4, 0.6)}


def bounds(recipe: recipes.Recipe) -> dict[str, tuple[float, float]]:
    return {path: choice.bijection.range for path, choice in recipe.free.choices(recipe.model).items()}


def test_a_point_of_the_squid_is_neurons_hh():
    recipe = recipes.hh(cx.cylinder(20.0, 10.0), policy=cx.PerBranch(1))
    plain = cx.Cell(cx.cylinder(20.0, 10.0), v0=-65.0).paint("all", hh=HH()).discretize(cx.PerBranch(1))
    step = cx.IClamp("soma", delay=1.0, dur=10.0, amp=0.3)
    ours, expected = (cx.simulate(m, t1=15.0, inputs=[step])["v"] for m in (recipe.model, plain))
    np.testing.assert_array_equal(ours, expected)
    assert ours.max() > 20.0
    assert set(bounds(recipe)) == {
        "all.hh.gna", "all.hh.gk", "all.hh.gl", "all.hh.ena", "all.hh.ek", "all.hh.el", "all.cm", "all.ra",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["squid", "cortical"])
def test_dendrites_have_weaker_densities_of_their_own(kind):
    recipe = recipes.hh(cx.pyramidal(0, tips=8, stems=2), kind=kind, policy=cx.PerBranch(1))
    found, params = bounds(recipe), recipe.model.params
    pairs = [p.removesuffix(".soma") for p in found if p.endswith(".soma")]
    assert len(pairs) == (2 if kind == "squid" else 3)
    for path in pairs:
        assert found[f"{path}.dendrites"] == (0.0, pytest.approx(0.1 * found[f"{path}.soma"][1]))
        assert params[f"{path}.dendrites"] == pytest.approx(0.1 * float(params[f"{path}.soma"]))


def test_the_cortical_bounds_are_the_published_prior():
    found = bounds(recipes.hh(cx.cylinder(20.0, 10.0), kind="cortical"))
    for name, (lo, hi) in PRIOR.items():
        assert found[f"all.{name}.g"] == pytest.approx((1e-3 * lo, 1e-3 * hi)), name
    assert found["all.km.tau_max"] == (50.0, 3000.0)
    assert found["all.na.vt"] == found["all.kd.vt"] == (-90.0, -40.0)
    assert found["all.leak.e"] == (-100.0, -35.0)


def test_a_cortical_cell_spikes_repeatedly():
    recipe = recipes.hh(cx.cylinder(60.0, 30.0), kind="cortical", policy=cx.PerBranch(1))
    v = np.asarray(cx.simulate(recipe.model, t1=200.0, inputs=[cx.IClamp("soma", 10.0, 190.0, 0.8)])["v"])
    assert np.sum((v[:-1] < -20.0) & (v[1:] >= -20.0)) > 3
