"""Somas from outlines: circles and ellipses have the area of the body they outline."""

import numpy as np
import pytest

from cajax.morph import Branch, Morphology
from cajax.morph.readers.contour import center, resampled, soma, sphere


def ellipse(a: float, b: float, z: float = 0.0, turn: float = 0.3, n: int = 200) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, n, endpoint=False) + 0.1
    x, y = a * np.cos(t), b * np.sin(t)
    c, s = np.cos(turn), np.sin(turn)
    return np.column_stack([c * x - s * y + 7, s * x + c * y - 3, np.full(n, z)])


def area(points: np.ndarray) -> float:
    return Morphology.of([Branch(points)]).areas[0]


def test_sphere_keeps_the_area():
    assert area(sphere(np.array([1.0, 2, 3, 4]))) == pytest.approx(4 * np.pi * 16)


@pytest.mark.parametrize(("a", "b"), [(10.0, 9.0), (20.0, 8.0)])
def test_an_ellipse_turns_into_a_spheroid(a: float, b: float):
    points = soma([ellipse(a, b)])
    e = np.sqrt(1 - (b / a) ** 2)
    spheroid = 2 * np.pi * b**2 * (1 + a / (b * e) * np.arcsin(e))
    assert len(points) == 21
    assert area(points) == pytest.approx(spheroid, rel=0.08)  # the two ends are cut off
    axis = points[-1, :3] - points[0, :3]
    assert abs(axis @ [np.cos(0.3), np.sin(0.3), 0]) == pytest.approx(np.linalg.norm(axis), rel=0.02)


def test_a_stack_of_circles_is_a_cylinder():
    points = soma([ellipse(5.0, 5.0, z) for z in (0.0, 4.0, 9.0)])
    np.testing.assert_allclose(points[:, 3], 5.0, rtol=1e-2)
    np.testing.assert_allclose(points[:, 2], [0, 4, 9])


def test_centers():
    np.testing.assert_allclose(center([ellipse(9, 4)]), [7, -3, 0], atol=0.2)
    np.testing.assert_allclose(center([ellipse(9, 4, z) for z in (0, 2, 10)]), [7, -3, 5], atol=0.2)
    np.testing.assert_allclose(center([ellipse(9, 4), ellipse(9, 4)]), [7, -3, 0], atol=0.2)


def test_resampled_steps_are_equal():
    steps = np.linalg.norm(np.diff(resampled(ellipse(9, 4)), axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-2)


def test_outlines_that_turn_back_are_read():
    outline = ellipse(12, 6, n=24)
    outline[5] += [3.0, 2.0, 0.0]
    outline[17] -= [4.0, 0.0, 0.0]
    points = soma([outline])
    assert np.isfinite(points).all()
    assert (points[:, 3] > 0).all()
