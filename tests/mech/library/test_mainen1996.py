"""The currents of Mainen & Sejnowski (1996) against their equations, typed in a second time, and a spiking cell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Leak, Pool, Reversal
from cajax.mech.library.mainen1996 import Ca, KCa, Km, Kv, Na

V = np.array([-150.0, -91.3, -68.0, -52.7, -41.0, -20.4, 0.3, 33.0, 100.0])  # none on a 0/0
WARM = 2.3 ** ((37 - 23) / 10)


def lin(rate, x, slope):
    """rate · x/(1 − exp(−x/slope))"""
    return rate * x / (1 - np.exp(-x / slope))


def na(v):
    u = v - 5.0
    am, bm = lin(0.182, u + 35, 9), lin(0.124, -(u + 35), 9)
    ah, bh = lin(0.024, u + 50, 5), lin(0.0091, -(u + 75), 5)
    return {"m": (am / (am + bm), am + bm), "h": (1 / (1 + np.exp((u + 65) / 6.2)), ah + bh)}


def kv(v):
    a, b = lin(0.02, v - 25, 9), lin(0.002, -(v - 25), 9)
    return {"n": (a / (a + b), a + b)}


def km(v):
    a, b = lin(0.001, v + 30, 9), lin(0.001, -(v + 30), 9)
    return {"n": (a / (a + b), a + b)}


def ca(v):
    am, bm = 0.055 * (-27 - v) / (np.exp((-27 - v) / 3.8) - 1), 0.94 * np.exp((-75 - v) / 17)
    ah, bh = 0.000457 * np.exp((-13 - v) / 50), 0.0065 / (np.exp((-v - 15) / 28) + 1)
    return {"m": (am / (am + bm), am + bm), "h": (ah / (ah + bh), ah + bh)}


@pytest.mark.parametrize(("cls", "rule"), [(Na, na), (Kv, kv), (Km, km), (Ca, ca)])
def test_gates_follow_the_model(cls, rule):
    found = cls().gates(jnp.asarray(V))
    for name, (inf, rate) in rule(V).items():
        np.testing.assert_allclose(found[name].inf, inf, rtol=1e-10)
        np.testing.assert_allclose(found[name].rate, rate, rtol=1e-10)


def test_calcium_opens_the_slow_potassium_current():
    cai = np.array([5e-5, 1e-3, 0.1, 10.0])
    n = KCa().gates(jnp.full(4, -60.0), cai=jnp.asarray(cai))["n"]
    np.testing.assert_allclose(n.inf, 0.01 * cai / (0.01 * cai + 0.02), rtol=1e-13)
    np.testing.assert_allclose(n.rate, 0.01 * cai + 0.02, rtol=1e-13)


def test_temperature_scales_rates_and_conductances():
    for cls in (Na, Kv, Km, KCa, Ca):
        assert cls().temperature_factor(37.0) == pytest.approx(WARM, rel=1e-13)
    v = jnp.float64(-20.0)
    assert Na(g=1.0).current(v, 0.5, 0.6, ena=50.0, celsius=37.0) == pytest.approx(WARM * 0.125 * 0.6 * -70)
    assert Ca(g=1.0).current(v, 0.5, 0.6, eca=140.0, celsius=23.0) == pytest.approx(0.25 * 0.6 * -160)
    for cls in (Kv, Km, KCa):
        assert cls(g=1.0).current(v, 0.3, ek=-90.0, celsius=37.0) == pytest.approx(WARM * 0.3 * 70)


@pytest.mark.parametrize(("cls", "gate", "v", "rate"), [
    (Na, "m", -30.0, 9 * (0.182 + 0.124)),
    (Kv, "n", 25.0, 9 * 0.022),
    (Km, "n", -30.0, 9 * 0.002),
    (Ca, "m", -27.0, 0.055 * 3.8 + 0.94 * np.exp(-48 / 17)),
    (Na, "h", -45.0, 0.024 * 5 + 0.0091 * 25 / (np.exp(5) - 1)),
    (Na, "h", -70.0, 0.0091 * 5 + 0.024 * 25 / (np.exp(5) - 1)),
])  # fmt: skip
def test_singular_points(cls, gate, v, rate):
    found = cls().gates(jnp.asarray([v - 1e-7, v, v + 1e-7]))[gate].rate
    assert found[1] == pytest.approx(rate, rel=1e-13)
    np.testing.assert_allclose(found, rate, rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls", [Na, Kv, Km, KCa, Ca])
def test_values_and_gradients_are_finite(cls, dtype):
    v = jnp.asarray([*np.linspace(-150, 100, 251), 25.0, -45.0], dtype)
    channel = jax.tree.map(lambda x: jnp.asarray(x, dtype), cls())
    outline = channel.outline()
    given = {"cai": 1e-4, "ena": 50.0, "ek": -90.0, "eca": 140.0, "celsius": 37.0}
    given = {k: jnp.asarray(x, dtype) for k, x in given.items()}

    def summary(channel, v):
        gates = channel.gates(v, **{k: given[k] for k in outline.gates_read})
        read = {k: given[k] for k in outline.current_reads}
        current = channel.current(v, **{k: g.inf for k, g in gates.items()}, **read)
        return sum((g.inf + jnp.log(g.rate) for g in gates.values()), current)

    out = jax.vmap(jax.value_and_grad(summary, argnums=(0, 1)), (None, 0))(channel, v)
    assert all(np.isfinite(x).all() and x.dtype == dtype for x in jax.tree.leaves(out))


def test_a_patch_with_the_axon_s_densities_spikes_and_calcium_rises():
    cell = cx.Cell(cx.cylinder(20.0, 10.0), cm=0.75, v0=-70.0, temperature=37.0).paint(
        "all", leak=Leak(g=1 / 30000, e=-70.0), na_=Na(g=0.05), kv=Kv(g=0.05), km=Km(), kca=KCa(), ca_=Ca(),
        na=Reversal(60.0), k=Reversal(-90.0), ca=Pool(ci=1e-4, gamma=1.0, depth=0.1, tau=200.0),
    )  # fmt: skip
    sol = cx.simulate(
        cell.discretize(cx.PerBranch(1)),
        60.0,
        0.025,
        [cx.IClamp("all", 5.0, 50.0, 0.1)],
        {"v": "all", "c": "all.ca.cai"},
    )
    v, c = np.asarray(sol["v"]), np.asarray(sol["c"])
    spikes = np.sum((v[:-1] < 0) & (v[1:] >= 0))
    print(f"{spikes} spikes, peak {v.max():.1f} mV, calcium {1e3 * c[0]:.3f} to {1e3 * c.max():.3f} µM")
    assert spikes >= 3 and 10.0 < v.max() < 60.0 and v[:200].max() < -60.0
    assert c.max() > 2 * c[0]
