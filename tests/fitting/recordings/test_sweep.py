"""A sweep: what it holds, corrections, cropping, resampling, and its command in a simulation."""

from dataclasses import FrozenInstanceError, replace

import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.fitting.recordings import RecordingError, Sweep
from cajax.mech import Leak
from cajax.record import MembraneCurrent
from tests.helpers import raises

DT = 0.1
T = np.arange(2000) * DT
STEP = 0.2 * ((T >= 50.0) & (T < 150.0))
RNG = np.random.default_rng(0)


def sweep(**known):
    return Sweep.of(-70.0 + 50.0 * STEP, STEP - 0.02, DT, **known)


def test_the_stimulus_is_found():
    x = sweep(name="one")
    assert (x.kind, x.on, x.off, x.mode, x.name) == ("step", 50.0, 150.0, "current", "one")
    assert x.amplitude == pytest.approx(0.2) and x.holding == pytest.approx(-0.02)
    assert x.duration == 200.0 and np.array_equal(x.t, T)
    assert x.v.dtype == x.i.dtype == np.float64


def test_what_is_known_is_taken_as_given():
    x = sweep(on=51.0, off=None, amplitude=0.3, kind="pulse", holding=float("nan"))
    assert (x.on, x.off, x.amplitude, x.kind) == (51.0, 150.0, 0.3, "pulse")
    assert x.holding == pytest.approx(-0.02)


def test_a_sweep_cannot_be_changed_and_does_not_share_its_arrays():
    v = np.full(10, -70.0)
    x = Sweep(v, np.zeros(10), 0.1)
    v[:] = 0.0
    assert (x.v == -70.0).all()
    with pytest.raises(ValueError, match="read-only"):
        x.v[0] = 0.0
    with pytest.raises(FrozenInstanceError):
        x.dt = 1.0  # pyright: ignore


@pytest.mark.parametrize(
    ("v", "i", "dt", "says"),
    [
        (np.zeros(5), np.zeros(4), 0.1, "v has 5 samples and i 4"),
        ([], [], 0.1, "is empty"),
        ([1.0], [1.0], 0.1, "has one sample"),
        ([0.0, np.nan, 0.0], np.zeros(3), 0.1, "not finite in 1 of 3 samples, first in sample 1"),
        (np.zeros(3), [0.0, np.inf, 0.0], 0.1, "i is not finite"),
        (np.zeros((2, 3)), np.zeros(6), 0.1, "must be numbers [sample]"),
        (["a", "b"], np.zeros(2), 0.1, "must be numbers [sample]"),
        (np.zeros(3), np.zeros(3), 0.0, "dt = 0 ms must be positive"),
        (np.zeros(3), np.zeros(3), np.nan, "must be finite"),
    ],
)
def test_wrong_signals(v, i, dt, says):
    raises(lambda: Sweep(v, i, dt), says, kind=RecordingError)
    raises(lambda: Sweep.of(v, i, dt), says, kind=RecordingError)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "stepp"}, "'stepp' must be one of 'step'"),
        ({"mode": "vc"}, "'vc' must be one of 'current', 'voltage'"),
        ({"on": 5.0, "off": 4.0}, "begins at 5 ms and ends at 4 ms"),
        ({"on": "soon", "off": 9.0}, "on = 'soon'"),
        ({"junction": np.inf}, "must be finite"),
    ],
)
def test_wrong_fields(fields, says):
    raises(lambda: Sweep(np.zeros(100), np.zeros(100), 0.1, **fields), says)


def test_corrections_are_totals_and_can_be_taken_back():
    x = sweep()
    y = x.corrected(junction=14.0, bridge=10.0)
    assert np.allclose(y.v, x.v - 14.0 - 10.0 * x.i, atol=1e-12)
    assert (y.junction, y.bridge, y.holding) == (14.0, 10.0, x.holding)
    assert np.array_equal(y.corrected(junction=14.0).v, y.v)
    assert np.allclose(y.corrected(junction=0.0, bridge=0.0).v, x.v, atol=1e-12)
    assert np.array_equal(x.corrected(junction="0.014 V").v, x.corrected(junction=14.0).v)
    assert np.array_equal(y.i, x.i)


def test_the_command_of_a_voltage_clamp_is_corrected_as_well():
    x = Sweep.of(-70.0 + 300.0 * STEP, 1.0 * STEP, DT, mode="voltage")
    assert (x.amplitude, x.holding) == (pytest.approx(60.0), -70.0)
    y = x.corrected(junction=10.0)
    assert y.holding == -80.0 and y.amplitude == x.amplitude
    assert np.allclose(y.command, x.v - 10.0)


def test_cropping_moves_the_stimulus():
    x = sweep()
    y = x.cropped(30.0, 170.0)
    assert (y.on, y.off, y.duration, len(y.v)) == (20.0, 120.0, 140.0, 1400)
    assert np.array_equal(y.v, x.v[300:1700]) and np.array_equal(y.i, x.i[300:1700])
    within = x.cropped(60.0, 100.0)
    assert (within.on, within.off, within.kind) == (0.0, 40.0, "step")
    before = x.cropped(0.0, 40.0)
    assert before.kind == "none" and np.isnan(before.on) and before.amplitude == 0.0
    raises(lambda: x.cropped(500.0), "has no samples from 500 to 200 ms")
    raises(lambda: x.cropped(10.0, 10.05), "has no samples")


def test_slower_sampling_takes_the_mean_and_does_not_alias():
    x = Sweep(-65.0 + 20.0 * np.cos(2 * np.pi * T), 0.1 + 0.5 * np.cos(2 * np.pi * T), DT)  # 1 kHz
    y = x.resampled(1.0)
    assert len(y.v) == 200 and y.dt == 1.0
    # The ends are means of half a period.
    assert np.abs(y.v[1:-1] + 65.0).max() < 1e-9 and np.abs(y.i[1:-1] - 0.1).max() < 1e-9


@pytest.mark.parametrize("dt", [0.1, 0.3, 0.25, 0.7, 2.0])
def test_slower_sampling_is_the_mean_of_straight_lines(dt):
    x = Sweep(RNG.normal(-60.0, 5.0, 300), RNG.normal(0.0, 0.1, 300), DT)
    y = x.resampled(dt)
    fine = np.linspace(0.0, 29.9, 29_901)
    v = np.interp(fine, x.t, x.v)
    for k in (1, 5, len(y.v) - 3):
        inside = np.abs(fine - y.t[k]) <= 0.5 * dt + 1e-9
        mean = np.trapezoid(v[inside], fine[inside]) / np.ptp(fine[inside]) if dt > DT else v[inside][1]
        expected = mean if dt > DT else x.v[k]
        assert y.v[k] == pytest.approx(expected, abs=1e-6)


def test_resampling_keeps_charge_and_times():
    y = sweep().resampled(0.7)
    assert (y.on, y.off, y.kind) == (50.0, 150.0, "step")
    assert np.trapezoid(y.i + 0.02, dx=0.7) == pytest.approx(20.0, rel=1e-6)
    assert np.allclose(sweep().resampled(0.05).v[::2], sweep().v)
    raises(lambda: sweep().resampled(500.0), "choose another dt")
    raises(lambda: sweep().resampled(0.0), "must be positive")


@pytest.fixture(scope="module")
def model():
    return (
        cx.Cell(cx.cylinder(20.0, 10.0), v0=-70.0)
        .paint("all", leak=Leak(g=1e-4, e=-70.0))
        .discretize(cx.PerBranch(1))
    )


def test_a_current_clamp_puts_the_sweeps_current_into_the_cell(model):
    """The membrane current is what the electrode brings in: over a step, the mean of its straight line."""
    i = 0.02 * ((T >= 2.0) & (T < 8.0)) + RNG.normal(0.0, 1e-3, len(T))
    x = Sweep.of(np.full(len(T), -70.0), i, DT)
    run = cx.simulate(model, 10.0, dt=DT, inputs=[x.clamp()], record={"i": MembraneCurrent("soma")})
    mean = 0.5 * (x.i[:-1] + x.i[1:])[:100]
    assert np.allclose(run["i"][1:], mean, atol=1e-12)


def test_a_current_clamp_runs_at_any_time_step(model):
    x = sweep()
    run = cx.simulate(model, 200.0, dt=0.025, inputs=[x.clamp("soma")])
    resistance = 1.0 / (float(model.cvs.area.sum()) * 1e-8 * 1e-4) * 1e-6  # MΩ
    assert float(run["v"][round(149.0 / 0.025)]) == pytest.approx(-70.0 + resistance * (0.2 - 0.02), abs=0.5)
    assert jnp.isfinite(run["v"]).all()


def test_a_voltage_clamp_makes_the_cell_follow_the_sweep(model):
    x = Sweep.of(-70.0 + 100.0 * STEP, np.zeros(len(T)), DT, mode="voltage")
    run = cx.simulate(model, 100.0, dt=DT, inputs=[x.clamp()])
    assert np.allclose(run["v"][1:], x.v[1:1001], atol=0.05)


def test_replace_keeps_the_rules():
    raises(lambda: replace(sweep(), v=np.zeros(3)), "v has 3 samples")
