"""Gates step exactly; `vtrap` is right through its 0/0, in value and in derivatives."""

from decimal import Decimal, localcontext
from fractions import Fraction
from math import comb, factorial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base.errors import ParameterError
from cajax.mech import Q10, Gate, vtrap

TERMS = 60


def _bernoulli() -> list[Decimal]:
    """B_k/k!, the Taylor coefficients of z/(exp(z) - 1), from the recurrence of the Bernoulli numbers."""
    b = [Fraction(1)]
    for n in range(1, TERMS):
        b.append(-sum(comb(n + 1, k) * b[k] for k in range(n)) / Fraction(n + 1))
    return [Decimal(x.numerator) / (Decimal(x.denominator) * factorial(k)) for k, x in enumerate(b)]


def _exact(z: float) -> list[Decimal]:
    """z/(exp(z) - 1) and its first two derivatives to 40 digits."""
    z = Decimal(z)
    if abs(z) < 1:
        c = _bernoulli()
        powers = [Decimal(1)]
        for _ in range(TERMS):
            powers.append(powers[-1] * z)
        return [
            sum(c[k] * powers[k] for k in range(TERMS)),
            sum(k * c[k] * powers[k - 1] for k in range(1, TERMS)),
            sum(k * (k - 1) * c[k] * powers[k - 2] for k in range(2, TERMS)),
        ]
    e = z.exp()
    d = e - 1
    return [z / d, 1 / d - z * e / d**2, -(2 + z) * e / d**2 + 2 * z * e * e / d**3]


SMALL = 10.0 ** np.arange(-30, -1, 3.0)
POINTS = np.concatenate(
    [np.linspace(-0.7, 0.7, 57), [-0.5, 0.5, 0.0], np.linspace(-30, 30, 81), SMALL, -SMALL]
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("mode", [jax.grad, jax.jacfwd])
def test_vtrap_is_exact_in_value_and_derivatives(dtype, order, mode):
    def f(x):
        return vtrap(x, 1.0)

    for _ in range(order):
        f = mode(f)
    z = POINTS.astype(dtype)
    got = jax.jit(jax.vmap(f))(z)
    assert got.dtype == dtype
    with localcontext() as context:
        context.prec = 60
        exact = np.array([float(_exact(float(x))[order]) for x in z])
    # Measured in units of rounding: 1.2, 6.2 and 100 at worst relative to the derivative itself. The second
    # derivative falls below float32 as exp(-z); there only its absolute size counts.
    limit = np.array([2.0, 8.0, 120.0])[order] * np.finfo(dtype).eps
    floor = 1e-9 if dtype == np.float32 else 0.0
    assert np.all(np.abs(np.asarray(got, np.float64) - exact) <= limit * np.abs(exact) + floor)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vtrap_is_never_nan(dtype):
    x = np.array([0.0, 1e-38, 40.0, 88.0, 90.0, 200.0, 710.0, 1e4, 1e30], dtype)
    x = np.concatenate([x, -x])
    for y in (1.0, 5.0, -3.8):
        value = lambda x, y=y: vtrap(x, y)  # noqa: E731
        first, by_y = jax.grad(value), lambda x, y=y: jax.grad(vtrap, 1)(x, jnp.asarray(y, dtype))
        for f in (value, first, jax.grad(first), jax.jacfwd(first), by_y):
            assert np.all(np.isfinite(jax.jit(jax.vmap(f))(x)))


def test_vtrap_at_zero_equals_y_and_takes_numbers():
    assert vtrap(0.0, 5.0) == 5.0
    assert vtrap(jnp.zeros(3), jnp.array([1.0, 2.0, 4.0])).tolist() == [1.0, 2.0, 4.0]
    assert vtrap(3, 10) == pytest.approx(3 / np.expm1(0.3))
    assert vtrap(jnp.float32(1.0), 5.0).dtype == jnp.float32


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3), st.floats(0, 1), st.floats(1e-4, 10), st.floats(0, 1))
def test_step_is_the_exact_flow(a, b, x, dt, split):
    gate = Gate.rates(np.float64(a), np.float64(b))
    step = lambda x, dt: float(gate.step(x, dt))  # noqa: E731
    whole = step(x, dt)
    assert step(step(x, split * dt), (1 - split) * dt) == pytest.approx(whole, rel=1e-12, abs=1e-15)
    assert step(gate.inf, dt) == gate.inf
    assert step(x, 0.0) == pytest.approx(x, abs=1e-15)
    assert -1e-15 <= whole <= 1 + 1e-15
    small = 1e-5 / (a + b)
    slope = (step(x, small) - step(x, -small)) / (2 * small)
    assert slope == pytest.approx(a * (1 - x) - b * x, rel=1e-8, abs=1e-8 * (a + b))


def test_rates_and_relax_describe_the_same_gate():
    a, b = jnp.array([0.1, 2.0]), jnp.array([0.3, 1.0])
    one, two = Gate.rates(a, b), Gate.relax(a / (a + b), 1 / (a + b))
    np.testing.assert_allclose(one.inf, two.inf)
    np.testing.assert_allclose(one.rate, two.rate)
    assert one.scaled(1.0) is one
    np.testing.assert_allclose(one.scaled(3.0).rate, 3 * (a + b))
    np.testing.assert_array_equal(one.scaled(3.0).inf, one.inf)


def test_q10_is_one_at_its_temperature_and_multiplies_every_ten_degrees():
    q10 = Q10(2.5, at=20.0)
    assert q10(20.0) == 1.0
    assert q10(30.0) == pytest.approx(2.5)
    assert q10(15.0) * q10(25.0) == pytest.approx(1.0)
    assert jax.grad(q10)(20.0) == pytest.approx(np.log(2.5) / 10)
    with pytest.raises(ParameterError, match="Q10 factor = 0 must be positive"):
        Q10(0.0, at=20.0)
