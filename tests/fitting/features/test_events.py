"""Events between samples: where a curve has its extreme or passes a level, and how these move with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.fitting.features.events import (
    Signal,
    attached,
    crossing,
    extreme,
    later,
    passing,
    polynomial,
    powers,
    samples,
    vertex,
)


def curve(shift, stride):
    """A bump with its top of 3 mV at 1.23 + shift ms, sampled `stride` times in 0.1 ms, as a signal."""
    t = jnp.arange(30 * stride + 1) * 0.1 / stride
    s = t - 1.23 - shift
    return Signal(3.0 * jnp.exp(-(s**2) / 0.08), stride, 0.1, jnp.array(0.0))


@pytest.mark.parametrize(("stride", "slack"), [(1, 3e-4), (2, 1e-5), (4, 1e-7)])
def test_an_extreme_moves_with_the_curve_and_keeps_its_height(stride, slack):
    def top(shift):
        x = curve(shift, stride)
        place, v = extreme(x.voltage, stride, jnp.array([12]), jnp.ones(1))
        return jnp.concatenate([x.time(place), v])

    np.testing.assert_allclose(top(0.01), [1.24, 3.0], rtol=slack)
    np.testing.assert_allclose(jax.jacfwd(top)(0.01), [1.0, 0.0], atol=100.0 * slack)
    least = extreme(lambda i: -curve(0.0, stride).voltage(i), stride, jnp.array(12), jnp.array(-1.0))
    np.testing.assert_allclose(least[1], -3.0, rtol=slack)


@pytest.mark.parametrize(("stride", "slack"), [(1, 3e-4), (2, 1e-5), (4, 1e-7)])
def test_a_level_is_passed_when_it_is_and_moves_with_the_curve_and_the_level(stride, slack):
    def when(shift, level):
        x = curve(shift, stride)
        late, middle, passes = passing(x.voltage, stride, jnp.array([11, 15]), jnp.full(2, level))
        assert passes.all()
        return x.time(middle + late)

    level = 2.0
    half = np.sqrt(0.08 * np.log(3.0 / level))
    np.testing.assert_allclose(when(0.0, level), [1.23 - half, 1.23 + half], rtol=slack)
    np.testing.assert_allclose(jax.jacfwd(when)(0.0, level), [1.0, 1.0], atol=0.02)
    slope = level * 2.0 * half / 0.08
    np.testing.assert_allclose(jax.jacfwd(when, 1)(0.0, level), [1.0 / slope, -1.0 / slope], rtol=0.02)


def test_what_is_no_event_stays_at_the_sample_without_a_derivative():
    def events(v):
        x = Signal(v, 2, 0.1, jnp.array(0.0))
        place, _ = extreme(x.voltage, 2, jnp.array([10]), jnp.ones(1))
        late, middle, passes = passing(x.voltage, 2, jnp.array([10]), jnp.array([5.0]))
        return jnp.concatenate([place, middle + late, passes])

    for v in (jnp.zeros(40), jnp.arange(40.0) - 90.0):
        found = events(v)
        assert found[1] == 20.0 and found[2] == 0.0 and found[0] in (18.0, 22.0)
        assert (jax.jacrev(events)(v) == 0.0).all()


def test_seven_samples_of_a_polynomial_give_it_back():
    wanted = np.array([1.0, -2.0, 0.5, 3.0, 0.0, -1.0, 0.25])
    found = powers(lambda i: np.polynomial.polynomial.polyval(i - 50.0, wanted), jnp.array(50))
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    for order in range(3):
        expected = np.polynomial.polynomial.polyval(0.3, np.polynomial.polynomial.polyder(wanted, order))
        np.testing.assert_allclose(polynomial(found, jnp.array(0.3), order), expected, rtol=1e-10)


def test_three_samples_of_a_parabola_and_two_of_a_line():
    late, v = vertex(3.0 - 2.0 * jnp.square(jnp.array([-1.0, 0.0, 1.0]) - 0.3))
    np.testing.assert_allclose([late, v], [0.3, 3.0], rtol=1e-12)
    for three in ([1.0, 1.0, 1.0], [0.0, 1.0, 2.0], [0.0, 5.0, 9.0]):
        late, v = vertex(jnp.array(three))
        assert late == 0.0 and v == three[1]
    assert crossing(jnp.array([-10.0, 30.0]), 0.0) == 0.25
    assert crossing(jnp.array([1.0, 1.0]), 0.0) == 1.0


def test_a_value_with_the_derivative_of_another():
    assert jax.value_and_grad(lambda x: attached(jnp.round(x), x**2, False))(1.4) == (1.0, 2.8)
    assert jax.value_and_grad(lambda x: attached(jnp.round(x), x**2, True))(1.5) == (2.25, 3.0)


def test_samples_past_the_ends_are_those_at_the_ends():
    x = jnp.arange(5.0)
    first, last = samples(x, (jnp.array([0, 3]) - 1, 3), (jnp.array([2, 9]), 1))
    np.testing.assert_array_equal(first, [[0, 2], [0, 3], [1, 4]])
    np.testing.assert_array_equal(last, [[2, 4]])
    np.testing.assert_array_equal(later(x), [1, 2, 3, 4, 0])
    np.testing.assert_array_equal(later(x, -2, fill=9), [9, 9, 0, 1, 2])
