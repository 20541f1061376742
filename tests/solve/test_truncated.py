"""Truncated backpropagation: the same bits forward, the gradient of parts that do not know one another."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.errors import ParameterError, UnknownNameError
from cajax.solve import Checkpointed, Direct, Truncated

from ..helpers import raises

N, STEPS = 23, 5
INSIDE = (Direct(), Checkpointed(1e9), Checkpointed(60.0))


def run(adjoint, a, x0=0.3, n=N):
    """A fast and a slow entry that drive one another; returns the last carry and the recordings."""
    schedule = adjoint.plan(n, 16)

    def step(c: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        now = schedule.passed({"fast": c["fast"], "slow": {"s": c["slow"]}}, c["k"])
        fast, slow = now["fast"], now["slow"]["s"]
        new = {"fast": fast + 0.3 * jnp.sin(a * fast + slow), "slow": 0.95 * slow + 0.1 * a * fast}
        return {**new, "k": c["k"] + 1}, c["fast"] + c["slow"] ** 2

    first = {"fast": jnp.asarray(x0), "slow": jnp.asarray(0.1), "k": jnp.asarray(0)}
    return schedule.run(step, first, n)


def loss(adjoint, a, n=N):
    last, outs = run(adjoint, a, n=n)
    return jnp.sum(outs**2) + last["fast"] * last["slow"]


def by_parts(a, keep):
    """The same loss, part by part in Python, with what is not kept cut between the parts."""
    c = {"fast": jnp.asarray(0.3), "slow": jnp.asarray(0.1)}
    total = 0.0
    for k in range(N):
        total = total + (c["fast"] + c["slow"] ** 2) ** 2
        if k and k % STEPS == 0:
            c = {name: x if name in keep else jax.lax.stop_gradient(x) for name, x in c.items()}
        fast, slow = c["fast"], c["slow"]
        c = {"fast": fast + 0.3 * jnp.sin(a * fast + slow), "slow": 0.95 * slow + 0.1 * a * fast}
    return total + c["fast"] * c["slow"]


@pytest.mark.parametrize("inside", INSIDE, ids=str)
@pytest.mark.parametrize("keep", [(), ("slow",), ("s",), ("fast", "slow")])
def test_gradient_equals_that_of_parts(inside, keep):
    adjoint = Truncated(STEPS, keep, inside)
    kept = tuple("slow" if name == "s" else name for name in keep)
    exact = jax.grad(by_parts)(0.7, kept)
    found = jax.jit(jax.grad(lambda a: loss(adjoint, a)))(0.7)
    np.testing.assert_allclose(found, exact, rtol=1e-13)
    forward = jax.jvp(lambda a: loss(adjoint, a), (0.7,), (1.0,))[1]
    np.testing.assert_allclose(forward, exact, rtol=1e-13)
    many = jax.vmap(jax.grad(lambda a: loss(adjoint, a)))(jnp.array([0.7, 0.2]))
    np.testing.assert_allclose(many[0], exact, rtol=1e-13)


@pytest.mark.parametrize("inside", INSIDE, ids=str)
def test_forward_bits_are_those_of_a_whole_run(inside):
    whole = jax.jit(lambda a: run(inside, a))(0.7)
    cut = jax.jit(lambda a: run(Truncated(STEPS, (), inside), a))(0.7)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(cut), strict=True):
        np.testing.assert_array_equal(a, b)


def test_everything_kept_or_a_long_part_is_no_cut():
    exact = jax.grad(lambda a: loss(Direct(), a))(0.7)
    for adjoint in (Truncated(STEPS, ("fast", "slow")), Truncated(N), Truncated(N + 5)):
        np.testing.assert_allclose(jax.grad(lambda a, x=adjoint: loss(x, a))(0.7), exact, rtol=1e-13)


def test_an_explosion_does_not_pass_the_cut():
    """A cotangent that overflows behind the cut is dropped, not multiplied by zero."""
    adjoint = Truncated(4, (), Direct())
    schedule = adjoint.plan(8, 8)

    def step(c):
        x = schedule.passed({"x": c["x"]}, c["k"])["x"]
        factor = jnp.where(c["k"] == 5, 1e200, jnp.where(c["k"] == 6, 1e200, 1.0))
        return {"x": x * factor * 1e-5, "k": c["k"] + 1}, jnp.where(c["k"] < 4, c["x"], 0.0)

    def total(x):
        last, outs = schedule.run(step, {"x": x, "k": jnp.asarray(0)}, 8)
        return jnp.sum(outs) + 1e30 * last["x"] * 1e30

    assert np.isfinite(jax.grad(total)(1.0))


def test_a_plan_is_that_of_what_is_inside():
    adjoint = Truncated(50, inside=Checkpointed(500.0))
    schedule, inside = adjoint.plan(10000, 1), Checkpointed(500.0).plan(10000, 1)
    assert schedule.stored(10000) == inside.stored(10000) and adjoint.budget() == 500.0
    assert schedule.segments(10000) == inside.segments(10000)
    assert hash(adjoint) == hash(Truncated(50, inside=Checkpointed(500.0)))


def test_wrong_choices_are_refused():
    for steps in (0, -1, 2.5, True, "5"):
        raises(lambda s=steps: Truncated(s), "whole number", kind=ParameterError)  # pyright: ignore
    raises(lambda: Truncated(5, keep="slow"), "names", kind=ParameterError)  # pyright: ignore
    raises(lambda: loss(Truncated(5, ("slwo",)), 0.7), "'slow'", kind=UnknownNameError)
