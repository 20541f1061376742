"""Chains: densities whose moments are known, failed runs, both methods."""

import jax.numpy as jnp
import numpy as np
import pytest

from cajax.fitting.infer.likelihood import guarded
from cajax.fitting.infer.transport import laplace

pytest.importorskip("blackjax")

from cajax.fitting.infer.chains import Chains

PRECISION = np.array([[4.0, 1.5], [1.5, 100.0]])


def never(share: float) -> bool:
    return False


def drawn(density, data, method="hmc", curvature=PRECISION, chains=16, draws=250):
    data = jnp.asarray(data, float)
    sampler = Chains(density, data, method, seed=0)
    problems, d = len(data), len(curvature)
    maps = [laplace(np.zeros(d), curvature)] * problems
    z = 0.1 * np.random.default_rng(0).standard_normal((problems, chains, d))
    maps, z = sampler.warmed(maps, z, never)
    return sampler.drawn(maps, z, draws, never)


def normal(z, mean):
    off = z - mean
    return -0.5 * off @ jnp.asarray(PRECISION) @ off


@pytest.mark.parametrize("method", ["hmc", "nuts"])
def test_a_normal_density_has_its_mean_and_covariance(method):
    means = np.array([[0.5, -0.2], [0.0, 1.0]])
    found = drawn(normal, means, method)
    covariance = np.linalg.inv(PRECISION)
    for z, mean in zip(found.z, means, strict=True):
        flat = z.reshape(-1, 2)
        # Four standard errors of 1,000 independent draws; there are 4,000, worth more than that.
        np.testing.assert_allclose(flat.mean(0), mean, atol=4.0 * np.sqrt(np.diag(covariance).max() / 1000.0))
        np.testing.assert_allclose(np.cov(flat.T), covariance, rtol=0.15, atol=0.005)
    assert 0.6 < found.accepted < 1.0 and found.diverged == 0.0
    np.testing.assert_allclose(
        found.density[0], [[normal(x, means[0]) for x in c] for c in found.z[0]], rtol=1e-6
    )


def test_a_bent_density_is_drawn_as_it_is():
    def density(z, data):
        return -0.5 * (z[0] ** 2 + ((z[1] - z[0] ** 2) / 0.05) ** 2) + 0.0 * data

    flat = drawn(density, np.zeros(1), curvature=np.diag([1.0, 400.0])).z[0].reshape(-1, 2)
    np.testing.assert_allclose(flat.mean(0), [0.0, 1.0], atol=0.12)
    np.testing.assert_allclose(flat.std(0), [1.0, np.sqrt(2.0)], rtol=0.12)
    np.testing.assert_allclose((flat[:, 1] - flat[:, 0] ** 2).std(), 0.05, rtol=0.1)


def test_where_runs_fail_there_is_no_probability():
    def density(z, data):
        return jnp.where(z[0] > 0.5, jnp.nan, -0.5 * jnp.square(z).sum()) + 0.0 * data

    flat = drawn(guarded(density), np.zeros(1), curvature=np.eye(2)).z[0].reshape(-1, 2)
    assert np.isfinite(flat).all() and flat[:, 0].max() <= 0.5
    # A standard normal number that is below ½: −φ(½)/Φ(½).
    assert flat[:, 0].mean() == pytest.approx(-0.5092, abs=0.08)


def test_the_same_seed_gives_the_same_bits():
    one, two = (drawn(normal, np.zeros((1, 2)), draws=30).z for _ in range(2))
    assert one.shape == (1, 16, 30, 2) and (one == two).all()


def test_a_wish_to_stop_ends_it_after_a_block():
    sampler = Chains(normal, jnp.zeros((1, 2)), "hmc", seed=0)
    found = sampler.drawn([laplace(np.zeros(2), PRECISION)], np.zeros((1, 4, 2)), 1000, lambda share: True)
    assert 0 < found.z.shape[2] < 100
