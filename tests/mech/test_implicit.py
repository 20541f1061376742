import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.mech import implicit_step

from .exact import exponential


@pytest.mark.parametrize("order", [1, 2])
def test_implicit_step_of_a_nonlinear_system_converges_and_keeps_its_invariant(order):
    """A + B ⇌ C with strong binding: A + C and B + C stand still."""

    def rates(x):
        flow = 20.0 * x["a"] * x["b"] - 0.5 * x["c"]
        return {"a": -flow, "b": -flow, "c": flow}

    @jax.jit
    def end(n):
        x = {"a": jnp.asarray(1.0), "b": jnp.asarray(0.4), "c": jnp.asarray(0.0)}
        return jax.lax.fori_loop(0, n, lambda _, x: implicit_step(rates, x, 0.5 / n, order), x)

    fine = end(20000)
    errors = [abs(float(end(n)["c"] - fine["c"])) for n in (50, 100, 200)]
    observed = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(observed - order) < 0.2), (errors, observed)
    np.testing.assert_allclose([fine["a"] + fine["c"], fine["b"] + fine["c"]], [1.0, 0.4], rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
def test_implicit_step_with_a_factored_transport_keeps_its_order(order):
    """Two places that exchange x while each decays at its own pace; the transport follows as a factor."""
    exchange, decay = jnp.array([[-1.0, 1.0], [1.0, -1.0]]), jnp.array([0.3, 2.0])
    exact = exponential(np.asarray(exchange) - np.diag(decay), 1.0) @ np.array([1.0, 0.0])

    def rates(x):
        return {"x": exchange @ x["x"] - decay * x["x"]}

    def spread(x, h):
        return {"x": jnp.linalg.solve(jnp.eye(2) - h * exchange, x["x"])}

    @jax.jit
    def end(n):
        x = {"x": jnp.array([1.0, 0.0])}
        return jax.lax.fori_loop(0, n, lambda _, x: implicit_step(rates, x, 1.0 / n, order, spread), x)["x"]

    errors = [np.abs(np.asarray(end(n)) - exact).max() for n in (50, 100, 200)]
    observed = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(observed - order) < 0.15), (errors, observed)
