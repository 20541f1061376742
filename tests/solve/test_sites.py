"""Reading and adding at sites: linear, each the transpose of the other, on every path and in every transform."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.solve import Index, native, spread, take

RNG = np.random.default_rng(0)
SIZE = 12
INDICES = {
    "one": [5],
    "range": [3, 4, 5, 6],
    "scattered": [0, 3, 4, 11],
    "twice": [2, 7, 2, 2],
    "all": list(range(SIZE)),
}


@pytest.fixture(params=INDICES)
def index(request):
    return Index(INDICES[request.param], SIZE)


def dense(index):
    """The matrix of `take`."""
    matrix = np.zeros((len(index.entries), SIZE))
    matrix[np.arange(len(index.entries)), index.entries] = 1.0
    return matrix


def test_values_are_those_of_the_matrix(index):
    x, y = RNG.normal(size=SIZE), RNG.normal(size=len(index.entries))
    np.testing.assert_array_equal(take(jnp.asarray(x), index), x[index.entries])
    np.testing.assert_allclose(spread(jnp.asarray(y), index), dense(index).T @ y, rtol=1e-15)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64, jnp.float16])
def test_the_type_is_kept(index, dtype):
    assert take(jnp.ones(SIZE, dtype), index).dtype == dtype
    assert spread(jnp.ones(len(index.entries), dtype), index).dtype == dtype


def test_derivatives_in_both_modes(index):
    x, t = (jnp.asarray(RNG.normal(size=SIZE)) for _ in range(2))
    ct = jnp.asarray(RNG.normal(size=len(index.entries)))
    y, dy = jax.jvp(lambda x: take(x, index), (x,), (t,))
    np.testing.assert_array_equal(dy, take(t, index))
    (back,) = jax.vjp(lambda x: take(x, index), x)[1](ct)
    np.testing.assert_allclose(back, dense(index).T @ ct, rtol=1e-15)
    (there,) = jax.vjp(lambda c: spread(c, index), ct)[1](x)
    np.testing.assert_array_equal(there, take(x, index))
    assert jnp.vdot(ct, y) == pytest.approx(float(jnp.vdot(spread(ct, index), x)))


def test_batches_are_loops(index):
    x = jnp.asarray(RNG.normal(size=(2, 3, SIZE)))
    y = jnp.asarray(RNG.normal(size=(2, 3, len(index.entries))))
    for f, args in ((take, x), (spread, y)):
        batched = jax.jit(jax.vmap(jax.vmap(lambda a, f=f: f(a, index))))(args)
        looped = jnp.stack([jnp.stack([f(a, index) for a in row]) for row in args])
        np.testing.assert_array_equal(batched, looped)
    moved = jax.vmap(lambda a: take(a, index), in_axes=1, out_axes=1)(x[0].T)
    np.testing.assert_array_equal(moved, take_rows(x[0], index).T)


def take_rows(x, index):
    return jnp.stack([take(row, index) for row in x])


def test_without_the_native_kernel_the_bits_are_the_same(index):
    y = jnp.asarray(RNG.normal(size=len(index.entries)))
    np.testing.assert_array_equal(spread(y, index, backend="jax"), spread(y, index))


def test_the_transpose_puts_no_pad_into_the_program(index):
    if not native.available():
        pytest.skip("the native kernel was not built")
    text = jax.jit(jax.grad(lambda x: jnp.sum(take(x, index) ** 2))).lower(jnp.ones(SIZE)).as_text()
    assert "stablehlo.pad" not in text and "scatter" not in text.split("platform_index")[0]


def test_equal_indices_share_compiled_code():
    traces = []

    @jax.jit
    def f(x):
        traces.append(0)
        return take(x, Index([1, 2], 4))

    f(jnp.ones(4)), f(2 * jnp.ones(4))
    assert len(traces) == 1
    assert Index([1, 2], 4) == Index(np.array([1, 2]), 4) != Index([1, 2], 5)
    assert hash(Index([1, 2], 4)) == hash(Index(np.array([1, 2]), 4))
