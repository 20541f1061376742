"""Delayed match to sample: trials, network, readout and training."""

import jax
import numpy as np
import pytest

import cajax as cx
from cajax.tasks.match import Match, balanced
from cajax.train import fit

TINY = Match(
    batch=4, excitatory=5, inhibitory=2, onset=1.0, stimulus=4.0, response=4.0, shortest=0.5, longest=4.5,
    growth=2.0, steps=3, tested=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return TINY.network()


def test_the_delays_grow_up_to_the_longest():
    assert [stage.delay for stage in Match().stages()] == [
        (50.0, 150.0), (150.0, 250.0), (250.0, 350.0), (350.0, 450.0), (450.0, 550.0),
    ]  # fmt: skip
    assert [stage.t1 for stage in TINY.stages()] == [15.5, 17.5]
    assert Match(longest=120.0).stages()[-1].delay == (50.0, 120.0)


def test_trials_are_balanced_and_depend_on_seed_stage_and_step_alone():
    stage = TINY.stages()[0]
    batch = TINY.trials(stage, 5)
    inputs = batch.inputs
    assert inputs["sample"].shape == inputs["test"].shape == (4, 2) and inputs["delay"].shape == (4,)
    same = (inputs["sample"] == inputs["test"]).all(axis=1)
    np.testing.assert_array_equal(batch.labels, same)
    assert batch.labels.mean() == 0.5 and inputs["sample"].mean() == 0.5
    lo, hi = stage.delay
    assert (inputs["delay"] >= lo).all() and (inputs["delay"] <= hi).all()
    np.testing.assert_array_equal(TINY.trials(stage, 5).inputs["delay"], inputs["delay"])
    for other in (
        TINY.trials(stage, 6), TINY.trials(TINY.stages()[1], 5), TINY.but(seed=1).trials(stage, 5),
    ):  # fmt: skip
        assert (other.inputs["delay"] != inputs["delay"]).all()


def test_the_first_test_is_the_last_stage_and_is_never_trained_on():
    tests = Match().tests()
    name, (stage, batch) = next(iter(tests.items()))
    assert name == "450–550 ms" and len(batch.labels) == 1000 and stage.delay == Match().stages()[-1].delay
    assert "600–800 ms" in tests and len(tests) == 4
    seen = np.concatenate([Match().trials(Match().stages()[-1], k).inputs["delay"] for k in range(50)])
    for held_out in (batch, Match().checks()[1]):  # two numbers of single precision may agree by chance
        assert np.isin(held_out.inputs["delay"], seen).mean() < 0.01


def test_the_network_is_made_of_what_it_says(model):
    sizes = {layout.name: layout.size for layout in model.structure.layouts}
    assert sizes == {"stimuli": 2, "excitatory": 5, "inhibitory": 2, "readouts": 2}
    covered = {m.path: len(m.index) for m in model.structure.channels}
    assert covered["excitatory.hh"] == 15 and covered["inhibitory.hh"] == 6
    more = TINY.free().count(model) - TINY.but(membranes=False).free().count(model)
    assert more == 3 * 3 * 7


def test_every_cell_gives_and_receives_as_much_as_any_other(model):
    drawn = np.random.default_rng(0).lognormal(0.0, 1.5, (7, 4))
    even = balanced(drawn)
    np.testing.assert_allclose(even.mean(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(even.mean(axis=1), 1.0, rtol=1e-6)
    # Scaled by rows and columns, nothing else: the ratios within every square of four stay.
    np.testing.assert_allclose(
        even[1:, 1:] * even[:1, :1] / (even[1:, :1] * even[:1, 1:]),
        drawn[1:, 1:] * drawn[:1, :1] / (drawn[1:, :1] * drawn[:1, 1:]),
        rtol=1e-9,
    )
    weight = np.asarray(model.params["excitatory->excitatory.slow.weight"]).reshape(5, 5)
    np.testing.assert_allclose(weight.sum(axis=0), TINY.recurrent_weight, rtol=1e-5)


def test_the_point_control_has_cells_of_the_same_area_and_as_many_synapses(model):
    point = TINY.but(point=True).network()

    def area(model):
        (at,) = [m for m in model.structure.channels if m.path == "excitatory.hh"]
        return float(model.area[at.index].sum())

    assert area(point) == pytest.approx(area(model), rel=1e-6)
    synapses = TINY.but(membranes=False).free()
    assert synapses.count(point) == synapses.count(model)
    assert len(TINY.but(point=True).free().choices(point)) > len(synapses.choices(point))


def test_every_glob_names_something(model):
    for globs in (*TINY.groups.values(), *TINY.lesions.values()):
        assert cx.Free({glob: cx.positive() for glob in globs}).count(model)
    trained = TINY.free().choices(model)
    grouped = {
        path
        for globs in TINY.groups.values()
        for path in cx.Free({glob: cx.positive() for glob in globs}).choices(model)
    }
    assert set(trained) == grouped


def test_a_trial_shows_its_stimuli_when_it_says_and_is_answered_in_the_response_window(model):
    stage = TINY.stages()[0]
    trial = {"sample": np.array([1.0, 0.0]), "test": np.array([0.0, 1.0]), "delay": np.array(1.0)}
    sol = TINY.run(model, trial, stage, {"v": "readouts", "stimuli": "stimuli"})
    phases = TINY.phases(trial, stage)
    assert list(phases) == ["sample", "delay", "test", "response"]
    for phase, shown, hidden in (("sample", 0, 1), ("test", 1, 0)):
        at = np.searchsorted(sol.ts, phases[phase])
        rise = np.diff(np.asarray(sol["stimuli"])[at], axis=0)[0]
        assert rise[shown] > 10.0 and rise[hidden] < 1e-3
    start, end = phases["response"]
    assert end < stage.t1  # the delay is not the longest one of the stage
    inside = (sol.ts > start + 1e-9) & (sol.ts <= end + 1e-9)
    expected = (np.asarray(sol["v"])[inside].mean(axis=0) + 65.0) / TINY.logit
    np.testing.assert_allclose(TINY.read(sol, trial, stage), expected, rtol=1e-9)


def test_no_stage_forgets_the_delays_before():
    task = Match()
    for stage in task.stages():
        delay = task.trials(stage, 0).inputs["delay"]
        shortest, longest = stage.delay
        new = delay.reshape(-1, 2, 4)[:, 0]
        assert shortest <= new.min() and delay.max() <= longest and delay.min() >= task.shortest
    assert delay.min() < shortest


def test_the_signal_is_what_was_shown():
    stage, (inputs, _) = next(iter(Match(tested=16).tests().values()))
    signal = Match().signal(inputs, stage)
    assert signal.shape == (16, 71, 2)
    np.testing.assert_allclose(
        signal.sum(axis=1) * 10.0, 50.0 * (inputs["sample"] + inputs["test"]), rtol=1e-5
    )
    assert (signal[:, 1:6] == inputs["sample"][:, None]).all() and (signal[:, 6:50] == 0).all()


def test_training_moves_every_parameter_and_lowers_the_loss(model):
    task = TINY.but(steps=6, output_rate=0.02)
    stage, free = task.stages()[0], task.free()
    batch = task.trials(stage, 0)
    trained, history = fit(
        lambda m: task.loss(m, batch, stage),
        model,
        free,
        task.optimizer(stage),
        stage.steps,
        has_aux=True,
        progress=False,
    )
    assert history.losses[-1] < history.losses[0] and not history.cut
    moved = {path for path in model.params if not np.array_equal(model.params[path], trained.params[path])}
    assert {path for path in moved if path.endswith(".weight")} == {
        path for path in model.params if path.endswith(".weight")
    }
    assert all(jax.numpy.isfinite(x).all() for x in trained.params.values())


def test_a_curriculum_that_makes_no_sense_is_refused():
    with pytest.raises(cx.CajaxError, match="write for example shortest=50"):
        Match(shortest=600.0)
    with pytest.raises(cx.CajaxError, match="at least one"):
        Match(excitatory=0)
