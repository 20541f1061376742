"""Accepted models: all within the tolerance, on held-out sweeps too, spread over the whole region; what compensates."""

import numpy as np
import pytest

import cajax as cx
from cajax.fitting.infer import accepted
from cajax.fitting.infer.degeneracy import degeneracy
from cajax.fitting.objective import Objective
from cajax.fitting.search import Evolve, Result, search
from cajax.fitting.terms import Subthreshold, Summary
from cajax.mech import Leak

from ...helpers import raises
from .cells import PASSIVE, PASSIVE_FREE, objective

# Two leaks that do the same: only their sum is decided.
TWINS = (
    cx.Cell(cx.cylinder(20.0, 20.0))
    .paint("all", one=Leak(g=1e-4, e=-70.0), two=Leak(g=1e-4, e=-70.0))
    .discretize(cx.PerBranch(1))
)
TWIN_FREE = cx.Free({"all.one.g": cx.bounded(1e-5, 3e-4), "all.two.g": cx.bounded(1e-5, 3e-4)})
TERM = (Subthreshold(pieces=10, scale=0.2),)
SMALL = {"lanes": 8, "columns": 1, "progress": False}


def found_by_search(fitted: Objective, model=TWINS, free=TWIN_FREE) -> Result:
    return search(fitted, model, free, simulations=200, stages=[Evolve(generations=10)], **SMALL)


@pytest.fixture(scope="module")
def fitted() -> Objective:
    return objective(TWINS, 0.02, 0.0, terms=TERM, length=60.0)


@pytest.fixture(scope="module")
def population(fitted):
    return accepted(found_by_search(fitted), sd=1.0, most=64, generations=300, progress=False)


def test_every_member_is_within_the_tolerance(fitted, population):
    assert len(population) == 64
    v = population.problem.voltages(population.u)
    for one, worst in zip(v, population.worst, strict=True):
        residuals = np.concatenate([np.ravel(r) for r in fitted.residuals(one)])
        assert np.abs(residuals).max() == pytest.approx(worst, abs=1e-6) and worst <= 1.0
    assert population.residuals.shape == (64, len(population.labels))
    assert (np.abs(population.residuals).max(1) <= 1.0).all()


def test_it_fills_the_region_and_not_only_where_the_search_was(population):
    one, two = population.parameters.T
    assert np.ptp(one) > 1.2e-4 and np.ptp(two) > 1.2e-4
    total = one + two
    assert total.std() < 0.1 * one.std()


def test_the_two_conductances_make_up_for_one_another(population):
    found = population.degeneracy()
    (pair,) = found.pairs
    assert {pair.one, pair.other} == {"all.one.g", "all.two.g"}
    assert pair.lo <= pair.correlation <= pair.hi < -0.75
    assert (found.spread > 0.1).all() and "compensate" in str(found) and "1 pairs" in repr(found)


def test_held_out_sweeps_narrow_it_down():
    """The end of a long step decides the leak alone; how a step begins decides the capacitance as well."""
    late, early = (
        Summary(((45.0, 60.0),), scale=(0.2, 1.0)),
        Summary(((5.0, 10.0), (10.0, 15.0)), scale=(0.2, 0.2)),
    )
    fitted, held_out = (
        objective(PASSIVE, amplitude, 0.0, terms=(term,), length=60.0)
        for amplitude, term in ((0.02, late), (-0.02, early))
    )
    result = found_by_search(fitted, PASSIVE, PASSIVE_FREE)
    without = accepted(result, 3.0, most=48, generations=200, progress=False)
    both = accepted(result, 3.0, held_out, most=48, generations=200, progress=False)
    assert len(both) == len(without) == 48
    assert both.u[:, 1].std() < 0.5 * without.u[:, 1].std()
    assert without.residuals.shape[1] == 2 and both.residuals.shape[1] == 6
    assert sum("held-out" in x for x in both.labels) == 4
    assert np.isfinite(both.residuals).all() and both.worst.max() <= 3.0


def test_none_is_said_and_not_raised():
    noisy = objective(PASSIVE, 0.02, 3.0, terms=TERM, length=60.0)
    found = accepted(
        found_by_search(noisy, PASSIVE, PASSIVE_FREE), 0.01, most=5, generations=5, progress=False
    )
    assert len(found) == 0 and found.u.shape == (0, 2) and found.least > 0.01
    assert "none of" in repr(found)
    raises(lambda: found.model(0), "member")


def test_a_member_is_a_model(population):
    assert float(population.model(5).params["all.one.g"]) == pytest.approx(
        population.parameters[5, 0], rel=1e-5
    )


def test_correlations_that_are_chance_are_no_compensation():
    rng = np.random.default_rng(0)
    names = tuple("abcdefgh")
    u = rng.uniform(size=(60, 8))
    assert degeneracy(names, u, np.ones(8, bool)).pairs == ()
    u[:, 1] = 0.5 - 0.5 * u[:, 0] + 0.05 * u[:, 1]
    (pair,) = degeneracy(names, u, np.ones(8, bool)).pairs
    assert (pair.one, pair.other) == ("a", "b") and pair.correlation < -0.9
    assert degeneracy(names, u, np.arange(8) > 1).pairs == ()
    assert degeneracy(names, u[:3], np.ones(8, bool)).pairs == ()


def test_nonsense_is_refused(population, fitted):
    raises(lambda: accepted(fitted), "result of a search")
    result = found_by_search(fitted)
    raises(lambda: accepted(result, sd=0.0), "sd")
    raises(lambda: accepted(result, held_out=3), "held_out")
    raises(lambda: accepted(result, most=0), "most")
