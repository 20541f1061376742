"""Diameters along a section: every segment has the area and the resistances that it was asked for."""

import numpy as np
import pytest

from cajax.formats.neuron.profile import Profile, profile


def integrated(found: Profile, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return areas [n] and resistances of halves [2n] of a profile's frusta, which end at the borders of halves."""
    if found.points is None:
        found = Profile(found.length, None, np.array([[0.0, found.diam], [found.length, found.diam]]), 1.0)
    half = found.length / (2 * n)
    place, radius = found.points[:, 0], 0.5 * found.points[:, 1]
    cuts = np.setdiff1d(np.arange(1, 2 * n) * half, np.round(place, 9))
    at = np.searchsorted(place, cuts)
    radius = np.insert(radius, at, np.interp(cuts, place, radius))
    place = np.insert(place, at, cuts)
    area, resist = np.zeros(2 * n), np.zeros(2 * n)
    for x0, x1, r0, r1 in zip(place[:-1], place[1:], radius[:-1], radius[1:], strict=True):
        k = min(int(0.5 * (x0 + x1) / half), 2 * n - 1)
        area[k] += np.pi * (r0 + r1) * np.hypot(x1 - x0, r1 - r0)
        resist[k] += (x1 - x0) / (np.pi * r0 * r1)
    return area[0::2] + area[1::2], resist


def asked(rng: np.random.Generator, n: int, rough: float) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Return length, areas and resistances of a random chain of frusta, so that they are those of some shape."""
    per = 6
    radius = np.exp(rough * rng.normal(size=2 * n * per + 1).cumsum())
    step = rng.uniform(0.5, 3.0)
    area = np.pi * (radius[1:] + radius[:-1]) * np.hypot(step, np.diff(radius))
    resist = (step / (np.pi * radius[1:] * radius[:-1])).reshape(2 * n, per).sum(1)
    return step * 2 * n * per, area.reshape(n, -1).sum(1), resist[0::2], resist[1::2]


@pytest.mark.parametrize("rough", [0.0, 0.001, 0.02, 0.2])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_areas_and_resistances_are_those_asked_for(n, rough):
    rng = np.random.default_rng(n)
    for _ in range(20):
        length, area, into, out = asked(rng, n, rough)
        found = profile(length, area, into, out)
        got_area, got_resist = integrated(found, n)
        np.testing.assert_allclose(got_area, area, rtol=1e-8)
        np.testing.assert_allclose(got_resist[0::2], into, rtol=1e-8)
        np.testing.assert_allclose(got_resist[1::2], out, rtol=1e-8)


def test_a_cylinder_stays_one():
    length, area, into, out = asked(np.random.default_rng(0), 5, 0.0)
    found = profile(length, area, into, out)
    assert (found.points, found.length, found.share) == (None, length, 1.0)
    np.testing.assert_allclose(found.diam, 2.0)


def test_a_smooth_taper_hardly_gets_shorter():
    n, length = 8, 160.0
    edges = np.linspace(2.0, 0.5, 2 * n + 1)
    half = length / (2 * n)
    area = (np.pi * (edges[1:] + edges[:-1]) * np.hypot(half, np.diff(edges))).reshape(n, 2).sum(1)
    resist = half / (np.pi * edges[1:] * edges[:-1])
    found = profile(length, area, resist[0::2], resist[1::2])
    assert found.share >= 0.995
