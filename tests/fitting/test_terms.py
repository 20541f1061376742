"""Terms and the objective: scores of the truth, what cannot be compared, several sweeps and places, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.fitting import Features, Objective, Subthreshold, Summary, Sweep
from cajax.fitting.terms import WORST, near_spikes
from cajax.mech import HH, Leak

from ..helpers import raises

CELL = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("soma", hh=HH())
TRUE = CELL.discretize(cx.PerBranch(1))
T = np.arange(1201) * 0.05
STEP = (T >= 10.0) & (T < 50.0)


def sweep(amplitude: float, name: str = "sweep", model=TRUE, at: str = "soma") -> Sweep:
    i = np.where(STEP, amplitude, 0.0)
    v = np.ravel(cx.simulate(model, 60.0, 0.05, [cx.Current("soma", i, 0.05)], {"v": at})["v"])
    return Sweep.of(v, i if at == "soma" else np.zeros_like(i), 0.05, on=10.0, off=50.0, name=name)


SWEEPS = [sweep(0.02, "small"), sweep(0.4, "large")]
NAMES = ("Spikecount", "time_to_first_spike", "AP_amplitude", "voltage_base", "minimum_voltage")


@pytest.mark.parametrize("term", [Features(NAMES), Subthreshold(), Summary(((10.0, 50.0),))])
def test_the_truth_scores_zero_and_another_model_does_not(term):
    objective = Objective(SWEEPS, terms=[term])
    v = objective.run(TRUE)
    assert v.shape == (2, 1, 1201) and float(objective.score(v)) < 1e-6
    other = TRUE.replace({"soma.hh.gk": 0.02, "all.leak.g": 3e-4})
    assert float(objective.score(objective.run(other))) > 0.05


def test_the_score_is_the_sum_of_weighted_means():
    terms = [Features(NAMES, weight=2.0), Subthreshold(weight=0.5)]
    objective = Objective(SWEEPS, terms=terms)
    v = objective.run(TRUE.replace({"all.leak.g": 3e-4}))
    expected = 0.0
    for term, counted, r in zip(terms, objective.counted, objective.residuals(v), strict=True):
        expected += term.weight * np.abs(np.asarray(r))[counted].mean()
    assert float(objective.score(v)) == pytest.approx(expected, rel=1e-6)


def test_a_feature_that_only_the_model_lacks_costs_the_worst():
    objective = Objective([SWEEPS[1]], terms=[Features(NAMES)])
    r = np.asarray(objective.residuals(objective.run(TRUE.replace({"soma.hh.gna": 0.0})))[0]).ravel()
    assert r[NAMES.index("AP_amplitude")] == WORST and r[NAMES.index("Spikecount")] < 0.0


def test_a_feature_that_the_recording_lacks_is_not_compared():
    objective = Objective([SWEEPS[0]], terms=[Features(NAMES)])
    assert not objective.counted[0][0, 0, NAMES.index("AP_amplitude")]
    r = objective.residuals(objective.run(TRUE))[0]
    assert float(jnp.abs(r).max()) < 1e-3


def test_given_means_and_deviations_count():
    given = {"large": {"Spikecount": (1.0, 0.25), "voltage_base": (-65.0, 1.0)}}
    objective = Objective([SWEEPS[1]], terms=[Features(NAMES, given=given)])
    v = objective.run(TRUE)
    spikes = np.sum((np.asarray(v[0, 0, 1:]) > -20.0) & (np.asarray(v[0, 0, :-1]) <= -20.0))
    assert float(objective.residuals(v)[0].ravel()[0]) == pytest.approx((spikes - 1.0) / 0.25)
    assert objective.counted[0].sum() == 2


def test_a_local_step_is_allowed_only_where_spikes_agree():
    objective = Objective(SWEEPS, terms=[Features(("voltage_base",))])
    assert bool(objective.assessed(objective.run(TRUE))[1])
    assert not bool(objective.assessed(objective.run(TRUE.replace({"soma.hh.gna": 0.0})))[1])


def test_runs_that_fail_cost_the_worst():
    objective = Objective(SWEEPS, terms=[Features(NAMES), Subthreshold()])
    v = objective.run(TRUE).at[0, 0, 700].set(jnp.nan)
    score = float(objective.score(v))
    assert np.isfinite(score) and score > 100.0


def test_gradients_of_smooth_terms_are_those_of_differences():
    objective = Objective([SWEEPS[0]], terms=[Subthreshold(), Summary(((0.0, 10.0), (10.0, 50.0)))])

    def score(g):
        return objective.score(objective.run(TRUE.replace({"all.leak.g": g})))

    slope, h = float(jax.grad(score)(2e-4)), 1e-8
    assert slope == pytest.approx(float(score(2e-4 + h) - score(2e-4 - h)) / (2 * h), rel=1e-5)


def test_several_places_share_a_protocol():
    objective = Objective({"soma": [SWEEPS[1]], "apical": [sweep(0.4, at="apical")]}, terms=[Subthreshold()])
    v = objective.run(TRUE)
    assert v.shape == (1, 2, 1201) and float(objective.score(v)) < 1e-6


def test_coupled_runs_follow_all_recorded_places():
    objective = Objective({"soma": [SWEEPS[1]], "apical": [sweep(0.4, at="apical")]}, terms=[Subthreshold()])
    silent = objective.coupled(TRUE.replace({"soma.hh.gna": 0.0}))
    off = [float(jnp.abs(objective.run(silent, r) - objective.voltages).max()) for r in (0.0, 100.0)]
    assert off[0] > 50.0 and off[1] < 0.1 * off[0]


def test_sweeps_of_other_lengths_and_steps_fit_on_one_grid():
    objective = Objective(
        [SWEEPS[0], SWEEPS[1].cropped(0.0, 40.0), sweep(0.1).resampled(0.1)], terms=[Subthreshold()]
    )
    assert objective.voltages.shape == (3, 1, 1201)
    assert list(objective.recorded.sum((1, 2))) == [1201, 800, 1201]


def test_samples_near_spikes():
    v = np.full(100, -65.0)
    v[50] = 0.0
    np.testing.assert_array_equal(np.flatnonzero(near_spikes(v, 1.0)), np.arange(48, 61))


def test_what_makes_no_objective():
    raises(lambda: Objective([]), "sweeps")
    raises(lambda: Objective({"soma": SWEEPS, "apical": SWEEPS[:1]}), "protocol")
    raises(lambda: Objective(SWEEPS, dt=0.5), "spikes")
    raises(lambda: Objective(SWEEPS, terms=["Spikecount"]), "terms")
    raises(lambda: Objective(SWEEPS, terms=[Subthreshold(weight=-1.0)]), "weight")
    raises(lambda: Features(("Spikecont",)), "Spikecount")
    raises(lambda: Summary(((5.0, 1.0),)), "start, stop")
    clamp = Sweep(SWEEPS[0].v, SWEEPS[0].i, 0.05, mode="voltage", name="clamped")
    raises(lambda: Objective([clamp]), "clamped", "voltage clamp")
