"""A block of coupled equations: order in dt, stiffness, gradients, and a channel made of one."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ParameterError
from cajax.mech import Q10, Channel, Coupled, Gate, Leak, Param, param

from ..helpers import raises
from .exact import exponential

METHODS = (cx.BackwardEuler(), cx.Staggered())


def oscillator(stiffness=1.0) -> Coupled:
    """A van der Pol oscillator: nonlinear, and stiff where `stiffness` is large."""

    def rates(s):
        return {"x": s["y"], "y": stiffness * (1.0 - s["x"] ** 2) * s["y"] - s["x"]}

    return Coupled({"x": jnp.array([1.5]), "y": jnp.array([0.2])}, rates)


@partial(jax.jit, static_argnames=("order",))
def end(stiffness, n, dt, order):
    block = oscillator(stiffness)
    return jax.lax.fori_loop(0, n, lambda _, s: block.advance("b", s, dt, order), block.rest("b"))


@pytest.mark.parametrize("order", [1, 2])
def test_order_of_convergence(order):
    exact = end(1.0, 64000, 4.0 / 64000, 2)
    errors = [abs(float((end(1.0, n, 4.0 / n, order)["x"] - exact["x"])[0])) for n in (100, 200, 400)]
    observed = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(observed - order) < 0.2), (errors, observed)


@pytest.mark.parametrize("order", [1, 2])
def test_a_linear_block_equals_the_matrix_exponential(order):
    q = np.array([[-2.0, 0.5, 0.0], [1.0, -1.0, 3.0], [0.2, 0.1, -4.0]])
    names = ("a", "b", "c")

    def rates(s):
        return {n: sum(q[i, j] * s[m] for j, m in enumerate(names)) for i, n in enumerate(names)}

    block = Coupled({n: jnp.array([x]) for n, x in zip(names, (1.0, 0.0, 2.0), strict=True)}, rates)
    run = jax.jit(
        lambda n: jax.lax.fori_loop(0, n, lambda _, s: block.advance("b", s, 2.0 / n, order), block.rest("b"))
    )
    exact = exponential(q, 2.0) @ np.array([1.0, 0.0, 2.0])
    errors = [np.abs(np.array([run(n)[k][0] for k in names]) - exact).max() for n in (50, 100, 200)]
    observed = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(observed - order) < 0.15), (errors, observed)


@pytest.mark.parametrize("order", [1, 2])
def test_a_stiff_block_neither_rings_nor_grows(order):
    fast = Coupled({"x": jnp.array([1.0])}, lambda s: {"x": 1e6 * (0.25 - s["x"])})
    s = fast.rest("b")
    for _ in range(4):
        s = fast.advance("b", s, 0.1, order)
        assert -0.6 < float(s["x"][0]) < 1.1
    assert float(s["x"][0]) == pytest.approx(0.25, abs=1e-4)


def test_a_temperature_is_a_scaled_time():
    block = oscillator()
    hot = block.scaled(jnp.array(3.0)).advance("b", block.rest("b"), 0.1, 2)
    slow = block.advance("b", block.rest("b"), 0.3, 2)
    for name in hot:
        np.testing.assert_allclose(hot[name], slow[name], rtol=1e-14)


@pytest.mark.parametrize("order", [1, 2])
def test_gradient_equals_central_difference(order):
    value = lambda k: end(k, 50, 0.05, order)["x"][0]  # noqa: E731
    found, h = jax.grad(lambda k: value_scan(k, order))(1.3), 1e-5
    np.testing.assert_allclose(found, (value(1.3 + h) - value(1.3 - h)) / (2 * h), rtol=1e-7)


def value_scan(stiffness, order):
    block = oscillator(stiffness)
    last, _ = jax.lax.scan(
        lambda s, _: (block.advance("b", s, 0.05, order), None), block.rest("b"), None, length=50
    )
    return last["x"][0]


class Buffered(Channel):
    """Potassium whose opening n drives a slow adaptation h, which feeds back on n."""

    g: Param = param(2e-3, "S/cm2")
    feedback: Param = param(2.0, "1/ms")

    q10 = Q10(3.0, at=20.0)

    def gates(self, v):
        opening = 2.0 / (1.0 + jnp.exp(-(v + 55.0) / 8.0))
        rest = opening / (opening + 1.0)

        def rates(s):
            n, h = s["n"], s["h"]
            return {"n": opening * (1.0 - n) - n - self.feedback * n * h, "h": 0.3 * (n - rest) - 0.1 * h}

        return {"block": Coupled({"n": rest, "h": 0.0 * v}, rates)}

    def current(self, v, n):
        return self.g * n * (v + 90.0)


@pytest.fixture(scope="module")
def model():
    cell = cx.Cell(cx.ball_and_stick(), temperature=26.0).paint("all", leak=Leak(), k=Buffered())
    return cell.discretize(cx.PerBranch(1))


CLAMP = cx.IClamp("soma", 0.5, 20.0, 0.3)
RECORD = {"v": "soma", "n": "soma.k.n", "h": "soma.k.h", "i": "soma.k.i"}


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_a_channel_runs_is_recorded_and_restarts_exactly(model, method):
    Buffered().check()
    whole = cx.simulate(model, 6.0, 0.05, [CLAMP], RECORD, method)
    assert float(whole["h"].max()) > 1e-3 and np.isfinite(whole["v"]).all()
    np.testing.assert_allclose(whole["i"], 2e-3 * whole["n"] * (whole["v"] + 90.0), rtol=1e-12, atol=1e-15)
    half = cx.simulate(model, 3.0, 0.05, [CLAMP], RECORD, method)
    rest = cx.simulate(model, 3.0, 0.05, [CLAMP], RECORD, method, state=half.state, continued=True)
    for name in RECORD:
        np.testing.assert_array_equal(rest[name], whole[name][60:])


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_a_run_converges_with_the_order_of_its_method(model, method):
    def last(dt):
        clamp = cx.IClamp("soma", 0.0, 9.0, 0.3)
        return float(cx.simulate(model, 4.0, dt, [clamp], RECORD, method)["v"][-1])

    a, b, c, d = (last(dt) for dt in (0.08, 0.04, 0.02, 0.01))
    observed = np.log2([(a - b) / (b - c), (b - c) / (c - d)])
    assert np.all(np.abs(observed - method.order) < 0.25), observed


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_gradients_of_a_run_equal_central_differences(model, method):
    def loss(value, name):
        sol = cx.simulate(model.replace({name: value}), 3.0, 0.05, [CLAMP], RECORD, method)
        return jnp.mean(sol["v"]) + jnp.mean(sol["h"])

    for name, x in (("all.k.feedback", 2.0), ("all.k.g", 2e-3)):
        h = 1e-5 * x
        central = (loss(x + h, name) - loss(x - h, name)) / (2 * h)
        np.testing.assert_allclose(jax.grad(loss)(x, name), central, rtol=1e-6)


def test_wrong_blocks_are_refused():
    raises(lambda: Coupled({}, lambda s: s), "by name", kind=ParameterError)
    raises(lambda: Coupled([1.0], lambda s: s), "by name", kind=ParameterError)  # pyright: ignore
    raises(lambda: Coupled({"a": 1.0}, {"a": 2.0}), "function", kind=ParameterError)  # pyright: ignore
    block = Coupled({"a": jnp.ones(1)}, lambda s: {"b": s["a"]})
    raises(lambda: block.advance("x", block.rest("x"), 0.1, 1), "'a'", "start and rates", kind=ParameterError)
    assert isinstance(Gate.rates(jnp.ones(1), jnp.ones(1)).scaled(2.0), Gate)
