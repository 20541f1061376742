import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.errors import CajaxError, ParameterError
from cajax.train import features
from cajax.train.features import FLOOR


@pytest.mark.parametrize(("samples", "windows"), [(5, 1), (5, 5), (23, 4), (60, 7)])
def test_features_are_the_mean_and_deviation_of_each_window(samples, windows):
    v = np.random.default_rng(samples).normal(-60.0, 20.0, (3, samples))
    parts = [v[:, np.arange(samples) * windows // samples == k] for k in range(windows)]
    means = np.stack([p.mean(1) for p in parts], 1)
    deviations = np.stack([np.sqrt(p.var(1) + FLOOR**2) for p in parts], 1)
    assert max(p.shape[1] for p in parts) - min(p.shape[1] for p in parts) <= 1
    np.testing.assert_allclose(features(jnp.asarray(v), windows), np.hstack([means, deviations]), rtol=1e-12)


def test_batch_equals_loop_and_sites_go_first():
    v = jnp.asarray(np.random.default_rng(1).normal(size=(4, 50)))
    np.testing.assert_allclose(features(v), np.stack([features(row) for row in v]), rtol=1e-12)
    np.testing.assert_allclose(jax.jit(jax.vmap(features))(v), features(v), rtol=1e-12)
    np.testing.assert_array_equal(features(v.T, axis=0), features(v))
    assert features(v, windows=7).shape == (4, 14)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_a_flat_trace_has_a_finite_gradient(dtype):
    v = jnp.full(801, -65.0, dtype)
    value, slope = jax.value_and_grad(lambda v: features(v).sum())(v)
    assert value.dtype == dtype
    assert jnp.isfinite(slope).all()
    np.testing.assert_allclose(features(v)[:10], -65.0, rtol=1e-5)
    np.testing.assert_allclose(features(v)[10:], FLOOR, rtol=1e-2)


def test_gradient_is_the_central_difference():
    v, d = np.random.default_rng(2).normal(size=(2, 23))
    slope = jax.grad(lambda v: (features(v, 4) ** 2).sum())(jnp.asarray(v)) @ d
    up, down = ((features(jnp.asarray(v + s * 1e-6 * d), 4) ** 2).sum() for s in (1, -1))
    assert slope == pytest.approx(float(up - down) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("windows", [0, -1, 4, True, 2.0, None, "4"])
def test_more_windows_than_samples_are_refused(windows):
    says = "3 samples along axis -1" if windows == 4 else "windows"
    with pytest.raises(ParameterError, match=says):
        features(jnp.zeros((5, 3)), windows)


def test_time_that_is_not_last_must_be_named():
    """A recording [time, site] of 20 sites has enough samples along either axis: averaged over cells it looks right."""
    v = jnp.asarray(np.random.default_rng(3).normal(size=(801, 20)))
    for wrong in (v, v[:20], v.reshape(89, 9, 20)):
        with pytest.raises(ParameterError, match="axis=0 or axis=-1"):
            features(wrong)
    np.testing.assert_array_equal(features(v, axis=0), features(v.T))
    assert features(v, axis=-1).shape == (801, 20)
    for axis in (2, -3, 0.0, "time", True):
        with pytest.raises(ParameterError, match="axis"):
            features(v, axis=axis)


def test_what_is_no_trace_is_refused():
    for wrong in (None, "v", [1j] * 20, jnp.float64(3.0), [[1.0], [1.0, 2.0]]):
        with pytest.raises(CajaxError, match="features"):
            features(wrong)
    np.testing.assert_allclose(features([1, 2, 3, 4], 2)[:2], [1.5, 3.5])
