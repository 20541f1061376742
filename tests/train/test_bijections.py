import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base.errors import ParameterError
from cajax.train import bounded, positive, unbounded

ALL = [bounded(1e-3, 0.1), bounded(-90.0, 50.0), positive(), unbounded(), unbounded(20.0)]


@pytest.mark.parametrize("bijection", ALL, ids=str)
@given(theta=st.floats(-8.0, 8.0))
def test_inverse_undoes_forward(bijection, theta):
    value = bijection.forward(jnp.asarray(theta))
    lo, hi = bijection.range
    assert lo < value < hi
    assert bijection.inverse(value) == pytest.approx(theta, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("bijection", ALL, ids=str)
def test_forward_rises_everywhere_and_works_on_arrays(bijection):
    theta = jnp.linspace(-6.0, 6.0, 13).reshape(1, 13)
    slopes = jax.vmap(jax.vmap(jax.grad(bijection.forward)))(theta)
    assert slopes.shape == theta.shape
    assert (slopes > 0.0).all()


@pytest.mark.parametrize("bijection", ALL, ids=str)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_dtype_is_kept(bijection, dtype):
    theta = jnp.zeros(3, dtype)
    value = jax.jit(bijection.forward)(theta)
    assert value.dtype == dtype
    assert bijection.inverse(value).dtype == dtype


def test_equal_steps_of_a_positive_are_equal_relative_steps():
    value = positive().forward(jnp.log(jnp.asarray([1e-4, 10.0])) + 0.1)
    np.testing.assert_allclose(value / jnp.asarray([1e-4, 10.0]), np.exp(0.1), rtol=1e-12)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("value", [1e-3, 0.1])
def test_a_value_on_the_bound_keeps_a_gradient(dtype, value):
    bijection = bounded(1e-3, 0.1)
    theta = bijection.inverse(jnp.asarray(value, dtype))
    assert jnp.isfinite(theta)
    assert jax.grad(bijection.forward)(theta) > 0.0
    assert bijection.forward(theta) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize(
    ("bijection", "value", "text"),
    [
        (
            bounded(1e-3, 0.1),
            0.5,
            r"soma\.kd\.g = 0\.5 is outside the range \(0\.001, 0\.1\) of bounded\(0\.001, 0\.1\)",
        ),
        (
            positive(),
            [1.0, -2.0, 0.0],
            r"soma\.kd\.g = -2 .*\(0, inf\) of positive\(\) \(2 of 3 values are\)",
        ),
        (unbounded(), np.nan, r"soma\.kd\.g = nan"),
    ],
)
def test_a_value_outside_is_named_with_the_range(bijection, value, text):
    with pytest.raises(ParameterError, match=text) as caught:
        bijection.inverse(jnp.asarray(value), "soma.kd.g")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "make", [lambda: bounded(0.1, 1e-3), lambda: bounded(0.0, np.inf), lambda: unbounded(0.0)]
)
def test_senseless_ranges_raise(make):
    with pytest.raises(ParameterError):
        make()


def test_equal_bijections_are_equal_and_hashable():
    assert len({bounded(0, 1), bounded(0.0, 1.0), positive(), positive(), unbounded()}) == 3
