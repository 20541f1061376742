"""The channels of Pospischil et al. (2008) against its equations, written here a second time in plain Python."""

from math import exp, sqrt

import jax.numpy as jnp
import numpy as np
import pytest

from cajax.mech import CaL, CaT, Kd, Km, Na

VOLTAGES = [-110.0, -90.3, -71.0, -61.5, -50.0, -42.7, -33.1, -19.0, 0.5, 25.0, 50.0]  # none on a 0/0


def _na(v: float, vt: float) -> dict[str, tuple[float, float]]:
    am = -0.32 * (v - vt - 13) / (exp(-(v - vt - 13) / 4) - 1)
    bm = 0.28 * (v - vt - 40) / (exp((v - vt - 40) / 5) - 1)
    ah = 0.128 * exp(-(v - vt - 17) / 18)
    bh = 4 / (1 + exp(-(v - vt - 40) / 5))
    return {"m": (am / (am + bm), am + bm), "h": (ah / (ah + bh), ah + bh)}


def _kd(v: float, vt: float) -> dict[str, tuple[float, float]]:
    an = -0.032 * (v - vt - 15) / (exp(-(v - vt - 15) / 5) - 1)
    bn = 0.5 * exp(-(v - vt - 10) / 40)
    return {"n": (an / (an + bn), an + bn)}


def _km(v: float, tau_max: float) -> dict[str, tuple[float, float]]:
    tau = tau_max / (3.3 * exp((v + 35) / 20) + exp(-(v + 35) / 20))
    return {"p": (1 / (1 + exp(-(v + 35) / 10)), 1 / tau)}


def _cal(v: float) -> dict[str, tuple[float, float]]:
    aq = 0.055 * (-27 - v) / (exp((-27 - v) / 3.8) - 1)
    bq = 0.94 * exp((-75 - v) / 17)
    ar = 0.000457 * exp((-13 - v) / 50)
    br = 0.0065 / (exp((-15 - v) / 28) + 1)
    return {"q": (aq / (aq + bq), aq + bq), "r": (ar / (ar + br), ar + br)}


def _cat(v: float, vx: float) -> dict[str, tuple[float, float]]:
    tau = 30.8 + (211.4 + exp((v + vx + 113.2) / 5)) / (1 + exp((v + vx + 84) / 3.2))
    phi = 3 ** ((36 - 24) / 10)
    return {"u": (1 / (1 + exp((v + vx + 81) / 4)), phi / tau)}


CASES = [
    (Na(vt=-56.2), lambda v: _na(v, -56.2)),
    (Na(), lambda v: _na(v, -60.0)),
    (Kd(vt=-56.2), lambda v: _kd(v, -56.2)),
    (Km(tau_max=608.0), lambda v: _km(v, 608.0)),
    (CaL(), _cal),
    (CaT(vx=-7.0), lambda v: _cat(v, -7.0)),
]


@pytest.mark.parametrize(("channel", "rule"), CASES, ids=lambda x: type(x).__name__)
def test_gates_follow_the_paper(channel, rule):
    gates = channel.gates(jnp.array(VOLTAGES))
    for i, v in enumerate(VOLTAGES):
        expected = rule(v)
        assert gates.keys() == expected.keys()
        for name, (inf, rate) in expected.items():
            assert gates[name].inf[i] == pytest.approx(inf, rel=1e-11), (name, v)
            assert gates[name].rate[i] == pytest.approx(rate, rel=1e-11), (name, v)


def test_currents_follow_the_paper():
    assert Na(g=0.05).current(-20.0, 0.5, 0.6) == pytest.approx(0.05 * 0.5**3 * 0.6 * (-20 - 50))
    assert Kd(g=5e-3).current(-20.0, 0.5) == pytest.approx(5e-3 * 0.5**4 * (-20 + 90))
    assert Km(g=7e-5).current(-20.0, 0.5) == pytest.approx(7e-5 * 0.5 * (-20 + 90))
    assert CaL(g=1e-4).current(-20.0, 0.5, 0.6) == pytest.approx(1e-4 * 0.5**2 * 0.6 * (-20 - 120))
    s = 1 / (1 + exp(-(-60 + 2 + 57) / 6.2))
    assert CaT(g=4e-4).current(-60.0, 0.3) == pytest.approx(4e-4 * s**2 * 0.3 * (-60 - 120))


def test_vt_only_shifts_the_voltage():
    v = jnp.linspace(-100.0, 50.0, 40)
    for cls in (Na, Kd):
        for name, gate in cls(vt=-63.0).gates(v - 3.0).items():
            np.testing.assert_allclose(gate.inf, cls(vt=-60.0).gates(v)[name].inf, rtol=1e-12)
            np.testing.assert_allclose(gate.rate, cls(vt=-60.0).gates(v)[name].rate, rtol=1e-12)


def test_half_activation_and_time_constants():
    m_peak = -35.0 + 20.0 * np.log(1 / sqrt(3.3))
    slow = Km(tau_max=1000.0)
    assert slow.gates(jnp.float64(-35.0))["p"].inf == pytest.approx(0.5)
    assert 1 / slow.gates(jnp.float64(m_peak))["p"].rate == pytest.approx(1000.0 / (2 * sqrt(3.3)))
    for dv in (-10.0, 10.0):
        assert slow.gates(jnp.float64(m_peak + dv))["p"].rate > slow.gates(jnp.float64(m_peak))["p"].rate
    assert CaT(vx=2.0).gates(jnp.float64(-83.0))["u"].inf == pytest.approx(0.5)
    # Inactivation of the T current takes far longer to be removed at −85 mV than to develop at −50 mV.
    assert (
        1 / CaT().gates(jnp.float64(-50.0))["u"].rate
        < 10.0
        < 40.0
        < 1 / CaT().gates(jnp.float64(-85.0))["u"].rate
    )
    # Sodium opens in a fraction of a millisecond, long before potassium does.
    v = jnp.float64(-30.0)
    assert 1 / Na().gates(v)["m"].rate < 0.3 < 1 / Kd().gates(v)["n"].rate
    # The L current needs depolarisation and inactivates over hundreds of milliseconds.
    assert CaL().gates(jnp.float64(-70.0))["q"].inf < 1e-3 < 0.9 < CaL().gates(jnp.float64(0.0))["q"].inf
    assert 1 / CaL().gates(v)["r"].rate > 100.0


@pytest.mark.parametrize("cls", [Na, Kd, Km, CaL, CaT])
def test_activation_rises_and_inactivation_falls_with_voltage(cls):
    v = jnp.linspace(-120.0, 40.0, 81)
    for name, gate in cls().gates(v).items():
        steps = jnp.diff(gate.inf)
        assert jnp.all(steps <= 1e-12) if name in "hru" else jnp.all(steps >= -1e-12), name
