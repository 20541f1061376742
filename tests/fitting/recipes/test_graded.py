"""Values by region and by the distance from the soma."""

import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.fitting.recipes.graded import BySomaDistance, by_region
from cajax.fitting.recipes.regions import regions_of
from cajax.mech import Leak
from tests.helpers import raises

MORPH = cx.pyramidal(0, tips=8, stems=2)
REGIONS = regions_of(MORPH)
PLACES = {"soma": REGIONS.soma, "basal": REGIONS.basal, "apical": REGIONS.apical, "axon": REGIONS.axon}
VALUES = {"soma": 1e-4, "basal": 2e-4, "apical": 3e-4, "axon": 4e-4}


def density(model: cx.Model) -> np.ndarray:
    """The leak of every control volume (S/cm²)."""
    [leak] = model.structure.channels
    return np.asarray(leak.fields["g"].assemble(model.params))


@pytest.mark.parametrize("policy", [cx.PerBranch(1), cx.MaxLength(30.0)], ids=str)
def test_each_region_has_its_value(policy):
    model = cx.Cell(MORPH).paint("all", leak=Leak(g=by_region(VALUES, PLACES))).discretize(policy)
    np.testing.assert_array_equal(density(model), [VALUES[tag] for tag in model.cvs.tag])
    assert {p for p in model.params if "leak.g" in p} == {f"all.leak.g.{name}" for name in VALUES}
    moved = model.replace({"all.leak.g.basal": 9e-4})
    np.testing.assert_array_equal(density(moved), [{**VALUES, "basal": 9e-4}[tag] for tag in model.cvs.tag])


def test_the_order_of_names_does_not_matter():
    backwards = dict(reversed(list(VALUES.items())))
    model = cx.Cell(MORPH).paint("all", leak=Leak(g=by_region(backwards, PLACES))).discretize(cx.PerBranch(1))
    np.testing.assert_array_equal(density(model), [VALUES[tag] for tag in model.cvs.tag])


def test_one_region_alone_is_a_plain_number():
    none = np.zeros(0, int)
    assert by_region({"soma": 0.1, "apical": 0.2}, {"soma": REGIONS.soma, "apical": none}) == 0.1


def test_in_a_network_every_cell_has_its_values():
    cell = cx.Cell(MORPH).paint("all", leak=Leak(g=by_region(VALUES, PLACES)))
    model = cx.Network().add("a", cell, 3).discretize(cx.PerBranch(2))
    [group] = model.structure.layouts[0].groups
    np.testing.assert_array_equal(density(model), np.repeat([VALUES[tag] for tag in group.cvs.tag], 3))


def test_it_must_be_painted_on_its_own_regions():
    cell = cx.Cell(MORPH).paint("basal", leak=Leak(g=by_region(VALUES, PLACES))).paint("all", other=Leak())
    raises(lambda: cell.discretize(cx.PerBranch(1)), "basal.leak.g", f"{len(MORPH.tags)} branches")


def rising(morph: cx.Morphology = MORPH) -> BySomaDistance:
    return BySomaDistance(morph, np.flatnonzero(np.array(morph.tags) == "apical"), 0, 8e-5)


@pytest.mark.parametrize("policy", [cx.PerBranch(4), cx.MaxLength(30.0)], ids=str)
def test_a_value_rises_with_the_straight_distance_from_the_soma(policy):
    model = cx.Cell(MORPH).paint("apical", leak=Leak(g=rising())).discretize(policy)
    apical, soma = model.cvs.tag == "apical", model.cvs.tag == "soma"
    middle = 0.5 * (MORPH.xyz[0] + MORPH.xyz[MORPH.offsets[1] - 1])
    assert np.linalg.norm(model.cvs.xyz[soma].mean(0) - middle) < 1e-9
    d = np.linalg.norm(model.cvs.xyz[apical] - middle, axis=1)
    expected = (-0.8696 + 2.087 * np.exp(0.0031 * d)) * 8e-5
    np.testing.assert_allclose(density(model), expected, rtol=1e-12)
    assert model.params["apical.leak.g"].shape == (apical.sum(),)
    assert d.max() > 100.0 and not np.allclose(d, model.cvs.distance[apical], rtol=0.02)  # not along the tree


def test_the_distance_counts_from_the_soma_of_the_own_cell_in_a_network():
    cell = cx.Cell(MORPH).paint("apical", leak=Leak(g=rising())).paint("all", rest=Leak())
    alone = cell.discretize(cx.PerBranch(2)).params["apical.leak.g"]
    pair = cx.Network().add("a", cell, 2).discretize(cx.PerBranch(2)).params["a.apical.leak.g"]
    np.testing.assert_array_equal(pair, jnp.repeat(alone, 2))


def test_a_saved_model_keeps_what_is_graded_by_distance(tmp_path):
    model = (
        cx.Cell(MORPH)
        .paint("all", rest=Leak())
        .paint("apical", leak=Leak(g=rising()))
        .discretize(cx.PerBranch(1))
    )
    same = cx.load(cx.save(tmp_path / "cell.npz", model))
    np.testing.assert_array_equal(same.params["apical.leak.g"], model.params["apical.leak.g"])
