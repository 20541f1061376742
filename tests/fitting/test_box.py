"""The box: coordinates and values are inverse, scales are chosen by the bounds, derivatives hold at the bounds too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.fitting.box import Box
from cajax.mech import HH, Leak

from ..helpers import raises

MODEL = (
    cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("soma", hh=HH()).discretize(cx.PerBranch(2))
)
FREE = cx.Free(
    {
        "soma.hh.gna": cx.bounded(0.0, 0.5),
        "all.leak.g": cx.each("branch", cx.bounded(1e-5, 1e-3)),
        "all.leak.e": cx.bounded(-90.0, -50.0),
        "all.cm": cx.bounded(0.5, 2.0),
    }
)
BOX = Box(MODEL, FREE)


def test_names_scales_and_units():
    assert BOX.names == ("soma.hh.gna", "all.leak.g[0]", "all.leak.g[1]", "all.leak.e", "all.cm")
    assert list(BOX.logarithmic) == [False, True, True, False, False]
    assert list(BOX.densities) == [True, True, True, False, False]


def test_coordinates_and_values_are_inverse():
    u = np.random.default_rng(0).uniform(size=(50, len(BOX)))
    np.testing.assert_allclose(BOX.coordinates(BOX.values(jnp.asarray(u))), u, atol=1e-9)


def test_corners_are_the_bounds():
    np.testing.assert_array_equal(BOX.values(jnp.zeros(len(BOX))), BOX.lo.astype(float))
    np.testing.assert_array_equal(BOX.values(jnp.ones(len(BOX))), BOX.hi.astype(float))


def test_halfway_of_decades_is_their_geometric_mean():
    assert float(BOX.values(jnp.full(len(BOX), 0.5))[1]) == pytest.approx(1e-4)


@pytest.mark.parametrize("at", [0.0, 0.3, 1.0])
def test_derivatives_are_those_inside(at):
    u = jnp.full(len(BOX), at)
    slope = np.diag(jax.jacfwd(BOX.values)(u))
    width = BOX.hi - BOX.lo
    ratio = np.where(BOX.logarithmic, BOX.hi / np.where(BOX.logarithmic, BOX.lo, 1.0), 1.0)
    curved = np.asarray(BOX.values(u)) * np.log(ratio)
    np.testing.assert_allclose(slope, np.where(BOX.logarithmic, curved, width), rtol=1e-6)


def test_a_model_is_put_and_found_again():
    u = np.linspace(0.1, 0.9, len(BOX))
    model = BOX.put(BOX.model, jnp.asarray(u))
    assert model.params["all.leak.g"].shape == (2,)
    np.testing.assert_allclose(BOX.start(model), u, atol=1e-6)


def test_paths_choose_coordinates():
    assert list(BOX.matching({"all.leak.g", "all.cm"})) == [False, True, True, False, True]


def test_parameters_without_bounds_are_refused():
    raises(lambda: Box(MODEL, cx.Free({"*.gna": cx.positive()})), "bounds", "soma.hh.gna")
