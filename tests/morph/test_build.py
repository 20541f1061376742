"""Cylinders and balls with sticks, in closed form."""

import numpy as np
import pytest

from cajax.base.errors import MorphologyError, UnitError
from cajax.morph import ball_and_stick, cylinder


def test_cylinder():
    morph = cylinder(100, 2.0, tag="basal")
    assert morph.tags == ("basal",)
    np.testing.assert_allclose([morph.lengths[0], morph.areas[0]], [100, 2 * np.pi * 2 * 100])


def test_text_with_units():
    assert cylinder("1 mm", "500 nm").lengths[0] == pytest.approx(1000)
    with pytest.raises(UnitError):
        cylinder("1 mV", 1)


def test_ball_and_stick():
    morph = ball_and_stick(soma_radius=8, length=200, radius=2, taper=0.5)
    assert morph.tags == ("soma", "apical")
    np.testing.assert_allclose(morph.areas, [4 * np.pi * 64, np.pi * 3 * np.hypot(200, 1)])
    np.testing.assert_array_equal(morph.xyz[morph.offsets[1] - 1], morph.xyz[morph.offsets[1]])


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), True, None])
def test_wrong_sizes(wrong):
    with pytest.raises(MorphologyError, match=r"length = .* must be a positive number of µm"):
        cylinder(wrong, 1)
    with pytest.raises(MorphologyError, match="soma_radius = "):
        ball_and_stick(soma_radius=wrong)


def test_wrong_taper():
    with pytest.raises(MorphologyError, match=r"taper .* = 0 must be positive"):
        ball_and_stick(taper=0)
