import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cajax._errors import ParameterError
from cajax.solve import Checkpointed, Direct, loop
from cajax.solve.loop import _segment_length, free_memory


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


@given(st.integers(1, 10**6), st.integers(1, 10**9), st.integers(1, 10**12))
def test_less_memory_nests_deeper(n, state_bytes, memory):
    levels = Checkpointed(memory).levels(n, state_bytes)
    assert 1 <= levels <= 8 and Checkpointed(memory / 2).levels(n, state_bytes) >= levels
    if 1 < levels < 8:
        assert n * state_bytes > memory >= levels * n ** (1 / levels) * state_bytes


def test_choices():
    assert Direct().levels(10**6, 10**6) == 0
    assert Checkpointed().levels(10, 10) == 1 and Checkpointed(1).levels(10**4, 10**4) == 8
    assert free_memory() > 2**20
    assert all(c == type(c)() for c in (Direct(), Checkpointed()))
    assert inspect.getdoc(Checkpointed)


@pytest.mark.parametrize("memory", [0, -1, "1 GB", float("nan")])
def test_a_budget_is_a_number_of_bytes(memory):
    with pytest.raises(ParameterError, match="positive number of bytes") as excinfo:
        Checkpointed(memory)
    assert "\n" not in str(excinfo.value)
