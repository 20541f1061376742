"""The memory of a gradient grows with the state only, and `Checkpointed` keeps to its budget."""

import jax
import jax.numpy as jnp
import pytest

import cajax as cx
from cajax.mech import HH
from cajax.program.compiled import most_held

CVS = 400
STATE = CVS * 4 * 8  # bytes: v, m, h, n of every CV in float64


@pytest.fixture(scope="module")
def model():
    return cx.Cell(cx.cylinder(1000.0, 1.0)).paint("all", hh=HH()).discretize(cx.PerBranch(CVS))


def gradient_bytes(model, steps, adjoint, backend="auto"):
    """Bytes that the compiled gradient needs beside its arguments and results."""

    def loss(model):
        record = {"v": cx.at(0, 0.5)}
        sol = cx.simulate(model, steps * 0.025, 0.025, record=record, adjoint=adjoint, backend=backend)
        return jnp.mean(sol["v"] ** 2)

    compiled = jax.jit(jax.grad(loss)).lower(model).compile()
    most_held()
    jax.block_until_ready(compiled(model))
    return compiled.memory_analysis().temp_size_in_bytes + most_held()


# A compiled run also stores what is dearer to compute again than to store.
@pytest.mark.parametrize(("backend", "most"), [("xla", 1.1), ("auto", 1.4)])
def test_a_step_more_costs_one_state_more(model, backend, most):
    few, many = (gradient_bytes(model, steps, cx.Checkpointed(memory=1e9), backend) for steps in (200, 400))
    assert 0.9 * STATE < (many - few) / 200 < most * STATE


def test_without_recomputation_it_costs_many_states(model):
    few, many = (gradient_bytes(model, steps, cx.Direct(), "xla") for steps in (200, 400))
    assert (many - few) / 200 > 5 * STATE


@pytest.mark.parametrize("backend", ["xla", "auto"])
def test_a_budget_is_kept_to(model, backend):
    whole = gradient_bytes(model, 900, cx.Checkpointed(memory=1e9), backend)
    tight = gradient_bytes(model, 900, cx.Checkpointed(memory=70 * STATE), backend)
    assert whole > 900 * STATE
    assert tight < 100 * STATE
