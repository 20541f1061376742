"""Spectrum, posterior and accepted models of a point cell whose parameters are known."""

import numpy as np
import pytest

import cajax as cx
from cajax.fitting import Objective, Subthreshold, Sweep, search
from cajax.fitting.infer import accepted, posterior, spectrum
from cajax.mech import Leak

CELL = cx.Cell(cx.cylinder(20.0, 10.0), v0=-70.0).paint("all", leak=Leak(g=1e-4, e=-70.0))
TRUE = CELL.discretize(cx.PerBranch(1))
FREE = cx.Free({"all.leak.g": cx.bounded(2e-5, 5e-4), "all.cm": cx.bounded(0.5, 2.0)})
NOISE = 0.2


def sweep(amplitude: float, noise: float = NOISE) -> Sweep:
    t = np.arange(1201) * 0.05
    i = np.where((t >= 10.0) & (t < 40.0), amplitude, 0.0)
    v = np.ravel(cx.simulate(TRUE, 60.0, 0.05, [cx.Current("soma", i, 0.05)])["v"])
    return Sweep.of(v + np.random.default_rng(1).normal(0.0, noise, v.shape), i, 0.05, on=10.0, off=40.0)


@pytest.fixture(scope="module")
def objective() -> Objective:
    return Objective([sweep(0.02)], terms=[Subthreshold(scale=NOISE)])


@pytest.fixture(scope="module")
def result(objective):
    return search(objective, TRUE, FREE, simulations=600, lanes=8, columns=2, progress=False)


def test_the_posterior_of_a_passive_cell_holds_the_truth_and_is_narrow(objective, result):
    found = posterior(objective, TRUE, FREE, noise=NOISE, start=result, method="laplace", progress=False)
    for name, (low, high) in zip(found.names, found.interval(0.999), strict=True):
        assert low < float(TRUE.params[name]) < high < 1.2 * low
    assert found.draws.shape[2] == 2


def test_the_spectrum_has_an_eigenvalue_for_every_parameter(result):
    found = spectrum(result)
    assert (
        len(np.asarray(found.eigenvalues)) == len(FREE.globs) and (np.asarray(found.eigenvalues) > 0.0).all()
    )


def test_accepted_models_are_within_the_tolerance(result):
    found = accepted(result, sd=4.0, most=5, generations=10, progress=False)
    assert len(found) >= 1 and (np.asarray(found.worst) <= 4.0).all()
