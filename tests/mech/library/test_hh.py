"""`HH` against the equations of NEURON's hh.mod, written here a second time in plain Python."""

from math import exp

import jax.numpy as jnp
import pytest

from cajax.mech import HH


def _linear_exponential(x: float, y: float) -> float:
    return y * (1 - x / y / 2) if abs(x / y) < 1e-6 else x / (exp(x / y) - 1)


def _rates(v: float) -> dict[str, tuple[float, float]]:
    return {
        "m": (0.1 * _linear_exponential(-(v + 40), 10), 4 * exp(-(v + 65) / 18)),
        "h": (0.07 * exp(-(v + 65) / 20), 1 / (exp(-(v + 35) / 10) + 1)),
        "n": (0.01 * _linear_exponential(-(v + 55), 10), 0.125 * exp(-(v + 65) / 80)),
    }


@pytest.mark.parametrize("v", [-120.0, -77.0, -65.0, -55.0, -54.9, -40.0, -39.99, -20.0, 0.0, 30.0, 60.0])
def test_rates(v):
    gates = HH().gates(jnp.float64(v))
    for name, (a, b) in _rates(v).items():
        assert gates[name].inf == pytest.approx(a / (a + b), rel=1e-11)
        assert gates[name].rate == pytest.approx(a + b, rel=1e-11)


def test_rest_of_the_squid_axon():
    gates = HH().gates(jnp.float64(-65.0))
    assert [round(float(gates[k].inf), 4) for k in "mhn"] == [0.0529, 0.5961, 0.3177]
    assert [round(1 / float(gates[k].rate), 2) for k in "mhn"] == [0.24, 8.52, 5.46]  # ms, at 6.3 °C
    inf = {k: g.inf for k, g in gates.items()}
    assert HH().current(jnp.float64(-65.0), **inf) == pytest.approx(0.0, abs=2e-4)  # mA/cm²
    assert HH().temperature_factor(16.3) == pytest.approx(3.0)


def test_current_is_the_sum_of_three():
    assert HH().current(0.0, 0.5, 0.4, 0.3) == pytest.approx(
        0.12 * 0.5**3 * 0.4 * (0 - 50) + 0.036 * 0.3**4 * (0 + 77) + 0.0003 * (0 + 54.3), rel=1e-14
    )
