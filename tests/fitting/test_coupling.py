"""The coupling to a recorded voltage: where it leads, that nothing changes at rate 0, its gradient, its one solve."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.engine.physics import bind
from cajax.engine.step import advance, initial
from cajax.engine.system import System
from cajax.fitting.coupling import Coupling
from cajax.mech import HH, Leak

DT, T1 = 0.05, 40.0
CLAMP = cx.IClamp("soma", 5.0, 30.0, 0.3)
CELL = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("soma", hh=HH())
TRUE = CELL.discretize(cx.MaxLength(100.0))
OTHER = TRUE.replace({"soma.hh.gna": 0.06, "soma.hh.gk": 0.02})
METHODS = [cx.Staggered(), cx.BackwardEuler()]


def run(model, method=METHODS[0], dt=DT):
    return cx.simulate(model, T1, dt, [CLAMP], {"v": "soma"}, method)["v"]


def pulled(model, rate, method=METHODS[0], dt=DT):
    recorded = run(TRUE, method, dt)
    return model.with_part("pull", Coupling("soma", v=recorded, every=dt, rate=rate))


@pytest.mark.parametrize("method", METHODS)
def test_at_rate_zero_it_changes_no_bit(method):
    np.testing.assert_array_equal(run(pulled(OTHER, 0.0, method), method), run(OTHER, method))


@pytest.mark.parametrize("method", METHODS)
def test_the_stronger_the_nearer(method):
    recorded = run(TRUE, method)
    off = [
        float(jnp.abs(run(pulled(OTHER, r, method), method) - recorded).max()) for r in (0, 1, 10, 100, 1e4)
    ]
    assert off[0] > 50.0 and off == sorted(off, reverse=True) and off[-1] < 0.1


def test_the_true_model_is_not_pulled():
    with_pull = run(pulled(TRUE, 5.0))
    np.testing.assert_allclose(with_pull, run(TRUE), atol=0.05)


def test_a_free_membrane_falls_exponentially_towards_it():
    """With nothing but capacitance and the pull, dv/dt = rate (target − v)."""
    cell = (
        cx.Cell(cx.cylinder(20.0, 20.0), v0=-60.0).paint("all", leak=Leak(g=0.0)).discretize(cx.PerBranch(1))
    )
    errors = []
    for dt in (0.1, 0.05):
        model = cell.with_part("pull", Coupling("all", v=-70.0, rate=0.5))
        sol = cx.simulate(model, 8.0, dt, record={"v": "all"})
        v = np.asarray(sol["v"]).ravel()
        errors.append(np.abs(v - (-70.0 + 10.0 * np.exp(-0.5 * np.asarray(sol.ts)))).max())
    assert errors[0] < 5e-3 and errors[0] / errors[1] > 3.5  # second order


def test_gradient_is_that_of_differences():
    def loss(gna, rate):
        return jnp.mean(run(pulled(TRUE, rate).replace({"soma.hh.gna": gna})) ** 2)

    slope = jax.grad(loss, argnums=(0, 1))(0.1, 2.0)
    for k, h in ((0, 1e-6), (1, 1e-5)):
        up, down = ([0.1, 2.0], [0.1, 2.0])
        up[k] += h
        down[k] -= h
        assert float(slope[k]) == pytest.approx(float(loss(*up) - loss(*down)) / (2 * h), rel=1e-5)


def solves(monkeypatch, model, inputs):
    """How often a step of a run solves for the voltage."""
    calls, solve = [], System.solve
    monkeypatch.setattr(System, "solve", lambda self, *args: calls.append(1) or solve(self, *args))
    physics = bind(model, inputs)
    jax.make_jaxpr(partial(advance, physics, METHODS[0]))(initial(physics, METHODS[0], jnp.asarray(DT)))
    return len(calls)


def test_a_step_stays_one_solve(monkeypatch):
    """A conductance as an input takes two; the pull is part of the membrane."""
    assert solves(monkeypatch, pulled(TRUE, 2.0), ()) == 1
    assert solves(monkeypatch, TRUE, (cx.Conductance("soma", [1e-3], 1.0),)) == 2


def test_its_current_is_recorded():
    sol = cx.simulate(pulled(OTHER, 2.0), T1, DT, [CLAMP], {"v": "soma", "i": "pull.i"})
    off = np.asarray(sol["v"]).ravel() - np.asarray(run(TRUE)).ravel()
    i = np.asarray(sol["i"]).ravel()
    assert np.corrcoef(i, off)[0, 1] > 0.99
