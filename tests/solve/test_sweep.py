import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from random_forests import case, cases, dense, few

from cajax.solve import Tree, sweep


@given(cases())
def test_schedule_is_an_elimination_order(case):
    for tree in case.forest:
        table = sweep.schedule(tree)
        step = np.full(tree.n_nodes, -1)
        for i, row in enumerate(table):
            assert np.unique(row).size == row.size
            step[row[row < tree.n_nodes]] = i
        assert np.sort(table[table < tree.n_nodes]).tolist() == list(range(tree.n_nodes))
        child = np.flatnonzero(tree.parent >= 0)
        assert np.all(step[child] < step[tree.parent[child]])
        pairs = list(zip(tree.parent[child], step[child], strict=True))
        assert len(set(pairs)) == len(pairs), "siblings share a step"


@pytest.mark.parametrize("shape", ["chain", "star", "broom", "binary"])
def test_schedule_stays_small(shape):
    n = 512
    parent = {
        "chain": np.arange(n) - 1,
        "star": np.r_[-1, np.zeros(n - 1, int)],
        "broom": np.r_[np.arange(n // 2) - 1, np.full(n // 2, n // 2 - 1)],
        "binary": (np.arange(n) - 1) // 2,
    }[shape]
    parent[0] = -1
    assert sweep.schedule(Tree(parent, np.arange(n))).size <= 4 * n * (64 if shape == "star" else 1)


@few
@given(cases(max_nodes=12))
def test_equals_dense(case):
    a, g, b = case.operands()
    x = jax.jit(sweep.solve, static_argnums=0)(case.forest, a, g, b)
    np.testing.assert_allclose(x, np.linalg.solve(dense(case.forest, a, g), b), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64])
def test_follows_the_type(dtype):
    small = case(3, [(9, 2)])
    a, g, b = (jnp.asarray(v, dtype) for v in small.operands())
    x = jax.jit(sweep.solve, static_argnums=0)(small.forest, a, g, b)
    assert x.dtype == dtype
    exact = np.linalg.solve(
        dense(small.forest, np.asarray(a, float), np.asarray(g, float)), np.asarray(b, float)
    )
    np.testing.assert_allclose(np.asarray(x, float), exact, rtol=0, atol=40 * jnp.finfo(dtype).eps)


def test_code_does_not_grow_with_the_tree():
    def size(n):
        tree = Tree(np.arange(n) - 1, np.arange(n))
        one = jnp.ones(n)
        return str(jax.make_jaxpr(lambda a: sweep.solve((tree,), a, a, a))(one)).count(" = ")

    assert size(300) == size(30)
