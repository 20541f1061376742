"""Bounded Gauss–Newton steps against brute force and against what must hold of them."""

import numpy as np
import pytest

from cajax.fitting.search.step import SCALES, Lanes, bounded_steps, weights

RNG = np.random.default_rng(3)
ALL = np.ones(2, bool)


def cost(j, r, d):
    return np.sum(np.square(j @ d + r))


@pytest.mark.parametrize("seed", range(5))
def test_a_step_is_the_least_in_its_box(seed):
    rng = np.random.default_rng(seed)
    j, r, u = rng.normal(size=(9, 2)), 0.3 * rng.normal(size=9), rng.uniform(size=2)
    for width, d in zip(
        (0.05, 0.3, 1.0), bounded_steps(r, j, u, np.array([0.05, 0.3, 1.0]), ALL), strict=True
    ):
        assert (np.abs(d) <= width + 1e-8).all() and (u + d >= 0.0).all() and (u + d <= 1.0).all()
        grid = np.stack(np.meshgrid(*[np.linspace(max(-width, -x), min(width, 1.0 - x), 201) for x in u]), -1)
        least = min(cost(j, r, x) for x in grid.reshape(-1, 2))
        assert cost(j, r, d) <= least * (1.0 + 1e-3) + 1e-9


def test_only_chosen_coordinates_move():
    d = bounded_steps(
        np.ones(4), RNG.normal(size=(4, 2)), np.array([0.5, 0.5]), np.array([0.2]), np.array([True, False])
    )
    assert d[0, 0] != 0.0 and d[0, 1] == 0.0


def test_nothing_to_move_is_no_step():
    np.testing.assert_array_equal(
        bounded_steps(np.ones(4), np.zeros((4, 2)), np.full(2, 0.5), SCALES, ALL), 0.0
    )


def test_large_rows_are_weighted_down_and_small_ones_are_not():
    j = np.concatenate([np.full((9, 2), 0.1), np.full((1, 2), 1000.0)])
    w = weights(np.zeros(10), j)
    assert np.ptp(w[:9]) == 0.0 and w[9] < 1e-3 * w[0]


def test_lanes_take_what_is_better_and_fit_their_boxes():
    lanes = Lanes(np.full((3, 1), 0.5), np.array([0.2, 0.2, 0.03]), least=0.02)
    tried = np.repeat(np.array([[0.6], [0.55], [0.4]]), len(SCALES), 0)
    costs = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 1.0, np.nan, np.inf], [9.0, 9.0, 9.0, 9.0]]).ravel()
    now, moved = lanes.take(tried, costs, np.array([2.0, 2.0, 2.0]))
    np.testing.assert_array_equal(now, [1.0, 1.0, 2.0])
    np.testing.assert_array_equal(moved, [True, True, False])
    np.testing.assert_allclose(lanes.u.ravel(), [0.6, 0.55, 0.5])
    np.testing.assert_allclose(lanes.width, [0.4, 0.2 * np.sqrt(0.3), 0.02])


def test_lanes_that_failed_stay():
    lanes = Lanes(np.full((2, 2), 0.5), np.full(2, 0.3), least=0.02)
    j = np.stack([np.full((3, 2), np.nan), np.eye(3, 2)])
    tried = lanes.tries(np.ones((2, 3)), j, ALL).reshape(2, len(SCALES), 2)
    np.testing.assert_array_equal(tried[0], 0.5)
    assert (tried[1, 0] < 0.5).all()
