"""Inference from simulations: against the exact density, in rounds, amortised; calibration of flow and chains."""

import numpy as np
import pytest

import cajax as cx
from cajax.fitting.infer import calibrate, estimate, posterior
from cajax.fitting.infer.calibrate import BINS, Calibration, binomial, uniform
from cajax.fitting.infer.flow import Estimator, observed
from cajax.fitting.infer.runs import Runs

from ...helpers import raises
from .cells import ACTIVE, ACTIVE_FREE, PASSIVE, PASSIVE_FREE, objective

NOISE = 0.5


@pytest.fixture(scope="module")
def flows():
    pytest.importorskip("flowjax")
    pytest.importorskip("blackjax")


@pytest.mark.slow
def test_a_flow_learns_what_chains_draw(flows):
    fitted = objective(PASSIVE, 0.02, NOISE)
    options = {"noise": NOISE, "progress": False}
    exact = posterior(fitted, PASSIVE, PASSIVE_FREE, **options)
    learned = estimate(fitted, PASSIVE, PASSIVE_FREE, simulations=8000, rounds=2, epochs=30, **options)
    assert learned.method == "flow" and learned.draws.shape == (4, 1000, 2) and learned.mixed
    sd = exact.flat.std(0)
    # Means of 5 ms, and their deviations, hold nearly all that the samples hold.
    assert (np.abs(learned.flat.mean(0) - exact.flat.mean(0)) < sd).all()
    assert ((learned.flat.std(0) > 0.7 * sd) & (learned.flat.std(0) < 1.8 * sd)).all()


@pytest.mark.slow
def test_rounds_narrow_what_is_simulated(flows):
    fitted = objective(PASSIVE, 0.02, NOISE)
    estimator = Estimator(Runs(fitted, PASSIVE, PASSIVE_FREE, 50.0, "test"), NOISE, 0)
    estimator.simulate(3072, lambda *a: None)
    before = estimator.z.std(0)
    np.testing.assert_allclose(before, 1.0, atol=0.1)  # the prior
    estimator.train(20)
    estimator.narrow(observed(estimator))
    kept = len(estimator.z)
    assert 0 < kept < 2400 and estimator.inside(estimator.z).all()
    estimator.simulate(640, lambda *a: None)
    assert len(estimator.z) == kept + 640 and (estimator.z.std(0) < 0.9 * before).all()


def test_what_was_recorded_has_residuals_of_nothing():
    fitted = objective(PASSIVE, 0.02, NOISE)
    estimator = Estimator(Runs(fitted, PASSIVE, PASSIVE_FREE, 50.0, "test"), None, 0)
    np.testing.assert_allclose(observed(estimator), 0.0, atol=1e-6)
    estimator.simulate(64, lambda *a: None)
    assert estimator.x.shape == (64, 12)


def test_nonsense_is_refused():
    fitted = objective(PASSIVE, 0.02, NOISE)

    def call(**options):
        return estimate(fitted, PASSIVE, PASSIVE_FREE, progress=False, **options)

    raises(lambda: call(simulations=10), "simulations")
    raises(lambda: call(rounds=0), "rounds")
    raises(lambda: call(noise=-1.0), "noise")
    raises(lambda: calibrate(fitted, PASSIVE, PASSIVE_FREE, noise=NOISE, method="laplace"), "method")


def test_uniform_ranks_have_even_p_values_and_others_small_ones():
    rng = np.random.default_rng(0)
    p = [uniform(rng.integers(0, 100, size=200), 99) for _ in range(400)]
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.05)
    assert uniform(rng.binomial(99, 0.5, size=200), 99) < 1e-6
    assert uniform(np.repeat(np.arange(100), 2), 99) == pytest.approx(1.0)
    assert 100 % BINS == 0


def test_the_interval_of_a_share():
    # Clopper & Pearson: ten of ten, and half of a hundred.
    assert binomial(10, 10) == pytest.approx((0.025 ** (1 / 10), 1.0))
    assert binomial(50, 100) == pytest.approx((0.3983, 0.6017), abs=1e-4)
    assert binomial(0, 10)[0] == 0.0


def test_a_calibration_knows_intervals_that_are_too_narrow():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.3, 0.7, size=(200, 2))
    middle = truth + 0.05 * rng.standard_normal(truth.shape)
    box = Runs(objective(PASSIVE, 0.02, NOISE), PASSIVE, PASSIVE_FREE, 0.0, "test").box
    nothing = np.zeros((200, 1, 1, 1))

    def made(width: float) -> Calibration:
        u = middle[:, None, None] + width * rng.standard_normal((200, 4, 100, 2))
        return Calibration(box, truth, u, nothing, np.full(200, np.nan), 0.0)

    right, narrow = made(0.05), made(0.025)
    assert right.coverage() == pytest.approx(0.9, abs=0.04) and (right.p_values() > 0.01).all()
    assert narrow.coverage() < 0.7 and (narrow.p_values() < 1e-4).all()
    assert "90 %" in repr(right) and "all.cm" in str(right)


@pytest.mark.slow
def test_chains_are_calibrated_on_a_passive_cell(flows):
    fitted, held_out = objective(PASSIVE, 0.02, 0.0), objective(PASSIVE, -0.03, 0.0)
    found = calibrate(
        fitted, PASSIVE, PASSIVE_FREE, noise=NOISE, truths=40, draws=100, held_out=held_out, progress=False
    )
    lo, hi = binomial(int(found.inside().sum()), 80, 0.999)
    assert lo < 0.9 < hi
    assert (found.p_values() > 1e-3).all() and np.median(found.rhat) < 1.03
    assert found.predicted.mean() == pytest.approx(0.9, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hmc", "flow"])
def test_ranks_are_uniform_and_intervals_cover_on_a_spiking_cell(flows, method):
    fitted = objective(ACTIVE, 0.25, 0.0, length=20.0)
    found = calibrate(
        fitted, ACTIVE, ACTIVE_FREE, noise=1.0, truths=100, method=method, simulations=30_000, progress=False
    )
    for inside in found.inside().sum(0):
        lo, hi = binomial(int(inside), 100, 0.999)
        assert lo < 0.9 < hi
    assert (found.p_values() > 1e-3).all()
    assert 0.85 <= found.coverage() <= 0.95


@pytest.mark.slow
def test_nuts_is_calibrated_too(flows):
    free = cx.Free({"all.hh.gna": cx.bounded(0.08, 0.14), "all.cm": cx.bounded(0.7, 1.5)})
    found = calibrate(
        objective(ACTIVE, 0.25, 0.0, length=15.0),
        ACTIVE,
        free,
        noise=1.0,
        truths=40,
        method="nuts",
        progress=False,
    )
    lo, hi = binomial(int(found.inside().sum()), 80, 0.999)
    assert lo < 0.9 < hi and (found.p_values() > 1e-3).all()
