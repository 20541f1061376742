"""Derivatives at kinks: halves that add up, whatever rounding does, and bounds that do not eat derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.kinks import bounded, ramp, rounded_into


def test_ramp_is_a_clip_with_half_the_derivative_at_its_kinks():
    x = jnp.array([-3.0, -1e-17, 0.0, 1e-16, 0.3, 1.0 - 1e-16, 1.0, 1.0 + 1e-15, 7.0])
    np.testing.assert_array_equal(ramp(x), np.clip(x, 0.0, 1.0))
    slopes = jax.vmap(jax.grad(ramp))(x)
    np.testing.assert_allclose(slopes, [0, 0.5, 0.5, 0.5, 1, 0.5, 0.5, 0.5, 0], atol=1e-11)


@pytest.mark.parametrize(("dtype", "rounding"), [(jnp.float64, 1e-12), (jnp.float32, 2e-3)])
def test_the_shares_of_neighbouring_steps_add_up_to_one(dtype, rounding):
    """Also where both steps have rounded the same time differently."""
    x = jnp.linspace(-0.5, 0.5, 1001, dtype=dtype)
    off = jax.random.uniform(jax.random.key(0), (2, 1001), dtype, -rounding, rounding)
    slope = jax.vmap(jax.grad(ramp))
    total = slope(x + off[0]) + slope(x + 1.0 + off[1])
    np.testing.assert_allclose(total, 1.0, atol=2e-9 if dtype is jnp.float64 else 0.05)


def test_a_state_on_its_bound_keeps_its_derivative_over_many_steps():
    def held(w, change):
        return jax.lax.fori_loop(0, 50, lambda _, w: bounded(w + change, 0.0, 2.0), w) - 0.25

    for w in (0.0, 1.0, 2.0):
        assert jax.jvp(lambda w: held(w, 0.0), (w,), (1.0,)) == (w - 0.25, 1.0)
    assert float(jax.jvp(lambda hi: bounded(3.0, 0.0, hi), (2.0,), (1.0,))[1]) == 1.0
    assert float(jax.jvp(lambda hi: bounded(1.0, 0.0, hi), (2.0,), (1.0,))[1]) == 0.0


def test_what_rounding_moved_out_keeps_its_derivative():
    for x, inside in ((-1e-17, 0.0), (0.0, 0.0), (0.5, 0.5), (1.0 + 1e-15, 1.0)):
        value, slope = jax.value_and_grad(lambda x: rounded_into(x, 0.0, 1.0))(x)
        assert (float(value), float(slope)) == (inside, 1.0)
