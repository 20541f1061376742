"""`posterior` against the exact answer: the density of two parameters summed on a grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import ndtr

import cajax as cx
from cajax.fitting.infer import Posterior, posterior
from cajax.fitting.infer.likelihood import Likelihood
from cajax.fitting.infer.runs import Runs
from cajax.fitting.infer.starts import coordinates

from ...helpers import raises
from .cells import PASSIVE, PASSIVE_FREE, objective

pytest.importorskip("blackjax")

NOISE = 0.5
FITTED = objective(PASSIVE, 0.02, NOISE)
TRUTH = {path: float(PASSIVE.params[path]) for path in PASSIVE_FREE.globs}


def grid(noise: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation and correlation of u, by summing the density over a grid of z."""
    likelihood = Likelihood(Runs(FITTED, PASSIVE, PASSIVE_FREE, 50.0, "test"), noise, 0.0, "test")
    side = np.linspace(-1.2, 1.2, 81)
    z = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    density = np.asarray(
        jax.jit(jax.vmap(lambda z: likelihood.density(z, likelihood.runs.data)))(jnp.asarray(z))
    )
    p = np.exp(density - density.max())
    p /= p.sum()
    assert p.reshape(81, 81)[[0, -1]].sum() + p.reshape(81, 81)[:, [0, -1]].sum() < 1e-6
    u = np.asarray(ndtr(jnp.asarray(z)))
    mean = p @ u
    cov = (p[:, None] * (u - mean)).T @ (u - mean)
    return mean, np.sqrt(np.diag(cov)), cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1])


def draw(method: str, noise: float | None) -> Posterior:
    return posterior(FITTED, PASSIVE, PASSIVE_FREE, noise=noise, method=method, seed=1, progress=False)


@pytest.fixture(scope="module")
def found() -> Posterior:
    return draw("hmc", NOISE)


@pytest.mark.parametrize("noise", [NOISE, None])
def test_chains_draw_the_exact_density(found, noise):
    found = found if noise == NOISE else draw("hmc", None)
    mean, sd, correlation = grid(noise)
    assert found.mixed
    standard_error = 4.0 * sd / np.sqrt(found.ess)
    assert (np.abs(found.flat.mean(0) - mean) < standard_error).all()
    np.testing.assert_allclose(found.flat.std(0), sd, rtol=0.08)
    assert found.correlations()[0, 1] == pytest.approx(correlation, abs=0.06)
    assert found.noise.mean() == pytest.approx(NOISE, rel=0.1)


def test_laplace_is_near_it():
    mean, sd, _ = grid(NOISE)
    found = draw("laplace", NOISE)
    np.testing.assert_allclose(found.flat.mean(0), mean, atol=float(0.3 * sd.max()))
    np.testing.assert_allclose(found.flat.std(0), sd, rtol=0.15)


def test_the_truth_lies_in_a_wide_interval_and_numbers_have_units(found):
    for (lo, hi), path in zip(found.interval(0.999), found.names, strict=True):
        assert lo < TRUTH[path] < hi
    assert found.draws.shape == found.u.shape == (16, 250, 2)
    assert found.median["all.cm"] == pytest.approx(float(np.median(found.draws[..., 1])))
    narrow, wide = found.interval(0.5), found.interval(0.9)
    assert ((wide[:, 0] < narrow[:, 0]) & (narrow[:, 1] < wide[:, 1])).all()
    assert "all.cm" in str(found) and "hmc" in repr(found)


def test_it_predicts_a_protocol_that_was_not_recorded(found):
    held_out = objective(PASSIVE, -0.03, NOISE, seed=5)
    predicted = found.predict(held_out, most=40)
    assert predicted.v.shape == (40, 1, 1, held_out.samples)
    assert 0.85 < predicted.coverage(0.9) < 0.95
    assert predicted.error() == pytest.approx(NOISE, rel=0.15)
    inner, outer = predicted.interval(0.9, noise=False), predicted.interval(0.9)
    assert np.mean(np.diff(inner, axis=0)) < 0.3 * np.mean(np.diff(outer, axis=0))


def test_a_draw_is_a_model(found):
    model = found.model(3, 7)
    for k, path in enumerate(found.names):
        assert float(model.params[path]) == pytest.approx(found.draws[3, 7, k])
    raises(lambda: found.model(99), "chain")


def test_correlated_noise_widens_intervals():
    white = posterior(FITTED, PASSIVE, PASSIVE_FREE, noise=NOISE, method="laplace", progress=False)
    coloured = posterior(
        FITTED, PASSIVE, PASSIVE_FREE, noise=NOISE, correlation=0.3, method="laplace", progress=False
    )
    rho = np.exp(-0.1 / 0.3)
    wider = np.sqrt((1.0 + rho) / (1.0 - rho))
    np.testing.assert_allclose(coloured.flat.std(0) / white.flat.std(0), wider, rtol=0.1)


def test_where_to_start():
    assert coordinates(None, 2) is None
    assert coordinates([0.5, 0.5], 2).shape == (1, 2)
    raises(lambda: coordinates([0.5], 2), "start", "2 parameters")
    raises(lambda: coordinates([0.5, 1.5], 2), "between 0 and 1")
    raises(lambda: coordinates("best", 2), "start")


def test_nonsense_is_refused():
    def call(free=PASSIVE_FREE, **options):
        return posterior(FITTED, PASSIVE, free, **{"noise": NOISE, "progress": False, **options})

    raises(lambda: call(method="gibbs"), "method", "'hmc'")
    raises(lambda: call(chains=0), "chains")
    raises(lambda: call(draws=1), "draws")
    raises(lambda: call(seed=-1), "seed")
    raises(lambda: call(progress="yes"), "progress")
    raises(lambda: call(free=cx.Free({"all.cm": cx.positive()})), "bounds")


def test_a_missing_package_names_the_extra(monkeypatch):
    from cajax.fitting.infer import packages

    def absent(name: str):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(packages.importlib, "import_module", absent)
    raises(lambda: draw("hmc", NOISE), "blackjax", "pip install 'cajax[fit]'")
