"""An adjoint of one's own, in one file outside the package: a checkpoint every so many steps, cuts at given moments."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import HH
from cajax.solve import Adjoint, Schedule


@dataclass(frozen=True)
class Chunked(Schedule):
    """Stores a state every `length` steps, and everything within the chunk that is being reversed."""

    length: int
    cuts: tuple[int, ...] = ()

    def run(self, step, carry, n):
        count, rest = divmod(n, self.length)
        chunk = jax.checkpoint(lambda c: jax.lax.scan(lambda c, _: step(c), c, None, length=self.length))
        carry, outs = jax.lax.scan(lambda c, _: chunk(c), carry, None, length=count)
        outs = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), outs)
        carry, tail = jax.lax.scan(lambda c, _: step(c), carry, None, length=rest)
        return carry, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), outs, tail)

    def stored(self, n):
        return n // self.length + self.length

    def segments(self, n):
        return (n // self.length, self.length)

    def passed(self, state, k):
        if not self.cuts:
            return state
        here = jnp.any(k == jnp.asarray(self.cuts))
        return jax.tree.map(lambda x: jnp.where(here, jax.lax.stop_gradient(x), x), state)


@dataclass(frozen=True)
class Every(Adjoint):
    """`Chunked` by a fixed length."""

    length: int = 7
    cuts: tuple[int, ...] = ()

    def plan(self, n, state_bytes, record_bytes=0):
        return Chunked(self.length, self.cuts)


MODEL = cx.Cell(cx.ball_and_stick()).paint("all", hh=HH()).discretize(cx.PerBranch(1))
RECORD = {"v": "soma", "m": "soma.hh.m"}
T1, DT = 3.0, 0.05


def run(adjoint, gna=0.12, amp=0.4, t1=T1, state=None, **options: Any) -> cx.Solution:
    model = MODEL.replace({"all.hh.gna": gna})
    clamp = cx.IClamp("soma", 0.5, 9.0, amp)
    return cx.simulate(
        model, t1, DT, [clamp], RECORD, adjoint=adjoint, state=state, continued=state is not None, **options
    )


def loss(gna, adjoint, amp=0.4):
    sol = run(adjoint, gna, amp)
    return jnp.mean(sol["v"]) + jnp.mean(sol["m"])


@pytest.mark.parametrize("length", [1, 7, 60, 100])
def test_values_and_gradients_are_those_of_the_own_ones(length):
    ours, theirs = run(cx.Checkpointed()), run(Every(length))
    for name in RECORD:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-13)
    exact = jax.grad(loss)(0.12, cx.Direct())
    np.testing.assert_allclose(
        jax.jit(jax.grad(loss), static_argnums=1)(0.12, Every(length)), exact, rtol=1e-10
    )


def test_restart_and_vmap():
    whole, half = run(Every()), run(Every(), t1=T1 / 2)
    rest = run(Every(), t1=T1 / 2, state=half.state)
    np.testing.assert_allclose(rest["v"], whole["v"][30:], rtol=1e-12)
    amps = jnp.array([0.1, 0.4])
    many = jax.vmap(lambda a: jax.grad(loss)(0.12, Every(), a))(amps)
    np.testing.assert_allclose(many, [jax.grad(loss)(0.12, Every(), a) for a in amps], rtol=1e-10)


def test_cuts_by_a_schedule_are_those_of_truncation():
    cuts = Every(9, tuple(range(10, 60, 10)))
    exact = jax.grad(loss)(0.12, cx.Truncated(10))
    np.testing.assert_allclose(jax.grad(loss)(0.12, cuts), exact, rtol=1e-11)
    assert abs(exact / jax.grad(loss)(0.12, cx.Direct()) - 1.0) > 1e-3
    np.testing.assert_allclose(run(cuts)["v"], run(cx.Direct())["v"], rtol=1e-13)


def test_a_plan_knows_it():
    plan = cx.plan(MODEL, T1, DT, adjoint=Every(), calibrate=False)
    assert plan.segments == (8, 7) and plan.stored == 15 and plan.budget is None
    assert plan.states_bytes == 15 * plan.state_bytes and "8 × 7 steps" in str(plan)
