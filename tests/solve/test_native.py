import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_forests import case, cases, few

from cajax.solve import Tree, native, solve, sweep

needs_native = pytest.mark.skipif(not native.available(), reason="native solve not built")


@needs_native
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@few
@given(case=cases(), batch=st.integers(1, 70))
def test_equals_the_reference(dtype, case, batch):
    a, g, b = (jnp.asarray(v) for v in case.operands(batch, dtype=dtype))
    x = jax.jit(jax.vmap(lambda *v: solve(case.forest, *v, backend="native")))(a, g, b)
    reference = jax.jit(jax.vmap(lambda *v: sweep.solve(case.forest, *v)))(a, g, b)
    scale = np.abs(reference).max()
    np.testing.assert_allclose(x, reference, rtol=0, atol=100 * np.finfo(dtype).eps * scale)


@needs_native
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [[(40, 1)], [(17, 3), (5, 1)], [(9, 20)], [(1, 40), (30, 1)]])
def test_any_batch_size_gives_the_same_bits(dtype, sizes):
    some = case(1, sizes)
    a, g, b = (jnp.asarray(v) for v in some.operands(70, dtype=dtype))
    one = jax.jit(lambda *v: native.solve(some.forest, *v))
    loop = np.stack([one(a[i], g[i], b[i]) for i in range(70)])
    many = jax.vmap(lambda *v: solve(some.forest, *v, backend="native"))
    for size in [1, 2, 3, 4, 5, 8, 9, 16, 17, 31, 32, 33, 63, 64, 65, 70]:
        np.testing.assert_array_equal(many(a[:size], g[:size], b[:size]), loop[:size])


@needs_native
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lanes", [2, 5, 16, 21, 33, 64])
def test_lanes_are_separate_trees_bit_for_bit(dtype, lanes):
    some = case(lanes, [(37, lanes)])
    (tree,) = some.forest
    a, g, b = some.operands(dtype=dtype)
    x = native.solve((tree,), a, g, b).reshape(tree.n_cv, lanes)
    alone_of = jax.jit(lambda *v: native.solve((Tree(tree.parent, tree.cv),), *v))
    for lane in range(lanes):
        alone = alone_of(a[lane::lanes], g[lane::lanes], b[lane::lanes])
        np.testing.assert_array_equal(x[:, lane], alone)


@needs_native
def test_unbatched_operands_are_not_copied():
    some = case(5, [(20, 1)])
    a, g, b = (jnp.asarray(v) for v in some.operands(dtype=np.float32))
    many = jax.vmap(lambda b: solve(some.forest, a, g, b, backend="native"))
    text = jax.jit(many).lower(jnp.stack([b] * 7)).as_text()
    assert "tensor<1x20xf32>" in text and "tensor<7x20xf32>" not in text.replace("1x20xf32", "")


@needs_native
def test_wrong_shapes_come_back_as_errors():
    some = case(5, [(20, 1)])
    a, g, b = (jnp.asarray(v) for v in some.operands())
    with pytest.raises(jax.errors.JaxRuntimeError, match="tree solve: operands need"):
        native.solve(some.forest, a[:-1], g, b).block_until_ready()


@needs_native
def test_empty_batch():
    some = case(5, [(20, 1)])
    a, g, b = (jnp.asarray(v) for v in some.operands(0))
    assert jax.vmap(lambda *v: solve(some.forest, *v, backend="native"))(a, g, b).shape == (
        0,
        some.forest[0].n_cv,
    )


@needs_native
def test_a_large_tree():
    n = 200_000
    tree = Tree(np.maximum(np.arange(n) - 7, -1), np.arange(n))
    a, g = jnp.ones(n), jnp.full(n, 3.0)
    np.testing.assert_allclose(native.solve((tree,), a, g, a), 1.0, rtol=1e-12)


def test_missing_library_warns_once_with_the_cure(monkeypatch):
    native.available.cache_clear()
    monkeypatch.setattr(native, "_library", lambda: None)
    try:
        with pytest.warns(RuntimeWarning, match=r"not built.*pip install"):
            assert not native.available()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert not native.available()
    finally:
        native.available.cache_clear()


def test_foreign_library_is_refused(monkeypatch):
    native.available.cache_clear()
    monkeypatch.setattr(native, "_library", lambda: "no/such/library.so")
    try:
        with pytest.warns(RuntimeWarning, match="without its native kernels"):
            assert not native.available()
    finally:
        native.available.cache_clear()
