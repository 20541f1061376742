"""The indicator's kernel is exact for straight lines, at any time step, and has exact gradients; so have the frames."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

import cajax as cx
from cajax.fitting.recordings import Indicator
from cajax.fitting.recordings.indicator import frames
from tests.helpers import raises

RNG = np.random.default_rng(0)


def kernel(t, rise, decay):
    return (np.exp(-t / decay) - np.exp(-t / rise)) / (decay - rise)


@pytest.mark.parametrize(("rise", "decay"), [(5.0, 100.0), (0.05, 3.0), (40.0, 41.0)])
def test_the_response_to_straight_lines_is_the_convolution(rise, decay):
    dt, x = 2.0, np.concatenate([np.zeros(1), RNG.normal(0.0, 1.0, 20)])
    t = np.arange(len(x)) * dt
    y = np.asarray(Indicator(rise, decay)(x, dt))
    for k in (1, 3, 10, 20):
        expected = sum(
            quad(lambda s, k=k: np.interp(s, t, x) * kernel(t[k] - s, rise, decay), a, a + dt, epsabs=1e-13)[
                0
            ]
            for a in t[:k]
        )
        assert y[k] == pytest.approx(expected, abs=1e-11)


def test_the_time_step_does_not_matter():
    x = RNG.normal(0.0, 1.0, (40, 3))
    fine = np.stack([np.interp(np.arange(0.0, 39.01, 0.125), np.arange(40), c) for c in x.T], axis=1)
    indicator = Indicator(4.0, 60.0)
    assert np.allclose(indicator(fine, 0.25)[::8], indicator(x, 2.0), atol=1e-12)


def test_it_starts_at_rest_keeps_the_area_and_is_causal():
    indicator = Indicator(5.0, 50.0)
    assert np.allclose(indicator(np.full((50, 2), 3.0), 1.0), 3.0, atol=1e-12)
    pulse = np.zeros(3000)
    pulse[100] = 1.0
    y = np.asarray(indicator(pulse, 1.0))
    assert not y[:100].any() and y.sum() == pytest.approx(1.0, abs=1e-12)
    peak = 100 + np.log(50.0 / 5.0) * 5.0 * 50.0 / 45.0
    assert abs(int(y.argmax()) - peak) <= 1.0


def test_without_a_rise_there_is_one_exponential():
    step = np.r_[0.0, np.ones(100)]
    y = Indicator(0.0, 20.0)(step, 0.5)
    line = 0.5 * np.arange(101)
    ramp = lambda t: (t - 20.0 * -np.expm1(-t / 20.0)) / 0.5 * (t > 0)  # the response to a ramp of one step  # noqa: E731
    assert np.allclose(y, ramp(line) - ramp(line - 0.5), atol=1e-12)


def test_single_precision_keeps_its_digits_at_short_steps():
    x = RNG.normal(0.0, 1.0, 4000)
    y = Indicator(2.0, 200.0)(x, 0.025)
    single = Indicator(jnp.float32(2.0), jnp.float32(200.0))(jnp.asarray(x, jnp.float32), 0.025)
    assert single.dtype == jnp.float32
    assert np.abs(np.asarray(single) - np.asarray(y)).max() < 2e-5 * np.abs(np.asarray(y)).max()


def test_gradients_equal_differences():
    x, weight = RNG.normal(0.0, 1.0, (60, 2)), RNG.normal(0.0, 1.0, (10, 2))

    @jax.jit
    def loss(x, rise, decay):
        seen = Indicator(rise, decay)(x, 1.0)
        return jnp.sum(weight * frames(seen, 1.0, 200.0, 10, start=2.0, exposure=3.0))

    point = (jnp.asarray(x), jnp.asarray(3.0), jnp.asarray(30.0))
    found = jax.grad(loss, argnums=(0, 1, 2))(*point)
    e = 1e-4
    for k in (1, 2):
        ends = [list(point), list(point)]
        ends[0][k], ends[1][k] = point[k] + e, point[k] - e
        assert float(found[k]) == pytest.approx(float(loss(*ends[0]) - loss(*ends[1])) / (2 * e), rel=1e-6)
    d = RNG.normal(0.0, 1.0, x.shape)
    difference = float(loss(x + e * d, 3.0, 30.0) - loss(x - e * d, 3.0, 30.0)) / (2 * e)
    assert float(jnp.sum(found[0] * d)) == pytest.approx(difference, rel=1e-8)
    forward = jax.jvp(lambda x: loss(x, 3.0, 30.0), (point[0],), (jnp.asarray(d),))[1]
    assert float(forward) == pytest.approx(difference, rel=1e-8)
    flat = jax.grad(lambda decay: jnp.sum(Indicator(0.0, decay)(point[0], 1.0)))(30.0)
    assert jnp.isfinite(flat)


def test_frames_are_values_or_means_of_straight_lines():
    x = RNG.normal(0.0, 1.0, 400)
    fine = np.linspace(0.0, 399 * 0.1, 399 * 100 + 1)
    line = np.interp(fine, np.arange(400) * 0.1, x)
    ends = 1.3 + np.arange(12) * 3.0
    moment = frames(x, 0.1, 1e3 / 3.0, 12, start=1.3)
    assert np.allclose(moment, np.interp(ends, np.arange(400) * 0.1, x), atol=1e-12)
    for exposure in (0.05, 0.1, 1.0, 2.5):
        mean = frames(x, 0.1, 1e3 / 3.0, 12, start=1.3, exposure=exposure)
        for k, end in enumerate(ends):
            inside = (fine >= max(0.0, end - exposure) - 1e-9) & (fine <= end + 1e-9)
            assert mean[k] == pytest.approx(
                np.trapezoid(line[inside], fine[inside]) / np.ptp(fine[inside]), abs=1e-9
            )
    assert frames(x, 0.1, 100.0, 4, exposure=5.0)[0] == x[0]  # nothing lies before the start
    assert frames(np.stack([x, x], 1), 0.1, 1e3, 39).shape == (39, 2)


def test_mistakes():
    raises(lambda: Indicator(5.0, 5.0), "rise = 5 ms must be shorter than decay = 5 ms", kind=cx.CajaxError)
    raises(lambda: Indicator(-1.0, 5.0), "negative")
    raises(lambda: Indicator(1.0, 0.0), "must be positive")
    raises(lambda: Indicator(1.0, [2.0, 3.0]), "one number")
    raises(lambda: Indicator(1.0, 2.0)(3.0, 0.1), "give [time, site]")
    raises(lambda: Indicator(1.0, 2.0)(np.zeros(3), 0.0), "must be positive")
    raises(lambda: frames(np.zeros(10), 1.0, 100.0, 2), "of 9 ms ends before frame 1 at 10 ms")
