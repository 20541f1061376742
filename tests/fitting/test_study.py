"""Studies: which sweeps are chosen, what is judged, that all of it is on disk, that they go on where they stopped."""

import csv
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

import cajax as cx
from cajax.base.archive import read_arrays
from cajax.base.disk import read_json
from cajax.base.errors import Interrupted
from cajax.fitting import recipes
from cajax.fitting.recordings import Recording, Sweep
from cajax.fitting.search import Evolve, Fading, Passive, Polish
from cajax.fitting.study import Settings, begun, planned, proceed, replanned, settings_of
from cajax.fitting.study.choice import chosen_sweeps, crossings, repeats_of
from cajax.fitting.study.currents import currents
from cajax.fitting.study.sources import BUILT_IN, morphology_of
from cajax.fitting.study.stages import stage_marks

from ..helpers import raises

AMPLITUDES = (-0.05, 0.02, 0.1, 0.2, 0.3)
BRIEF = (Passive(1), Fading(levels=3, steps=1), Evolve(generations=2), Polish(1))


def write_recording(path, shift=0.0):
    """Five steps of 40 ms of a Hodgkin–Huxley cell, as a file."""
    model = recipes.hh(cx.cylinder(20.0, 10.0)).model
    t = np.arange(1401) * 0.05
    i = [np.where((t >= 10.0) & (t < 50.0), a, 0.0) for a in AMPLITUDES]
    v = [
        np.ravel(cx.simulate(model, 70.0, 0.05, [cx.Current("soma", x, 0.05)], {"v": "soma"})["v"]) for x in i
    ]
    np.savez(path, v_mV=np.array(v) + shift, i_nA=np.array(i), dt_ms=0.05)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_recording(tmp_path_factory.mktemp("recording") / "cell.npz")


def settings(file, **more):
    small = {"model": "hh", "simulations": 150, "lanes": 4, "columns": 1, "window": (0.0, 60.0)}
    return Settings("soma", str(file), **{**small, **more})


@pytest.fixture(scope="module")
def plan(file):
    return planned(settings(file, sweeps=(2, 4), held_out=(3,)))


@pytest.fixture(scope="module")
def done(plan, tmp_path_factory):
    """A finished study, of a short search."""
    return proceed(plan, begun(plan, tmp_path_factory.mktemp("runs")), progress=False, stages=BRIEF)


# Which sweeps


def sweep(amplitude, spikes=0, name="s", moved=5.0, mode="current", **more):
    """A step of 100 ms with so many spikes, that moves the voltage by so much."""
    t = np.arange(2000) * 0.1
    during = (t >= 50.0) & (t < 150.0)
    v = np.where(during, -70.0 + np.sign(amplitude) * moved, -70.0)
    for k in range(spikes):
        v[600 + 50 * k : 605 + 50 * k] = 20.0
    return Sweep(
        v, np.where(during, amplitude, 0.0), 0.1, 50.0, 150.0, amplitude, 0.0, "step", mode, name, **more
    )


def recording(*sweeps):
    return Recording(tuple(replace(s, name=f"sweep {k}") for k, s in enumerate(sweeps)), "file")


def test_three_spiking_amplitudes_are_fitted_and_those_between_held_out():
    steps = [sweep(-0.1, moved=12.0), sweep(0.05, moved=3.0), *(sweep(0.1 * k, k) for k in range(1, 6))]
    found = chosen_sweeps(recording(*steps))
    assert found.fitted == (0, 2, 4, 6)  # the silent one that moves the voltage most, and three that spread
    assert set(found.held_out) == {1, 3, 5}


def test_the_choice_does_not_depend_on_the_order_in_the_file():
    steps = [sweep(0.1 * k, k) for k in range(1, 6)]
    order = [3, 0, 4, 2, 1]
    found = chosen_sweeps(recording(*(steps[k] for k in order)))
    assert [order[k] for k in found.fitted] == [0, 2, 4]
    assert sorted(order[k] for k in found.held_out) == [1, 3]


@pytest.mark.parametrize(("count", "fitted"), [(1, (0,)), (2, (0, 1)), (3, (0, 2)), (4, (0, 2, 3))])
def test_few_spiking_sweeps(count, fitted):
    found = chosen_sweeps(recording(*(sweep(0.1 * (k + 1), k + 1) for k in range(count))))
    assert found.fitted == fitted and set(found.used) == set(range(count))


def test_one_of_several_repeats_stands_for_all():
    steps = [sweep(0.1, 1), sweep(0.1, 1), sweep(0.2, 2), sweep(0.2, 2), sweep(0.3, 3)]
    found = chosen_sweeps(recording(*steps))
    assert found.fitted == (0, 4) and found.held_out == (2,)
    own = recording(*steps)
    assert [s.name for s in repeats_of(own, 0)] == ["sweep 0", "sweep 1"]
    assert [s.name for s in repeats_of(own, 0, without=(1,))] == ["sweep 0"]


def test_a_silent_sweep_that_moves_too_much_is_not_fitted():
    found = chosen_sweeps(recording(sweep(-0.5, moved=60.0), sweep(-0.1, moved=8.0), sweep(0.1, 2)))
    assert 1 in found.fitted and 0 not in found.fitted and 0 in found.held_out


def test_without_spikes_silent_sweeps_are_fitted():
    steps = [sweep(-0.1 * (k + 1), moved=3.0 * k + 1.5) for k in range(5)]
    assert chosen_sweeps(recording(*steps)).fitted == (4, 3, 2)
    spiking = [*steps, sweep(0.3, 3)]
    passive = chosen_sweeps(recording(*spiking), spiking=False)
    assert 5 not in passive.used and len(passive.fitted) == 3


def test_what_the_user_says_counts():
    own = recording(*(sweep(0.1 * (k + 1), k) for k in range(5)))
    assert chosen_sweeps(own, [3], [1]).used == (3, 1)
    assert 3 not in chosen_sweeps(own, [3]).held_out
    assert 2 not in chosen_sweeps(own, None, [2]).fitted
    assert chosen_sweeps(own, [1], []).held_out == ()
    raises(lambda: chosen_sweeps(own, [5]), "0 to 4", "no sweep 5 to fit")
    raises(lambda: chosen_sweeps(recording(sweep(1.0, mode="voltage")), [0]), "voltage clamp")
    raises(lambda: chosen_sweeps(recording(sweep(1.0, mode="voltage"))), "no step")
    raises(lambda: chosen_sweeps(recording(sweep(0.1)), [2]), "one sweep")


def test_crossings_between_two_times():
    v = np.full(100, -70.0)
    v[[10, 50, 51, 90]] = 10.0
    assert crossings(v, 1.0, np.nan, np.nan) == 3
    assert crossings(v, 1.0, 20.0, 80.0) == 1


# What decides a study


def test_settings_that_make_no_sense(file):
    raises(lambda: settings(file, model="neuron"), "passive, hh, allen_perisomatic, hay")
    raises(lambda: settings(file, minutes=0.0), "minutes")
    raises(lambda: settings(file, simulations=0), "simulations")
    raises(lambda: settings(file, sweeps=()), "at least one sweep")
    raises(lambda: settings(file, sweeps=(1,), held_out=(1,)), "sweep 1 cannot be fitted and held out")
    raises(lambda: settings(file, window=(5.0, 5.0)), "window")
    raises(lambda: settings(file, dt=1.0), "dt")
    raises(lambda: settings(file, scale=-1.0), "scale")
    raises(lambda: planned(settings(file, at="nowhere")), "nowhere")
    raises(lambda: planned(settings(file, window=(500.0, 600.0))), "no samples")
    raises(lambda: planned(replace(settings(file), morphology="nothing")), "soma, ball, pyramidal")


def test_minutes_are_the_budget_unless_simulations_are(file):
    assert settings(file, simulations=None).minutes == 20.0
    assert settings(file).minutes is None


def test_built_in_cells_and_files(tmp_path, monkeypatch):
    assert all(len(morphology_of(name, 1.0).parent) >= 1 for name in BUILT_IN)
    path = tmp_path / "cell.swc"
    path.write_text("1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n3 3 60 0 0 1 2\n")
    assert morphology_of(str(path), 2.0).lengths.sum() == pytest.approx(
        2.0 * morphology_of(str(path), 1.0).lengths.sum()
    )


@pytest.mark.slow
def test_the_window_is_around_the_stimulus(file):
    assert (
        planned(settings(file, window=None)).window is None
    )  # 10 ms before and 20 ms after are all there is
    t = np.arange(8001) * 0.1
    i = np.where((t >= 300.0) & (t < 400.0), 0.1, 0.0)
    path = file.parent / "long.npz"
    np.savez(path, v_mV=-70.0 + 50.0 * i, i_nA=i, dt_ms=0.1)
    found = planned(settings(path, window=None, dt=0.1))
    assert found.window == (200.0, 500.0) and found.objective.trace(0).on == pytest.approx(100.0)
    t = np.arange(25001) * 0.1
    i = np.where((t >= 300.0) & (t < 2300.0), 0.1, 0.0)
    np.savez(path, v_mV=-70.0 + 50.0 * i, i_nA=i, dt_ms=0.1)
    assert planned(settings(path, window=None, dt=0.1)).window == (200.0, 1350.0)  # two seconds: the first


def test_a_passive_cell_is_compared_without_features(file):
    found = planned(settings(file, model="passive", sweeps=(0,), held_out=()))
    assert [type(term).__name__ for term in found.objective.terms] == ["Subthreshold"]


def test_features_have_their_mean_and_deviation_over_repeats(file):
    with np.load(file) as found:
        v, i = found["v_mV"], found["i_nA"]
    path = file.parent / "repeats.npz"
    noisy = np.concatenate([v, v + 3.0, v + 6.0])  # three repeats of every step, 3 mV apart
    np.savez(path, v_mV=noisy, i_nA=np.concatenate([i, i, i]), dt_ms=0.05)
    found = planned(settings(path, sweeps=(4,), held_out=(9,)))
    measured = found.objective.measured[0]
    base = found.objective.terms[0].names().index("voltage_base")
    alone = planned(settings(file, sweeps=(4,), held_out=())).objective.measured[0]
    # The second repeat is held out, and has no part in what is fitted.
    assert measured["mean"][0, 0, base] == pytest.approx(alone["mean"][0, 0, base] + 3.0, abs=1e-6)
    assert measured["sd"][0, 0, base] == pytest.approx(np.std([0.0, 6.0], ddof=1), abs=1e-6)
    assert any("2 repeats" in note for note in found.notes)


# What comes of it


def test_everything_shown_is_on_disk(done):
    names = {path.name for path in done.folder.iterdir()}
    assert {
        "run.json", "setup.json", "results.json", "metrics.json", "stages.json", "traces.npz", "currents.npz",
        "population.npz", "model.npz", "before.npz", "features.csv", "parameters.csv", "f-i.csv", "search",
    } <= names  # fmt: skip
    traces = read_arrays(done.folder / "traces.npz")
    assert traces["sweep"].tolist() == [2, 4, 3] and traces["fitted"].tolist() == [True, True, False]
    assert traces["recorded_mV"].shape == traces["best_mV"].shape == (3, len(traces["t_ms"]))
    np.testing.assert_allclose(traces["recorded_mV"][:2], done.plan.objective.voltages[:, 0], atol=1e-4)


def test_the_best_model_gives_the_traces_and_the_score(done):
    v = np.asarray(done.plan.objective.run(done.model))
    traces = read_arrays(done.folder / "traces.npz")
    np.testing.assert_allclose(traces["best_mV"][:2], v[:, 0], atol=1e-3)
    score = float(done.plan.objective.score(v))
    assert done.results["scores"]["fitted"] == pytest.approx(score, rel=1e-6)
    assert done.result.score == pytest.approx(score, rel=1e-6)
    saved = cx.load(done.folder / "model.npz")
    np.testing.assert_allclose(np.asarray(done.plan.objective.run(saved)), v, atol=1e-8)


def test_features_are_told_with_their_z_scores(done):
    rows = list(csv.DictReader((done.folder / "features.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == len(done.results["features"])
    one = next(row for row in rows if row["feature"] == "voltage_base" and row["sweep"] == "4")
    assert float(one["z"]) == pytest.approx(
        (float(one["model"]) - float(one["mean"])) / float(one["sd"]), abs=1e-6
    )
    counts = {row["sweep"]: float(row["mean"]) for row in rows if row["feature"] == "Spikecount"}
    plan = done.plan
    assert counts == {str(k): crossings(plan.recording[k].v, 0.05, np.nan, 60.0) for k in plan.choice.used}
    assert {row["use"] for row in rows} == {"fitted", "held out"}


def test_the_f_i_curve_has_all_steps_of_the_recording(done):
    curve = done.results["curve"]
    assert [a for a, _ in curve["data"]] == pytest.approx(AMPLITUDES)
    assert curve["fitted"] == [False, False, True, False, True]
    rates = [rate for _, rate in curve["data"]]
    assert rates[0] == 0.0 and max(rates) > 25.0 and len(curve["best"]) == len(curve["amplitudes"])


def test_parameters_and_population_lie_within_their_bounds(done):
    found = read_arrays(done.folder / "population.npz")
    assert (found["values"] >= found["lo"] - 1e-9).all() and (found["values"] <= found["hi"] + 1e-9).all()
    for row in done.results["parameters"]:
        assert done.result.parameters[row["name"]] == pytest.approx(row["value"])
    assert done.results["parameters"][0]["unit"] == "S/cm2"


def test_currents_add_up_to_the_injected_one(plan):
    found = currents(plan.model, plan.objective, 1)
    assert {"hh.ina", "hh.ik", "hh.il", "capacitive", "other compartments"} == set(found.names)
    np.testing.assert_allclose(found.i[:, 1:].sum(0), found.injected[1:], atol=2e-3)
    in_spikes, between = found.charges(10.0, 50.0)["hh.ina"]
    assert len(found.peaks) > 1 and in_spikes < between < 0.0


def test_currents_between_compartments_add_up_too():
    recipe = recipes.hh(cx.ball_and_stick())
    t = np.arange(801) * 0.05
    i = np.where(t >= 5.0, 0.3, 0.0)
    v = np.ravel(cx.simulate(recipe.model, 40.0, 0.05, [cx.Current("soma", i, 0.05)])["v"])
    from cajax.fitting import Objective

    found = currents(recipe.model, Objective([Sweep.of(v, i, 0.05)]), 0)
    away = found.i[found.names.index("other compartments")]
    assert np.abs(away).max() > 0.1
    np.testing.assert_allclose(found.i[:, 1:].sum(0), i[1:], atol=5e-3)


@pytest.mark.slow
def test_a_population_of_accepted_models_is_grown(file, tmp_path):
    plan = planned(settings(file, sweeps=(2, 4), held_out=(3,), simulations=1000))
    done = proceed(plan, begun(plan, tmp_path), progress=False, stages=BRIEF)
    assert done.members.sd == 3.0 and len(done.members.grown) >= 8  # the search began with the truth
    assert done.members.accepted[1:].all() and (done.members.worst[1:] <= 3.003).all()
    assert done.results["population"]["count"] >= len(done.members.grown)
    for row in done.results["parameters"]:
        low, high = row["accepted"]
        assert row["lo"] <= low < high <= row["hi"] and row["laplace"][0] < row["value"] < row["laplace"][1]
    spectrum = read_arrays(done.folder / "spectrum.npz")
    assert (np.diff(spectrum["deviations"]) >= 0.0).all() and len(spectrum["said"]) == len(spectrum["names"])
    features = [row for row in done.results["features"] if row["term"] == "Features"]
    assert all(
        row["least"] <= row["most"] and row["most"] - row["mean"] <= 3.01 * row["sd"] for row in features
    )


def test_stages_say_when_they_began(done):
    marks = stage_marks(done.folder)
    assert [m["name"] for m in marks][:4] == ["Passive", "Fading", "Evolve", "Polish"]
    assert (np.diff([m["candidates"] for m in marks]) >= 0).all()
    (done.folder / "stages.json").write_text("nonsense")
    assert stage_marks(done.folder) == []


# Going on


def test_it_goes_on_where_it_was_interrupted_and_ends_with_the_same_numbers(
    plan, done, tmp_path, monkeypatch
):
    folder = begun(plan, tmp_path)
    begin = Fading.begin
    pressed = []

    def press(self, work, saved):
        if not pressed:
            pressed.append(os.kill(os.getpid(), signal.SIGINT))
        return begin(self, work, saved)

    monkeypatch.setattr(Fading, "begin", press)
    with pytest.raises(Interrupted, match="--resume"):
        proceed(plan, folder, progress=False, stages=BRIEF)
    assert not (folder / "metrics.json").exists()
    again = proceed(replanned(folder), folder, progress=False, stages=BRIEF)
    np.testing.assert_array_equal(again.result.u, done.result.u)
    assert again.results["scores"] == done.results["scores"]
    assert (
        read_json(folder / "metrics.json")["tests"]["fitted sweeps"]["score"]
        == again.results["scores"]["fitted"]
    )


def test_other_data_or_settings_are_refused(plan, file, tmp_path):
    folder = begun(plan, tmp_path)
    assert settings_of(folder) == plan.settings
    raises(lambda: replanned(folder, simulations=9), "simulations is 150")
    before = file.read_bytes()
    try:
        write_recording(file, shift=1.0)
        raises(lambda: replanned(folder), "is not the one that", "put it back")
    finally:
        file.write_bytes(before)
    (tmp_path / "else").mkdir()
    cx.train.record(tmp_path / "else", kind="fit", settings={})
    raises(lambda: settings_of(tmp_path / "else"), "another kind of run")
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"model": "hh"', '"model": "no"'))
    raises(lambda: settings_of(folder), "damaged")


def test_a_folder_is_of_one_process(plan, tmp_path):
    from cajax.base.lock import claimed

    folder = begun(plan, tmp_path)
    with claimed(folder):
        raises(lambda: proceed(plan, folder, progress=False, stages=BRIEF), "in use")
