import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cajax.base.errors import ParameterError, UnknownNameError
from cajax.train import annealed_adam, by_glob, scale_by_norm_power
from cajax.train.optimizers import global_norm

GRADS = {"a": jnp.asarray([3.0, 0.0]), "b": jnp.asarray(-4.0)}


@pytest.mark.parametrize("beta", [0.0, 0.8, 1.0])
def test_the_gradient_is_divided_by_a_power_of_its_norm(beta):
    transform = scale_by_norm_power(beta)
    scaled, _ = jax.jit(transform.update)(GRADS, transform.init(GRADS))
    for path in GRADS:
        np.testing.assert_allclose(scaled[path], GRADS[path] / 5.0**beta, rtol=1e-12)


def test_a_zero_gradient_stays_zero():
    transform = scale_by_norm_power(0.9)
    scaled, _ = transform.update({"a": jnp.zeros(3)}, transform.init({"a": jnp.zeros(3)}))
    np.testing.assert_array_equal(scaled["a"], 0.0)


def test_it_chains_and_keeps_float32():
    optimizer = optax.chain(scale_by_norm_power(0.8), optax.sgd(0.1))
    grads = {"a": jnp.ones(2, jnp.float32)}
    scaled, _ = optimizer.update(grads, optimizer.init(grads))
    assert scaled["a"].dtype == jnp.float32


@pytest.mark.parametrize("beta", [-0.1, 1.1])
def test_a_senseless_power_is_refused(beta):
    with pytest.raises(ParameterError, match="between 0"):
        scale_by_norm_power(beta)


def test_the_norm_neither_overflows_nor_underflows():
    for size in (1e-30, 1.0, 1e30):
        assert global_norm({"a": jnp.asarray([3.0 * size, 4.0 * size], jnp.float32)}) == pytest.approx(
            5.0 * size
        )
    assert global_norm({}) == 0.0
    assert jnp.isnan(global_norm({"a": jnp.asarray([jnp.nan, 1.0])}))
    assert jnp.isinf(global_norm({"a": jnp.asarray([jnp.inf, 1.0])}))


def test_groups_have_optimizers_of_their_own_and_the_last_glob_wins():
    theta = {"a.weight": jnp.ones(2), "b.weight": jnp.ones(()), "b.g": jnp.ones(())}
    rule = by_glob({"*": optax.sgd(1.0), "*.weight": optax.sgd(2.0), "b.*ght": optax.sgd(3.0)})
    change, _ = jax.jit(rule.update)(theta, rule.init(theta))
    assert {path: float(jnp.ravel(x)[0]) for path, x in change.items()} == {
        "a.weight": -2.0,
        "b.weight": -3.0,
        "b.g": -1.0,
    }


def test_every_parameter_needs_an_optimizer_and_every_glob_a_parameter():
    with pytest.raises(ParameterError, match=r"no optimizer for 'b'.*'\*'"):
        by_glob({"a": optax.sgd(1.0)}).init(GRADS)
    with pytest.raises(UnknownNameError, match="'c'"):
        by_glob({"*": optax.sgd(1.0), "c": optax.sgd(1.0)}).init(GRADS)


def test_the_rate_falls_along_a_cosine_after_a_wait():
    theta = jnp.ones(3)
    rule, state, sizes = annealed_adam(0.1, 8, 0.5, wait=0.25), None, []
    state = rule.init(theta)
    for _ in range(9):
        change, state = rule.update(jnp.full(3, 2.0), state, theta)
        sizes.append(-float(change[0]))
    np.testing.assert_allclose(sizes[:2], 0.0)
    cosine = [0.1 * (0.5 + 0.25 * (1 + np.cos(np.pi * k / 8))) for k in range(2, 9)]
    np.testing.assert_allclose(sizes[2:], cosine, rtol=1e-5)


def test_what_comes_before_adam_is_the_chain_written_out():
    theta, grad = jnp.ones(2), jnp.asarray([300.0, -4.0])
    adam = optax.adam(optax.cosine_decay_schedule(0.01, 5, 0.1), b2=0.9, eps=1e-3)
    written = optax.chain(scale_by_norm_power(0.5), optax.clip_by_global_norm(1.0), adam)
    short = annealed_adam(0.01, 5, 0.1, norm_power=0.5, clip=1.0, b2=0.9, eps=1e-3)
    assert jax.tree.structure(short.init(theta)) == jax.tree.structure(written.init(theta))
    for rule in (short, written):
        change, _ = rule.update(grad, rule.init(theta), theta)
        np.testing.assert_array_equal(change, short.update(grad, short.init(theta), theta)[0])
