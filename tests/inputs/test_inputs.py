"""Dynamic clamp, two-electrode clamp, noise and spike trains: statistics, limits, repeatability and plain errors."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax import CajaxError
from cajax.base.errors import ParameterError, ProtocolError, UnknownNameError
from cajax.mech import ExpSyn, Leak

from ..helpers import passive, raises

KEY = jax.random.key(3)
G, E = 3e-4, -65.0


@cache
def cell() -> cx.Model:
    return (
        cx.Cell(cx.cylinder(20.0, 10.0), v0=E).paint("all", leak=Leak(g=G, e=E)).discretize(cx.PerBranch(1))
    )


@cache
def many(n: int = 64) -> cx.Model:
    """`n` cells that are nothing but capacitors: their voltage is the integral of what is injected."""
    quiet = cx.Cell(cx.cylinder(20.0, 10.0), v0=0.0).paint("all", leak=Leak(g=1e-15, e=0.0))
    return cx.Network().add("a", quiet, n).discretize(cx.PerBranch(1))


def injected(noise: cx.Noise, dt: float, t1: float, **options: Any) -> np.ndarray:
    """The current `[step, cell]` that the noise injects, off the rise of the voltage."""
    sol = cx.simulate(many(), t1, dt, [noise], method=cx.BackwardEuler(), **options)
    return np.diff(np.asarray(sol["a"]), axis=0) * np.asarray(many().area)[0] * 1e-5 / dt


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_noise_has_its_mean_spread_and_correlation_time(dt):
    mean, std, tau = 0.3, 0.2, 5.0
    x = injected(cx.Noise("a", mean, std, tau, KEY), dt, 400.0)
    independent = x.size * dt / (2 * tau)
    assert x.mean() == pytest.approx(mean, abs=4 * std / independent**0.5)
    assert x.std() == pytest.approx(std, rel=4 / (2 * independent) ** 0.5)
    y = (x - mean) / std
    for lag in (2.0, 5.0, 10.0):
        k = round(lag / dt)
        assert np.mean(y[k:] * y[:-k]) == pytest.approx(np.exp(-lag / tau), abs=5 / independent**0.5)
    # It starts in its stationary state, and is Gaussian.
    assert x[0].mean() == pytest.approx(mean, abs=4 * std / 8) and x[0].std() == pytest.approx(std, rel=0.4)
    assert np.mean(y**4) == pytest.approx(3.0, abs=0.6)


def test_noise_of_two_sites_and_of_two_keys_is_independent():
    x = injected(cx.Noise("a", 0.0, 1.0, 1.0, KEY), 1.0, 400.0)
    c = np.corrcoef(x.T) - np.eye(x.shape[1])
    assert np.abs(c).max() < 0.35 and np.abs(c).mean() < 0.08
    other = injected(cx.Noise("a", 0.0, 1.0, 1.0, jax.random.key(4)), 1.0, 400.0)
    assert abs(np.corrcoef(x.ravel(), other.ravel())[0, 1]) < 0.05


def test_the_same_key_gives_the_same_noise_whatever_the_run_is_cut_into():
    noise = cx.Noise("a", 0.1, 0.2, 5.0, KEY)
    runs = [cx.simulate(many(), 10.0, 0.1, [noise], method=cx.BackwardEuler()) for _ in range(2)]
    np.testing.assert_array_equal(runs[0]["a"], runs[1]["a"])
    first = cx.simulate(many(), 5.0, 0.1, [noise], method=cx.BackwardEuler())
    rest = cx.simulate(
        many(), 5.0, 0.1, [noise], method=cx.BackwardEuler(), state=first.state, continued=True
    )
    np.testing.assert_array_equal(np.concatenate([first["a"], rest["a"][1:]]), runs[0]["a"])


def test_noise_per_site_and_its_gradients():
    spread = jnp.zeros(64).at[3].set(0.5)
    x = injected(cx.Noise("a", jnp.arange(64.0), spread, 5.0, KEY), 0.5, 5.0)
    np.testing.assert_allclose(
        np.delete(x, 3, axis=1), np.delete(np.arange(64.0), 3) * np.ones((10, 1)), atol=1e-9
    )
    assert x[:, 3].std() > 0

    def loss(mean, std):
        return cx.simulate(cell(), 5.0, 0.1, [cx.Noise("soma", mean, std, 2.0, KEY)])["v"][-1]

    a, b = jax.grad(loss, (0, 1))(0.1, 0.05)
    h = 1e-5
    assert float(a) == pytest.approx(float(loss(0.1 + h, 0.05) - loss(0.1 - h, 0.05)) / (2 * h), rel=1e-6)
    assert float(b) == pytest.approx(float(loss(0.1, 0.05 + h) - loss(0.1, 0.05 - h)) / (2 * h), rel=1e-6)


def test_conductance_noise_is_not_negative():
    """Mostly below zero: the membrane is only ever pulled towards e, and often not at all."""
    sol = cx.simulate(cell(), 200.0, 0.1, [cx.Noise("soma", -1e-3, 1e-3, 3.0, KEY, e=0.0)])
    v = np.asarray(sol["v"])
    assert v.min() >= E - 1e-6 and v.max() > E + 1.0 and v.max() < 0.0
    mean = cx.simulate(cell(), 60.0, 0.1, [cx.Noise("soma", 1e-3, 0.0, 3.0, KEY, e=0.0)])["v"][-1]
    leak = G * 1e-2 * float(cell().area[0])
    assert float(mean) == pytest.approx(leak * E / (leak + 1e-3), rel=1e-6)


def sources(n: int = 40) -> cx.Model:
    """Sources that a synapse without decay counts: `g` is the number of spikes that have arrived."""
    quiet = cx.Cell(cx.cylinder(20.0, 10.0), v0=0.0).paint("all", leak=Leak(g=1e-4, e=0.0))
    net = cx.Network().add("s", cx.SpikeSource(), n).add("b", quiet, 1)
    return net.connect("s", "b", ExpSyn(tau=1e12), weight=0.0, delay=1.0, in_flight=12).discretize(
        cx.PerBranch(1)
    )


def counts(model: cx.Model, trains: Any, t1: float, dt: float, **options: Any) -> np.ndarray:
    """How many spikes of each source have arrived by each time."""
    return np.asarray(cx.simulate(model, t1, dt, [trains], {"g": "s->b.expsyn.g"}, **options)["g"])


@pytest.mark.parametrize("dt", [0.1, 0.5])
def test_poisson_trains_have_their_rate_and_are_repeatable(dt):
    model, rate, t1 = sources(), 40.0, 500.0
    g = counts(model, cx.Poisson("s", rate, KEY), t1, dt)
    steps = np.diff(g, axis=0)
    expected = len(steps[0]) * (t1 - 1.0) / dt * -np.expm1(-1e-3 * rate * dt)
    assert g[-1].sum() == pytest.approx(expected, abs=4 * expected**0.5)
    # Counts of the sources spread as counts of a Poisson process do.
    assert 0.5 < g[-1].var() / g[-1].mean() < 1.7
    np.testing.assert_array_equal(g, counts(model, cx.Poisson("s", rate, KEY), t1, dt))
    other = counts(model, cx.Poisson("s", rate, jax.random.key(5)), t1, dt)
    assert (g[-1] != other[-1]).any()
    np.testing.assert_allclose(g[-1], np.round(g[-1]), atol=1e-6)


def test_poisson_rates_per_source_and_over_time():
    model = sources()
    rates = np.where(np.arange(40) < 20, 0.0, 200.0)
    g = counts(model, cx.Poisson("s", rates, KEY), 100.0, 0.1)
    assert (g[-1][:20] == 0).all() and (g[-1][20:] > 4).all()
    wave = cx.Poisson("s", [0.0, 0.0, 400.0, 400.0], KEY, dt=25.0)
    g = counts(model, wave, 100.0, 0.1)
    assert g[round(26.0 / 0.1)].sum() == 0 and g[-1].min() > 5
    both = cx.Poisson("s", np.stack([rates, rates]), KEY, dt=50.0)
    assert (counts(model, both, 100.0, 0.1)[-1][:20] == 0).all()


def test_poisson_trains_continue():
    model, trains = sources(), cx.Poisson("s", 100.0, KEY)
    whole = counts(model, trains, 40.0, 0.1)
    first = cx.simulate(model, 20.0, 0.1, [trains])
    rest = counts(model, trains, 20.0, 0.1, state=first.state, continued=True)
    np.testing.assert_array_equal(whole[200:], rest)


def test_one_conductance_is_a_leak():
    """The dynamic clamp with a single value does what a leak of the same conductance does."""
    area = float(cell().area[0])
    twin = cx.Cell(cx.cylinder(20.0, 10.0), v0=E).paint(
        "all", leak=Leak(g=G, e=E), more=Leak(g=2e-4, e=-20.0)
    )
    twin = twin.discretize(cx.PerBranch(1))
    clamp = cx.Conductance("soma", [2e-4 * area * 1e-2], 1.0, e=-20.0)
    for method, atol in ((cx.BackwardEuler(), 1e-10), (cx.Staggered(), 1e-3)):
        a = cx.simulate(cell(), 15.0, 0.05, [clamp], method=method)["v"]
        b = cx.simulate(twin, 15.0, 0.05, method=method)["v"]
        np.testing.assert_allclose(a, b, atol=atol)
    assert float(a[-1]) == pytest.approx((3 * -65.0 + 2 * -20.0) / 5, abs=1e-2)


def test_conductance_follows_its_waveform():
    leak = G * 1e-2 * float(cell().area[0])
    clamp = cx.Conductance("soma", [0.0, 0.0, 4 * leak, 4 * leak], 20.0, e=0.0)
    v = np.asarray(cx.simulate(cell(), 60.0, 0.1, [clamp])["v"])
    assert v[200] == pytest.approx(E, abs=1e-9) and v[-1] == pytest.approx(E / 5, abs=1e-2)


@pytest.mark.parametrize("method", [cx.BackwardEuler(), cx.Staggered()])
def test_two_electrodes_hold_within_the_error_of_their_gain(method):
    leak = G * 1e-2 * float(cell().area[0])
    for gain, rs in ((2000.0, 1.0), (100.0, 5.0)):
        clamp = cx.TwoElectrode("soma", -20.0, gain=gain, tau=0.01, rs=rs)
        v = cx.simulate(cell(), 20.0, 0.025, [clamp], method=method)["v"]
        # gain (vc − v) = v + rs · i, and i = leak (v − E).
        held = (gain * -20.0 + rs * leak * E) / (1 + gain + rs * leak)
        assert float(v[-1]) == pytest.approx(held, abs=1e-6)
        assert np.abs(np.asarray(v)).max() < 70.0  # nothing rings


def test_two_electrodes_of_great_gain_are_a_voltage_clamp():
    tree = cx.Cell(cx.ball_and_stick(), v0=E).paint("all", leak=Leak(g=G, e=E)).discretize(cx.MaxLength(50.0))
    record = {"v": cx.every_cv()}
    two = cx.simulate(tree, 20.0, 0.025, [cx.TwoElectrode("soma", -20.0, gain=1e6, tau=1e-3)], record)["v"]
    one = cx.simulate(tree, 20.0, 0.025, [cx.VClamp("soma", -20.0)], record)["v"]
    np.testing.assert_allclose(two[-1], one[-1], atol=1e-3)


def test_two_electrode_clamp_has_gradients_and_continues():
    def last(v):
        return cx.simulate(cell(), 2.0, 0.05, [cx.TwoElectrode("soma", v, tau=0.2)])["v"][-1]

    slope = float(last(-20.0 + 1e-3) - last(-20.0 - 1e-3)) / 2e-3
    assert float(jax.grad(last)(-20.0)) == pytest.approx(slope, rel=1e-8)
    clamp = cx.TwoElectrode("soma", -20.0, tau=5.0)
    whole = cx.simulate(cell(), 2.0, 0.05, [clamp])
    first = cx.simulate(cell(), 1.0, 0.05, [clamp])
    rest = cx.simulate(cell(), 1.0, 0.05, [clamp], state=first.state, continued=True)
    np.testing.assert_array_equal(np.concatenate([first["v"], rest["v"][1:]]), whole["v"])


BAD = {
    "Conductance below zero": lambda: cx.Conductance("soma", [1e-3, -1e-3], 1.0),
    "Conductance without samples": lambda: cx.Conductance("soma", [], 1.0),
    "Conductance of one number": lambda: cx.Conductance("soma", 1e-3, 1.0),
    "Conductance dt": lambda: cx.Conductance("soma", [1e-3], 0.0),
    "Conductance NaN": lambda: cx.Conductance("soma", [np.nan], 1.0),
    "TwoElectrode gain": lambda: cx.TwoElectrode("soma", -20.0, gain=0.0),
    "TwoElectrode tau": lambda: cx.TwoElectrode("soma", -20.0, tau=-1.0),
    "TwoElectrode rs": lambda: cx.TwoElectrode("soma", -20.0, rs=0.0),
    "Noise tau": lambda: cx.Noise("soma", 0.0, 1.0, 0.0, KEY),
    "Noise key": lambda: cx.Noise("soma", 0.0, 1.0, 1.0, 7),
    "Noise mean": lambda: cx.Noise("soma", "loud", 1.0, 1.0, KEY),
    "Poisson rate": lambda: cx.Poisson("s", -1.0, KEY),
    "Poisson key": lambda: cx.Poisson("s", 1.0, None),
    "Poisson dt": lambda: cx.Poisson("s", [1.0], KEY, dt=0.0),
    "Poisson waveform": lambda: cx.Poisson("s", 1.0, KEY, dt=1.0),
    "Spikes words": lambda: cx.Spikes("s", "soon"),
    "Spikes NaN": lambda: cx.Spikes("s", [1.0, np.nan]),
    "Spikes axes": lambda: cx.Spikes("s", np.zeros((1, 2, 3))),
    "Reward": lambda: cx.Reward("s->b.expsyn", [], 1.0),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_values_are_refused_in_one_line(what):
    raises(BAD[what], what.split()[0])


def test_inputs_that_do_not_fit_the_model():
    model = sources(3)
    run = lambda source: lambda: cx.simulate(model, 1.0, 0.1, [source])  # noqa: E731
    raises(run(cx.Spikes("x", [1.0])), "'x'", "s", kind=UnknownNameError)
    raises(run(cx.Poisson("x", 1.0, KEY)), "'x'", kind=UnknownNameError)
    raises(run(cx.Spikes("s", [[1.0], [2.0]])), "2", "3", kind=ParameterError)
    raises(run(cx.Poisson("s", [1.0, 2.0], KEY)), "Poisson", "2", "3", kind=ParameterError)
    raises(run(cx.Poisson("s", np.ones((4, 2)), KEY, dt=1.0)), "Poisson", kind=ParameterError)
    raises(run(cx.Noise("s", 0.0, 1.0, 1.0, KEY)), "spike sources", kind=ProtocolError)
    raises(run(cx.IClamp("s", 0.0, 1.0, 1.0)), "spike sources", kind=ProtocolError)
    raises(run(cx.Noise("b", jnp.zeros(3), 1.0, 1.0, KEY)), "Noise", "(3,)", kind=CajaxError)
    raises(run(cx.Conductance("b", np.zeros((4, 3)), 1.0)), "Conductance", kind=ParameterError)
    raises(run(cx.TwoElectrode("b", jnp.zeros(3))), "TwoElectrode", kind=ParameterError)


def test_rows_of_spikes_may_differ_in_length():
    model = sources(3)
    g = counts(model, cx.Spikes("s", [[1.0, 2.0], [], [3.0]]), 5.0, 0.1)
    np.testing.assert_allclose(g[-1], [2.0, 0.0, 1.0], atol=1e-9)
    np.testing.assert_allclose(counts(model, cx.Spikes("s", 2.0), 5.0, 0.1)[-1], 1.0)
    np.testing.assert_allclose(counts(model, cx.Spikes("s", [[1.0, 2.0]]), 5.0, 0.1)[-1], 2.0)


def test_a_population_of_cells_may_be_made_to_spike():
    """`Spikes` at a population with membranes adds to the spikes that its cells fire by themselves."""
    quiet = cx.Cell(cx.cylinder(20.0, 10.0), v0=0.0).paint("all", leak=Leak(g=1e-4, e=0.0))
    net = cx.Network().add("a", quiet, 2).add("b", quiet, 1)
    model = net.connect("a", "b", ExpSyn(tau=1e12), weight=0.0, delay=1.0).discretize(cx.PerBranch(1))
    spikes = cx.Spikes("a", [[1.0, 2.0], [3.0]])
    clamp = cx.IClamp("a", 1.0, 10.0, jnp.array([0.0, -0.05]))
    g = cx.simulate(model, 5.0, 0.1, [spikes, clamp], {"g": "a->b.expsyn.g"})["g"]
    np.testing.assert_allclose(g[-1], [2.0, 1.0], atol=1e-9)


def test_other_inputs_of_equal_shape_inherit_nothing():
    """An amplifier's state, in mV, is not the current of a noise."""
    model = passive().discretize(cx.PerBranch(2))
    first = cx.simulate(model, 2.0, 0.05, [cx.TwoElectrode("soma", v=-20.0)])
    noise = cx.Noise("soma", mean=0.0, std=1e-3, tau=5.0, key=jax.random.key(0))
    rest = cx.simulate(model, 1.0, 0.05, [noise], state=first.state, continued=True)
    assert float(rest["v"].min()) > -71.0


def test_a_recording_that_measures_currents_disturbs_no_memory():
    model = passive().discretize(cx.PerBranch(2))
    noise = cx.Noise("soma", mean=0.1, std=0.1, tau=5.0, key=jax.random.key(0))
    whole = cx.simulate(model, 2.0, 0.05, [noise])["v"]
    first = cx.simulate(model, 1.0, 0.05, [noise])
    rest = cx.simulate(
        model, 1.0, 0.05, [noise], {"v": "soma", "m": "soma.membrane"}, state=first.state, continued=True
    )
    np.testing.assert_allclose(rest["v"], whole[20:], rtol=1e-12)


def test_noise_goes_on_where_the_step_changes():
    """The draws of the second part are not those of the first."""
    model = passive().discretize(cx.PerBranch(1))
    noise = cx.Noise("soma", mean=0.0, std=1.0, tau=0.01, key=jax.random.key(0))
    record = {"i": "soma.membrane"}
    first = cx.simulate(model, 20.0, 0.1, [noise], record)
    second = cx.simulate(model, 10.0, 0.05, [noise], record, state=first.state, continued=True)
    a, b = np.asarray(first["i"][1:]), np.asarray(second["i"][1:])
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.3
