"""The graded synapse follows s∞ = σ((v - threshold)/slope) with τ = (1 - s∞)/k, without its 0/0."""

from math import exp

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.mech import Graded


@pytest.mark.parametrize("v", [-90.0, -65.0, -35.0, -20.0, 10.0])
def test_gate_follows_abbott_and_marder(v):
    s = 1 / (1 + exp(-(v + 35) / 10))
    gate = Graded().gates(jnp.float64(v))["s"]
    assert gate.inf == pytest.approx(s, rel=1e-13)
    assert 1 / gate.rate == pytest.approx((1 - s) / 0.025, rel=1e-12)
    assert Graded(k=0.1).gates(jnp.float64(v))["s"].rate == pytest.approx(4 * gate.rate)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saturation_is_smooth(dtype):
    v = jnp.asarray([500.0, 1e3, 1e5, -1e5], dtype)
    gate = Graded().gates(v)["s"]
    np.testing.assert_array_equal(gate.inf, [1.0, 1.0, 1.0, 0.0])
    for f in (lambda v: Graded().gates(v)["s"].inf, lambda v: Graded().gates(v)["s"].rate):
        assert np.all(np.isfinite(jax.vmap(jax.grad(f))(v)))


def test_silent_synapse_closes_with_rate_k():
    gate = Graded(k=0.025).gates(jnp.float64(-200.0))["s"]
    assert gate.step(1.0, 40.0) == pytest.approx(exp(-1.0), rel=1e-6)


def test_current_is_ohmic_in_nanoampere():
    assert Graded(e=-75.0).current(-65.0, 2e-3) == pytest.approx(2e-2)  # µS · mV = nA
    s = jnp.array([0.0, 0.5])
    np.testing.assert_array_equal(Graded().release(s=s), s)
