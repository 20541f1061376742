"""A state without memory: the same run as the function written inside the current, at the order of the method."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import Channel, Gate, Instant, Leak, Param, Pool, param

METHODS = (cx.BackwardEuler(), cx.Staggered())


def opening(v):
    return 1.0 / (1.0 + jnp.exp(-(v + 50.0) / 6.0))


class Persistent(Channel):
    """Persistent sodium whose m follows the voltage at once."""

    g: Param = param(2e-4, "S/cm2")

    def gates(self, v):
        return {"m": Instant(opening(v)), "h": Gate.relax(1.0 - 0.5 * opening(v), 3.0 + 0.0 * v)}

    def current(self, v, m, h):
        return self.g * m * h * (v - 50.0)


class Inside(Channel):
    """The same, with m computed in the current."""

    g: Param = param(2e-4, "S/cm2")

    def gates(self, v):
        return {"h": Gate.relax(1.0 - 0.5 * opening(v), 3.0 + 0.0 * v)}

    def current(self, v, h):
        return self.g * opening(v) * h * (v - 50.0)


def cell(channel) -> cx.Model:
    return (
        cx.Cell(cx.ball_and_stick(), v0=-65.0)
        .paint("all", leak=Leak(), na=channel)
        .discretize(cx.PerBranch(1))
    )


CLAMP = cx.IClamp("soma", 0.5, 20.0, 0.2)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_it_equals_the_function_inside_the_current(method):
    Persistent().check()
    record = {"v": "soma", "h": "soma.na.h", "i": "soma.na.i"}
    a = cx.simulate(cell(Persistent()), 6.0, 0.05, [CLAMP], record | {"m": "soma.na.m"}, method)
    b = cx.simulate(cell(Inside()), 6.0, 0.05, [CLAMP], record, method)
    for name in record:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-12)
    np.testing.assert_allclose(a["m"], opening(a["v"]), rtol=1e-14)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_order_gradient_and_restart(method):
    model, record = cell(Persistent()), {"v": "soma", "m": "soma.na.m"}

    def last(dt, g=2e-4):
        return cx.simulate(
            model.replace({"all.na.g": g}), 4.0, dt, [cx.IClamp("soma", 0.0, 9.0, 0.2)], record, method
        )["v"][-1]

    a, b, c = (float(last(dt) - last(dt / 2)) for dt in (0.08, 0.04, 0.02))
    assert np.all(np.abs(np.log2([a / b, b / c]) - method.order) < 0.25)
    h = 1e-8
    central = (last(0.05, 2e-4 + h) - last(0.05, 2e-4 - h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(lambda g: last(0.05, g))(2e-4), central, rtol=1e-6)
    whole = cx.simulate(model, 4.0, 0.05, [CLAMP], record, method)
    half = cx.simulate(model, 2.0, 0.05, [CLAMP], record, method)
    rest = cx.simulate(model, 2.0, 0.05, [CLAMP], record, method, state=half.state, continued=True)
    for name in record:
        np.testing.assert_array_equal(rest[name], whole[name][40:])


class Activated(Channel):
    """A calcium current that calcium closes at once."""

    g: Param = param(1e-3, "S/cm2")
    ion = "ca"

    def gates(self, v, cai):
        return {"z": Instant(1.0 / (1.0 + (cai / 2e-4) ** 2) + 0.0 * v)}

    def current(self, v, z, eca):
        return self.g * z * (v - eca)


def test_it_follows_a_concentration():
    cell = cx.Cell(cx.cylinder(20.0, 10.0), temperature=34.0).paint(
        "all", leak=Leak(), ca=Pool(), cal=Activated()
    )
    model = cell.discretize(cx.PerBranch(1))
    record = {"c": cx.Probe("soma", "ca.cai"), "z": "soma.cal.z"}
    runs = [cx.simulate(model, 4.0, dt, record=record) for dt in (0.1, 0.05, 0.025)]
    for sol in runs:
        np.testing.assert_allclose(sol["z"], 1.0 / (1.0 + (sol["c"] / 2e-4) ** 2), rtol=1e-12)
    a, b, c = (float(sol["c"][-1]) for sol in runs)
    assert abs(np.log2((a - b) / (b - c)) - 2.0) < 0.35
