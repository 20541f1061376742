"""An input with memory of one's own, in one file outside the package: a current clamp with an integrator."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.inputs import Electrode
from cajax.mech import HH, Leak

METHODS = (cx.BackwardEuler(), cx.Staggered())


class Feedback(Electrode):
    """A slow voltage clamp by current: di/dt = gain (target − v), an integrator of the error; i in nA."""

    at: Any = eqx.field(static=True)
    target: jax.Array
    gain: jax.Array

    def __init__(self, at, target, gain):
        self.at, self.target, self.gain = at, jnp.asarray(target, float), jnp.asarray(gain, float)

    def start(self, shape, dtype):
        return jnp.zeros(shape, dtype)

    def drive(self, t, dt, memory):
        return memory, None, None

    def advance(self, memory, v, t, n, dt):
        return (memory + dt * self.gain * (self.target - v)).astype(memory.dtype)


def passive() -> cx.Model:
    return cx.Cell(cx.ball_and_stick(), v0=-70.0).paint("all", leak=Leak()).discretize(cx.PerBranch(2))


def spiking() -> cx.Model:
    return cx.Cell(cx.ball_and_stick()).paint("all", hh=HH()).discretize(cx.PerBranch(2))


RECORD = {"v": "soma"}


def run(model, target=-50.0, gain=0.01, t1=4.0, method=METHODS[1], state=None) -> cx.Solution:
    return cx.simulate(
        model,
        t1,
        0.05,
        [Feedback("soma", target, gain)],
        RECORD,
        method,
        state=state,
        continued=state is not None,
    )


def test_it_holds_the_voltage():
    sol = run(passive(), gain=0.002, t1=300.0)
    assert float(sol["v"][-1]) == pytest.approx(-50.0, abs=0.01)
    memory = jax.tree.leaves(sol.state.parts["electrodes"])
    assert len(memory) == 1 and float(jnp.ravel(memory[0])[0]) > 0.0


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_restart_goes_on_where_the_integrator_was(method):
    model = spiking()
    whole, half = run(model, method=method), run(model, t1=2.0, method=method)
    rest = run(model, t1=2.0, method=method, state=half.state)
    for a, b in zip(jax.tree.leaves(rest.state), jax.tree.leaves(whole.state), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(rest["v"], whole["v"][40:], rtol=1e-14)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_gradients_through_the_memory_equal_central_differences(method):
    model = spiking()
    loss = lambda target, gain: jnp.mean(run(model, target, gain, method=method)["v"])  # noqa: E731
    found = jax.jit(jax.grad(loss, argnums=(0, 1)))(-50.0, 0.01)
    for k, h in enumerate((1e-4, 1e-7)):
        at = lambda s, k=k: loss(*(v + s * (k == j) for j, v in enumerate((-50.0, 0.01))))  # noqa: E731
        np.testing.assert_allclose(found[k], (at(h) - at(-h)) / (2 * h), rtol=1e-6)


def test_vmap_equals_a_loop():
    model, targets = spiking(), jnp.array([-60.0, -50.0, -30.0])
    many = jax.vmap(lambda target: run(model, target)["v"])(targets)
    np.testing.assert_allclose(many, [run(model, target)["v"] for target in targets], rtol=1e-12)
