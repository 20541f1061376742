"""Recall: associations, trials, the network's mechanics, references and the capacity curve, at a tiny size."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.analysis.lesions import matching
from cajax.base.errors import ParameterError
from cajax.jobs.learn import Interrupted
from cajax.tasks.capacity import Point, Trained, capacity, recalled_patterns, references
from cajax.tasks.recall import Recall, codes
from cajax.tasks.task import rng
from cajax.train import read_json

TINY = Recall(
    patterns=4, channels=6, bits=4, cells=4, inhibitory=2, batch=4, cue=8.0, shortest=3.0, delay=5.0, response=5.0,
    onset=2.0, reach=5.0, steps=2, tested=8, spread=0.3,
)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> cx.Model:
    return TINY.network()


@pytest.fixture(scope="module")
def gradient(model):
    """Loss, accuracy and gradient of one batch, compiled once."""
    stage = TINY.stages()[0]
    free = TINY.free()

    def loss(theta, batch):
        return TINY.loss(free.apply(model, theta), batch, stage)

    return jax.jit(jax.value_and_grad(loss, has_aux=True))(free.init(model), TINY.trials(stage, 0))


def by_parts(model, inputs, stage, record):
    """`Recall.run` as it was before there was `Truncated`: a scan over parts, voltages and gates cut between them."""

    def part(state, start):
        clamps = [cx.IClamp("cues", delay=start, dur=TINY.cue, amp=TINY.drive * inputs["cue"])]
        return cx.simulate(
            model, TINY.reach, TINY.dt, clamps, record=record, state=state, continued=state is not None
        )

    def more(carry, _):
        state, start = carry
        gates = jax.lax.stop_gradient(state.parts["membranes"])
        state = dataclasses.replace(
            state, v=jax.lax.stop_gradient(state.v), parts={**state.parts, "membranes": gates}
        )
        sol = part(state, start)
        return (sol.state, start), jax.tree.map(lambda x: x[1:], (sol.ts, sol.records))

    start = jnp.asarray(TINY.onset)
    first = part(None, start)
    count = round(stage.t1 / TINY.reach) - 1
    (last, _), rest = jax.lax.scan(more, (first.state, start), None, count)
    ts, records = jax.tree.map(
        lambda a, b: jnp.concatenate([a, b.reshape(-1, *b.shape[2:])]), (first.ts, first.records), rest
    )
    return cx.Solution(ts, records, last, jnp.isfinite(last.v).all())


def test_gradients_are_those_of_parts_simulated_one_by_one(model):
    stage, record = TINY.stages()[0], {"readouts": "readouts", "pyramids": "pyramids"}
    inputs = jax.tree.map(lambda x: x[0], TINY.trials(stage, 0).inputs)

    def loss(params, run):
        sol = run(model.replace(params), inputs, stage, record)
        return jnp.mean(TINY.recalled(sol, inputs) ** 2) + jnp.mean((sol["pyramids"] / 70.0) ** 2)

    (new, found), (old, exact) = (
        jax.jit(jax.value_and_grad(partial(loss, run=run)))(model.params) for run in (TINY.run, by_parts)
    )
    np.testing.assert_allclose(new, old, rtol=1e-12)
    assert stage.t1 > 2 * TINY.reach
    for name, value in exact.items():
        np.testing.assert_allclose(
            found[name], value, rtol=1e-9, atol=1e-12 * np.abs(value).max(), err_msg=name
        )


def test_words_are_half_ones_and_far_apart():
    words = codes(24, 16, rng(0))
    apart = np.abs(words[:, None] - words[None]).sum(-1) + 99 * np.eye(24)
    assert words.shape == (24, 16) and (words.sum(1) == 8).all() and apart.min() >= 4


def test_too_many_words_say_so():
    with pytest.raises(ParameterError, match="no 7 different words of 4 bits"):
        codes(7, 4, rng(0))


def test_settings_that_make_no_sense_say_so():
    with pytest.raises(ParameterError, match="patterns = 1"):
        TINY.but(patterns=1)
    with pytest.raises(ParameterError, match="reach"):
        TINY.but(reach=1.0)


def test_trials_depend_on_seed_and_step_alone():
    stage = TINY.stages()[0]
    a, b, c, d = (
        TINY.trials(stage, 3),
        TINY.trials(stage, 3),
        TINY.trials(stage, 4),
        TINY.but(seed=1).trials(stage, 3),
    )
    same = jax.tree.map(np.array_equal, a, b)
    assert all(jax.tree.leaves(same))
    for other in (c, d):
        assert not np.array_equal(a.inputs["delay"], other.inputs["delay"])
    assert (a.inputs["delay"] >= stage.delay[0]).all() and (a.inputs["delay"] <= stage.delay[1]).all()


def test_tests_hold_whole_and_corrupted_cues():
    task = TINY.but(channels=40, tested=400)
    cues, tests = task.associations()[0], task.tests()
    assert next(iter(tests)) == "clean cue"
    flipped = {
        name: float(np.mean(batch.inputs["cue"] != cues[batch.labels])) for name, (_, batch) in tests.items()
    }
    assert flipped["clean cue"] == flipped["twice the delay"] == 0.0
    for level in (0.05, 0.1, 0.2):
        assert flipped[f"{level:.0%} of the cue flipped"] == pytest.approx(level, rel=0.1)
    stage, batch = tests["twice the delay"]
    assert stage.t1 > tests["clean cue"][0].t1 and (batch.inputs["delay"] == 2 * task.delay).all()


def test_classes_groups_lesions_and_shapes_fit_the_network(model):
    assert len(TINY.classes) == TINY.patterns
    wide = TINY.free().widened(model)
    for globs in (*TINY.groups.values(), *TINY.lesions.values(), tuple(TINY.membrane)):
        assert matching(globs, wide)
    free = set(TINY.free().init(model))
    assert {p for globs in TINY.groups.values() for p in matching(globs, wide)} <= free
    assert {name: len(shapes) for name, shapes in TINY.shapes().items()} == dict.fromkeys(
        ("cues", "pyramids", "interneurons", "readouts"), 1
    )
    assert not any(".na." in path for path in TINY.but(membranes=False).free().init(model))


def test_point_cells_have_the_same_area_and_channels(model):
    task = TINY.but(point=True)
    point = task.network()
    assert point.structure.size < model.structure.size
    whole, one = (t.shapes()["pyramids"][0].areas for t in (TINY, task))
    assert one.sum() == pytest.approx(whole.sum())
    for path in ("pyramids.soma.na.g", "pyramids.soma.kd.g"):
        total, single = (float(np.mean(m.params[path])) for m in (model, point))
        assert single * one.sum() == pytest.approx(total * whole[0], rel=1e-6)
    assert task.free().count(point) < TINY.free().count(model)


def test_gradient_reaches_every_group(model, gradient):
    (loss, right), grads = gradient
    assert np.isfinite(loss) and 0.0 <= right <= 1.0
    assert all(np.isfinite(g).all() for g in grads.values())
    wide = TINY.free().widened(model)
    for name, globs in TINY.groups.items():
        assert any(np.any(grads[path] != 0.0) for path in matching(globs, wide)), name


@pytest.fixture(scope="module")
def solution(model) -> cx.Solution:
    stage, batch = TINY.tests()["clean cue"]
    inputs = {name: x[0] for name, x in batch.inputs.items()}
    return TINY.run(model, inputs, stage, {"v": "pyramids", "readouts": "readouts"})


def test_parts_are_the_unbroken_run(model, solution):
    """Where the gradient is cut the simulation is not."""
    stage, batch = TINY.tests()["clean cue"]
    clamp = cx.IClamp("cues", TINY.onset, TINY.cue, TINY.drive * batch.inputs["cue"][0])
    whole = cx.simulate(model, float(stage.t1), TINY.dt, [clamp], {"v": "pyramids", "readouts": "readouts"})
    for name in ("v", "readouts"):
        np.testing.assert_allclose(solution[name], whole[name], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(solution.ts, whole.ts)


def test_bits_are_read_in_the_response_window(solution):
    stage, batch = TINY.tests()["clean cue"]
    inputs = {name: x[0] for name, x in batch.inputs.items()}
    signs = 2.0 * TINY.associations()[1][2] - 1.0
    start, end = TINY.phases(inputs, stage)["response"]
    inside = (solution.ts >= start) & (solution.ts < end)
    v = -70.0 + jnp.where(inside[:, None], 4.0, -9.0) * signs[None]
    sol = dataclasses.replace(solution, records={"readouts": v})
    np.testing.assert_allclose(TINY.recalled(sol, inputs), signs * 4.0 / TINY.readout_scale)
    assert int(TINY.read(sol, inputs, stage).argmax()) == 2


def test_signal_shows_the_cue_and_then_nothing():
    task = TINY.but(cue=10.0, onset=2.0)
    stage, batch = task.tests()["clean cue"]
    signal = task.signal(batch.inputs, stage)
    assert signal.shape == (8, int(np.ceil(stage.t1 / 10.0)), TINY.channels)
    np.testing.assert_allclose(signal.sum(1), batch.inputs["cue"] * task.cue / 10.0, rtol=1e-6)


def test_references_are_right_where_they_must_be():
    found = references(Recall())
    assert found["clean cue"] == {"least squares": 1.0, "nearest cue": 1.0}
    assert all(x["nearest cue"] >= x["least squares"] - 0.02 for x in found.values())


def test_noise_is_in_the_trials_only_when_asked_for():
    stage = TINY.stages()[0]
    assert "noise" not in TINY.trials(stage, 0).inputs
    noise = TINY.but(noise=0.1).trials(stage, 0).inputs["noise"]
    assert noise.shape[0] == TINY.batch and noise.shape[2] == TINY.cells
    assert np.std(noise) == pytest.approx(0.1, rel=0.3)


def test_capacity_goes_up_until_it_fails(monkeypatch):
    def point(task, train):
        return Point(task.cells, task.patterns, 1.0 if task.patterns <= task.cells else 0.3, 1.0, 1, 0.0)

    monkeypatch.setattr("cajax.tasks.capacity._point", point)
    points = capacity(TINY, sizes=(4, 8), patterns=(2, 4, 8, 16, 32))
    assert [(p.cells, p.patterns) for p in points] == [
        (4, 2), (4, 4), (4, 8), (8, 2), (8, 4), (8, 8), (8, 16),
    ]  # fmt: skip
    assert recalled_patterns(points) == {4: 4, 8: 8}


def test_capacity_goes_on_where_a_folder_ends(monkeypatch, tmp_path):
    made = []

    def point(task, train):
        made.append((task.cells, task.patterns))
        if len(made) == 2:
            raise Interrupted("stopped")
        return Point(task.cells, task.patterns, 1.0, 1.0, 1, 0.0)

    monkeypatch.setattr("cajax.tasks.capacity._point", point)
    measure = partial(capacity, TINY, sizes=(4, 8), patterns=(2, 4), folder=tmp_path)
    with pytest.raises(Interrupted):
        measure()
    said = []
    points = measure(say=said.append)
    assert made == [(4, 2), (4, 4), (4, 4), (8, 2), (8, 4)]
    assert [(p.cells, p.patterns) for p in points] == [(4, 2), (4, 4), (8, 2), (8, 4)]
    assert said[0] == "4 cells, 2 patterns: 100.0% (0 s)"
    assert len(read_json(tmp_path / "capacity.json")["points"]) == 4


def test_a_point_of_the_curve_is_measured_on_whole_cues():
    (point,) = capacity(TINY, (4,), (4,), goal=1.1, train=lambda task: Trained(task.network(), 7))
    assert (point.cells, point.patterns, point.steps) == (4, 4, 7)
    assert 0.0 <= point.accuracy <= 1.0 and 0.0 <= point.bits <= 1.0


def test_recalled_patterns_reads_the_curve():
    points = [Point(c, p, a, a, 0, 0.0) for c, p, a in ((8, 4, 1.0), (8, 8, 0.96), (8, 16, 0.5), (4, 4, 0.2))]
    assert recalled_patterns(points) == {8: 8, 4: 0}
