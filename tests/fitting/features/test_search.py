"""Searches for marks, levels and extremes against the plain loops that they stand for."""

import jax.numpy as jnp
import numpy as np
import pytest

from cajax.fitting.features.marks import counted, following, marks, ranked
from cajax.fitting.features.search import ROW, at_least, find, largest, table

N = 3 * ROW**2


@pytest.fixture(scope="module")
def signals():
    rng = np.random.default_rng(0)
    return np.cumsum(rng.normal(size=(2, N)), 1).round(1)


@pytest.fixture(scope="module")
def stretches():
    """Stretches [a, b) of every length, many of them empty or next to borders of rows and blocks."""
    rng = np.random.default_rng(1)
    a = np.concatenate([rng.integers(0, N, 300), np.arange(0, N, ROW)[:60], np.arange(ROW - 1, N, ROW)[:60]])
    b = np.minimum(a + rng.choice([0, 1, 2, ROW, 40, ROW**2, 1500, N], len(a)), N)
    return np.stack([a] * 4).astype(np.int32), np.stack([b] * 4).astype(np.int32)


def test_levels_are_found_forwards_and_backwards(signals, stretches):
    (a, b), x = stretches, np.concatenate([signals, -signals])
    level = np.random.default_rng(2).normal(0.0, 20.0, a.shape)
    expected = b.copy()
    for q in range(4):
        for k in range(a.shape[1]):
            hits = a[q, k] + np.flatnonzero(x[q, a[q, k] : b[q, k]] > level[q, k])
            if q == 3:
                expected[q, k] = hits[-1] if len(hits) else a[q, k] - 1
            elif len(hits):
                expected[q, k] = hits[0]
    found = find(
        table(*jnp.asarray(signals)), (0, 1, 2, 3), jnp.asarray(level), jnp.asarray(a), jnp.asarray(b), (3,)
    )
    np.testing.assert_array_equal(found, expected)


def test_largest_values_and_where_they_are(signals, stretches):
    (a, b), x = stretches, np.concatenate([signals, -signals])
    t = table(*jnp.asarray(signals))
    value = largest(t, (0, 1, 2, 3), jnp.asarray(a), jnp.asarray(b))
    place = find(t, (0, 1, 2, 3), at_least(value), jnp.asarray(a), jnp.asarray(b))
    for q in range(4):
        for k in range(a.shape[1]):
            part = x[q, a[q, k] : b[q, k]]
            assert value[q, k] == (part.max() if len(part) else -np.inf)
            assert place[q, k] == (a[q, k] + part.argmax() if len(part) else b[q, k])


@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 1.0])
def test_marks_are_found_counted_and_ranked(share):
    kinds = np.random.default_rng(3).uniform(size=(2, N)) < share
    x = marks(jnp.asarray(kinds))
    index, total = ranked(x, (1, 0), 50)
    for row, kind in zip(np.asarray(index), kinds[::-1], strict=True):
        expected = np.flatnonzero(kind)[:50]
        np.testing.assert_array_equal(row, np.pad(expected, (0, 50 - len(expected)), constant_values=N))
    np.testing.assert_array_equal(total, kinds[::-1].sum(1))
    np.testing.assert_array_equal(counted(x), np.cumsum(kinds, 1))
    start = np.random.default_rng(4).integers(0, N, (2, 200)).astype(np.int32)
    found = following(x, (0, 1), jnp.asarray(start))
    for kind, a, b in zip(kinds, start, np.asarray(found), strict=True):
        later = [np.flatnonzero(kind[k:]) for k in a]
        np.testing.assert_array_equal(b, [k + x[0] if len(x) else N for k, x in zip(a, later, strict=True)])
