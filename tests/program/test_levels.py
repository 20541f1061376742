"""Levels: which values a kernel computes, which are kept in memory, and where a level ends."""

import gc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from random_programs import close, compiled

from cajax.program import executor
from cajax.program.build import ADJOINT, FORWARD, STORING, Building
from cajax.program.levels import Kernel
from cajax.program.loop import Loop, made
from cajax.program.nodes import Node, Ref, constant, joined

needs_compiler = pytest.mark.skipif(executor.missing() is not None, reason="programs cannot be compiled here")
X = jnp.linspace(0.1, 0.9, 12)


def loop_of(step: Any, carry: Any) -> Loop:
    return made(step, carry, 3, 1, ())[0]


def steps_of(loop: Loop, mode: int = FORWARD) -> list[Any]:
    flags = (False,) * (loop.n_theta + loop.n_state)
    nonzero = None if mode == FORWARD else (True,) * loop.n_theta
    return Building(loop, None, flags, nonzero)._levels[mode].steps


def kernels(steps: list[Any]) -> int:
    return sum(isinstance(x, Kernel) for x in steps)


def test_elementwise_values_are_one_kernel() -> None:
    loop = loop_of(lambda x: (0.9 * x + 0.1 * jnp.tanh(jnp.sin(x) * x), jnp.exp(x)), X)
    assert kernels(steps_of(loop)) == 1 and len(steps_of(loop)) == 1


def test_moves_of_a_state_end_no_level() -> None:
    loop = loop_of(lambda x: (0.9 * x + 0.1 * x[::-1] + jnp.roll(x, 3), ()), X)
    assert len(steps_of(loop)) == 1


def test_what_reads_other_entries_of_a_computed_value_ends_a_level() -> None:
    loop = loop_of(lambda x: (0.9 * x + 0.1 * jnp.tanh(x)[::-1], ()), X)
    assert kernels(steps_of(loop)) == 2
    loop = loop_of(lambda x: (x * jnp.sum(jnp.tanh(x)), ()), X)
    found = [x.op if isinstance(x, Node) else "kernel" for x in steps_of(loop)]
    assert found[:3] == ["kernel", "sums", "kernel"]


def test_every_operation_follows_what_it_reads() -> None:
    loop = loop_of(lambda x: (x * jnp.sum(jnp.tanh(x)) + jnp.max(jnp.sin(x) * jnp.sum(x)), jnp.sum(x * x)), X)
    flags, nonzero = (False,) * (loop.n_theta + loop.n_state), (True,) * loop.n_theta
    building = Building(loop, None, flags, nonzero)
    for mode in (STORING, ADJOINT):
        done: set[int] = set()
        for step in building._levels[mode].steps:
            if isinstance(step, Node):
                assert all(id(r.node) in done for r in step.refs if r.node.op not in ("input", "constant"))
                done.add(id(step))
            else:
                done |= {id(node) for _, node in step.stores}


@pytest.mark.slow
@needs_compiler
def test_plans_do_not_depend_on_where_nodes_lie_in_memory() -> None:
    """A node that dies must not lend its identity, and what is known of it, to the next."""

    def step(c: Any) -> Any:
        return (2.0 * X, 0.9 * c[1]), ()

    ys = jnp.stack([X, 2 * X, 3 * X])
    texts = set()
    for k in range(12):
        junk = [object() for _ in range(100 * k)]
        loop = loop_of(step, (X, X))
        building = Building(loop, 3, (False,) * loop.n_theta + (False, True), (True,) * loop.n_theta)
        texts.add(tuple(text for text, _ in building.built(ADJOINT).modules))
        del junk
        gc.collect()
    assert len(texts) == 1
    run = lambda w, y: jnp.sum(compiled(lambda c: ((w * 2.0, 0.9 * c[1]), ()), (X, y), 3)[0][0])  # noqa: E731
    grad = jax.grad(lambda w: jnp.sum(jax.vmap(lambda y: run(w, y))(ys)))(X)
    np.testing.assert_allclose(grad, jnp.full(12, 6.0))


def test_reads_with_gaps() -> None:
    node = Node("input", (), 4, np.float64, "x")
    gaps = Ref(node).at(np.array([-1, 2, 0]))
    assert gaps.scalar is None and gaps.at(np.array([0, 0])).table.tolist() == [-1, -1]
    assert Ref(node).at(np.array([3, 3])).scalar == 3
    assert Ref(node).at(np.zeros(0, np.int32)).at(np.array([-1, -1])).table.tolist() == [-1, -1]
    one = constant(np.array([5.0]), "five")
    assert one.at(np.array([-1, 0])).scalar is None and one.at(np.zeros(3)).scalar == 0
    both = joined([Ref(node), one], "both")
    assert both.at(np.array([4, 4])).node.op == "constant"


@needs_compiler
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint32, bool])
def test_constants_read_with_gaps(dtype: Any) -> None:
    ones = jnp.asarray([1, 0, 1], dtype)

    def step(x: Any) -> Any:
        table = lax.pad(jnp.ones(3, dtype), jnp.asarray(0, dtype), [(2, 1, 1)])
        first = jnp.concatenate([jnp.zeros(1, dtype), ones]) != 0
        return x * 0.5 + jnp.sum(table.astype(x.dtype)), (
            jnp.where(first, 1.0, x),
            table.astype(x.dtype) + x[0],
        )

    wanted = lax.scan(lambda c, _: step(c), X[:4], None, length=3)
    close(compiled(step, X[:4], 3), wanted, np.float64)
