"""The likelihood: its slope and curvature, noise that is known, unknown or correlated, runs that fail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import ndtr

from cajax.fitting.infer.likelihood import FAILED, Likelihood, guarded
from cajax.fitting.infer.runs import Runs

from ...helpers import raises
from .cells import ACTIVE, ACTIVE_FREE, PASSIVE, PASSIVE_FREE, objective

RUNS = Runs(objective(ACTIVE, 0.2, 1.0), ACTIVE, ACTIVE_FREE, 40.0, "test")
Z = jnp.array([0.3, -0.4, 0.2])


def likelihood(noise=1.0, correlation=0.0) -> Likelihood:
    return Likelihood(RUNS, noise, correlation, "test")


@pytest.mark.parametrize("noise", [1.0, None])
def test_the_slope_is_the_central_difference(noise):
    density = jax.jit(likelihood(noise).density)
    slope, local = jax.jit(jax.grad(density))(Z, RUNS.data), jax.jit(likelihood(noise).local)(Z, RUNS.data)
    step = 1e-5
    for k in range(3):
        off = step * jnp.eye(3)[k]
        difference = (density(Z + off, RUNS.data) - density(Z - off, RUNS.data)) / (2.0 * step)
        assert float(slope[k]) == pytest.approx(float(difference), rel=1e-5)
    np.testing.assert_allclose(local.slope, slope, rtol=1e-6)
    assert float(local.value) == pytest.approx(float(density(Z, RUNS.data)))


def test_the_curvature_is_that_of_the_jacobian_and_the_prior():
    local = jax.jit(likelihood(0.5).local)(Z, RUNS.data)
    push = jax.jit(lambda e: jax.jvp(lambda z: RUNS.voltages(ndtr(z), RUNS.data).ravel(), (Z,), (e,))[1])
    j = np.stack([push(e) for e in jnp.eye(3)], -1)
    np.testing.assert_allclose(local.curvature, j.T @ j / 0.25 + np.eye(3), rtol=1e-6)


def test_a_known_noise_divides_the_squares():
    u = ndtr(Z)
    off = np.asarray(RUNS.voltages(u, RUNS.data) - RUNS.data)
    expected = -0.5 * np.square(off).sum() / 4.0 - 0.5 * np.square(Z).sum()
    assert float(likelihood(2.0).density(Z, RUNS.data)) == pytest.approx(float(expected))


def test_an_unknown_noise_is_integrated_out():
    """∫ σ⁻ⁿ exp(−S/2σ²) dσ/σ is proportional to S^(−n/2), here by quadrature."""
    u, other = ndtr(Z), ndtr(Z + 0.01)
    of = likelihood(None)
    squares = [float(of.misfit(x, RUNS.data)) for x in (u, other)]
    s = np.linspace(-5.0, 6.0, 20_001)  # log σ
    logs = [-of.samples * s - 0.5 * q * np.exp(-2.0 * s) for q in squares]
    top = max(x.max() for x in logs)
    one, two = (np.log(np.trapezoid(np.exp(x - top), s)) for x in logs)
    found = float(of.of_misfit(jnp.asarray(squares[1])) - of.of_misfit(jnp.asarray(squares[0])))
    assert found == pytest.approx(two - one, rel=1e-6)


def test_the_noise_that_is_drawn_is_that_of_the_residuals():
    of = likelihood(None)
    z = np.tile(np.asarray(Z), (4000, 1))
    drawn = of.noises(np.full(4000, float(of.density(Z, RUNS.data))), z, 0)
    squares = float(of.misfit(ndtr(Z), RUNS.data))
    assert np.mean(drawn**2) == pytest.approx(squares / (of.samples - 2.0), rel=0.01)


def test_correlated_samples_are_worth_less():
    """The worth is that for the mean of a stretch: variance of the mean of an autoregression, against independent."""
    tau, n, dt = 2.0, 4000, RUNS.objective.dt
    rho = np.exp(-dt / tau)
    rng = np.random.default_rng(0)
    x = np.zeros((2000, n))
    x[:, 0] = rng.standard_normal(2000)
    for k in range(1, n):
        x[:, k] = rho * x[:, k - 1] + np.sqrt(1.0 - rho**2) * rng.standard_normal(2000)
    assert likelihood(1.0, tau).worth == pytest.approx(1.0 / (x.mean(1).var() * n), rel=0.1)
    assert likelihood().worth == 1.0


def test_a_run_that_fails_has_next_to_no_density_and_no_slope():
    def density(z, data):
        return jnp.log(z[0]) * data

    safe = guarded(density)
    value, slope = jax.value_and_grad(safe)(jnp.array([-1.0]), jnp.asarray(1.0))
    assert float(value) == FAILED and float(slope[0]) == 0.0
    value, slope = jax.vmap(jax.value_and_grad(safe), (0, None))(jnp.array([[-1.0], [2.0]]), jnp.asarray(1.0))
    np.testing.assert_allclose(value, [FAILED, np.log(2.0)])
    np.testing.assert_allclose(slope, [[0.0], [0.5]])


def test_a_local_model_of_a_run_that_fails_is_flat():
    data = RUNS.data.at[0, 0, 3].set(jnp.nan)
    local = likelihood().local(Z, data)
    assert float(local.value) == FAILED and not np.asarray(local.slope).any()


def test_what_is_before_the_stimulus_decides_where_a_run_begins():
    runs = Runs(objective(PASSIVE, 0.02, 0.0), PASSIVE, PASSIVE_FREE, 0.0, "test")
    u = jnp.array([0.3, 0.3])
    for rest in (-70.0, -60.0):
        data = jnp.full_like(runs.data, rest)
        assert float(runs.voltages(u, data)[0, 0, 0]) == pytest.approx(rest)
    # With time to settle, the model's own rest is where the sweep begins.
    settled = Runs(objective(PASSIVE, 0.02, 0.0), PASSIVE, PASSIVE_FREE, 500.0, "test")
    assert float(settled.voltages(u, data)[0, 0, 0]) == pytest.approx(-70.0, abs=1e-6)


def test_nonsense_is_refused():
    raises(lambda: likelihood(0.0), "noise", "positive")
    raises(lambda: likelihood(1.0, -1.0), "correlation", "negative")
    raises(lambda: Runs(RUNS.objective, ACTIVE, ACTIVE_FREE, -5.0, "test"), "settle")
    raises(lambda: Runs([], ACTIVE, ACTIVE_FREE, 5.0, "test"), "Objective(sweeps)")  # type: ignore[arg-type]
