"""The currents of Traub and colleagues (1991) against their equations, typed in again, and two spiking cells."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Leak, Pool, Reversal
from cajax.mech.library.traub import CA3KA, CA3KAHP, CA3KC, CA3Ca, CA3Kdr, CA3Na, TraubKd, TraubNa

V = np.array([-150.0, -91.3, -68.0, -52.7, -41.0, -20.4, -8.0, 0.3, 33.0, 100.0])  # none on a 0/0


def lin(x, slope):
    return x / (np.exp(x / slope) - 1)


def rule(v):
    """Opening and closing rates (1/ms) of every gate that voltage alone drives."""
    w, u = v + 67.0, v + 60.0
    cut = np.minimum(u, 50.0)
    kc_fall = 2 * np.exp(-(u - 6.5) / 27)
    kc = np.where(u <= 50, np.exp((cut - 10) / 11 - (cut - 6.5) / 27) / 18.975, kc_fall)
    r = 0.005 * np.where(u > 0, np.exp(-np.maximum(u, 0) / 20), 1.0)
    return {
        (TraubNa, "m"): (0.32 * (13 - w) / (np.exp((13 - w) / 4) - 1), 0.28 * (w - 40) / (np.exp((w - 40) / 5) - 1)),
        (TraubNa, "h"): (0.128 * np.exp((17 - w) / 18), 4 / (1 + np.exp((40 - w) / 5))),
        (TraubKd, "n"): (0.032 * (15 - w) / (np.exp((15 - w) / 5) - 1), 0.5 * np.exp((10 - w) / 40)),
        (CA3Na, "m"): (0.32 * lin(13.1 - u, 4), 0.28 * lin(u - 40.1, 5)),
        (CA3Na, "h"): (0.128 * np.exp((17 - u) / 18), 4 / (1 + np.exp((40 - u) / 5))),
        (CA3Kdr, "n"): (0.016 * (35.1 - u) / (np.exp((35.1 - u) / 5) - 1), 0.25 * np.exp((20 - u) / 40)),
        (CA3KA, "a"): (0.02 * lin(13.1 - u, 10), 0.0175 * lin(u - 40.1, 10)),
        (CA3KA, "b"): (0.0016 * np.exp((-13 - u) / 18), 0.05 / (1 + np.exp((10.1 - u) / 5))),
        (CA3Ca, "s"): (1.6 / (1 + np.exp(-0.072 * (u - 65))), 0.02 * (u - 51.1) / (np.exp((u - 51.1) / 5) - 1)),
        (CA3Ca, "r"): (r, 0.005 - r),
        (CA3KC, "c"): (kc, np.where(u <= 50, kc_fall - kc, 0.0)),
    }  # fmt: skip


@pytest.mark.parametrize(("cls", "gate"), rule(V), ids=lambda x: getattr(x, "__name__", x))
def test_gates_follow_the_paper(cls, gate):
    a, b = rule(V)[cls, gate]
    found = cls().gates(jnp.asarray(V))[gate]
    np.testing.assert_allclose(found.inf, a / (a + b), rtol=1e-10)
    np.testing.assert_allclose(found.rate, a + b, rtol=1e-10)


def test_the_threshold_and_the_rest_only_shift_the_voltage():
    v = jnp.asarray(V)
    for cls, name in (
        (TraubNa, "vt"),
        (TraubKd, "vt"),
        (CA3Na, "rest"),
        (CA3Kdr, "rest"),
        (CA3KA, "rest"),
        (CA3Ca, "rest"),
    ):
        plain, moved = cls(), cls(**{name: getattr(cls(), name) + 4.0})
        for gate, kind in moved.gates(v + 4.0).items():
            np.testing.assert_allclose(kind.inf, plain.gates(v)[gate].inf, rtol=1e-11)


def test_calcium_gates_saturate():
    chi = np.array([1e-3, 100.0, 400.0, 499.0, 600.0, 1e4])
    q = CA3KAHP().gates(jnp.full(6, -60.0), cai=jnp.asarray(chi * 1e-6))["q"]
    opening = np.minimum(0.2e-4 * chi, 0.01)
    np.testing.assert_allclose(q.rate, opening + 0.001, rtol=1e-12)
    np.testing.assert_allclose(q.inf, opening / (opening + 0.001), rtol=1e-12)
    share = CA3KC(g=1.0).current(jnp.zeros(6), 0.5, cai=jnp.asarray(chi * 1e-6), ek=-75.0) / 37.5
    np.testing.assert_allclose(share, np.minimum(1.0, chi / 250), rtol=1e-12)


def test_currents_follow_the_paper():
    assert TraubNa().current(-20.0, 0.5, 0.6, ena=50.0) == pytest.approx(0.1 * 0.125 * 0.6 * -70)
    assert TraubKd().current(-20.0, 0.5, ek=-100.0) == pytest.approx(0.08 * 0.0625 * 80)
    assert CA3Na().current(-20.0, 0.5, 0.6, ena=55.0) == pytest.approx(0.03 * 0.25 * 0.6 * -75)
    assert CA3Kdr().current(-20.0, 0.5, ek=-75.0) == pytest.approx(0.015 * 0.5 * 55)
    assert CA3KA().current(-20.0, 0.5, 0.6, ek=-75.0) == pytest.approx(0.005 * 0.3 * 55)
    assert CA3Ca().current(-20.0, 0.5, 0.6) == pytest.approx(0.004 * 0.25 * 0.6 * -100)
    assert CA3KAHP().current(-20.0, 0.5, ek=-75.0) == pytest.approx(0.0008 * 0.5 * 55)


@pytest.mark.parametrize(("cls", "gate", "v", "rate"), [
    (TraubNa, "m", -54.0, 0.32 * 4 + 0.28 * 27 / (1 - np.exp(-27 / 5))),
    (TraubKd, "n", -52.0, 0.032 * 5 + 0.5 * np.exp(-5 / 40)),
    (CA3Kdr, "n", -24.9, 0.016 * 5 + 0.25 * np.exp(-15.1 / 40)),
    (CA3Ca, "s", -8.9, 0.02 * 5 + 1.6 / (1 + np.exp(0.072 * 13.9))),
])  # fmt: skip
def test_singular_points(cls, gate, v, rate):
    assert cls().gates(jnp.float64(v))[gate].rate == pytest.approx(rate, rel=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls", [TraubNa, TraubKd, CA3Na, CA3Kdr, CA3KA, CA3Ca, CA3KAHP, CA3KC])
def test_values_and_gradients_are_finite(cls, dtype):
    v = jnp.asarray([*np.linspace(-150, 100, 251), -46.9, -19.9, -8.9, -54.0, -27.0], dtype)
    channel = jax.tree.map(lambda x: jnp.asarray(x, dtype), cls())
    read = dict.fromkeys(channel.outline().gates_read, jnp.asarray(1e-4, dtype))

    def summary(channel, v):
        return sum(g.inf + jnp.log(g.rate) for g in channel.gates(v, **read).values())

    out = jax.vmap(jax.value_and_grad(summary, argnums=(0, 1)), (None, 0))(channel, v)
    assert all(np.isfinite(x).all() and x.dtype == dtype for x in jax.tree.leaves(out))


def spikes(cell: cx.Cell, density: float, t1: float) -> int:
    """How often the voltage crosses 0 mV upwards in a run with `density` µA/cm² all the time."""
    model = cell.discretize(cx.PerBranch(1))
    amp = density * 1e-5 * float(model.area.sum())
    v = np.asarray(cx.simulate(model, t1, 0.025, [cx.IClamp("all", 0.0, t1, amp)], {"v": "all"})["v"])
    return int(np.sum((v[:-1] < 0) & (v[1:] >= 0)))


def test_the_reduced_traub_miles_cell_spikes():
    # Threshold near 0.1 µA/cm² and type-1 firing: Ermentrout & Kopell (1998); Börgers (2017), An Introduction to
    # Modeling Neuronal Dynamics, ch. 5 and 17.
    cell = cx.Cell(cx.cylinder(20.0, 10.0), cm=1.0, v0=-67.0).paint(
        "all", leak=Leak(g=1e-4, e=-67.0), na_=TraubNa(), kd=TraubKd(), na=Reversal(50.0), k=Reversal(-100.0)
    )
    quiet, slow, fast = (spikes(cell, i, 200.0) for i in (0.0, 0.5, 3.0))
    print(f"{quiet}, {slow} and {fast} spikes in 200 ms for 0, 0.5 and 3 µA/cm²")
    assert quiet == 0 and slow >= 2 and fast >= 2 * slow


def test_the_after_hyperpolarisation_slows_ca3():
    def cell(gahp: float) -> cx.Cell:
        return cx.Cell(cx.cylinder(20.0, 10.0), cm=3.0, v0=-60.0).paint(
            "all", leak=Leak(g=1e-4, e=-60.0), na_=CA3Na(), kdr=CA3Kdr(), ka=CA3KA(), ca_=CA3Ca(), ahp=CA3KAHP(g=gahp),
            kc=CA3KC(), na=Reversal(55.0), k=Reversal(-75.0), ca=Pool(ci=1e-9, gamma=0.01115, depth=1.0, tau=13.33),
        )  # fmt: skip

    without, default = (spikes(cell(g), 5.0, 300.0) for g in (0.0, 8e-4))
    print(f"{without} spikes in 300 ms without the slow after-hyperpolarisation, {default} with it")
    assert without > default >= 1
