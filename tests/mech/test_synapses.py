"""Graded synapses, and the kinetics of those that answer to spikes, against closed forms and independent steps."""

from math import exp

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import AMPA, GABAA, GABAB, NMDA, Alpha, Exp2Syn, ExpSyn, Graded, Leak, Rate, ShortTerm


@pytest.mark.parametrize("v", [-90.0, -65.0, -35.0, -20.0, 10.0])
def test_gate_follows_abbott_and_marder(v):
    s = 1 / (1 + exp(-(v + 35) / 10))
    gate = Graded().gates(jnp.float64(v))["s"]
    assert gate.inf == pytest.approx(s, rel=1e-13)
    assert 1 / gate.rate == pytest.approx((1 - s) / 0.025, rel=1e-12)
    assert Graded(k=0.1).gates(jnp.float64(v))["s"].rate == pytest.approx(4 * gate.rate)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saturation_is_smooth(dtype):
    v = jnp.asarray([500.0, 1e3, 1e5, -1e5], dtype)
    gate = Graded().gates(v)["s"]
    np.testing.assert_array_equal(gate.inf, [1.0, 1.0, 1.0, 0.0])
    for f in (lambda v: Graded().gates(v)["s"].inf, lambda v: Graded().gates(v)["s"].rate):
        assert np.all(np.isfinite(jax.vmap(jax.grad(f))(v)))


def test_silent_synapse_closes_with_rate_k():
    gate = Graded(k=0.025).gates(jnp.float64(-200.0))["s"]
    assert gate.step(1.0, 40.0) == pytest.approx(exp(-1.0), rel=1e-6)


def test_current_is_ohmic_in_nanoampere():
    assert Graded(e=-75.0).current(-65.0, 2e-3) == pytest.approx(2e-2)  # µS · mV = nA
    s = jnp.array([0.0, 0.5])
    np.testing.assert_array_equal(Graded().release(s=s), s)


def test_rate_unit_drives_a_current_that_does_not_depend_on_the_voltage():
    gate = Rate(tau=4.0).gates(jnp.array([-50.0, -45.0]))["s"]
    np.testing.assert_allclose(gate.inf, [0.5, 1 / (1 + exp(-1.0))])
    np.testing.assert_allclose(gate.rate, 0.25)
    np.testing.assert_allclose(Rate(drive=7.0).current(jnp.array([-90.0, 0.0]), 2.0), [-14.0, -14.0])


def after(synapse, t, spikes=(0.0,)):
    """The states at `t` [time] ms after spikes at rest, each counted from its moment on."""
    states = {k: jnp.asarray(x, float) for k, x in synapse.start().items()}
    now = 0.0
    for spike in spikes:
        states = synapse.flow(spike - now, **states)
        states, now = states | synapse.event(**states), spike
    return jax.vmap(lambda t: synapse.flow(t - now, **states))(jnp.asarray(t))


def signal(synapse, t, spikes=(0.0,)):
    return np.asarray(synapse.release(**after(synapse, t, spikes)))


T = np.linspace(0.0, 60.0, 60001)


def test_exponential_synapse():
    np.testing.assert_allclose(signal(ExpSyn(tau=3.0), T), np.exp(-T / 3.0), rtol=1e-12)
    two = np.exp(-(T[2000:]) / 3.0) + np.exp(-(T[2000:] - 1.5) / 3.0)
    np.testing.assert_allclose(signal(ExpSyn(tau=3.0), T[2000:], (0.0, 1.5)), two, rtol=1e-12)


def test_alpha_function_peaks_at_one_at_tau():
    g = signal(Alpha(tau=2.5), T)
    np.testing.assert_allclose(g, T / 2.5 * np.exp(1 - T / 2.5), rtol=1e-12, atol=1e-15)
    assert g.max() == pytest.approx(1.0, abs=1e-12) and T[g.argmax()] == pytest.approx(2.5)


@pytest.mark.parametrize(
    "synapse", [Exp2Syn(), Exp2Syn(rise=1.9, decay=2.0), AMPA(), GABAA(), NMDA(rise=2.0)]
)
def test_two_exponentials_peak_at_one(synapse):
    rise, decay = synapse.rise, synapse.decay
    peak = rise * decay / (decay - rise) * np.log(decay / rise)
    shape = lambda t: np.exp(-t / decay) - np.exp(-t / rise)  # noqa: E731
    g = signal(synapse, T)
    np.testing.assert_allclose(g, shape(T) / shape(peak), rtol=1e-10, atol=1e-13)
    assert g.max() == pytest.approx(1.0, abs=1e-6) and T[g.argmax()] == pytest.approx(peak, abs=2e-3)


@pytest.mark.parametrize("cls", [Exp2Syn, AMPA, GABAA, NMDA])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_exponentials_are_smooth_where_rise_is_decay(cls, dtype):
    """Value, and derivatives in both modes, against the closed forms, at equality and near it."""
    t = np.linspace(0.0, 20.0, 41)[1:]

    def g(rise, decay):
        synapse = cls(rise=rise, decay=decay)
        return jnp.asarray(synapse.release(**after(synapse, t)))

    eps = np.finfo(dtype).eps
    with jax.enable_x64(dtype is np.float64):
        forwards, backwards = jax.jit(jax.jacfwd(g)), jax.jit(jax.jacrev(g))
        for near in (0.0, 1e-7, -1e-4, 1e-2, 0.3):
            rise, decay = dtype(2.0 * (1.0 + near)), dtype(2.0)
            r, d = np.longdouble(rise), np.longdouble(decay)
            exact = _two_exponentials(np.longdouble(t), r, d)
            np.testing.assert_allclose(g(rise, decay), exact, rtol=40 * eps, atol=4 * eps)
            h = np.longdouble(1e-4)
            slope = (_two_exponentials(t, r + h, d) - _two_exponentials(t, r - h, d)) / (2 * h)
            forward = forwards(rise, decay)
            np.testing.assert_allclose(forward, slope, rtol=200 * eps + 1e-7, atol=200 * eps + 1e-8)
            np.testing.assert_allclose(backwards(rise, decay), forward, rtol=100 * eps, atol=100 * eps)
    np.testing.assert_allclose(g(2.0, 2.0), signal(Alpha(tau=2.0), t), rtol=1e-13)
    np.testing.assert_allclose(g(3.0, 2.0), g(2.0, 3.0), rtol=1e-12)


def _two_exponentials(t, rise, decay):
    """exp(−t/decay) − exp(−t/rise) over its peak, in extended precision, by a series where both are close."""
    t, rise, decay = (np.longdouble(x) for x in (t, rise, decay))
    x = t * (1 / rise - 1 / decay) / 2
    safe = np.where(x == 0, 1, x)

    def shape(t, x, safe):
        ratio = np.where(np.abs(x) < 1e-3, 1 + x**2 / 6 + x**4 / 120, np.sinh(safe) / safe)
        return t * np.exp(-t * (1 / rise + 1 / decay) / 2) * ratio

    u = (decay - rise) / rise  # the peak is at rise · ln(1 + u)/u · (1 + u)
    at = rise * (1 + u) * (np.log1p(u) / u if u else 1)
    y = at * (1 / rise - 1 / decay) / 2
    return shape(t, x, safe) / shape(at, y, y if y else np.longdouble(1))


@pytest.mark.parametrize("cls", [Exp2Syn, AMPA, GABAA, NMDA])
def test_values_written_later_may_make_rise_and_decay_equal(cls):
    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=-70.0).paint("all", leak=Leak(g=1e-4, e=-70.0))
    net = (
        cx.Network().add("i", cx.SpikeSource()).add("c", cell).connect("i", "c", cls(), weight=1e-3, name="s")
    )
    model = net.discretize(cx.PerBranch(1)).replace({"i->c.s.decay": 2.0})
    spikes = [cx.Spikes("i", [2.0])]

    def area(rise):
        return jnp.mean(cx.simulate(model.replace({"i->c.s.rise": rise}), 15.0, 0.1, spikes)["c"])

    for rise in (1.0, 2.0 - 1e-9, 2.0, 2.0 + 1e-9, 3.0):
        slope = (area(rise + 1e-4) - area(rise - 1e-4)) / 2e-4
        assert float(jax.grad(area)(rise)) == pytest.approx(float(slope), rel=1e-5)


def test_nmda_block_is_jahr_and_stevens():
    v = np.array([-80.0, -60.0, -20.0, 0.0, 40.0])
    block = 1 / (1 + 1.0 / 3.57 * np.exp(-0.062 * v))
    np.testing.assert_allclose(NMDA().current(v, 1e-3), 1e-3 * block * v, rtol=1e-13)
    assert block[0] < 0.03 and block[-1] > 0.97
    np.testing.assert_allclose(NMDA(mg=0.0).current(v, 1e-3), 1e-3 * v, rtol=1e-13)
    assert (np.abs(NMDA(mg=2.0).current(v, 1.0)) <= np.abs(NMDA().current(v, 1.0))).all()


def test_nmda_saturates_and_adds_up_without_saturation():
    train = tuple(np.arange(40) * 2.0)
    late = np.linspace(train[-1], train[-1] + 30.0, 3001)
    highest = float(NMDA().jump) / (1 / 0.29 - 1 / 43.0)  # what both exponentials would jump by
    assert 0.9 < signal(NMDA(), late, train).max() < highest < 1.042
    many = tuple(np.arange(400) * 0.01)
    assert signal(NMDA(), many[-1] + T, many).max() < highest
    free = signal(NMDA(saturation=0.0), late, train)
    alone = sum(signal(NMDA(saturation=0.0), late - t) for t in train)
    np.testing.assert_allclose(free, alone, rtol=1e-10)
    assert free.max() > 10
    np.testing.assert_allclose(signal(NMDA(), T), signal(NMDA(saturation=0.0), T), rtol=1e-12)  # one spike


def test_gabab_against_a_fine_integration():
    s, train = GABAB(), (0.0, 5.0, 10.0, 15.0)
    t_end, n = 600.0, 60000
    h = t_end / n
    r = x = 0.0
    found = np.zeros(n + 1)
    slope = lambda r, x: (-s.k2 * r, s.k3 * r - s.k4 * x)  # noqa: E731
    for k in range(n + 1):
        if round(k * h, 9) in train:
            r += s.bound * (1 - r)
        found[k] = x**4 / (x**4 + s.kd)
        a = slope(r, x)
        b = slope(r + h / 2 * a[0], x + h / 2 * a[1])
        c = slope(r + h / 2 * b[0], x + h / 2 * b[1])
        d = slope(r + h * c[0], x + h * c[1])
        r, x = (y + h / 6 * (a[i] + 2 * b[i] + 2 * c[i] + d[i]) for i, y in enumerate((r, x)))
    t = np.arange(n + 1) * h
    late = t > 15.0
    np.testing.assert_allclose(signal(s, t[late], train), found[late], rtol=1e-9, atol=1e-16)
    one, four = signal(s, t, (0.0,)).max(), found.max()
    assert four > 8 * one  # the fourth power answers to bursts


@pytest.mark.parametrize("k4", [0.034, 0.0012, 0.0012 * (1 + 1e-9), 0.0012 * 1.02])
def test_gabab_is_smooth_where_its_rates_are_equal(k4):
    s = lambda k: GABAB(k4=k)  # noqa: E731

    def flow(k, t=5.0):
        return s(k).flow(t, jnp.asarray(0.3), jnp.asarray(0.1))["s"]

    k4 = jnp.asarray(k4)
    k2, k3, r, x, t = 0.0012, 0.18, 0.3, 0.1, 5.0
    steps = np.linspace(0.0, t, 4001)
    inner = k3 * r * np.exp(-k2 * steps) * np.exp(-float(k4) * (t - steps))
    h = steps[1]
    exact = x * np.exp(-float(k4) * t) + h / 3 * (
        inner[0] + inner[-1] + 4 * inner[1::2].sum() + 2 * inner[2:-1:2].sum()
    )
    assert float(flow(k4)) == pytest.approx(exact, rel=1e-9)
    slope = (flow(k4 + 1e-6) - flow(k4 - 1e-6)) / 2e-6
    assert float(jax.grad(flow)(k4)) == pytest.approx(float(slope), rel=1e-4)


@pytest.mark.parametrize(
    ("u0", "recovery", "facilitation"), [(0.5, 800.0, 1.0), (0.05, 100.0, 1000.0), (0.2, 300.0, 60.0)]
)
def test_short_term_plasticity_is_the_recursion_of_tsodyks(u0, recovery, facilitation):
    """u' = u e^{-Δ/τf}, u = u' + u0 (1 − u'); R' = 1 − (1 − R (1 − u)) e^{-Δ/τr}; what is released is u R."""
    train = np.cumsum([0.0, 20.0, 20.0, 5.0, 50.0, 10.0, 10.0, 200.0])
    synapse = ShortTerm(u0=u0, recovery=recovery, facilitation=facilitation, tau=3.0)
    u, x, sizes = 0.0, 1.0, []
    for gap in np.diff(train, prepend=-1e9):
        u = u * np.exp(-gap / facilitation)
        u += u0 * (1 - u)
        x = 1 - (1 - x) * np.exp(-gap / recovery)
        sizes.append(u * x)
        x -= u * x
    states = {k: jnp.asarray(s, float) for k, s in synapse.start().items()}
    found = []
    for gap in np.diff(train, prepend=0.0):
        states = synapse.flow(gap, **states)
        jumped = states | synapse.event(**states)
        found.append(float(jumped["g"] - states["g"]))
        states = jumped
    np.testing.assert_allclose(found, sizes, rtol=1e-12)
    assert (sizes[1] > sizes[0]) == (facilitation >= 1000.0 or u0 < 0.25)


def test_reversal_potentials_decide_the_sign():
    for synapse, sign in ((AMPA(), -1), (NMDA(), -1), (GABAA(), 1), (GABAB(), 1)):
        assert np.sign(float(synapse.current(-65.0, 1e-3))) == sign
