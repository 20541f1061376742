"""The memory of a gradient grows with the state only, and `Checkpointed` keeps to its budget."""

import jax
import jax.numpy as jnp
import pytest

import cajax as cx
from cajax.mech import HH

CVS = 400
STATE = CVS * 4 * 8  # bytes: v, m, h, n of every CV in float64


@pytest.fixture(scope="module")
def model():
    return cx.Cell(cx.cylinder(1000.0, 1.0)).paint("all", hh=HH()).discretize(cx.PerBranch(CVS))


def temporary_bytes(model, steps, adjoint):
    """Bytes that the compiled gradient needs beside its arguments and results."""

    def loss(model):
        sol = cx.simulate(model, steps * 0.025, 0.025, record={"v": cx.at(0, 0.5)}, adjoint=adjoint)
        return jnp.mean(sol["v"] ** 2)

    return jax.jit(jax.grad(loss)).lower(model).compile().memory_analysis().temp_size_in_bytes


def test_a_step_more_costs_one_state_more(model):
    few, many = (temporary_bytes(model, steps, cx.Checkpointed(memory=1e9)) for steps in (200, 400))
    assert (many - few) / 200 == pytest.approx(STATE, rel=0.1)


def test_without_recomputation_it_costs_many_states(model):
    few, many = (temporary_bytes(model, steps, cx.Direct()) for steps in (200, 400))
    assert (many - few) / 200 > 5 * STATE


def test_a_budget_is_kept_to(model):
    whole = temporary_bytes(model, 900, cx.Checkpointed(memory=1e9))
    tight = temporary_bytes(model, 900, cx.Checkpointed(memory=70 * STATE))
    assert whole > 900 * STATE
    assert tight < 100 * STATE
