"""Point neurons: firing rates and patterns against formulas and independent simulations."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import LIF, AdEx, ExpSyn, Izhikevich, Leak, PointNeuron

T1 = 400.0


def driven(neuron: PointNeuron, n: int = 1, v0: float = -70.0) -> tuple[cx.Model, float]:
    """`n` point neurons "a" and one membrane "b" that counts their spikes; and nA per µA/cm²."""
    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=v0).paint("all", p=neuron)
    quiet = cx.Cell(cx.cylinder(20.0, 10.0), v0=0.0).paint("all", leak=Leak(g=1e-4, e=0.0))
    net = cx.Network().add("a", cell, n).add("b", quiet, 1)
    net = net.connect("a", "b", ExpSyn(tau=1e12), weight=0.0, delay=1.0)
    model = net.discretize(cx.PerBranch(1))
    return model, float(model.area[0]) * 1e-5


def run(neuron: PointNeuron, densities: Any, dt: float, t1: float = T1, **options: Any) -> tuple:
    """Voltages, and how many spikes have been sent, for constant currents in µA/cm²."""
    densities = jnp.asarray(densities, float)
    model, unit = driven(neuron, len(densities), options.pop("v0", -70.0))
    clamp = cx.IClamp("a", 0.0, 1e6, densities * unit)
    sol = cx.simulate(model, t1, dt, [clamp], {"v": "a", "g": "a->b.expsyn.g"}, **options)
    return np.asarray(sol["v"]), np.asarray(sol["g"])


def moments(g: np.ndarray, dt: float) -> np.ndarray:
    """The steps in which spikes arrived, as times."""
    return dt * np.flatnonzero(np.diff(g) > 0.5)


@pytest.mark.parametrize("method", [cx.Staggered(), cx.BackwardEuler()])
@pytest.mark.parametrize("refractory", [0.0, 2.0, 7.5])
def test_lif_rate_is_the_formula(refractory, method):
    """T = refractory + τ ln((E + I/g − reset)/(E + I/g − threshold))."""
    dt, lif = 0.05, LIF(refractory=refractory)
    drive = np.array([0.9, 1.1, 1.5, 3.0])  # µA/cm²; the threshold is at 1.0
    v, g = run(lif, drive, dt, method=method)
    tau, end = 1e-3 / lif.g, -70.0 + drive * 1e-3 / lif.g
    assert g[-1, 0] == 0 and v[-1, 0] == pytest.approx(end[0], abs=1e-2)
    for k in (1, 2, 3):
        interval = np.diff(moments(g[:, k], dt)).mean()
        exact = refractory + tau * np.log((end[k] + 65.0) / (end[k] + 50.0))
        # The reset waits for the end of a step.
        assert interval == pytest.approx(exact, abs=2.2 * dt)
    assert v[:, 1:].max() < -50.0 and v.min() > -70.0 - 1e-6


def test_lif_is_held_while_refractory():
    dt = 0.05
    v, _ = run(LIF(refractory=5.0), [3.0], dt, t1=60.0)
    held = np.abs(v[:, 0] + 65.0) < 0.01
    edges = np.flatnonzero(np.diff(held.astype(int)))
    lengths = np.diff(edges)[::2] * dt if held[edges[0] + 1] else np.diff(edges)[1::2] * dt
    np.testing.assert_allclose(lengths, 5.0, atol=0.15)


def test_adex_adapts():
    v, g = run(AdEx(), [3.0], 0.05, v0=-70.6)
    intervals = np.diff(moments(g[:, 0], 0.05))
    assert len(intervals) >= 4 and (np.diff(intervals) > -0.06).all() and intervals[-1] > 1.3 * intervals[0]
    assert v.max() <= 0.0 and v.min() > -90.0


def adex(density: float, t1: float, dt: float = 0.002) -> np.ndarray:
    """Spike times of the paper's equations in forward Euler steps."""
    p = AdEx()
    v, w, times = -70.6, 0.0, []
    for k in range(round(t1 / dt)):
        i = -p.g * (v - p.e) + p.g * p.slope * np.exp(min((v - p.vt) / p.slope, 30.0)) - w
        v, w = v + dt * 1e3 * (i + 1e-3 * density), w + dt / p.tau * (p.a * (v - p.e) - w)
        if v >= p.peak:
            v, w = p.vreset, w + p.b
            times.append(k * dt)
    return np.array(times)


def test_adex_spikes_when_its_equations_say():
    _, g = run(AdEx(), [3.0], 0.025, t1=200.0, v0=-70.6)
    times = adex(3.0, 200.0)
    found = moments(g[:, 0], 0.025) - 1.0
    assert len(found) == len(times) >= 3
    np.testing.assert_allclose(found, times, rtol=0.01, atol=0.15)


def izhikevich(density: float, t1: float, dt: float = 0.005, **values: float) -> np.ndarray:
    """Spike times of the paper's equations in forward Euler steps."""
    p = {"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0} | values
    v, u, times = -65.0, -65.0 * p["b"], []
    for k in range(round(t1 / dt)):
        v, u = v + dt * (0.04 * v * v + 5 * v + 140 - u + density), u + dt * p["a"] * (p["b"] * v - u)
        if v >= 30.0:
            v, u = p["c"], u + p["d"]
            times.append(k * dt)
    return np.array(times)


@pytest.mark.parametrize(
    "values", [{}, {"a": 0.1, "d": 2.0}, {"c": -50.0, "d": 2.0}], ids=["regular", "fast", "chattering"]
)
def test_izhikevich_fires_as_its_equations_do(values):
    dt = 0.025
    _, g = run(Izhikevich(**values), [10.0], dt, t1=300.0, v0=-65.0)
    times, found = izhikevich(10.0, 300.0, **values), moments(g[:, 0], dt) - 1.0
    assert len(times) > 5 and abs(len(found) - len(times)) <= (0 if not values else 2)
    np.testing.assert_allclose(found[:5], times[:5], rtol=0.02, atol=0.3)


@pytest.mark.parametrize("neuron", [LIF(), AdEx(), Izhikevich()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("dt", [0.025, 0.1])
def test_voltages_stay_bounded_under_strong_input(neuron, dt):
    v, g = run(neuron, [0.0, 20.0, 60.0, -20.0], dt, t1=100.0)
    assert np.isfinite(v).all() and v.max() <= 31.0
    assert v[:, 1:3].min() > -120.0 and (g[-1, 1:3] >= 5).all() and g[-1, 3] == 0


def test_point_neurons_in_single_precision():
    for neuron in (LIF(), AdEx(), Izhikevich()):
        model, unit = driven(neuron, 2)
        model = jax.tree.map(lambda x: x.astype(jnp.float32), model)
        clamp = cx.IClamp("a", 0.0, 1e6, jnp.asarray([3.0 * unit, 12.0 * unit], jnp.float32))
        sol = cx.simulate(model, 60.0, 0.05, [clamp], {"v": "a", "g": "a->b.expsyn.g"})
        assert sol["v"].dtype == jnp.float32 and float(sol["g"][-1].max()) >= 1


def test_a_projection_follows_the_threshold_of_its_neurons():
    """A trained threshold, or one of its own for each cell, is where the projection sees spikes too."""
    model, unit = driven(LIF(vth=cx.each("cell", [-50.0, -58.0])), 2)
    clamp = cx.IClamp("a", 0.0, 1e6, 2.0 * unit)
    g = cx.simulate(model, 60.0, 0.05, [clamp], {"g": "a->b.expsyn.g"})["g"][-1]
    assert (np.asarray(g) >= 1).all(), g


def test_a_threshold_that_is_replaced_moves_the_detection():
    model, unit = driven(LIF())
    model = model.replace({"a.all.p.vth": -55.0})
    clamp = cx.IClamp("a", 0.0, 1e6, 2.0 * unit)
    assert float(cx.simulate(model, 60.0, 0.05, [clamp], {"g": "a->b.expsyn.g"})["g"][-1, 0]) >= 1


def test_firing_time_has_gradients():
    """When the first spike arrives, by the input: the membrane equation's own derivative."""
    model, unit = driven(LIF())
    model = model.replace({"a->b.expsyn.tau": 20.0})

    def arrival(density):
        clamp = cx.IClamp("a", 0.0, 1e6, density * unit)
        g = cx.simulate(model, 20.0, 0.025, [clamp], {"g": "a->b.expsyn.g"})["g"][-1, 0]
        return 20.0 + 20.0 * jnp.log(g) - 1.0

    # t = τ ln(x/(x − 20)) with x = I/g = 20 mV per µA/cm².
    x = 20.0 * 2.5
    assert float(arrival(2.5)) == pytest.approx(20.0 * np.log(x / (x - 20.0)), abs=0.01)
    exact = 20.0 * 20.0 * (1 / x - 1 / (x - 20.0))
    assert float(jax.grad(arrival)(2.5)) == pytest.approx(exact, rel=0.01)
