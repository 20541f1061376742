"""Losses of whole traces: they are distances, and their derivatives are those of differences."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.errors import ParameterError
from cajax.fitting import losses
from tests.helpers import raises

T = np.arange(0.0, 60.0, 0.5)


def spiky(start=30.0, height=80.0, width=1.5):
    return -65.0 + height * jnp.exp(-jnp.square((T - start) / width)) - 3.0 * jnp.sin(T / 7.0)


KINDS = {
    "soft_dtw": lambda v, w: losses.soft_dtw(v, w, gamma=0.3),
    "banded": lambda v, w: losses.soft_dtw(v, w, band=20),
    "windowed": lambda v, w: losses.windowed(v, w, windows=6),
    "phase_plane": lambda v, w: losses.phase_plane(v, w, 0.5, bins=20),
}


@pytest.fixture(params=KINDS)
def loss(request):
    return KINDS[request.param]


def test_a_loss_is_zero_for_equal_traces_only_symmetric_and_not_negative(loss):
    traces = [spiky(), spiky(height=40.0), spiky(width=3.0), jnp.full(len(T), -65.0)]
    traces += list(np.random.default_rng(0).normal(-65.0, 15.0, (4, len(T))))
    for v, w in itertools.combinations(traces, 2):
        assert loss(v, w) > 1e-6
        np.testing.assert_allclose(loss(v, w), loss(w, v), rtol=1e-9)
    for v in traces:
        assert abs(loss(v, v)) < 1e-12


def test_derivatives_are_differences_in_both_modes(loss):
    target, x = spiky(), jnp.array([31.3, 71.0, 1.7])

    def value(x):
        return loss(spiky(*x), target)

    gradient = jax.grad(value)(x)
    ends = [(x.at[k].add(1e-5), x.at[k].add(-1e-5)) for k in range(3)]
    expected = jnp.array([(value(a) - value(b)) / 2e-5 for a, b in ends])
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(jax.jacfwd(value)(x), gradient, rtol=1e-9)


def test_batches_are_single_traces(loss):
    many = jnp.stack([spiky(start) for start in (25.0, 30.0, 37.0)])
    expected = [loss(v, spiky()) for v in many]
    np.testing.assert_allclose(loss(many, spiky()), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        jax.jit(jax.vmap(loss, (0, None)))(many, spiky()), expected, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 7), (13, 5), (4, 11)])
def test_soft_dtw_is_the_soft_minimum_over_all_alignments(n, m):
    rng, gamma = np.random.default_rng(n), 0.4
    x, y = rng.normal(-60.0, 10.0, n), rng.normal(-60.0, 10.0, m)

    def total(x, y):
        cost = np.full((len(x) + 1, len(y) + 1), np.inf)
        cost[0, 0] = 0.0
        for i, j in itertools.product(range(len(x)), range(len(y))):
            half = np.square((x[i] - y[j]) / 10.0) / 2.0
            before = np.array([cost[i, j + 1], cost[i + 1, j], cost[i, j]])
            soft = -gamma * np.log(np.exp(-(before - before.min()) / gamma).sum()) + before.min()
            cost[i + 1, j + 1] = half + gamma * np.log(2.0 - np.exp(-half / gamma)) + soft
        return cost[-1, -1]

    expected = total(x, y) - 0.5 * total(x, x) - 0.5 * total(y, y)
    np.testing.assert_allclose(losses.soft_dtw(x, y, gamma=gamma), expected, rtol=1e-9, atol=1e-12)


def test_a_band_that_holds_every_alignment_changes_nothing():
    v, w = spiky()[:30], spiky(width=2.0)[:40]
    np.testing.assert_allclose(losses.soft_dtw(v, w, band=39), losses.soft_dtw(v, w), rtol=1e-12)
    assert losses.soft_dtw(v, w, band=3) != losses.soft_dtw(v, w)


def test_time_warping_forgives_a_shift_and_the_phase_plane_a_long_one():
    near, other = spiky(34.0), spiky(34.0, height=20.0)
    assert losses.soft_dtw(near, spiky()) < 0.2 * losses.soft_dtw(other, spiky())
    assert losses.phase_plane(spiky(45.0), spiky(), 0.5) < 0.6 * losses.phase_plane(other, spiky(), 0.5)


def test_the_phase_plane_holds_all_time():
    density = losses._density(spiky(), 0.5, 12)
    assert density.sum() == pytest.approx(1.0) and (density >= 0.0).all()
    outside = losses._density(jnp.linspace(-500.0, 500.0, 50), 0.01, 12)
    assert outside.sum() == pytest.approx(1.0)


def test_mistakes():
    raises(lambda: losses.soft_dtw(spiky(), 3.0), "time is its last axis", kind=ParameterError)
    raises(lambda: losses.soft_dtw(np.zeros((2, 5)), np.zeros((3, 5))), "do not fit", kind=ParameterError)
    raises(lambda: losses.soft_dtw(spiky(), spiky(), gamma=0.0), "gamma", kind=ParameterError)
    raises(lambda: losses.soft_dtw(spiky(), spiky(), band=0), "band", kind=ParameterError)
    raises(lambda: losses.phase_plane([1.0, 2.0], [1.0, 2.0], 0.1), "at least 3", kind=ParameterError)
    raises(lambda: losses.windowed(spiky(), spiky(), windows=10**6), "windows", kind=ParameterError)
