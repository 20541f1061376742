"""R-hat and effective draws: known values of chains that are made to order."""

import numpy as np
import pytest

from cajax.fitting.infer.diagnose import ess, rhat

RNG = np.random.default_rng(0)


def chains(rho: float, number: int = 4, draws: int = 4000) -> np.ndarray:
    """First-order autoregressive chains [chain, draw, 1] of variance one."""
    x = np.zeros((number, draws, 1))
    x[:, 0] = RNG.standard_normal((number, 1))
    for k in range(1, draws):
        x[:, k] = rho * x[:, k - 1] + np.sqrt(1.0 - rho**2) * RNG.standard_normal((number, 1))
    return x


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_effective_number_of_an_autoregression_is_known(rho):
    x = chains(rho)
    assert ess(x)[0] == pytest.approx(x.shape[0] * x.shape[1] * (1.0 - rho) / (1.0 + rho), rel=0.15)
    assert rhat(x)[0] < 1.02


def test_draws_that_alternate_are_worth_more_than_independent_ones():
    assert ess(chains(-0.5))[0] > 20_000


def test_chains_that_disagree_in_place_or_width_have_a_large_rhat():
    x = chains(0.0, draws=500)
    assert rhat(x + np.array([0.0, 0.0, 0.0, 2.0])[:, None, None])[0] > 1.2
    assert rhat(x * np.array([1.0, 1.0, 1.0, 5.0])[:, None, None])[0] > 1.1


def test_a_monotone_map_changes_nothing():
    x = chains(0.5, draws=500)
    assert rhat(np.exp(x))[0] == pytest.approx(rhat(x)[0], abs=0.02)
    assert ess(np.exp(x))[0] == pytest.approx(ess(x)[0])


def test_they_agree_with_another_library():
    diagnostics = pytest.importorskip("blackjax.diagnostics")
    x = chains(0.7, draws=1000)
    assert ess(x)[0] == pytest.approx(float(np.ravel(diagnostics.effective_sample_size(x))[0]), rel=0.1)


def test_too_few_draws_are_not_a_number():
    assert np.isnan(rhat(np.zeros((2, 3, 1)))[0]) and np.isnan(ess(np.zeros((2, 3, 1)))[0])


def test_a_chain_that_stands_still_has_no_effective_draws():
    assert np.isnan(ess(np.ones((4, 100, 1)))[0])
