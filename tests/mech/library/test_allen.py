"""The channels of the Allen Cell Types models against their published equations, written a second time in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy import exp

from cajax.mech import Scheme
from cajax.mech.library import allen, hay2011
from cajax.mech.library.allen import KP, KT, ImV2, Kd, Kv2, NaTa, NaTs, NaV

SINGULAR = [-69.0, -66.0, -48.0, -40.0, 43.0]
V = np.array(
    [-150.0, -121.0, -100.0, -86.0, -70.0, -66.1, -61.7, -50.0, -49.9, -20.0, 0.0, 31.3, 60.0, 100.0]
)
ALL = np.unique(np.concatenate([V, SINGULAR, np.linspace(-150.0, 100.0, 251)]))
CELSIUS = 34.0


def q(at):
    return 2.3 ** ((CELSIUS - at) / 10)


def ratio(x, y):
    """x / (1 − exp(−x/y)), with its limit y at x = 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(x == 0.0, y, x / (1.0 - exp(-x / y)))


def rates(a, b, qt=1.0):
    return a / (a + b), 1.0 / (a + b) / qt


def transient(v, m, h):
    return {
        "m": rates(0.182 * ratio(v - m, 6.0), 0.124 * ratio(m - v, 6.0), q(23)),
        "h": rates(0.015 * ratio(h - v, 6.0), 0.015 * ratio(v - h, 6.0), q(23)),
    }


def kv2like(v):
    m, tau = rates(0.12 * ratio(v - 43.0, 11.0), 0.02 * exp(-(v + 1.27) / 120.0), q(21))
    h = 1.0 / (1.0 + exp((v + 58.0) / 11.0))
    fast = (360.0 + (1010.0 + 23.7 * (v + 54.0)) * exp(-(((v + 75.0) / 48.0) ** 2))) / q(21)
    slow = np.maximum(2350.0 + 1380.0 * exp(-0.011 * v) - 210.0 * exp(-0.03 * v), 1e-3) / q(21)
    return {"m": (m, 2.5 * tau), "h1": (h, fast), "h2": (h, slow)}


def k_t(v, shift=0.0, m_slow=1.0, h_slow=1.0):
    u = v - shift
    return {
        "m": (1 / (1 + exp(-(u + 47) / 29)), (0.34 + m_slow * 0.92 * exp(-(((u + 71) / 59) ** 2))) / q(21)),
        "h": (1 / (1 + exp((u + 66) / 10)), (8.0 + h_slow * 49.0 * exp(-(((u + 73) / 23) ** 2))) / q(21)),
    }


def k_p(v, shift=0.0, slow=1.0):
    u = v - shift
    tau = slow * np.where(u < -50.0, 1.25 + 175.03 * exp(0.026 * u), 1.25 + 13.0 * exp(-0.026 * u)) / q(21)
    tau_h = (360.0 + (1010.0 + 24.0 * (u + 55.0)) * exp(-(((u + 75.0) / 48.0) ** 2))) / q(21)
    return {"m": (1 / (1 + exp(-(u + 14.3) / 14.6)), tau), "h": (1 / (1 + exp((u + 54) / 11)), tau_h)}


def kd(v):
    m, h = 1 - 1 / (1 + exp((v + 43) / 8)), 1 / (1 + exp((v + 67) / 7.3))
    return {"m": (m, np.full_like(v, 1.0)), "h": (h, np.full_like(v, 1500.0))}


def im_v2(v):
    a, b = 0.007 * exp(6 * 0.4 * (v + 48) / 26.12), 0.007 * exp(-6 * 0.6 * (v + 48) / 26.12)
    return {"m": (a / (a + b), (15 + 1 / (a + b)) / q(30))}


CASES = [
    (NaTs(), lambda v: transient(v, -40.0, -66.0)),
    (NaTa(), lambda v: transient(v, -48.0, -69.0)),
    (Kv2(), kv2like),
    (KT(), k_t),
    (KT(shift=-10.0, m_slow=1.5, h_slow=0.7), lambda v: k_t(v, -10.0, 1.5, 0.7)),
    (KP(), k_p),
    (KP(shift=5.0, slow=2.0), lambda v: k_p(v, 5.0, 2.0)),
    (Kd(), kd),
    (ImV2(), im_v2),
]
each = pytest.mark.parametrize(("channel", "rule"), CASES, ids=lambda x: type(x).__name__)


@each
def test_gates_equal_the_published_ones(channel, rule):
    expected = rule(ALL)
    gates = channel.gates(jnp.asarray(ALL))
    assert gates.keys() == expected.keys()
    for name, (inf, tau) in expected.items():
        gate = gates[name].scaled(channel.temperature_factor(CELSIUS))
        np.testing.assert_allclose(gate.inf, inf, rtol=1e-10, atol=1e-16, err_msg=name)
        np.testing.assert_allclose(1.0 / gate.rate, tau, rtol=1e-10, err_msg=name)


@each
def test_float32_is_finite_and_close(channel, rule):
    # Near −119 mV the slow time constant of Kv2 passes through zero, and any rounding is large beside it.
    v = ALL[np.abs(ALL + 119.0) > 3.0] if isinstance(channel, Kv2) else ALL
    for name, gate in channel.gates(jnp.asarray(v, jnp.float32)).items():
        inf, tau = rule(v)[name]
        gate = gate.scaled(channel.temperature_factor(CELSIUS))
        assert gate.inf.dtype == gate.rate.dtype == jnp.float32
        np.testing.assert_allclose(gate.inf, inf, rtol=2e-4, atol=1e-7)
        np.testing.assert_allclose(1.0 / gate.rate, tau, rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("cls", [NaTs, NaTa, Kv2, KT, KP, Kd, ImV2])
def test_gradients_are_finite(cls, dtype):
    channel = jax.tree.map(lambda x: jnp.asarray(x, dtype), cls())

    def summary(channel, v):
        gates = channel.gates(v)
        current = channel.carried(v, **{k: g.inf for k, g in gates.items()}, ena=50.0, ek=-85.0, eca=120.0)
        return sum(current.values()) + sum(g.inf + jnp.log(g.rate) for g in gates.values())

    for v in (ALL, np.array([-1000.0, -400.0, 400.0, 1000.0])):
        for order in (jax.grad(summary, argnums=(0, 1)), jax.grad(jax.grad(summary, argnums=1), argnums=1)):
            found = jax.jit(jax.vmap(order, (None, 0)))(channel, jnp.asarray(v, dtype))
            assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(found))


def carter(v):
    """The generator of the published scheme at one voltage [12, 12] (1/ms at 37 °C), states C1 … C5, O, I1 … I6."""
    names = [f"C{k}" for k in range(1, 6)] + ["O"] + [f"I{k}" for k in range(1, 7)]
    matrix = np.zeros((12, 12))

    def link(a, b, forth, back):
        i, j = names.index(a), names.index(b)
        for source, target, rate in ((i, j, forth), (j, i, back)):
            matrix[target, source] += rate
            matrix[source, source] -= rate

    up, down = 400 * exp(v / 24), 12 * exp(-v / 24)
    for k, n in ((1, 4), (2, 3), (3, 2), (4, 1)):
        link(f"C{k}", f"C{k + 1}", n * up, k * down)
        link(f"I{k}", f"I{k + 1}", n * up * 2.51, k * down / 5.32)
    for k in range(5):
        link(f"C{k + 1}", f"I{k + 1}", 0.01 * 2.51**k, 40 / 5.32**k)
    link("C5", "O", 250, 60)
    link("I5", "I6", 250, 60)
    link("O", "I6", 8, 0.05)
    return names, matrix


def test_nav_is_the_published_scheme():
    v = jnp.asarray([-120.0, -80.0, -60.0, -40.0, -20.0, 0.0, 40.0])
    scheme = NaV().gates(v)["sodium"]
    assert isinstance(scheme, Scheme)
    rest = scheme.steady()
    x = {name: jnp.full(7, 0.01 + 0.02 * k) for k, name in enumerate(carter(0.0)[0])}
    change = scheme.derivative(x)
    for i, u in enumerate(v):
        names, matrix = carter(float(u))
        now = np.array([x[n][i] for n in names])
        np.testing.assert_allclose([change[n][i] for n in names], matrix @ now, rtol=1e-10, atol=1e-10)
        balance = np.vstack([matrix[:-1], np.ones(12)])
        expected = np.linalg.solve(balance, np.eye(12)[-1])
        np.testing.assert_allclose([rest[n][i] for n in names], expected, rtol=1e-8, atol=1e-13)
    assert NaV().carried(v, O=jnp.full(7, 0.1), ena=53.0)["na"][0] == pytest.approx(0.127905 * 0.1 * -173.0)
    NaV().check()


def test_nav_stays_a_distribution():
    channel = NaV()
    v = jnp.asarray(np.append(np.arange(-150.0, 101.0, 50.0), -1.0))
    first = channel.gates(jnp.full_like(v, -80.0))["sodium"].steady()
    scheme = channel.gates(v)["sodium"]
    step = jax.jit(lambda now: jax.lax.fori_loop(0, 8, lambda _, x: scheme.step(x, 0.0125, 1), now))
    now = step(first)
    np.testing.assert_allclose(sum(now.values()), 1.0, rtol=0, atol=1e-12)
    assert all(np.all((x >= -1e-12) & (x <= 1.0)) for x in now.values())
    assert now["O"][-1] > 0.1 and now["O"][0] < 1e-6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nav_rates_have_finite_gradients(dtype):
    channel = jax.tree.map(lambda x: jnp.asarray(x, dtype), NaV())

    def summary(channel, v):
        return sum(jnp.log(rate) for rate in channel.gates(v)["sodium"].rates)

    for v in (ALL, np.array([-1000.0, -400.0, 400.0, 1000.0])):
        slopes = jax.jit(jax.vmap(jax.grad(summary, argnums=(0, 1)), (None, 0)))(
            channel, jnp.asarray(v, dtype)
        )
        assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(slopes))
    rest = channel.gates(jnp.asarray(ALL, dtype))["sodium"].steady()
    np.testing.assert_allclose(sum(rest.values()), 1.0, rtol=0, atol=1e-5)


def test_currents():
    v = jnp.float64(-20.0)
    assert NaTs(g=0.1).carried(v, m=0.3, h=0.7, ena=50.0)["na"] == pytest.approx(0.1 * 0.3**3 * 0.7 * -70.0)
    assert Kv2(g=0.1).carried(v, m=0.3, h1=0.7, h2=0.5, ek=-85.0)["k"] == pytest.approx(
        0.1 * 0.09 * 0.6 * 65.0
    )
    assert KT(g=0.1).carried(v, m=0.3, h=0.7, ek=-85.0)["k"] == pytest.approx(0.1 * 0.3**4 * 0.7 * 65.0)
    assert KP(g=0.1).carried(v, m=0.3, h=0.7, ek=-85.0)["k"] == pytest.approx(0.1 * 0.09 * 0.7 * 65.0)
    assert Kd(g=0.1).carried(v, m=0.3, h=0.7, ek=-85.0)["k"] == pytest.approx(0.1 * 0.21 * 65.0)
    assert ImV2(g=0.1).carried(v, m=0.3, ek=-85.0)["k"] == pytest.approx(0.1 * 0.3 * 65.0)


@pytest.mark.parametrize("name", ["Nap", "Kv31", "Im", "Ih", "SK", "CaHVA", "CaLVA", "CaDynamics"])
def test_equal_channels_are_the_same_ones(name):
    assert getattr(allen, name) is getattr(hay2011, name)
