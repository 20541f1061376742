"""The voltage-imaging task: the built-in cell, what is to be found, the loss, training, interruption, the page."""

import json
import re
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax import CajaxError, jobs
from cajax.report import report
from cajax.tasks import Voltage
from cajax.tasks.imaged import epochs_until
from cajax.tasks.tree import Middles, branches_of, roughness, smooth_shares
from cajax.tasks.voltage import FRAMES

from .small_cell import small_cell


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The task on a cell of few branches."""
    path = small_cell(tmp_path_factory.mktemp("cells"))
    return Voltage(morphology=path, compartments=1, current=2.0, steps=4, coupled=2)


@pytest.fixture(scope="module")
def gradient(small):
    """The loss and its gradient, compiled once."""
    model, free, (stage, batch) = small.network(), small.free(), small.tests()["recording"]
    return jax.jit(jax.value_and_grad(lambda theta: small.loss(free.apply(model, theta), batch, stage)[0]))


def test_the_built_in_cell_is_about_as_large_as_the_published_one():
    task = Voltage()
    model = task.network()
    assert len(model.cvs.branch_parent) == 338 and len(model.cvs) == 4 * 338
    assert task.free().count(model) == 3 * 105 + 7 * 151 + 9 == 1381
    assert {len(e) for e in task.edges().values()} == {104, 150}
    assert len(FRAMES) == 32 and FRAMES[0] == 1.0 and FRAMES[-1] == 4.875  # samples 40:200:5 of 0.025 ms


def test_values_belong_to_the_branches_of_their_region(small):
    model = small.network()
    tags = np.array(small.recipe.cell.morph.tags)
    for region in ("apical", "axon"):
        path = next(p for p in small.edges() if p.startswith(region))
        np.testing.assert_array_equal(branches_of(model, path), np.flatnonzero(tags == region))
    with pytest.raises(CajaxError, match="per branch"):
        branches_of(model, "soma.nats2.g")


def test_every_edge_joins_a_branch_to_its_parent(small):
    model = small.network()
    for path, edges in small.edges().items():
        branches = branches_of(model, path)
        np.testing.assert_array_equal(model.cvs.branch_parent[branches[edges[:, 0]]], branches[edges[:, 1]])
        assert len(edges) == len(branches) - 1  # each region is one tree


def test_the_truth_is_smooth_along_the_apical_dendrite_and_uniform_in_the_axon():
    task = Voltage()
    true, start, free = task.truth(), task.network(), task.free()
    assert float(roughness(free.init(true), task.edges())) < 0.05 * float(
        roughness(free.init(start), task.edges())
    )
    for path, choice in free.choices(true).items():
        low, high = choice.bijection.range
        share = (np.asarray(true.params[path]) - low) / (high - low)
        assert ((share >= 0.1 - 1e-6) & (share <= 0.9 + 1e-6)).all(), path
        assert not path.startswith("axon.") or np.ptp(share) < 1e-6
        assert not path.startswith("apical.") or np.ptp(share) > 0.01


def test_smooth_shares_are_uniform_at_one_place_and_change_over_the_reach():
    draws = np.stack(
        [
            smooth_shares(np.random.default_rng(k), np.array([0.0, 0.0, 40.0, 4000.0]), 400.0)
            for k in range(400)
        ]
    )
    assert 0.1 <= draws.min() < 0.12 and 0.88 < draws.max() <= 0.9 and abs(draws.mean() - 0.5) < 0.02
    np.testing.assert_allclose(draws[:, 0], draws[:, 1], atol=5e-3)
    assert (
        np.corrcoef(draws[:, 0], draws[:, 2])[0, 1]
        > 0.98
        > 0.2
        > abs(np.corrcoef(draws[:, 0], draws[:, 3])[0, 1])
    )


def test_the_recorded_cell_is_at_no_distance_from_its_recording(small):
    for stage, batch in small.tests().values():
        outputs = np.asarray(small.answer(small.truth(), batch.inputs, stage))
        assert outputs.shape == (1, 32, len(small.recipe.cell.morph.parent))
        assert small.score.figures(outputs, batch.targets)["distance"] < 1e-9
    noisy = small.but(noise=0.5).tests()["recording"][1].targets - small.tests()["recording"][1].targets
    assert abs(noisy.std() - 0.5) < 0.05


def test_frames_are_the_voltage_at_the_middles_of_all_branches(small):
    stage, batch = small.tests()["recording"]
    model, inputs = small.truth(), {name: x[0] for name, x in batch.inputs.items()}
    every = small.run(model, inputs, stage, {"v": Middles()})
    shown = small.read(every, inputs, stage)
    np.testing.assert_array_equal(shown[8], every["v"][round(2.0 / small.dt)])
    np.testing.assert_array_equal(shown[0][3], every["v"][40][3])


def test_the_loss_is_the_distance_and_the_penalty_with_the_gradient_of_both(small, gradient):
    model, free, (stage, batch) = small.network(), small.free(), small.tests()["recording"]
    theta = free.init(model)
    distance = np.abs(np.asarray(small.answer(model, batch.inputs, stage)) - batch.targets).mean()
    rough = sum(
        np.square(np.asarray(theta[p])[e[:, 0]] - np.asarray(theta[p])[e[:, 1]]).sum()
        for p, e in small.edges().items()
    )
    loss, grads = gradient(theta)
    np.testing.assert_allclose(loss, distance + 1e-3 * rough, rtol=1e-9)
    assert all(np.abs(g).min() > 0 for g in grads.values())
    gen = np.random.default_rng(0)
    way = {path: gen.normal(size=x.shape) for path, x in theta.items()}
    ends = [gradient({p: theta[p] + h * way[p] for p in theta})[0] for h in (-1e-6, 1e-6)]
    along = sum(jnp.vdot(grads[p], way[p]) for p in theta)
    np.testing.assert_allclose((ends[1] - ends[0]) / 2e-6, along, rtol=1e-5)


def test_adam_beats_the_published_optimiser_in_few_epochs(small, gradient):
    def trained(task, steps):
        theta, stage = task.free().init(task.network()), task.stages()[0]
        rule = task.optimizer(stage)
        state, losses = rule.init(theta), []
        for _ in range(steps):
            loss, grads = gradient(theta)
            change, state = rule.update(grads, state, theta)
            theta = {path: theta[path] + change[path] for path in theta}
            losses.append(float(loss))
        return losses

    task = small.but(steps=40, coupled=0)
    adam, sgd = trained(task, 40), trained(task.but(sgd=True), 40)
    assert adam[-1] < 0.3 * adam[0] and adam[-1] < sgd[-1]


def test_the_coupling_pulls_the_voltage_to_the_recording_and_ends(small):
    stage, (_, batch) = small.stages()[0], small.tests()["recording"]
    model = small.network()
    rates = [float(small.pull(step)) for step in range(4)]
    np.testing.assert_allclose(rates, [50.0, 0.5, 0.0, 0.0])
    answer = jax.jit(lambda inputs: small.answer(model, inputs, stage))
    away = [np.abs(answer(small.trials(stage, k).inputs) - batch.targets).mean() for k in range(3)]
    assert away[0] < 0.6 * away[1] and away[1] < away[2]
    free = small.answer(model, batch.inputs, stage)
    np.testing.assert_allclose(away[2], np.abs(free - batch.targets).mean(), rtol=1e-9)
    full = small.trials(stage, 0).inputs["towards"]
    assert full.shape[1] == 40 and (full[:, 0] == -70.0).all()
    np.testing.assert_array_equal(full[:, 8:], batch.targets)


def test_its_versions(small):
    versions = small.versions()
    assert versions["published optimiser"].sgd and versions["published optimiser"].steps == 252
    regional = versions["one value per region"]
    assert regional.free().count(regional.network()) == 19
    assert versions["no smoothness"].smoothness == 0.0 and versions["no coupling"].coupled == 0
    np.testing.assert_array_equal(
        regional.tests()["recording"][1].targets, small.tests()["recording"][1].targets
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dt": 0.1}, "does not go into"),
        ({"batch": 2}, "one recording"),
        ({"compartments": 0}, "at least one"),
        ({"coupled": 120}, "leave none"),
        ({"morphology": "no/such/cell.swc"}, "cell.swc"),
    ],
    ids=str,
)
def test_wrong_settings_are_told_in_one_line(changes, said):
    with pytest.raises(CajaxError, match=said) as caught:
        Voltage(**changes).network()
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def done(small, tmp_path_factory):
    """The folder of a whole run."""
    return jobs.run(small, tmp_path_factory.mktemp("runs"))


def test_a_run_is_tested_looked_into_and_has_a_page(small, done):
    metrics = json.loads((done / "metrics.json").read_text())
    assert list(metrics["tests"]) == ["recording", "another current"]
    assert metrics["tests"]["recording"]["distance"] < metrics["before_training"]
    inside = json.loads((done / "inside.json").read_text())
    assert inside["recovered"].keys() == small.free().globs.keys()
    assert {"apical dendrite", "axon", "sodium", "everything", "intact"} <= inside["resets"].keys()
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", report(done).read_text()))
    assert "mV away from the data (recording)" in said and "sites from the best to the worst" in said
    assert "Parameters along the cell" in said and "Mean distance from the true values" in said
    assert "could not be made" not in said and "missing" not in said
    assert "cajax train voltage --resume" in small.again(done)


def test_interrupted_it_goes_on_to_the_same_bits(small, done, tmp_path, monkeypatch):
    trials = Voltage.trials

    def press(self, stage, step):
        if step == 2:
            signal.raise_signal(signal.SIGINT)
        return trials(self, stage, step)

    monkeypatch.setattr(Voltage, "trials", press)
    assert jobs.run(small, tmp_path) is None
    monkeypatch.setattr(Voltage, "trials", trials)
    folder = jobs.resume(small, tmp_path / "voltage-001")
    one, two = (jobs.models(place)[1].params for place in (done, folder))
    for path, value in one.items():
        np.testing.assert_array_equal(value, two[path])


def test_the_epoch_of_a_goal_is_that_of_the_first_distance_below_it(tmp_path):
    stage = tmp_path / "stages" / "1-imaging"
    stage.mkdir(parents=True)
    history = {
        "losses": [3.0] * 3,
        "grad_norms": [1.0] * 3,
        "seconds": [5.0, 1.0, 1.0],
        "aux": [3.0, 0.6, 0.4],
    }
    (stage / "history.json").write_text(json.dumps(history | {"cut": [], "stopped": "finished"}))
    assert epochs_until(tmp_path, 0.5) == {"epochs until 0.5": 2, "seconds until 0.5": 6.0, "epochs": 3}
    assert epochs_until(tmp_path, 0.1)["epochs until 0.1"] is None
    assert epochs_until(tmp_path, 5.0, since=1)["epochs until 5"] == 1
