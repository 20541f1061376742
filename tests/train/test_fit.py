import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_model import SmallModel, setting

from cajax.base.disk import read_json
from cajax.base.errors import NonFiniteError, ParameterError, StoreError
from cajax.train import DivergedError, Free, History, bounded, fit, positive, reached, unbounded

FREE = Free({"soma.na.g": bounded(0.0, 1.0), "*weight": unbounded()})


def simple(model):
    return (model.params["soma.na.g"] - 0.3) ** 2 + jnp.sum(
        (model.params["in->out.graded.weight"] - 1.0) ** 2
    )


def same_bits(a: SmallModel, b: SmallModel) -> bool:
    return all(np.array_equal(a.params[path], b.params[path]) for path in a.params)


def test_it_finds_the_minimum(model, capfd):
    fitted, history = fit(simple, model, FREE, optax.adam(0.1), 250)
    assert fitted.params["soma.na.g"] == pytest.approx(0.3, abs=1e-3)
    np.testing.assert_allclose(fitted.params["in->out.graded.weight"], 1.0, atol=1e-3)
    assert fitted.params["soma.kd.g"] is model.params["soma.kd.g"]
    assert (history.steps, history.stopped, history.cut) == (250, "finished", [])
    assert history.losses[0] == pytest.approx(simple(model))
    assert len(history.grad_norms) == len(history.seconds) == 250
    shown = capfd.readouterr()
    assert shown == ("", "") or sum(history.seconds) > 2  # a slow machine is told how long it will take
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(model))  # only our own copies are given away


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_types_are_kept_and_the_loss_is_traced_once(dtype):
    traced = []

    def counted(model, batch):
        traced.append(1)
        return simple(model) * batch["scale"]

    start = SmallModel.new(dtype)
    fitted, history = fit(
        counted,
        start,
        FREE,
        optax.adam(optax.linear_schedule(0.1, 0.0, 9)),
        6,
        batches=lambda _: {"scale": 1.0},
    )
    assert len(traced) == 1
    assert {x.dtype for x in fitted.params.values()} == {jnp.dtype(dtype)}
    assert history.losses[-1] < history.losses[0]


def test_aux_callback_and_cut_parameters_are_told(model):
    seen = []

    def with_aux(model):
        return simple(model), {"g": model.params["soma.na.g"], "pair": (1, jnp.arange(2))}

    def callback(step):
        seen.append((step.number, step.loss, step.model.params["soma.na.g"]))
        return step.number == 3

    free = Free({"soma.*": bounded(0.0, 1.0)})
    fitted, history = fit(with_aux, model, free, optax.sgd(1.0), 10, has_aux=True, callback=callback)
    assert history.stopped == "callback"
    assert history.cut == ["soma.kd.g"]
    assert [s[0] for s in seen] == [0, 1, 2, 3]
    assert [s[1] for s in seen] == history.losses
    assert seen[-1][2] == pytest.approx(float(fitted.params["soma.na.g"]), rel=1e-12)
    assert history.aux[0] == {"g": pytest.approx(0.12), "pair": [1, [0, 1]]}


def test_it_ends_when_it_is_enough_also_when_it_is_taken_up_again(tmp_path, model):
    enough, seen = reached(loss=1.0, over=2), []
    make = lambda: fit(  # noqa: E731
        simple,
        model,
        FREE,
        optax.adam(0.1),
        250,
        until=enough,
        run=tmp_path,
        callback=seen.append,
        save_every=1,
    )
    fitted, history = make()
    assert history.stopped == "enough" and 2 < history.steps < 250
    assert not enough(History(losses=history.losses[:-1])) and enough(history)
    assert seen[-1].seconds == pytest.approx(sum(history.seconds))
    seen.clear()
    again, longer = make()
    assert (
        not seen and longer.steps == history.steps and longer.stopped == "enough" and same_bits(again, fitted)
    )


def test_a_line_search_gets_what_it_needs(model):
    _, history = fit(simple, model, FREE, optax.lbfgs(), 12)
    assert history.losses[-1] < 1e-6


@pytest.fixture(scope="module")
def uninterrupted():
    arguments, options = setting()
    return fit(*arguments, 40, **options)


def test_a_resumed_run_gives_the_same_bits(tmp_path, uninterrupted):
    arguments, options = setting()
    for steps in (13, 13, 40):
        fitted, history = fit(*arguments, steps, **options, run=tmp_path, save_every=5)
    assert same_bits(fitted, uninterrupted[0])
    assert history.losses == uninterrupted[1].losses
    assert history.grad_norms == uninterrupted[1].grad_norms
    assert read_json(tmp_path / "history.json")["losses"] == history.losses
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["35", "40"]


def test_a_killed_run_goes_on_with_the_same_bits(tmp_path):
    steps = 1200
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    program = Path(__file__).with_name("small_model.py")
    child = subprocess.Popen([sys.executable, program, tmp_path, str(steps)], env=environment)
    give_up = time.monotonic() + 60.0
    while not any(path.name.isdecimal() for path in (tmp_path / "checkpoints").glob("*")):  # a whole one
        assert child.poll() is None, "the child ended by itself"
        assert time.monotonic() < give_up, "the child made no checkpoint"
        time.sleep(0.01)
    time.sleep(random.uniform(0.0, 0.4))
    child.kill()
    assert child.wait() == -signal.SIGKILL
    arguments, options = setting()
    began = []
    fitted, history = fit(
        *arguments,
        steps,
        **options,
        run=tmp_path,
        resume=True,
        callback=lambda step: began.append(step.number),
    )
    expected, past = fit(*arguments, steps, **options)
    assert 0 < began[0] < steps
    assert history.losses == past.losses
    assert same_bits(fitted, expected)


def test_ctrl_c_ends_the_step_and_says_how_to_go_on(tmp_path, capfd, uninterrupted):
    arguments, options = setting()

    def press(step):
        if step.number == 11:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    _, history = fit(*arguments, 40, **options, run=tmp_path, callback=press)
    assert (history.steps, history.stopped) == (12, "interrupted")
    assert signal.getsignal(signal.SIGINT) is before
    *_, line = capfd.readouterr().err.splitlines()
    assert line == f"interrupted after step 12 of 40; make the same call with run='{tmp_path}' to go on"
    fitted, history = fit(*arguments, 40, **options, run=tmp_path)
    assert history.stopped == "finished"
    assert same_bits(fitted, uninterrupted[0])


def test_ctrl_c_without_a_folder_returns_what_there_is(model, capfd):
    fitted, history = fit(
        simple, model, FREE, optax.sgd(0.1), 9, callback=lambda _: signal.raise_signal(signal.SIGINT)
    )
    assert history.stopped == "interrupted"
    assert not same_bits(fitted, model)
    assert "pass run=<folder>" in capfd.readouterr().err


def test_a_second_ctrl_c_raises(model):
    def press_twice(step):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(simple, model, FREE, optax.sgd(0.1), 9, callback=press_twice)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def bad_gradient(model, batch):
    """Finite, but its gradient in soma.na.g is not, from step 3 on."""
    return simple(model) + jnp.sqrt(jnp.where(batch > 2, 0.0 * model.params["soma.na.g"], 1.0))


def bad_loss(model, batch):
    return simple(model) + jnp.where(batch > 2, jnp.nan, 0.0)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (bad_gradient, r"step 3: loss [0-9.]+, gradient not finite for soma\.na\.g; the last good"),
        (bad_loss, r"step 3: loss nan, while every gradient is finite; the last good"),
    ],
)
@pytest.mark.parametrize("kept", [True, False])
def test_a_step_that_is_not_finite_names_the_parameters_and_keeps_the_last_good(
    tmp_path, model, function, text, kept
):
    arguments = (function, model, FREE, optax.adam(0.1))
    good, _ = fit(*arguments, 3, batches=lambda step: step)
    with pytest.raises(NonFiniteError, match=text) as caught:
        fit(*arguments, 9, batches=lambda step: step, run=tmp_path if kept else None)
    error = caught.value
    assert isinstance(error, DivergedError)
    assert "\n" not in str(error)
    assert same_bits(error.model, good)
    assert (error.history.steps, error.history.stopped) == (3, "diverged")
    if kept:
        again, history = fit(*arguments, 3, batches=lambda step: step, run=tmp_path)
        assert history.steps == 3
        assert same_bits(again, good)


def test_a_step_that_leaves_the_numbers_is_not_taken(model):
    with pytest.raises(DivergedError, match="finite, but the optimizer's step is not") as caught:
        fit(simple, model, FREE, optax.sgd(float("inf")), 5)
    assert same_bits(caught.value.model, FREE.apply(model, FREE.init(model)))


def test_a_checkpoint_of_another_fit_is_refused(tmp_path, model):
    fit(simple, model, FREE, optax.adam(0.1), 2, run=tmp_path)
    with pytest.raises(StoreError, match=r"parameter 'soma\.na\.g' is float64\[\] there and absent here"):
        fit(simple, model, Free({"*weight": unbounded()}), optax.adam(0.1), 4, run=tmp_path)
    with pytest.raises(StoreError, match="already holds checkpoints"):
        fit(simple, model, FREE, optax.adam(0.1), 4, run=tmp_path, resume=False)
    with pytest.raises(StoreError, match="there is no checkpoint"):
        fit(simple, model, FREE, optax.adam(0.1), 4, run=tmp_path / "new", resume=True)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"steps": -1}, "steps = -1"),
        ({"steps": 1.5}, "steps = 1.5"),
        ({"batches": [1, 2]}, "batches=lambda step"),
        ({"save_every": 0}, "save_every = 0"),
        ({"resume": True}, "run=<folder>"),
        ({"loss": lambda m: m.params["in->out.graded.weight"]}, r"shape \(4,\); take jnp.mean"),
        ({"loss": lambda m: (simple(m), 1)}, "pass has_aux=True"),
        ({"has_aux": True}, "must return a pair"),
        ({"free": Free({"dend.leak.e": positive()})}, r"dend\.leak\.e = -65"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_in_one_line(model, options, text):
    given = {"loss": simple, "model": model, "free": FREE, "optimizer": optax.sgd(0.1), "steps": 3, **options}
    with pytest.raises(ParameterError, match=text) as caught:
        fit(**given)
    assert "\n" not in str(caught.value)


def test_saving_hardly_slows_the_loop(tmp_path):
    """At the default pace a run shorter than the first interval saves once, at its end."""
    arguments, options = setting()
    fit(*arguments, 30, **options, run=tmp_path)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["30"]


def test_the_loss_may_take_a_key_without_a_batch(model):
    def noisy(model, key):
        return simple(model) + jax.random.normal(key)

    _, first = fit(noisy, model, FREE, optax.sgd(0.0), 4, key=jax.random.key(1))
    _, second = fit(noisy, model, FREE, optax.sgd(0.0), 4, key=jax.random.key(1))
    assert first.losses == second.losses
    assert len(set(first.losses)) == 4
