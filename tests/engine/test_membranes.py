"""The current of a channel, and its slope in the implicit step."""

import jax
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Channel, Param, param


class Square(Channel):
    """A current that is no straight line in v."""

    g: Param = param(1e-5, "S/cm2")

    def current(self, v):
        return self.g * (v + 80.0) ** 2


class Secant(Channel):
    """The same; its slope is taken over 2 mV."""

    secant = 2.0
    g: Param = param(1e-5, "S/cm2")

    def current(self, v):
        return self.g * (v + 80.0) ** 2


def after_one_step(channel, method):
    cell = cx.Cell(cx.cylinder(20.0, 10.0), v0=-60.0).paint("all", x=channel)
    model = cell.discretize(cx.PerBranch(1))
    return float(cx.simulate(model, t1=0.1, dt=0.1, method=method, record={"v": "soma"})["v"][-1])


@pytest.mark.parametrize(("channel", "slope"), [(Square(), 40.0), (Secant(), 42.0)])
def test_a_first_order_step_takes_the_slope_that_the_channel_asks_for(channel, slope):
    with jax.enable_x64(True):
        v = after_one_step(channel, cx.BackwardEuler())
    # C (v' − v)/dt = −i − slope (v' − v), with C = 1 µF/cm² and currents in µA/cm²
    expected = -60.0 - 1e-2 * 400.0 / (1.0 / 0.1 + 1e-2 * slope)
    np.testing.assert_allclose(v, expected, rtol=1e-12)


def test_a_second_order_step_takes_the_derivative():
    with jax.enable_x64(True):
        assert after_one_step(Square(), cx.Staggered()) == after_one_step(Secant(), cx.Staggered())


def test_so_does_single_precision():
    with jax.enable_x64(False):
        assert after_one_step(Square(), cx.BackwardEuler()) == after_one_step(Secant(), cx.BackwardEuler())
