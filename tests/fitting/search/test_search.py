"""The search: it finds known parameters, goes on bit for bit where it was stopped, and says what is wrong."""

import numpy as np
import pytest

import cajax as cx
from cajax.fitting import Sweep
from cajax.fitting.objective import Objective
from cajax.fitting.search import Evolve, Fading, Passive, Polish, search
from cajax.fitting.terms import Subthreshold, Summary
from cajax.mech import HH

from ...helpers import raises

CELL = cx.Cell(cx.cylinder(20.0, 20.0)).paint("all", hh=HH())
TRUE = CELL.discretize(cx.PerBranch(1))
FREE = cx.Free(
    {
        "all.hh.gna": cx.bounded(0.03, 0.5),
        "all.hh.gk": cx.bounded(0.005, 0.2),
        "all.hh.gl": cx.bounded(1e-5, 1e-2),
    }
)
START = TRUE.replace({"all.hh.gna": 0.3, "all.hh.gk": 0.15, "all.hh.gl": 1e-3})


def sweep(amplitude: float, model=TRUE) -> Sweep:
    t = np.arange(1601) * 0.05
    i = np.where((t >= 20.0) & (t < 60.0), amplitude, 0.0)
    v = np.ravel(cx.simulate(model, 80.0, 0.05, [cx.Current("soma", i, 0.05)])["v"])
    return Sweep.of(v, i, 0.05, on=20.0, off=60.0)


WINDOWS = Summary(tuple((a, a + 10.0) for a in np.arange(10.0, 80.0, 10.0)))


@pytest.fixture(scope="module")
def objective() -> Objective:
    return Objective([sweep(0.03), sweep(0.15)], terms=[WINDOWS, Subthreshold()])


SMALL = {"lanes": 8, "columns": 2, "progress": False}
BRIEF = (Passive(2), Fading(levels=6), Evolve(generations=4), Polish(2))


def test_known_parameters_are_found(objective):
    result = search(objective, START, FREE, simulations=20_000, until=0.01, **SMALL)
    assert result.stopped == "enough" and result.score <= 0.01
    for path in FREE.globs:
        assert result.parameters[path] == pytest.approx(float(TRUE.params[path]), rel=0.05)
    assert result.curve()[-1, 2] == result.score and (np.diff(result.curve()[:, 2]) < 0.0).all()
    assert "gna" in str(result.table())


def test_the_true_model_has_score_zero(objective):
    result = search(objective, TRUE, FREE, simulations=2, stages=[Evolve()], **SMALL)
    assert result.scores[0] < 1e-6


def test_the_same_seed_gives_the_same_bits_and_so_does_a_search_that_goes_on(objective, tmp_path):
    def run(most, folder=None, **more):
        return search(
            objective, START, FREE, simulations=most, stages=BRIEF, run=folder, seed=5, **SMALL, **more
        )

    whole = run(1500)
    np.testing.assert_array_equal(run(1500).u, whole.u)
    for stop in (30, 300, 700, 1200):  # in every stage
        folder = tmp_path / str(stop)
        part = run(1500, folder, until=lambda r, stop=stop: r.runs >= stop)
        assert part.stopped == "enough" and part.runs < 1500
        rest = run(1500, folder)
        np.testing.assert_array_equal(rest.u, whole.u)
        np.testing.assert_array_equal(rest.scores, whole.scores)
        assert rest.runs == whole.runs


def test_a_search_with_other_settings_does_not_go_on(objective, tmp_path):
    search(objective, START, FREE, simulations=20, stages=BRIEF, run=tmp_path / "a", **SMALL)
    raises(
        lambda: search(objective, START, FREE, simulations=99, stages=BRIEF, run=tmp_path / "a", **SMALL),
        "other settings",
    )
    other = Objective([sweep(0.05)], terms=[WINDOWS])
    raises(
        lambda: search(other, START, FREE, simulations=20, stages=BRIEF, run=tmp_path / "a", **SMALL),
        "sweeps",
    )
    raises(
        lambda: search(objective, START, FREE, simulations=9, run=tmp_path / "none", resume=True, **SMALL),
        "no search to go on with",
    )


def test_failed_simulations_cost_and_do_not_crash(objective):
    free = cx.Free({**FREE.globs, "all.hh.ek": cx.bounded(-1e30, -1e29)})
    model = START.replace({"all.hh.ek": -5e29})
    result = search(objective, model, free, simulations=200, stages=BRIEF, **SMALL)
    assert np.isfinite(result.scores).all() and result.score > 10.0


def test_arguments_that_make_no_sense(objective):
    raises(lambda: search(objective, START, cx.Free({"*.gna": cx.positive()})), "bounds")
    raises(lambda: search(objective, START, FREE, minutes=0.0), "minutes")
    raises(lambda: search(objective, START, FREE, stages=[]), "stages")
    raises(lambda: search(objective, START, FREE, simulations=2.5), "simulations")
    raises(lambda: search([sweep(0.1)], START, FREE), "Objective")
    raises(lambda: search(objective, CELL, FREE), "discretize")
