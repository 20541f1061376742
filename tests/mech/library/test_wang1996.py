"""The interneuron of Wang & Buzsáki (1996) against its equations, typed in a second time, and its firing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Leak
from cajax.mech.library.wang1996 import K, Na

V = np.array([-150.0, -91.3, -70.0, -58.0, -52.7, -41.0, -20.4, 0.3, 33.0, 100.0])  # none on a 0/0


def h_rates(v):
    return 0.07 * np.exp(-(v + 58) / 20), 1 / (np.exp(-0.1 * (v + 28)) + 1)


def n_rates(v):
    return -0.01 * (v + 34) / (np.exp(-0.1 * (v + 34)) - 1), 0.125 * np.exp(-(v + 44) / 80)


def m_inf(v):
    a, b = -0.1 * (v + 35) / (np.exp(-0.1 * (v + 35)) - 1), 4 * np.exp(-(v + 60) / 18)
    return a / (a + b)


@pytest.mark.parametrize("phi", [5.0, 3.3])
@pytest.mark.parametrize(("cls", "gate", "rates"), [(Na, "h", h_rates), (K, "n", n_rates)])
def test_gates_follow_the_paper(cls, gate, rates, phi):
    a, b = rates(V)
    found = cls(phi=phi).gates(jnp.asarray(V))[gate]
    np.testing.assert_allclose(found.inf, a / (a + b), rtol=1e-11)
    np.testing.assert_allclose(found.rate, phi * (a + b), rtol=1e-11)


def test_currents_follow_the_paper():
    np.testing.assert_allclose(
        Na().current(jnp.asarray(V), 0.4), 0.035 * m_inf(V) ** 3 * 0.4 * (V - 55), rtol=1e-11
    )
    np.testing.assert_allclose(K().current(jnp.asarray(V), 0.4), 0.009 * 0.4**4 * (V + 90), rtol=1e-12)


def test_singular_points():
    # At −35 mV α_m is 1/ms, at −34 mV α_n is 0.1/ms.
    m = 1.0 / (1.0 + 4 * np.exp(-25 / 18))
    assert Na().current(jnp.float64(-35.0), 1.0) == pytest.approx(0.035 * m**3 * -90.0, rel=1e-14)
    assert K().gates(jnp.float64(-34.0))["n"].rate == pytest.approx(
        5 * (0.1 + 0.125 * np.exp(-10 / 80)), rel=1e-14
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_gradients_are_finite(dtype):
    v = jnp.asarray([*np.linspace(-150, 100, 251), -35.0, -34.0], dtype)
    for cls, gate in ((Na, "h"), (K, "n")):
        channel = jax.tree.map(lambda x: jnp.asarray(x, dtype), cls())

        def summary(channel, v, gate=gate):
            found = channel.gates(v)[gate]
            return found.inf + jnp.log(found.rate) + channel.current(v, found.inf)

        out = jax.vmap(jax.value_and_grad(summary, argnums=(0, 1)), (None, 0))(channel, v)
        assert all(np.isfinite(x).all() and x.dtype == dtype for x in jax.tree.leaves(out))


def spikes(amp: float, t1: float) -> tuple[np.ndarray, np.ndarray]:
    """The times of upward crossings of 0 mV, and the voltage, for a current density of `amp` µA/cm²."""
    cell = cx.Cell(cx.cylinder(20.0, 10.0), cm=1.0, v0=-64.0).paint(
        "all", na=Na(), k=K(), leak=Leak(g=1e-4, e=-65.0)
    )
    model = cell.discretize(cx.PerBranch(1))
    current = amp * 1e-3 * float(model.area.sum()) * 1e-2  # µA/cm² → mA/cm², · µm² · 1e-2 → nA
    sol = cx.simulate(model, t1, 0.02, [cx.IClamp("all", 0.0, t1, current)], {"v": "all"})
    v = np.asarray(sol["v"])
    return np.asarray(sol.ts)[1:][(v[:-1] < 0) & (v[1:] >= 0)], v


def reference_period(amp: float) -> float:
    """The period (ms) by the classic Runge–Kutta method on the equations above."""

    def slope(y):
        v, h, n = y
        (ah, bh), (an, bn) = h_rates(v), n_rates(v)
        ionic = 35 * m_inf(v) ** 3 * h * (v - 55) + 9 * n**4 * (v + 90) + 0.1 * (v + 65)
        return np.array([amp - ionic, 5 * (ah * (1 - h) - bh * h), 5 * (an * (1 - n) - bn * n)])

    y, dt, times = np.array([-64.0, 0.78, 0.09]), 0.02, []
    for step in range(4000):
        k1 = slope(y)
        k2 = slope(y + dt / 2 * k1)
        k3 = slope(y + dt / 2 * k2)
        k4 = slope(y + dt * k3)
        new = y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        if y[0] < 0 <= new[0]:
            times.append(dt * (step - y[0] / (new[0] - y[0])))
        y = new
    return times[-1] - times[-2]


def test_firing_is_that_of_the_paper():
    # Fig. 1 of the paper: continuous from zero frequency, threshold near 0.2 µA/cm², up to some 400 Hz; the spike is
    # followed by a hyperpolarisation of 10 to 15 mV below a threshold of some −55 mV.
    assert len(spikes(0.1, 200.0)[0]) == 0
    times, v = spikes(1.0, 100.0)
    period = times[-1] - times[-2]
    print(f"1 µA/cm²: {1e3 / period:.2f} Hz, trough {v[2000:].min():.1f} mV")
    assert period == pytest.approx(reference_period(1.0), abs=0.05)
    assert 50.0 < 1e3 / period < 75.0
    assert -70.0 < v[2000:].min() < -65.0
    fast, _ = spikes(20.0, 50.0)
    print(f"20 µA/cm²: {1e3 / (fast[-1] - fast[-2]):.0f} Hz")
    assert 300.0 < 1e3 / (fast[-1] - fast[-2]) < 450.0
    assert len(spikes(0.3, 200.0)[0]) >= 2
