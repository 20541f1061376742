"""The evidence task: the noise and who could read it, the network, learning, controls."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax import CajaxError
from cajax.tasks.evidence import PUBLISHED, Evidence, wandering

SMALL = Evidence(
    excitatory=3, inhibitory=2, probability=0.7, length=20.0, response=4.0, batch=4, tested=6, steps=6
)


@pytest.fixture(scope="module")
def model():
    return SMALL.network()


@pytest.fixture(scope="module")
def stage():
    return SMALL.stages()[-1]


def test_the_noise_has_the_deviation_and_memory_it_is_given():
    x = wandering(np.random.default_rng(0), 400, 300, 1.0, 5.0)
    assert x.shape == (400, 300) and abs(x.std() - 1.0) < 0.02
    assert abs(np.mean(x[:, 1:] * x[:, :-1]) - np.exp(-1 / 5)) < 0.02


def test_the_whole_input_tells_what_its_end_does_not():
    task = Evidence(tested=4000)
    assert task.expected(500.0) > 0.9999 and 0.85 < task.expected(50.0) < 0.92
    (_, hard), (_, published) = task.tests().values()
    assert task.ideal(hard) > 0.999 and abs(task.ideal(hard, 50.0) - task.expected(50.0)) < 0.02
    assert task.ideal(published, 20.0) > 0.999
    inner = published.inputs["x"][:, :-1]
    assert abs(inner.std(axis=1).mean() / task.mean - PUBLISHED["spread"]) < 0.05


def test_slow_input_synapses_average_the_noise_that_quick_ones_pass_on():
    """Which receptor's synapses are wider open tells the direction at most moments only where they close slowly."""

    def told(k):
        task = Evidence(excitatory=1, inhibitory=1, length=200.0, tested=16, input_k=k)
        model, (stage, batch) = task.network(), task.tests()["noise that needs integration"]
        gate = {"s": "input->excitatory.see.s"}
        run = jax.jit(jax.vmap(lambda x: task.run(model, {"x": x}, stage, gate)["s"]))
        opened = np.asarray(run(batch.inputs["x"]))[:, 250:1000]  # from 50 ms to the end of the current
        return np.mean((opened[..., 1] > opened[..., 0]) == (batch.labels == 1)[:, None])

    assert told(1.0) < 0.82 and told(Evidence.input_k) > 0.9


def test_trials_depend_on_the_step_alone_and_never_meet_the_tests(stage):
    first, again, next_one = (SMALL.trials(stage, k) for k in (3, 3, 4))
    np.testing.assert_array_equal(first.inputs["x"], again.inputs["x"])
    seen = [first, next_one, SMALL.checks()[1], *(b for _, b in SMALL.tests().values())]
    starts = [b.inputs["x"][0, 0] for b in seen]
    assert len(set(starts)) == len(starts)
    assert first.labels.sum() == 2 and first.inputs["x"].shape == (4, 21)
    np.testing.assert_array_equal(first.inputs["x"][:, -1], 0.0)  # the current ends


def test_the_network_and_its_point_control(model):
    sizes = {layout.name: layout.size for layout in model.structure.layouts}
    assert sizes == {"input": 2, "excitatory": 3, "inhibitory": 2, "readouts": 2}
    trained, without = SMALL.free(), SMALL.but(membranes=False).free()
    assert trained.count(model) - without.count(model) == 3 * 5 * 3
    assert "input->excitatory.see.k" not in trained.choices(model)
    whole, point = (task.shapes()["excitatory"][0].areas.sum() for task in (SMALL, SMALL.but(point=True)))
    assert whole == pytest.approx(point)
    assert SMALL.but(point=True).free().count(SMALL.but(point=True).network()) == without.count(model) + 3 * 5


def test_every_lesion_and_group_names_something(model):
    params = SMALL.free()
    for globs in (*SMALL.groups.values(), *SMALL.lesions.values()):
        for glob in globs:
            assert type(params)({glob: next(iter(SMALL.synapses.values()))}).choices(model)


def test_learning_moves_every_trained_parameter_and_stays_finite(model, stage):
    free = SMALL.free()
    theta, rule = free.init(model), SMALL.optimizer(stage)
    gradient = jax.jit(
        jax.value_and_grad(lambda t, b: SMALL.loss(free.apply(model, t), b, stage), has_aux=True)
    )
    state, start = rule.init(theta), theta
    for step in range(2):
        (loss, share), grads = gradient(theta, SMALL.trials(stage, step))
        assert np.isfinite(loss) and 0.0 <= share <= 1.0
        change, state = rule.update(grads, state, theta)
        theta = {path: theta[path] + change[path] for path in theta}
    for path, value in theta.items():
        assert np.isfinite(value).all() and np.abs(value - start[path]).max() > 0, path
    inner, outer = (
        max(float(jnp.abs(theta[p] - start[p]).max()) for p in theta if ("readouts" in p) == out)
        for out in (False, True)
    )
    assert inner < 0.2 * outer


def test_answers_signals_and_phases(model, stage):
    batch = SMALL.trials(stage, 0)
    assert SMALL.answer(model, batch.inputs, stage).shape == (4, 2)
    signal = SMALL.signal(batch.inputs, stage)
    assert signal.shape == (4, 3, 1)
    np.testing.assert_allclose(signal[:, 0, 0], batch.inputs["x"][:, :10].mean(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(signal[:, 2], 0.0)
    assert SMALL.phases(batch.inputs, stage) == {"evidence": (0.0, 20.0), "answer": (20.0, 24.0)}
    assert [s.t1 for s in SMALL.stages()] == [24.0]
    marks = SMALL.marks(np.zeros((4, 2)), batch, stage)
    assert set(marks) == {"mean of the whole input", "mean of its last 50 ms"}


def test_a_window_without_a_sample_is_refused():
    with pytest.raises(CajaxError, match="sample"):
        Evidence(sample=3.0)
