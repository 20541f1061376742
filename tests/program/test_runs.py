"""Runs of neighbours in tables of places say what the table says, and what a program reads by them is right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cajax.program import executor
from cajax.program.run import Runner
from cajax.program.runs import runs_of
from cajax.solve.adjoint import Nested


def random_table(rng: np.random.Generator, breaks: int) -> np.ndarray:
    """Runs of random lengths from random places, some of them of no place."""
    parts = []
    for _ in range(breaks):
        length, start = int(rng.integers(1, 40)), int(rng.integers(0, 60))
        parts.append(np.arange(start, start + length) if rng.random() < 0.7 else np.full(length, -1))
    return np.concatenate(parts).astype(np.int32)


@pytest.mark.parametrize("width", [4, 8, 16])
@pytest.mark.parametrize("seed", range(30))
def test_runs_say_what_the_table_says(seed: int, width: int) -> None:
    table = random_table(np.random.default_rng(seed), 2 + seed % 5)
    runs = runs_of(table, width)
    if runs is None:
        apart = np.where(table < 0, 0, table - np.arange(len(table)))
        parts = [(table[k : k + width] >= 0, apart[k : k + width]) for k in range(0, len(table), width)]
        assert max(len(np.unique(x[there])) for there, x in parts) > 2
        return
    for i, place in enumerate(table):
        which = runs.which[i]
        assert place == (-1 if which == 0 else i + runs.shifts[which - 1][i // width])


@pytest.mark.skipif(executor.missing() is not None, reason="programs cannot be compiled here")
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("seed", range(6))
def test_reads_by_runs(seed: int, dtype: type) -> None:
    rng = np.random.default_rng(seed)
    table = random_table(rng, 6)
    x = jnp.asarray(rng.integers(-9, 9, 100), dtype)
    one = jnp.asarray(rng.integers(1, 9, 1), dtype)
    somewhere = np.where(rng.random(len(table)) < 0.3, 0, -1)

    def read(source: jax.Array, places: np.ndarray) -> jax.Array:
        return jnp.where(places < 0, 0, source[np.maximum(places, 0)])

    def step(carry: tuple[jax.Array, jax.Array]) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
        source, total = carry
        source = source + 1
        total = total + read(source, table) * read(source[:1] * one, somewhere)
        return (source, total), total.sum()

    carry = x, jnp.zeros(len(table), dtype)
    runner = Runner(Nested(1))
    found = runner(step, carry, 4)
    assert runner.chosen.executor == "native"
    wanted = Nested(1).run(step, carry, 4)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_array_equal(a, b)
