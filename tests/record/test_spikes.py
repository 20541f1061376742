"""Spikes as times: where the voltage crosses, how often, with what derivatives; rasters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ProtocolError
from cajax.mech import HH, LIF, Leak
from cajax.record import SpikeTrain

from ..helpers import raises

CELL = cx.Cell(cx.cylinder(20.0, 20.0)).paint("all", hh=HH())
MODEL = CELL.discretize(cx.PerBranch(1))


def spikes(model=MODEL, amp=0.2, t1=60.0, dt=0.025, train="soma.spikes", **more):
    return cx.simulate(model, t1, dt, [cx.IClamp("soma", 1.0, 99.0, amp)], {"s": train, "v": "soma"}, **more)


def test_times_are_those_of_the_trace():
    sol = spikes()
    v, ts = np.asarray(sol["v"]), np.asarray(sol.ts)
    at = np.flatnonzero((v[:-1] < -20.0) & (v[1:] >= -20.0))
    expected = ts[at] + 0.025 * (-20.0 - v[at]) / (v[at + 1] - v[at])
    assert int(sol["s"].counts) == len(at) > 2
    np.testing.assert_allclose(sol["s"].times[: len(at)], expected, rtol=1e-12)
    assert np.isinf(np.asarray(sol["s"].times[len(at) :])).all()


def test_they_converge_with_the_step():
    """Of second order: halving the step takes three quarters of the error away."""
    errors = [float(spikes(dt=dt)["s"].times[2]) for dt in (0.1, 0.05, 0.025, 0.0125)]
    steps = np.abs(np.diff(errors))
    assert (steps[1:] < 0.4 * steps[:-1]).all(), errors


def test_times_have_gradients():
    def second(amp):
        return spikes(amp=amp)["s"].times[1]

    difference = (second(0.2 + 1e-6) - second(0.2 - 1e-6)) / 2e-6
    assert float(jax.grad(second)(0.2)) == pytest.approx(float(difference), rel=1e-5)
    many = jax.vmap(lambda a: spikes(amp=a)["s"].counts)(jnp.array([0.0, 0.2]))
    assert many.tolist() == [0, int(spikes()["s"].counts)]


def test_room_for_few():
    few, all_of_them = spikes(train=SpikeTrain("soma", most=2))["s"], spikes()["s"]
    assert few.times.shape == (2,) and few.counts == all_of_them.counts
    np.testing.assert_array_equal(few.times, all_of_them.times[:2])


def test_a_raster_counts_every_spike_once():
    sol = spikes()
    raster = sol["s"].raster(sol.ts)
    assert raster.shape == sol.ts.shape and float(raster.sum()) == int(sol["s"].counts)
    coarse = sol["s"].raster(jnp.arange(0.0, 61.0, 10.0))
    assert float(coarse.sum()) == int(sol["s"].counts)


def test_point_neurons_spike_at_their_own_threshold():
    """A leaky integrator reaches its threshold after τ ln(…); the reset hides the crossing from the trace."""
    point = cx.Cell(cx.cylinder(20.0, 20.0), v0=-70.0).paint(
        "all", lif=LIF(g=1e-4, e=-70.0, vth=-50.0, refractory=3.0)
    )
    net = cx.Network().add("p", point, 2).add("q", CELL, 2).discretize(cx.PerBranch(1))
    area = 1e-8 * float(net.area[0])
    amp = 1e6 * 1e-4 * area * 30.0  # 30 mV at rest
    clamps = [cx.IClamp("p", 0.0, 99.0, jnp.array([amp, 0.0])), cx.IClamp("q", 1.0, 99.0, 0.2)]
    sol = cx.simulate(net, 40.0, 0.01, clamps, {"p": "p.spikes", "q": "q.spikes"})
    first = 10.0 * np.log(30.0 / 10.0)
    assert float(sol["p"].times[0, 0]) == pytest.approx(first, abs=0.02)
    assert sol["p"].counts.tolist()[1] == 0 and int(sol["p"].counts[0]) == 3
    assert (np.asarray(sol["q"].counts) > 0).all()
    interval = float(sol["p"].times[0, 1] - sol["p"].times[0, 0])
    assert interval == pytest.approx(3.0 + 10.0 * np.log(25.0 / 10.0), abs=0.05)


def test_mistakes():
    raises(lambda: SpikeTrain("soma", most=0), "at least 1", kind=ProtocolError)
    leaky = cx.Cell(cx.cylinder(20.0, 20.0)).paint("all", leak=Leak()).discretize(cx.PerBranch(1))
    assert int(spikes(leaky, amp=0.05)["s"].counts) == 0
