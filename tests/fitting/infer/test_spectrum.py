"""The spectrum: against finite differences, with a parameter that nothing depends on, in the units of parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.fitting.infer import posterior, spectrum
from cajax.fitting.infer.draws import in_units
from cajax.fitting.search import Problem

from ...helpers import raises
from .cells import ACTIVE, PASSIVE, PASSIVE_FREE, WINDOWS, objective

NOISE = 0.5
# Without sodium channels' reversal potential being free, and with one that no current depends on at rest: ra of one CV.
FREE = cx.Free({**PASSIVE_FREE.globs, "all.ra": cx.bounded(50.0, 200.0)})
FITTED = objective(PASSIVE, 0.02, NOISE)
PROBLEM = Problem(FITTED, PASSIVE, FREE, lanes=4, columns=1)
U = np.array([0.4, 0.3, 0.5])


def finite_differences(function) -> np.ndarray:
    h = 1e-5
    rows = [(function(U + h * e) - function(U - h * e)) / (2.0 * h) for e in np.eye(len(U))]
    return np.stack(rows, -1)


def test_the_information_is_that_of_the_terms_residuals():
    objective = PROBLEM.objective
    run = jax.jit(
        lambda u: objective.residuals(objective.run(PROBLEM.box.put(PROBLEM.box.model, u)))[0].ravel()
    )
    j = finite_differences(lambda u: np.asarray(run(jnp.asarray(u))))
    np.testing.assert_allclose(spectrum(PROBLEM, U).information, j.T @ j, rtol=1e-5, atol=1e-5)


def test_with_noise_it_is_that_of_the_means_over_half_a_millisecond():
    objective = PROBLEM.objective
    run = jax.jit(lambda u: objective.run(PROBLEM.box.put(PROBLEM.box.model, u))[0, 0])
    j = finite_differences(lambda u: np.asarray(run(jnp.asarray(u))))
    groups = np.array_split(j, range(5, len(j), 5))  # 0.5 ms of 0.1 ms
    means = np.stack([g.mean(0) * np.sqrt(len(g)) for g in groups])
    np.testing.assert_allclose(
        spectrum(PROBLEM, U, NOISE).information, means.T @ means / NOISE**2, rtol=1e-5, atol=1e-4
    )


def test_what_nothing_depends_on_keeps_its_prior():
    found = spectrum(PROBLEM, U, NOISE)
    assert found.sloppy.tolist() == [False, False, True]
    assert found.named(2) == "1.00 all.ra"
    assert found.left[2] == pytest.approx(1.0) and (found.left[:2] < 0.5).all()
    np.testing.assert_allclose(found.interval()[2], [50.0, 200.0], atol=0.03 * 150.0)
    assert found.deviations[2] == pytest.approx(1.0 / np.sqrt(12.0))
    assert "all.ra" in repr(found) and "sloppy" in str(found)


def test_the_directions_are_those_of_the_information():
    found = spectrum(PROBLEM, U, NOISE)
    rebuilt = (found.directions * found.eigenvalues) @ found.directions.T
    np.testing.assert_allclose(rebuilt, found.information, atol=1e-8 * found.eigenvalues[0])
    assert (np.diff(found.eigenvalues) <= 0.0).all()
    np.testing.assert_allclose(
        found.covariance, np.linalg.inv(found.information + 12.0 * np.eye(3)), rtol=1e-6
    )


def test_errors_are_in_units_and_agree_with_the_posterior():
    pytest.importorskip("blackjax")
    problem = Problem(FITTED, PASSIVE, PASSIVE_FREE, lanes=4, columns=1)
    drawn = posterior(FITTED, PASSIVE, PASSIVE_FREE, noise=NOISE, method="laplace", progress=False)
    found = spectrum(problem, drawn.flat.mean(0), NOISE)
    sd = drawn.draws.reshape(-1, 2).std(0)
    np.testing.assert_allclose(found.errors, sd, rtol=0.2)
    assert found.correlations()[0, 1] == pytest.approx(drawn.correlations()[0, 1], abs=0.15)


def test_a_logarithmic_parameter_has_its_error_in_its_unit():
    free = cx.Free({"all.leak.g": cx.bounded(1e-5, 1e-3), "all.cm": cx.bounded(0.5, 2.0)})
    problem = Problem(FITTED, PASSIVE, free, lanes=4, columns=1)
    found = spectrum(problem, np.array([0.5, 0.3]), NOISE)
    h = 1e-6
    slope = (in_units(problem.box, [0.5 + h, 0.3]) - in_units(problem.box, [0.5 - h, 0.3]))[0] / (2.0 * h)
    assert found.errors[0] == pytest.approx(slope * np.sqrt(found.covariance[0, 0]), rel=1e-6)


def test_nonsense_is_refused():
    raises(lambda: spectrum(PROBLEM), "coordinates")
    raises(lambda: spectrum(PROBLEM, [0.5]), "3 coordinates")
    raises(lambda: spectrum(PROBLEM, [0.5, 0.5, 1.5]), "from 0 to 1")
    raises(lambda: spectrum(PROBLEM, U, noise=0.0), "noise")
    raises(lambda: spectrum(WINDOWS), "result")  # type: ignore[arg-type]


def test_a_failing_run_is_an_error(monkeypatch):
    monkeypatch.setattr(
        Problem, "local", lambda self, u: (np.full((1, 12), np.nan), np.full((1, 12, 3), np.nan))
    )
    raises(lambda: spectrum(PROBLEM, U), "fails", kind=cx.NonFiniteError)


def test_a_spiking_model_has_one(recwarn):
    free = cx.Free({"all.hh.gna": cx.bounded(0.08, 0.14), "all.hh.gk": cx.bounded(0.03, 0.05)})
    problem = Problem(objective(ACTIVE, 0.2, 0.0), ACTIVE, free, lanes=4, columns=1)
    found = spectrum(problem, np.array([0.6, 0.3]), 1.0)
    assert np.isfinite(found.information).all() and not found.sloppy.any()
