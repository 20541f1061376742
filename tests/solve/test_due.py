"""Which queued times fall due: the compiled look-up against the plain one, each time told once, and its errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.solve import due, native

needs_native = pytest.mark.skipif(not native.available(), reason="the native kernels were not built")
DTYPES = [np.float32, np.float64]


def queue(seed: int, dtype: type, slots: int = 5, cells: int = 7, edges: int = 40):
    rng = np.random.default_rng(seed)
    before = np.round(rng.uniform(-1.0, 3.0, (slots, cells)), 1).astype(dtype)
    held = rng.random((slots, cells)) < 0.7
    delay = np.round(rng.uniform(0.1, 3.0, edges), 1).astype(dtype)
    return (
        before + dtype(0.1),
        before,
        held,
        delay,
        dtype(0.1),
        rng.integers(cells, size=edges).astype(np.int32),
    )


@needs_native
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(5))
def test_compiled_equals_plain(seed, dtype):
    *operands, pre = queue(seed, dtype)
    one = [due(*operands, pre, backend=b) for b in ("native", "jax")]
    for a, b in zip(*one, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == jnp.int32
    assert (np.asarray(one[0][0]) >= 0).any() and (np.asarray(one[0][0]) < 0).any()


@needs_native
def test_batches_equal_each_alone():
    *operands, pre = queue(0, np.float64)
    age, before, held, delay, dt = operands
    many = jnp.stack([delay, delay + 0.1, delay + 0.2])
    found = jax.jit(jax.vmap(lambda d: due(age, before, held, d, dt, pre, backend="native")))(many)
    for i in range(3):
        alone = due(age, before, held, many[i], dt, pre, backend="native")
        for a, b in zip(found, alone, strict=True):
            np.testing.assert_array_equal(a[i], b)


@needs_native
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_time_falls_due_once(dtype):
    """Also where the delay is a multiple of the step, whatever rounding the ages have gathered."""
    rng, cells, edges, dt = np.random.default_rng(3), 6, 50, dtype(0.025)
    pre = rng.integers(cells, size=edges).astype(np.int32)
    delay = (dt * rng.integers(1, 60, edges)).astype(dtype)
    age, before = jnp.zeros((1, cells), dtype), jnp.full((1, cells), -1e30, dtype)
    count = np.zeros(edges, int)
    for _ in range(80):
        first, _ = due(age, before, jnp.ones((1, cells)), delay, dt, pre, backend="native")
        count += np.asarray(first) >= 0
        age, before = age + dt, age
    assert (count == 1).all()


@needs_native
def test_operands_that_do_not_fit_are_refused():
    age, before, held, delay, dt, _ = queue(0, np.float64)
    with pytest.raises(Exception, match="an edge comes from no cell"):
        jax.block_until_ready(due(age, before, held, delay, dt, np.full(40, 99, np.int32), backend="native"))
    with pytest.raises(Exception, match="at most 32 slots"):
        many = [np.repeat(x, 8, axis=0) for x in (age, before, held)]
        jax.block_until_ready(due(*many, delay, dt, np.zeros(40, np.int32), backend="native"))


def test_nothing_is_differentiated():
    age, before, held, delay, dt, pre = queue(0, np.float64)
    slope = jax.grad(lambda d: jnp.sum(due(age, before, held, d, dt, pre)[0].astype(float)))(
        jnp.asarray(delay)
    )
    assert (np.asarray(slope) == 0).all()
