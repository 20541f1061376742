"""The currents of Poirazi et al. (2003) against the equations of the model's files, typed in a second time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Leak, Pool, Reversal
from cajax.mech.library.poirazi2003 import (
    MAHP,
    SAHP,
    CaL,
    CaLDistal,
    CaRDend,
    CaRSoma,
    CaT,
    H,
    KADistal,
    KAProximal,
    KdrDend,
    KdrSoma,
    Km,
    NaDend,
    NaSoma,
)

CLASSES = [
    NaSoma,
    NaDend,
    KdrSoma,
    KdrDend,
    KAProximal,
    KADistal,
    H,
    CaL,
    CaLDistal,
    CaT,
    CaRSoma,
    CaRDend,
    SAHP,
    MAHP,
    Km,
]
V = np.array([-150.0, -91.3, -68.0, -58.2, -52.7, -44.0, -36.1, -20.4, 0.3, 33.0, 100.0])  # none on a 0/0
C, CAI = 34.0, 7e-4
RT = 8.315 * (273.16 + C) / 96.48  # mV, with the constants of the model's files


def boltzmann(v, half, slope):
    return 1 / (1 + np.exp((v - half) / slope))


def attenuation(v, ar):
    e = np.exp((v + 60) / 2)
    tau = np.exp(12 * 0.2 * (v + 60) / RT) / (0.0003 + 0.0003 * np.exp(12 * (v + 60) / RT))
    return (1 + ar * e) / (1 + e), np.maximum(tau, 3.0)


def a_type(v, vn, zeta, gm, a0):
    z = zeta - 1 / (1 + np.exp((v + 40) / 5))
    a, b = np.exp(z * (v - vn) / RT), np.exp(z * gm * (v - vn) / RT)
    tau_n = np.maximum(b / (5 ** ((C - 24) / 10) * a0 * (1 + a)), 0.1)
    return {"n": (1 / (1 + a), tau_n), "l": (boltzmann(v, -56, RT / 3), np.maximum(0.26 * (v + 50), 2.0))}


def rates(a, b, scale=1.0):
    return a / (a + b), 1 / (scale * (a + b))


def rule(v):
    """Steady state and time constant (ms) of every gate."""
    lin = lambda x, slope: x / (np.exp(x / slope) - 1)  # noqa: E731
    x = (CAI / 0.025) ** 2
    w = 2 * 96485.33212 * v / (8314.462618 * (273.15 + C))
    open_, shut = 0.48 * CAI / (CAI + 0.18 * np.exp(-0.84 * w)), 0.28 / (1 + CAI / (0.011 * np.exp(-w)))
    return {
        NaSoma: {
            "m": (boltzmann(v, -44, -3), 0.05),
            "h": (boltzmann(v, -49, 3.5), 1.0),
            "s": attenuation(v, 0.8),
        },
        NaDend: {
            "m": (boltzmann(v, -40, -3), 0.05),
            "h": (boltzmann(v, -45, 3), 0.5),
            "s": attenuation(v, 0.8),
        },
        KdrSoma: {"n": (boltzmann(v, -46.3, -3), 3.5)},
        KdrDend: {"n": (boltzmann(v, -42, -2), 2.2)},
        KAProximal: a_type(v, 11, -1.5, 0.55, 0.05),
        KADistal: a_type(v, -1, -1.8, 0.39, 0.1),
        H: {
            "n": (
                1 - 1 / (1 + np.exp((-90 - v) / 8.5)),
                np.where(v > -30, 1.0, 2 * (1 / (np.exp((v + 145) / -17.5) + np.exp((v + 16.8) / 16.5)) + 5)),
            )
        },
        CaL: {"m": rates(0.055 * lin(-27.01 - v, 3.8), 0.94 * np.exp((-63.01 - v) / 17), 5)},
        CaLDistal: {"m": (boltzmann(v, -37, -1), 3.6), "h": (boltzmann(v, -41, 0.5), 29.0)},
        CaT: {
            "m": rates(0.1967 * lin(19.88 - v, 10), 0.046 * np.exp(-v / 22.73)),
            "h": rates(1.6e-4 * np.exp(-(v + 57) / 19), 1 / (np.exp((-v + 15) / 10) + 1), 0.68),
        },
        CaRSoma: {"m": (boltzmann(v, -60, -3), 100.0), "h": (boltzmann(v, -62, 1), 5.0)},
        CaRDend: {"m": (boltzmann(v, -48.5, -3), 50.0), "h": (boltzmann(v, -53, 1), 5.0)},
        SAHP: {"m": (x / (1 + x), max(1 / (0.03 * (1 + x)) / 3 ** ((C - 22) / 10), 0.5))},
        MAHP: {"o": rates(open_, shut)},
        Km: {"n": rates(0.001 * lin(-30 - v, 9), 0.001 * lin(v + 30, 9))},
    }


def read(names, dtype=np.float64):
    given = {"cai": CAI, "cao": 2.0, "ena": 50.0, "ek": -80.0, "eca": 140.0, "celsius": C}
    return {k: jnp.asarray(given[k], dtype) for k in names}


@pytest.mark.parametrize("cls", CLASSES)
def test_gates_follow_the_model(cls):
    channel = cls(ar=0.8) if cls in (NaSoma, NaDend) else cls()
    found = channel.gates(jnp.asarray(V), **read(channel.outline().gates_read))
    expected = rule(V)[cls]
    assert found.keys() == expected.keys()
    for name, (inf, tau) in expected.items():
        np.testing.assert_allclose(found[name].inf, np.broadcast_to(inf, V.shape), rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(1 / found[name].rate, np.broadcast_to(tau, V.shape), rtol=1e-10)


def test_currents_follow_the_model():
    for cls, n, e, ion in (
        (NaSoma, "mmhs", 50.0, "ena"), (NaDend, "mmhs", 50.0, "ena"), (KdrSoma, "nn", -80.0, "ek"),
        (KdrDend, "nn", -80.0, "ek"), (KAProximal, "nl", -80.0, "ek"), (KADistal, "nl", -80.0, "ek"),
        (CaLDistal, "mmmh", 140.0, "eca"), (CaRSoma, "mmmh", 140.0, "eca"), (CaRDend, "mmmh", 140.0, "eca"),
        (SAHP, "mmm", -80.0, "ek"), (MAHP, "o", -80.0, "ek"), (Km, "n", -80.0, "ek"),
    ):  # fmt: skip
        gates = {name: 0.3 + 0.1 * i for i, name in enumerate(sorted(set(n)))}
        expected = np.prod([gates[name] for name in n]) * (-20.0 - e)
        assert cls(g=1.0).current(-20.0, **gates, **{ion: e}) == pytest.approx(expected, rel=1e-13), cls
    assert H(g=1.0).current(-80.0, 0.3) == pytest.approx(0.3 * -70)


@pytest.mark.parametrize("cls", [CaL, CaT])
def test_calcium_is_driven_by_goldman_hodgkin_and_katz(cls):
    f = 25 / 293.15 * (C + 273.15) / 2
    drive = -f * (1 - CAI / 2.0 * np.exp(V / f)) * (V / f) / (np.exp(V / f) - 1)
    share = 0.3 if cls is CaL else 0.3**2 * 0.4
    gates = {"m": 0.3} if cls is CaL else {"m": 0.3, "h": 0.4}
    found = cls(g=1.0).current(jnp.asarray(V), **gates, **read(("cai", "cao", "celsius")))
    np.testing.assert_allclose(found, share * 0.001 / (0.001 + CAI) * drive, rtol=1e-10)
    at_zero = cls(g=1.0).current(jnp.zeros(1), **gates, **read(("cai", "cao", "celsius")))
    np.testing.assert_allclose(at_zero, -share * 0.001 / (0.001 + CAI) * f * (1 - CAI / 2.0), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls", CLASSES)
def test_values_and_gradients_are_finite(cls, dtype):
    v = jnp.asarray([*np.linspace(-150, 100, 251), -27.01, 19.88], dtype)
    channel = jax.tree.map(lambda x: jnp.asarray(x, dtype), cls())
    outline = channel.outline()

    def summary(channel, v):
        gates = channel.gates(v, **read(outline.gates_read, dtype))
        current = channel.current(
            v, **{k: g.inf for k, g in gates.items()}, **read(outline.current_reads, dtype)
        )
        return sum((g.inf + jnp.log(g.rate) for g in gates.values()), current)

    out = jax.vmap(jax.value_and_grad(summary, argnums=(0, 1)), (None, 0))(channel, v)
    assert all(np.isfinite(x).all() and x.dtype == dtype for x in jax.tree.leaves(out))


def test_temperature_moves_what_it_moves_in_the_model():
    assert Km().temperature_factor(33.0) == pytest.approx(2.3)
    v = jnp.float64(-30.0)
    slow, fast = (SAHP().gates(v, cai=jnp.asarray(1e-3), celsius=c)["m"].rate for c in (22.0, 32.0))
    assert fast == pytest.approx(3 * slow)
    warm = [KAProximal().gates(jnp.float64(10.9), celsius=c)["n"].rate for c in (14.0, 24.0)]
    assert warm[1] / warm[0] == pytest.approx(5.0, rel=0.01)


def test_the_soma_spikes_and_attenuation_weakens_late_dendritic_spikes():
    def voltages(na, paints, amp):
        cell = cx.Cell(cx.cylinder(20.0, 10.0), cm=1.0, v0=-70.0, temperature=C).paint(
            "all", leak=Leak(g=1 / 20000, e=-70.0), na_=na, **paints,
            na=Reversal(50.0), k=Reversal(-80.0), ca=Pool(ci=1e-4, gamma=1 / 18, depth=0.1, tau=200 / 7),
        )  # fmt: skip
        sol = cx.simulate(
            cell.discretize(cx.PerBranch(1)), 60.0, 0.025, [cx.IClamp("all", 5.0, 50.0, amp)], {"v": "all"}
        )
        return np.asarray(sol["v"])

    soma = voltages(NaSoma(g=0.03), {"kdr": KdrSoma(g=0.006), "cal": CaL(g=1e-4), "sahp": SAHP()}, 0.1)
    count = np.sum((soma[:-1] < -20) & (soma[1:] >= -20))
    print(f"soma: {count} spikes, peak {soma.max():.1f} mV")
    assert count >= 2 and soma.max() > 0.0
    dend = {"kdr": KdrDend(g=0.006), "kad": KADistal(g=0.002)}
    free, weak = (voltages(NaDend(g=0.03, ar=ar), dend, 0.15) for ar in (1.0, 0.2))
    late = slice(1200, 2200)
    print(
        f"dendrite, after 25 ms: peak {free[late].max():.1f} mV, with attenuation {weak[late].max():.1f} mV"
    )
    assert weak[late].max() < free[late].max() - 5.0
