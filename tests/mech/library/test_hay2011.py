"""The channels of Hay et al. (2011) against the published equations, written here a second time in plain NumPy.

The published rates of the channels measured at 21 °C hold `QT` = 2.3^1.3; the expected time constants below hold it
too, so ours must equal them at 34 °C.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy import exp

from cajax.mech import Gate, Pool
from cajax.mech.library.hay2011 import (
    KP,
    KT,
    SK,
    CaDynamics,
    CaHVA,
    CaLVA,
    Ih,
    Im,
    Kv31,
    NaP,
    Nap,
    NaTa,
    NaTs2,
)

QT = 2.3 ** ((34 - 21) / 10)
SINGULAR = [-154.9, -66.0, -64.4, -60.0, -38.0, -32.0, -27.0, -17.0]
V = np.array(
    [-150.0, -120.3, -100.0, -86.0, -70.0, -66.1, -61.7, -59.99, -52.6, -40.0, -20.0, 0.0, 31.3, 60.0, 100.0]
)
ALL = np.unique(np.concatenate([V, SINGULAR, np.linspace(-150.0, 100.0, 251)]))
CALCIUM = np.array([1e-4, 2e-4, 4.3e-4, 1e-3, 1e-2])


def ratio(x, y):
    """x / (1 − exp(−x/y)), with its limit y at x = 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(x == 0.0, y, x / (1.0 - exp(-x / y)))


def rates(a, b, qt=1.0):
    return a / (a + b), 1.0 / (a + b) / qt


def transient(v, m, h):
    return {
        "m": rates(0.182 * ratio(v - m, 6.0), 0.124 * ratio(m - v, 6.0), QT),
        "h": rates(0.015 * ratio(h - v, 6.0), 0.015 * ratio(v - h, 6.0), QT),
    }


def slow_h(v):
    a, b = 2.88e-6 * ratio(-(v + 17.0), 4.63), 6.94e-6 * ratio(v + 64.4, 2.63)
    return 1.0 / (1.0 + exp((v + 48.8) / 10.0)), 1.0 / (a + b) / QT


def nap_et2(v):
    tau = 6.0 / (0.182 * ratio(v + 38.0, 6.0) + 0.124 * ratio(-v - 38.0, 6.0)) / QT
    return {"m": (1.0 / (1.0 + exp((v + 52.6) / -4.6)), tau), "h": slow_h(v)}


def k_tst(v):
    v = v + 10.0
    return {
        "m": (1.0 / (1.0 + exp(-v / 19.0)), (0.34 + 0.92 * exp(-(((v + 71.0) / 59.0) ** 2))) / QT),
        "h": (1.0 / (1.0 + exp((v + 66.0) / 10.0)), (8.0 + 49.0 * exp(-(((v + 73.0) / 23.0) ** 2))) / QT),
    }


def k_pst(v):
    v = v + 10.0
    tau_m = np.where(v < -50.0, 1.25 + 175.03 * exp(0.026 * v), 1.25 + 13.0 * exp(-0.026 * v)) / QT
    tau_h = (360.0 + (1010.0 + 24.0 * (v + 55.0)) * exp(-(((v + 75.0) / 48.0) ** 2))) / QT
    return {
        "m": (1.0 / (1.0 + exp(-(v + 1.0) / 12.0)), tau_m),
        "h": (1.0 / (1.0 + exp((v + 54.0) / 11.0)), tau_h),
    }


def skv3_1(v):
    return {"m": (1.0 / (1.0 + exp((v - 18.7) / -9.7)), 0.2 * 20.0 / (1.0 + exp((v + 46.56) / -44.14)))}


def im(v):
    return {"m": rates(3.3e-3 * exp(2.5 * 0.04 * (v + 35.0)), 3.3e-3 * exp(-2.5 * 0.04 * (v + 35.0)), QT)}


def ih(v):
    return {"m": rates(0.001 * 6.43 * ratio(-(v + 154.9), 11.9), 0.001 * 193.0 * exp(v / 33.1))}


def ca_hva(v):
    m = rates(0.055 * ratio(27.0 + v, 3.8), 0.94 * exp((-75.0 - v) / 17.0))
    return {"m": m, "h": rates(0.000457 * exp((-13.0 - v) / 50.0), 0.0065 / (exp((-v - 15.0) / 28.0) + 1.0))}


def ca_lvast(v):
    v = v + 10.0
    return {
        "m": (1.0 / (1.0 + exp((v + 30.0) / -6.0)), (5.0 + 20.0 / (1.0 + exp((v + 25.0) / 5.0))) / QT),
        "h": (1.0 / (1.0 + exp((v + 80.0) / 6.4)), (20.0 + 50.0 / (1.0 + exp((v + 40.0) / 7.0))) / QT),
    }


CASES = [
    (NaTa(), lambda v: transient(v, -38.0, -66.0)),
    (NaTs2(), lambda v: transient(v, -32.0, -60.0)),
    (NaP(), nap_et2),
    (Nap(), lambda v: {"h": slow_h(v)}),
    (KT(), k_tst),
    (KP(), k_pst),
    (Kv31(), skv3_1),
    (Im(), im),
    (Ih(), ih),
    (CaHVA(), ca_hva),
    (CaLVA(), ca_lvast),
]
each = pytest.mark.parametrize(("channel", "rule"), CASES, ids=lambda x: type(x).__name__)


def at34(channel, v) -> dict[str, Gate]:
    """The gates as a cell of 34 °C has them."""
    return {name: g.scaled(channel.temperature_factor(34.0)) for name, g in channel.gates(v).items()}


@each
def test_gates_equal_the_published_ones_at_34_degrees(channel, rule):
    gates, expected = at34(channel, jnp.asarray(ALL)), rule(ALL)
    assert gates.keys() == expected.keys()
    for name, (inf, tau) in expected.items():
        np.testing.assert_allclose(gates[name].inf, inf, rtol=1e-10, err_msg=name)
        np.testing.assert_allclose(1.0 / gates[name].rate, tau, rtol=1e-10, err_msg=name)


@pytest.mark.parametrize(("kind", "m", "h"), [(NaTa, -38.0, -66.0), (NaTs2, -32.0, -60.0)])
def test_a_shift_moves_both_gates_along_the_voltage(kind, m, h):
    for name, (inf, tau) in transient(ALL, m - 4.5, h - 4.5).items():
        gate = at34(kind(shift=-4.5), jnp.asarray(ALL))[name]
        np.testing.assert_allclose(gate.inf, inf, rtol=1e-10)
        np.testing.assert_allclose(1.0 / gate.rate, tau, rtol=1e-10)


@pytest.mark.parametrize(("kind", "rule"), [(Im, im), (CaHVA, ca_hva), (CaLVA, ca_lvast)])
def test_slow_multiplies_every_time_constant_and_no_steady_state(kind, rule):
    for name, (inf, tau) in rule(ALL).items():
        gate = at34(kind(slow=2.5), jnp.asarray(ALL))[name]
        np.testing.assert_allclose(gate.inf, inf, rtol=1e-10)
        np.testing.assert_allclose(1.0 / gate.rate, 2.5 * tau, rtol=1e-10)


@each
def test_without_temperature_the_rates_are_those_measured(channel, rule):
    warmed = isinstance(channel, NaTa | NaTs2 | NaP | Nap | KT | KP | Im | CaLVA)
    for name, gate in channel.gates(jnp.asarray(V)).items():
        np.testing.assert_allclose(1.0 / gate.rate, rule(V)[name][1] * (QT if warmed else 1.0), rtol=1e-10)


@each
def test_float32_is_finite_and_close(channel, rule):
    gates = at34(channel, jnp.asarray(ALL, jnp.float32))
    for name, (inf, tau) in rule(ALL).items():
        assert gates[name].inf.dtype == gates[name].rate.dtype == jnp.float32
        np.testing.assert_allclose(gates[name].inf, inf, rtol=2e-4, atol=1e-7)
        np.testing.assert_allclose(1.0 / gates[name].rate, tau, rtol=5e-5)


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("channel", [c for c, _ in CASES] + [SK()], ids=lambda x: type(x).__name__)
def test_gradients_are_finite(channel, dtype):
    channel = jax.tree.map(lambda x: jnp.asarray(x, dtype), channel)
    readings = {"cai": dtype(2e-4)} if isinstance(channel, SK) else {}

    def summary(channel, v):
        gates = channel.gates(v, **readings)
        current = channel.carried(v, **{k: g.inf for k, g in gates.items()}, ena=50.0, ek=-85.0, eca=120.0)
        return sum(current.values()) + sum(g.inf + jnp.log(g.rate) for g in gates.values())

    for v in (ALL, np.array([-1000.0, -400.0, 400.0, 1000.0])):
        for order in (jax.grad(summary, argnums=(0, 1)), jax.grad(jax.grad(summary, argnums=1), argnums=1)):
            found = jax.jit(jax.vmap(order, (None, 0)))(channel, jnp.asarray(v, dtype))
            assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(found))


def test_sk_follows_calcium():
    gate = SK().gates(jnp.full(5, -65.0), jnp.asarray(CALCIUM))["z"]
    np.testing.assert_allclose(gate.inf, 1.0 / (1.0 + (0.00043 / CALCIUM) ** 4.8), rtol=1e-10)
    np.testing.assert_allclose(gate.rate, 1.0)
    slope = jax.vmap(jax.grad(lambda c: SK().gates(jnp.zeros(()), c)["z"].inf))(
        jnp.asarray([-1e-3, 0.0, 1e-4])
    )
    assert np.all(np.isfinite(slope)) and slope[2] > 0.0
    tiny = SK().gates(jnp.zeros(2, jnp.float32), jnp.asarray([-1e-4, 0.0], jnp.float32))["z"].inf
    assert np.all((tiny >= 0.0) & (tiny < 1e-15))


def test_currents_and_carriers():
    v, ions = jnp.float64(-20.0), {"ena": 50.0, "ek": -85.0, "eca": 120.0}
    m, h = 0.3, 0.7
    expected = {
        NaTa: ("na", m**3 * h * -70.0),
        NaTs2: ("na", m**3 * h * -70.0),
        NaP: ("na", m**3 * h * -70.0),
        Nap: ("na", h * -70.0 / (1.0 + exp(-(-20.0 + 52.6) / 4.6))),
        KT: ("k", m**4 * h * 65.0),
        KP: ("k", m**2 * h * 65.0),
        SK: ("k", 0.2 * 65.0),
        Kv31: ("k", m * 65.0),
        Im: ("k", m * 65.0),
        Ih: ("", m * 25.0),
        CaHVA: ("ca", m**2 * h * -140.0),
        CaLVA: ("ca", m**2 * h * -140.0),
    }
    for cls, (ion, current) in expected.items():
        found = cls(g=0.1).carried(v, m=m, h=h, z=0.2, **ions)
        assert found.keys() == {ion}
        assert found[ion] == pytest.approx(0.1 * current), cls
        assert cls().outline().carriers == ((ion,) if ion else ())


def test_calcium_dynamics_is_the_papers_pool():
    pool = CaDynamics()
    assert isinstance(pool, Pool)
    assert pool.params() == {"ci": 1e-4, "co": 2.0, "initial": 1.0, "gamma": 0.05, "depth": 0.1, "tau": 80.0}
    assert CaDynamics(gamma=0.000501, tau=460.0).params()["tau"] == 460.0
