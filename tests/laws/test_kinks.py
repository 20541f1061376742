"""Gradients with respect to times, where these lie on multiples of dt as people write them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import ExpSyn, Leak

POINT = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak(g=1e-4, e=-65.0))
MODEL = POINT.discretize(cx.PerBranch(1))
TAU, END = 10.0, 5.0


def per_nA(t):
    """Return the effect at END of current at `t`, mV/ms, of 0.1 nA."""
    return 0.1 / (np.pi * 400.0 * 1e-5) * np.exp(-(END - t) / TAU)


@pytest.mark.parametrize("dt", [0.025, 0.05, 0.1])
def test_start_and_length_of_a_current_step(dt):
    @jax.jit
    def slopes(start, dur):
        return jax.grad(
            lambda s, d: cx.simulate(MODEL, END, dt, [cx.IClamp("soma", s, d, 0.1)])["v"][-1], (0, 1)
        )(start, dur)

    for start, dur in ((1.0, 1.0), (2.0, 1.0), (0.5, 2.5), (3.3, 0.7), (0.1, 0.1)):
        exact = per_nA(start + dur) - per_nA(start), per_nA(start + dur)
        np.testing.assert_allclose(slopes(start, dur), exact, rtol=2e-3)


def test_start_of_a_current_step_in_single_precision_and_late():
    with jax.enable_x64(False):
        model = POINT.discretize(cx.PerBranch(1))
        for start in (200.0, 200.1, 203.3):
            end = lambda s: cx.simulate(model, 210.0, 0.1, [cx.IClamp("soma", s, 2.0, 0.1)])["v"][-1]  # noqa: E731
            exact = (per_nA(start + 2.0) - per_nA(start)) * np.exp((END - 210.0) / TAU)
            assert float(jax.grad(end)(start)) == pytest.approx(exact, rel=0.05)


def test_sampling_step_of_waveforms():
    """The command of a voltage clamp is read at the end of a step, which is where its samples lie."""
    wave = -65.0 + 10.0 * jnp.sin(jnp.arange(60) * 0.3)
    for make in (
        lambda d: cx.VClamp("soma", wave, dt=d),
        lambda d: cx.Current("soma", 1e-3 * (wave + 65.0), dt=d),
    ):
        total = lambda d, make=make: jnp.sum(cx.simulate(MODEL, 4.0, 0.1, [make(d)])["v"])  # noqa: E731
        differences = float(total(0.1 + 1e-7) - total(0.1 - 1e-7)) / 2e-7
        assert float(jax.grad(total)(0.1)) == pytest.approx(differences, rel=2e-6)


@pytest.mark.parametrize("method", [cx.BackwardEuler(), cx.Staggered()])
def test_spike_times_and_delays(method):
    """On a step's border the derivative is that from within the step which the spike reaches: of the right size."""
    net = cx.Network().add("i", cx.SpikeSource()).add("c", POINT)
    net = net.connect("i", "c", ExpSyn(), weight=1e-3, delay=1.0, name="s").discretize(cx.PerBranch(1))

    @jax.jit
    def end(t, delay):
        model = net.replace({"i->c.s.delay": delay})
        return cx.simulate(model, 6.0, 0.05, [cx.Spikes("i", jnp.array([t]))], method=method)["c"][-1, 0]

    for t, delay in ((2.0, 1.0), (2.05, 1.15), (0.3, 0.6), (1.7, 1.1)):
        at, h = end(t, delay), 1e-4
        for i, slope in enumerate(jax.grad(end, (0, 1))(t, delay)):
            step = h * np.eye(2)[i]
            ahead, behind = (
                (end(t + step[0], delay + step[1]) - at) / h,
                (at - end(t - step[0], delay - step[1])) / h,
            )
            assert min(abs(slope - ahead), abs(slope - behind)) < 1e-3 * abs(slope)
