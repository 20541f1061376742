import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cajax.solve import loop
from cajax.solve.loop import _segment_length, segments, stored


def step(c):
    x, k = c
    x = x + 0.1 * jnp.sin(3.0 * x)
    return (x, k + 1), {"x": x, "k": k}


@pytest.mark.parametrize("levels", [0, 1, 2, 3, 8])
@pytest.mark.parametrize("n", [1, 2, 13, 16])
def test_equals_a_plain_loop(levels, n):
    (x, k), outs = loop(step, (jnp.asarray(0.3), 0), n, levels)
    c, xs = (jnp.asarray(0.3), 0), []
    for _ in range(n):
        c, out = step(c)
        xs.append(float(out["x"]))
    assert int(k) == n and outs["k"].tolist() == list(range(n))
    np.testing.assert_allclose(outs["x"], xs, rtol=1e-14)
    assert float(x) == float(outs["x"][-1])


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_levels_change_neither_values_nor_derivatives(levels):
    def value(x, levels):
        (last, _), outs = loop(step, (x, 0), 13, levels)
        return last**2 + jnp.sum(outs["x"])

    reference = jax.jit(jax.value_and_grad(value), static_argnums=1)
    v, g = reference(jnp.asarray(0.3), levels)
    v0, g0 = reference(jnp.asarray(0.3), 0)
    assert float(v) == float(v0) and float(g) == pytest.approx(float(g0), rel=1e-14)
    _, forward = jax.jvp(lambda x: value(x, levels), (jnp.asarray(0.3),), (jnp.asarray(1.0),))
    assert float(forward) == pytest.approx(float(g), rel=1e-13)


@given(st.integers(1, 10**6), st.integers(2, 8))
@settings(max_examples=100)
def test_segments_tile_the_run(n, levels):
    length = _segment_length(n, levels)
    assert 1 <= length <= n
    ideal = n ** ((levels - 1) / levels)
    assert length <= 1.5 * ideal + 1 and length >= ideal / 2 - 1


@given(st.integers(1, 10**6), st.integers(1, 8))
@settings(max_examples=100)
def test_segments_and_stored_states_are_those_of_the_loop(n, levels):
    """k levels hold about k · n^(1/k) states; the segments say how they are nested."""
    split = segments(n, levels)
    assert np.prod(split) <= n and (np.prod(split) > n / 2 or len(split) > 1)
    if n > 1000:
        assert (
            levels * n ** (1 / levels) / 1.5 <= stored(n, levels) <= 1.5 * levels * n ** (1 / levels) + levels
        )


def test_the_reverse_pass_stores_as_many_states_as_it_says():
    """Counted in the program that XLA makes of it."""
    size = 4096

    def temporary(n, levels):
        def value(x):
            last, _ = loop(lambda c: (jnp.sin(c), ()), x, n, levels)
            return jnp.sum(last**2)

        compiled = jax.jit(jax.grad(value)).lower(jnp.zeros(size, jnp.float32)).compile()
        memory = compiled.memory_analysis()
        assert memory is not None
        return memory.temp_size_in_bytes / (4 * size)

    for n, levels in ((300, 1), (400, 2), (401, 2), (1000, 3)):
        assert stored(n, levels) - 2 <= temporary(n, levels) <= stored(n, levels) + 12, (n, levels)
