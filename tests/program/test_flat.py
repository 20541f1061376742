"""Flat programs: without calls, each value once, constants known; derivatives of a step's own kept until the end."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend import core

from cajax.program.flat import Flat, Numbering, flatten, inlined
from cajax.program.interpret import interpreted
from cajax.program.loop import made

X = jnp.linspace(0.1, 0.9, 5)


def flat(function: Any, *xs: Any, numbering: Numbering | None = None, keys: Any = ()) -> Flat:
    return flatten(jax.make_jaxpr(function)(*xs), numbering, keys)


def names(program: Flat) -> list[str]:
    return [e.name for e in program.equations]


def test_calls_are_inlined_and_values_computed_once() -> None:
    inner = jax.jit(lambda x: jnp.sin(x) * 2.0)
    program = flat(lambda x: inner(x) + jax.checkpoint(inner)(x) + jnp.sin(x), X)
    assert sorted(names(program)) == ["add", "add", "mul", "sin"]


def test_what_nothing_needs_is_left_out() -> None:
    assert names(flat(lambda x: (jnp.exp(x), jnp.cos(x))[1], X)) == ["cos"]


def test_constants_are_folded() -> None:
    def function(x: Any) -> Any:
        index = jnp.where(jnp.arange(3) < 0, jnp.arange(3) + 5, jnp.arange(3)) + jnp.array([1, 0, 2])
        return x[index]

    program = flat(function, X)
    assert names(program) == ["gather"]
    np.testing.assert_array_equal(program.equations[0].ins[1].data.ravel(), [1, 1, 4])


def test_equal_constants_of_other_bits_stay_apart() -> None:
    a, b = jnp.array([0.0]), jnp.array([-0.0])
    program = flat(lambda x: (x * a, x * b), X[:1])
    assert len(program.equations) == 2
    assert np.signbit(np.asarray(interpreted(program, [X[:1]])[1])).all()


def test_both_branches_are_computed_and_one_chosen() -> None:
    def function(x: Any) -> Any:
        return lax.cond(jnp.sum(x) > 1.0, lambda: x + jnp.sin(x), lambda: x)

    program = flat(function, X)
    assert "cond" not in names(program) and "select_n" in names(program)
    for x in (X, -X):
        np.testing.assert_array_equal(interpreted(program, [x])[0], function(x))


def test_two_programs_share_numbers() -> None:
    numbering = Numbering()
    first = flat(lambda x: jnp.sin(x) * 3.0, X, numbering=numbering)
    keys = [v.key for v in first.inputs]
    second = flat(lambda x, y: jnp.sin(x) * 3.0 + y, X, X, numbering=numbering, keys=keys)
    third = flat(lambda x: jnp.sin(x) * 3.0, X, numbering=numbering)
    assert first.outputs[0].key in {e.outs[0].key for e in second.equations}
    assert first.outputs[0].key != third.outputs[0].key  # of another input


@jax.custom_jvp
def bump(x: Any) -> Any:
    return jnp.floor(x)


bump.defjvp(lambda p, t: (bump(p[0]), t[0] * jnp.cos(p[0])))


def test_rules_are_kept_until_a_program_is_inlined() -> None:
    program = flat(lambda x: bump(x) * lax.stop_gradient(x), X)
    assert set(names(program)) == {"custom_jvp_call", "stop_gradient", "mul"}
    found = jax.grad(lambda x: jnp.sum(interpreted(program, [x])[0]))(X)
    np.testing.assert_allclose(found, jnp.cos(X) * X, rtol=1e-15)
    assert names(inlined(program)) == ["floor", "mul"]
    np.testing.assert_array_equal(interpreted(inlined(program), [X])[0], jnp.floor(X) * X)


def test_inlined_values_keep_their_numbers() -> None:
    numbering = Numbering()
    program = flat(lambda x: jnp.exp(bump(x)) * jnp.sin(x), X, numbering=numbering)
    keys = [program.inputs[0].key]
    plain = flat(lambda x: jnp.exp(jnp.floor(x)) * jnp.sin(x), X, numbering=numbering, keys=keys)
    assert inlined(program).outputs[0].key == plain.outputs[0].key


def test_what_does_not_change_is_taken_out_of_a_step() -> None:
    w = jnp.asarray(2.0)

    def step(c: Any) -> Any:
        x, kept = c
        return (x * jnp.exp(w) + jnp.sin(kept), kept), jnp.cos(w)

    loop, operands, results = made(step, (X, jnp.ones(5)), 3, 1, ())
    assert sorted(names(loop.step)) == ["add", "mul"] and loop.n_state == 1
    (x, kept), outs = results(loop.run(*operands))
    want, want_outs = lax.scan(lambda c, _: step(c), (X, jnp.ones(5)), None, length=3)
    np.testing.assert_allclose(x, want[0], rtol=1e-14)
    np.testing.assert_array_equal(kept, want[1])
    np.testing.assert_allclose(outs, want_outs, rtol=1e-15)


def test_known_indices_are_constants_and_parameters_are_not() -> None:
    index, w = jnp.array([4, 0, 2]), jnp.array([1.0, 2.0, 3.0])
    loop, _, _ = made(lambda x: (x.at[index].add(w), ()), X, 2, 1, ())
    assert [v.shape for v in loop.thetas] == [(3,)]
    assert all(v.dtype == np.float64 for v in loop.thetas)


def test_operands_of_a_closed_program_are_checked() -> None:
    closed = jax.make_jaxpr(lambda x: x + 1.0)(X)
    assert isinstance(closed, core.ClosedJaxpr)
    with pytest.raises(ValueError):
        interpreted(flatten(closed), [X, X])
