"""The dendrite task: data, neurons side by side, thresholds and their gradient, the figures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax import CajaxError
from cajax.tasks.dendrite import BOUNDS, MIDDLE, Dendrite, peak

SMALL = Dendrite(seeds=2, points=6, batch=6, tested=6, steps=12, timing_steps=4, dt=0.1)


@pytest.fixture(scope="module")
def model():
    return SMALL.network()


@pytest.fixture(scope="module")
def stage():
    return SMALL.stages()[0]


def test_the_clouds_lie_on_the_anti_diagonal_and_every_neuron_has_its_own_points():
    stage, batch = SMALL.tests()["held-out points"]
    x = batch.inputs["x"]
    assert stage.t1 == SMALL.when and x.shape == (6, 2, 2) and batch.labels.shape == (6, 2)
    np.testing.assert_allclose(x[1].mean(0), [2.5, 2.5], atol=0.4)
    np.testing.assert_allclose(x[0].mean(0), [1.5, 3.5], atol=0.4)
    np.testing.assert_array_equal(batch.labels[:, 0], [1, 0, 1, 1, 0, 1])
    assert not np.allclose(x[:, 0], x[:, 1])
    assert not np.allclose(x, SMALL.checks()[1].inputs["x"])


def test_an_epoch_visits_every_point_once_and_a_step_is_always_the_same():
    task = SMALL.but(batch=2)
    stage = task.stages()[0]
    epoch = np.concatenate([task.trials(stage, k).inputs["x"] for k in range(3, 6)])
    points = task.data(6, 1).inputs["x"]
    np.testing.assert_array_equal(np.sort(epoch.ravel()), np.sort(points.ravel()))
    np.testing.assert_array_equal(task.trials(stage, 4).inputs["x"], task.trials(stage, 4).inputs["x"])
    widths = [task.trials(task.stages()[1], k).inputs["width"][0] for k in range(4)]
    assert widths[0] == 1.0 and np.all(np.diff(widths) < 0) and widths[-1] == 0.0


@pytest.mark.parametrize(
    ("changes", "count"), [({}, 72), ({"membranes": False}, 36), ({"point": True}, 5)], ids=str
)
def test_the_trained_numbers(changes, count):
    task = SMALL.but(**changes)
    assert task.free().count(task.network()) == 2 * count


def test_the_start_lies_within_its_share_of_the_ranges_and_a_point_has_the_same_area(model):
    for name, x in SMALL.start().items():
        lo, hi = BOUNDS[name]
        assert (x >= lo + 0.2 * (hi - lo)).all() and (x <= lo + 0.8 * (hi - lo)).all()
        assert not np.allclose(x[:, 0], x[:, 1])
    area = model.params["neuron.all.radius"] * model.params["neuron.all.length"]
    point = SMALL.but(point=True).network().params
    np.testing.assert_allclose(
        point["neuron.all.radius"] * point["neuron.all.length"], area.reshape(12, 2).sum(0), rtol=1e-6
    )


@pytest.fixture(scope="module")
def theta(model):
    return SMALL.free().init(model)


@pytest.fixture(scope="module")
def gradient(model, stage):
    """The loss of the first stage and its gradient, compiled once."""
    free = SMALL.free()
    return jax.jit(jax.value_and_grad(lambda t, batch: SMALL.loss(free.apply(model, t), batch, stage)[0]))


def test_a_threshold_is_one_and_its_gradient_is_its_own(model, stage, theta, monkeypatch):
    monkeypatch.setattr("cajax.tasks.dendrite.HALVINGS", 26)  # as exact as the differences need
    x, free, gen = jnp.asarray(SMALL.data(2, 1).inputs["x"]), SMALL.free(), np.random.default_rng(0)
    way = {path: jnp.asarray(gen.normal(size=value.shape)) for path, value in theta.items()}

    @jax.jit
    def threshold(theta):
        return SMALL.log_thresholds(free.apply(model, theta), x, stage)

    k, back = jax.vjp(threshold, theta)
    ends = [threshold({p: theta[p] + size * way[p] for p in theta}) for size in (-1e-4, 1e-4)]
    for trial, neuron in np.ndindex(2, 2):
        (slope,) = back(jnp.zeros((2, 2)).at[trial, neuron].set(1.0))
        along = sum(jnp.vdot(slope[p], way[p]) for p in theta)
        difference = (ends[1] - ends[0])[trial, neuron] / 2e-4
        np.testing.assert_allclose(along, difference, rtol=5e-3, atol=1e-3)
    assert (np.abs(k) < 2.5).all()
    for factor in (0.97, 1.03):
        inputs = {"x": x * (jnp.exp(k) * factor)[..., None]}
        v = jax.vmap(lambda i: SMALL.run(model, i, stage, SMALL.readout)["v"])(inputs).max(axis=1)
        assert ((v > MIDDLE) == (factor > 1.0)).all()


def test_neurons_do_not_feel_one_another(gradient, stage, theta):
    batch = SMALL.trials(stage, 0)
    other = np.array(batch.inputs["x"])
    other[:, 1] *= 1.1
    grads = [
        gradient(theta, batch._replace(inputs={**batch.inputs, "x": x}))[1]
        for x in (batch.inputs["x"], other)
    ]
    for path, first in grads[0].items():
        first, second = (np.asarray(g).reshape(12, 2) for g in (first, grads[1][path]))
        assert np.isfinite(first).all() and np.abs(first).max() > 0, path
        np.testing.assert_allclose(first[:, 0], second[:, 0], rtol=1e-9)
        assert not np.allclose(first[:, 1], second[:, 1], rtol=1e-6)


def test_training_lowers_the_loss(gradient, stage, theta):
    rule = SMALL.optimizer(stage)
    state, losses = rule.init(theta), []
    for step in range(stage.steps):
        loss, grads = gradient(theta, SMALL.trials(stage, step))
        change, state = rule.update(grads, state, theta)
        theta = {path: theta[path] + change[path] for path in theta}
        losses.append(float(loss))
    assert min(losses[-3:]) < 0.9 * losses[0]


@pytest.mark.parametrize(
    "changes", [{"thresholds": False, "low": 0.0, "high": 1.0}, {"point": True}], ids=str
)
def test_every_last_stage_has_a_finite_loss(changes):
    task = SMALL.but(**changes)
    stage = task.stages()[-1]
    loss, share = jax.jit(lambda m, batch: task.loss(m, batch, stage))(task.network(), task.trials(stage, 0))
    assert np.isfinite(loss) and 0 <= share <= 1
    task.optimizer(stage)


def test_the_figures_count_neurons_that_make_no_mistake(model):
    stage, batch = SMALL.tests()["held-out points"]
    v = np.where(np.asarray(batch.labels) == 1, 30.0, -70.0)
    v[0, 1] = -60.0
    u = (v - MIDDLE) / 10.0
    logits = np.stack([-u, u], axis=-1)
    np.testing.assert_array_equal(SMALL.solved(logits, batch.labels), [True, False])
    marks = SMALL.marks(logits, batch, stage)
    assert marks["seeds solved"] == 1.0
    np.testing.assert_allclose(SMALL.voltages(logits), v)
    assert SMALL.signal(batch.inputs, stage).shape == (12, 1, 2)
    assert SMALL.answer(model, batch.inputs, stage).shape == (6, 2, 2)
    assert SMALL.phases(batch.inputs, stage)["after"][1] == SMALL.when


def test_a_peak_counts_less_the_farther_it_is():
    ts = jnp.arange(0.0, 4.0, 0.1)
    v = jnp.stack([-70.0 + 100.0 * jnp.exp(-(((ts - at) / 0.2) ** 2)) for at in (3.0, 2.0)], axis=1)
    near, far = peak(v, ts, 3.0, 1.0)
    assert 27.0 < near < 34.0 and near - 4.0 < far + 2.5 < near + 1.0


def test_no_neuron_is_no_task():
    with pytest.raises(CajaxError, match="at least one seed"):
        Dendrite(seeds=0)
