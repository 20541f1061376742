"""The digits task: data, network, readout and the controls."""

import dataclasses

import jax
import numpy as np
import pytest

from cajax.tasks import digits as task
from cajax.tasks.digits_run import optimizer, reader, reset_membranes, train
from cajax.train import fit

SMALL = task.Settings(hidden=3, t1=1.0, readout=0.5, epochs=1, batch=16)


@pytest.fixture(scope="module")
def images():
    return task.data()


@pytest.fixture(scope="module")
def model():
    return task.network(SMALL)


def test_the_split_is_fixed_stratified_and_disjoint(images):
    assert images.train.shape == (1437, 8, 8) and images.test.shape == (360, 8, 8)
    again = task.data()
    np.testing.assert_array_equal(images.test, again.test)
    share = np.bincount(images.test_labels) / np.bincount(images.train_labels)
    assert np.abs(share - 0.25).max() < 0.01
    assert images.train.min() >= 0 and images.train.max() == 1


def test_the_network_is_made_of_what_it_says(model):
    sizes = {layout.name: layout.size for layout in model.structure.layouts}
    assert sizes == {"pixels": 64, "hidden": 3, "digits": 10}
    covered = {m.name: len(m.index) for m in model.structure.mechanisms}
    assert covered["hidden.hh"] == 3 * 6  # soma and five dendrites of three cells
    assert task.free().count(model) - task.free(membranes=False).count(model) == 3 * 18 + 10


def test_every_trained_parameter_has_a_gradient(images, model):
    free = task.free()
    settings = dataclasses.replace(SMALL, t1=4.0)
    batch = (images.train[:2], images.train_labels[:2])
    grads = jax.jit(jax.grad(lambda t: task.loss(free.apply(model, t), batch, settings)[0]))(free.init(model))
    for path, grad in grads.items():
        assert np.isfinite(grad).all() and np.abs(grad).max() > 0, path


def test_reading_in_chunks_is_reading_at_once(images, model):
    read = reader(SMALL)
    all_at_once = np.asarray(task.logits(model, images.test[:7], SMALL)).argmax(1)
    np.testing.assert_array_equal(read(model, images.test[:7], chunk=3), all_at_once)


def test_the_control_trains_synapses_only_and_reset_restores_membranes(images, tmp_path):
    few = dataclasses.replace(images, train=images.train[:32], train_labels=images.train_labels[:32])
    before, control, _ = train(SMALL, few, task.free(membranes=False), tmp_path / "control")
    changed = {p for p in before.params if not np.array_equal(before.params[p], control.params[p])}
    assert changed == {p for p in before.params if p.endswith(".weight")}
    _, after, _ = train(SMALL, few, task.free(), tmp_path / "main")
    assert not np.allclose(after.params["hidden.all.hh.gna"], before.params["hidden.all.hh.gna"], rtol=1e-5)
    reset = reset_membranes(before, after)
    gna = "hidden.all.hh.gna"
    np.testing.assert_allclose(reset.params[gna], before.params[gna], rtol=1e-6)
    np.testing.assert_array_equal(
        reset.params["pixels->hidden.exc.weight"], after.params["pixels->hidden.exc.weight"]
    )


def test_membranes_wait_for_the_synapses(model):
    settings, steps = dataclasses.replace(SMALL, membrane_wait=0.5), 4
    theta = task.free().init(model)
    rule = optimizer(settings, steps)
    state = rule.init(theta)
    for step in range(steps):
        change, state = rule.update(jax.tree.map(jax.numpy.ones_like, theta), state, theta)
        moved = {path for path, x in change.items() if np.any(x)}
        synapses = {path for path in theta if path.endswith(".weight")}
        assert moved == (synapses if step < 2 else set(theta))


def test_training_lowers_the_loss(images, model):
    settings = dataclasses.replace(SMALL, t1=3.0)
    batch = (images.train[:16], images.train_labels[:16])
    _, history = fit(
        lambda m: task.loss(m, batch, settings)[0], model, task.free(), optimizer(settings, 12), 12
    )
    assert history.losses[-1] < history.losses[0]
