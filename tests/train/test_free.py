import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.distributions import each
from cajax.base.errors import ParameterError, UnknownNameError
from cajax.train import Free, bounded, positive, unbounded


def test_globs_cross_dots_and_take_other_characters_literally(model):
    def paths(glob):
        return list(Free({glob: unbounded()}).choices(model))

    assert paths("*.na.g") == ["soma.na.g", "dend.na.g"]
    assert paths("soma*") == ["soma.na.g", "soma.kd.g"]
    assert paths("*") == list(model.params)
    assert paths("dend[1].cm") == ["dend[1].cm"]
    assert paths("in->out.*") == ["in->out.graded.weight"]
    assert paths("dend.na.g") == ["dend.na.g"]


@pytest.mark.parametrize("glob", ["Soma.na.g", "soma.na", "soma?na.g", "dend[0-9].cm", "soma.ma.g"])
def test_a_glob_that_matches_nothing_names_the_nearest(model, glob):
    for use in (
        Free({glob: positive()}).init,
        Free({glob: positive()}).count,
        Free({glob: positive()}).table,
    ):
        with pytest.raises(UnknownNameError, match="did you mean") as caught:
            use(model)
        assert repr(glob)[1:-1] in str(caught.value)


def test_the_last_matching_entry_wins(model):
    free = Free({"*.g": positive(), "soma.*": bounded(0.0, 1.0)})
    kinds = {path: choice.bijection for path, choice in free.choices(model).items()}
    assert kinds == {"soma.na.g": bounded(0, 1), "soma.kd.g": bounded(0, 1), "dend.na.g": positive()}


FREE = Free({"*.g": positive(), "soma.na.g": each("branch", bounded(0.0, 1.0)), "*weight": unbounded(0.1)})


def test_apply_undoes_init(model):
    theta = FREE.init(model)
    again = FREE.apply(model, theta)
    assert theta["soma.na.g"].shape == (4,)
    for path in model.params:
        np.testing.assert_allclose(
            again(path) if "weight" not in path else again.params[path], model.params[path]
        )
    for path in ("dend.leak.e", "dend[1].cm"):
        assert again.params[path] is model.params[path]


def test_a_trained_model_can_be_trained_on(model):
    trained = FREE.apply(model, jax.tree.map(lambda x: x + 0.3, FREE.init(model)))
    theta = FREE.init(trained)
    for path, start in FREE.init(model).items():
        np.testing.assert_allclose(theta[path], start + 0.3)


def test_apply_works_under_jit_and_grad(model):
    def total(theta):
        return sum(jnp.sum(x) for x in FREE.apply(model, theta).params.values())

    theta = FREE.init(model)
    grads = jax.jit(jax.grad(total))(theta)
    np.testing.assert_allclose(grads["dend.na.g"], model.params["dend.na.g"])  # d exp = exp
    np.testing.assert_allclose(grads["soma.na.g"], np.full(4, 0.12 * 0.88))  # d sigmoid
    np.testing.assert_allclose(jax.jit(total)(theta), total(theta))


def test_count(model):
    assert FREE.count(model) == 4 + 1 + 1 + 4
    assert Free({"soma.na.g": each("cv", positive())}).count(model) == 6


def test_a_value_outside_its_range_is_named(model):
    with pytest.raises(ParameterError, match=r"dend\.leak\.e = -65 is outside"):
        Free({"dend.*": positive()}).init(model)


def test_theta_of_another_free_is_refused(model):
    theta = FREE.init(model)
    theta["dend.leak.e"] = theta.pop("dend.na.g")
    with pytest.raises(ParameterError, match=r"dend\.leak\.e, dend\.na\.g"):
        FREE.apply(model, theta)


@pytest.mark.parametrize("entry", [0.02, each("branch", 0.02), "positive"])
def test_an_entry_that_is_no_bijection_is_refused(entry):
    with pytest.raises(ParameterError, match=r"'\*\.g'.*not a bijection"):
        Free({"*.g": entry})


def test_free_is_a_frozen_value():
    mapping = {"*.g": positive(), "*.e": each("cell", unbounded())}
    free = Free(mapping)
    mapping.clear()
    assert free == Free(dict(free.globs)) == pickle.loads(pickle.dumps(free))
    assert hash(free) == hash(Free(dict(free.globs)))
    with pytest.raises(AttributeError):
        free.globs = {}
