import sys
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import cajax as cx
from cajax.mech import HH
from cajax.program.compiled import most_held

from .helpers import joined, raises

CVS = 40
STATE = CVS * 4 * 8 + 2 * 8 + 4  # v, m, h, n of every CV in float64, and the clock


@pytest.fixture(scope="module")
def model():
    return cx.Cell(cx.cylinder(1000.0, 1.0)).paint("all", hh=HH()).discretize(cx.PerBranch(CVS))


def test_it_counts_without_running(model):
    plan = cx.plan(model, 100.0, 0.1, batch=3, record={"v": cx.every_cv(), "m": "soma.hh.m"}, calibrate=False)
    assert (plan.cvs, plan.dtype, plan.steps, plan.batch) == (CVS, "float64", 1000, 3)
    assert (plan.levels, plan.segments, plan.stored) == (1, (1000,), 1000)
    assert plan.state_bytes == STATE and plan.states_bytes == 3 * 1000 * STATE
    assert plan.record_bytes == 3 * 1001 * (CVS + 1) * 8
    assert plan.gradient_bytes == plan.states_bytes + 2 * plan.record_bytes
    assert plan.forward_seconds is plan.gradient_seconds is plan.work_bytes is None
    assert plan.fits and plan.budget is not None and plan.budget <= plan.free_bytes
    assert "all are stored" in str(plan) and "not timed" in str(plan) and "3 runs at once" in str(plan)


def test_a_budget_decides_the_segments(model):
    plan = cx.plan(model, 1000.0, 0.1, adjoint=cx.Checkpointed(memory=500 * STATE), calibrate=False)
    assert plan.levels == 2 and plan.segments == (100, 100) and plan.stored == 200
    assert plan.states_bytes == 200 * STATE
    assert "200 are stored: 100 × 100 steps" in str(plan)


def test_what_does_not_fit_is_said(model, monkeypatch):
    monkeypatch.setattr(sys.modules[cx.Plan.__module__], "free_memory", lambda: 1000)
    plan = cx.plan(model, 100.0, 0.1, calibrate=False)
    assert plan.fits is False and "does not fit" in str(plan)


def temporary_bytes(model, adjoint, clamp, record, batch=1):
    def loss(params):
        def one(amp):
            inputs = [cx.IClamp("soma", clamp.delay, clamp.dur, amp)]
            sol = cx.simulate(model.replace(params), 30.0, 0.05, inputs, record, adjoint=adjoint)
            return jnp.mean((sol["v"] + 60.0) ** 2)

        return jnp.mean(jax.vmap(one)(jnp.linspace(0.0, 1.0, batch)))

    compiled = jax.jit(jax.grad(loss)).lower(model.params).compile()
    memory = compiled.memory_analysis()
    assert memory is not None
    most_held()
    jax.block_until_ready(compiled(model.params))
    return memory.temp_size_in_bytes + most_held()


@pytest.mark.parametrize("memory", [1e9, pytest.param(1e5, marks=pytest.mark.slow)])
def test_the_estimate_of_memory_is_that_of_the_compiled_gradient(model, memory):
    clamp, record, adjoint = cx.IClamp("soma", 20.0, 5.0, 1.0), {"v": cx.every_cv()}, cx.Checkpointed(memory)
    plan = cx.plan(model, 30.0, 0.05, 2, [clamp], record, adjoint=adjoint)
    measured = temporary_bytes(model, adjoint, clamp, record, 2)
    print(f"\nexpected {plan.gradient_bytes:,} bytes, the compiled gradient takes {measured:,}")
    assert plan.gradient_bytes == pytest.approx(measured, rel=0.15)
    assert (plan.gradient_seconds or 0) > (plan.forward_seconds or 0) > 0 and plan.compile_seconds
    assert "not timed" not in str(plan)


@pytest.mark.slow
def test_without_recomputation_the_memory_is_measured(model):
    plan = cx.plan(model, 30.0, 0.05, adjoint=cx.Direct())
    measured = temporary_bytes(model, cx.Direct(), cx.IClamp("soma", 1.0, 1.0, 1.0), None)
    assert plan.gradient_bytes == pytest.approx(measured, rel=0.3)
    assert plan.levels == 0 and plan.budget is None
    assert cx.plan(model, 30.0, 0.05, adjoint=cx.Direct(), calibrate=False).gradient_bytes is None


@pytest.mark.slow
def test_a_network_has_a_plan():
    plan = cx.plan(joined(), 1.0, 0.1)
    assert plan.steps == 10 and plan.gradient_seconds


def test_wrong_arguments_are_told(model):
    wrong: tuple[Any, ...] = (0, -1, 2.5, True, "2")
    for batch in wrong:
        raises(lambda b=batch: cx.plan(model, 1.0, batch=b), "batch")
    raises(lambda: cx.plan(model, 0.0), "t1")
    raises(lambda: cx.plan(model, 10.0, inputs=[cx.IClamp("soma", 20.0, 1.0, 1.0)]), "starts at 20 ms")
    raises(lambda: cx.plan(model, 10.0, record={"v": "apical"}), "apical")
    raises(lambda: cx.plan(model, 10.0, adjoint=None), "adjoint")  # pyright: ignore[reportArgumentType]
    for wrong in (None, "cell"):
        raises(lambda m=wrong: cx.plan(m, 10.0), "Model")  # pyright: ignore[reportArgumentType]
    raises(lambda: cx.plan(model, 10.0, inputs=None), "inputs")  # pyright: ignore[reportArgumentType]
