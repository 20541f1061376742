"""The ganglion cell of Fohlmeister & Miller (1997) against its equations, typed in a second time, and its firing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Leak, Pool, Reversal
from cajax.mech.library.fohlmeister1997 import KA, Ca, K, KCa, Na

V = np.array([-150.0, -91.3, -68.0, -52.7, -41.0, -20.4, 0.3, 33.0, 100.0])  # none on a 0/0


def rule(v):
    """Opening and closing rates (1/ms) of every gate."""
    return {
        (Na, "m"): (-0.6 * (v + 30) / (np.exp(-0.1 * (v + 30)) - 1), 20 * np.exp(-(v + 55) / 18)),
        (Na, "h"): (0.4 * np.exp(-(v + 50) / 20), 6 / (1 + np.exp(-0.1 * (v + 20)))),
        (K, "n"): (-0.02 * (v + 40) / (np.exp(-0.1 * (v + 40)) - 1), 0.4 * np.exp(-(v + 50) / 80)),
        (KA, "a"): (-0.006 * (v + 90) / (np.exp(-0.1 * (v + 90)) - 1), 0.1 * np.exp(-(v + 30) / 10)),
        (KA, "b"): (0.04 * np.exp(-(v + 70) / 20), 0.6 / (1 + np.exp(-0.1 * (v + 40)))),
        (Ca, "c"): (-0.3 * (v + 13) / (np.exp(-0.1 * (v + 13)) - 1), 10 * np.exp(-(v + 38) / 18)),
    }


@pytest.mark.parametrize(("cls", "gate"), rule(V), ids=lambda x: getattr(x, "__name__", x))
def test_gates_follow_the_paper(cls, gate):
    a, b = rule(V)[cls, gate]
    found = cls().gates(jnp.asarray(V))[gate]
    np.testing.assert_allclose(found.inf, a / (a + b), rtol=1e-11)
    np.testing.assert_allclose(found.rate, a + b, rtol=1e-11)


def test_currents_follow_the_paper():
    assert Na().current(-20.0, 0.5, 0.6, ena=35.0) == pytest.approx(0.05 * 0.125 * 0.6 * -55)
    assert K().current(-20.0, 0.5, ek=-75.0) == pytest.approx(0.012 * 0.0625 * 55)
    assert KA().current(-20.0, 0.5, 0.6, ek=-75.0) == pytest.approx(0.036 * 0.125 * 0.6 * 55)
    assert Ca().current(-20.0, 0.5, eca=120.0) == pytest.approx(0.0022 * 0.125 * -140)
    for cai, share in ((1e-3, 0.5), (1e-4, 0.01 / 1.01), (2e-3, 0.8)):
        assert KCa().current(-20.0, cai=cai, ek=-75.0) == pytest.approx(5e-5 * share * 55)


@pytest.mark.parametrize(("cls", "gate", "v", "opening"), [
    (Na, "m", -30.0, 6.0), (K, "n", -40.0, 0.2), (KA, "a", -90.0, 0.06), (Ca, "c", -13.0, 3.0)
])  # fmt: skip
def test_singular_points(cls, gate, v, opening):
    with np.errstate(invalid="ignore"):
        closing = rule(np.float64(v))[cls, gate][1]
    assert cls().gates(jnp.float64(v))[gate].rate == pytest.approx(opening + closing, rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls", [Na, K, KA, Ca])
def test_values_and_gradients_are_finite(cls, dtype):
    v = jnp.asarray([*np.linspace(-150, 100, 251), -30.0, -13.0], dtype)

    def summary(v):
        return sum(g.inf + jnp.log(g.rate) for g in cls().gates(v).values())

    out = jax.vmap(jax.value_and_grad(summary))(v)
    assert all(np.isfinite(x).all() and x.dtype == dtype for x in out)


def test_the_ganglion_cell_fires_and_calcium_slows_it():
    def spikes(gkca: float, amp: float) -> tuple[int, float]:
        radius = 12.5  # µm; a sphere of 25 µm has the area of a cylinder as long as it is wide
        cell = cx.Cell(cx.cylinder(25.0, radius), cm=1.0, v0=-67.0, temperature=22.0).paint(
            "all", leak=Leak(g=5e-5, e=-67.0), na_=Na(), k_=K(), ka=KA(), ca_=Ca(), kca=KCa(g=gkca),
            na=Reversal(35.0), k=Reversal(-75.0), ca=Pool(ci=1e-4, co=1.8, gamma=1.0, depth=radius / 3, tau=50.0),
        )  # fmt: skip
        model = cell.discretize(cx.PerBranch(1))
        sol = cx.simulate(model, 200.0, 0.025, [cx.IClamp("all", 10.0, 190.0, amp)], {"v": "all"})
        v = np.asarray(sol["v"])
        return int(np.sum((v[:-1] < 0) & (v[1:] >= 0))), float(v.max())

    (without, peak), (default, _), (strong, _) = (spikes(g, 0.05) for g in (0.0, 5e-5, 5e-4))
    print(f"spikes in 190 ms: {without} without K(Ca), {default} with it, {strong} with ten times as much")
    assert without > default > strong and default >= 3 and peak > 10.0
    assert spikes(5e-5, 0.0)[0] == 0
