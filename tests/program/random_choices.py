"""Comparisons, choices, bits and whole numbers that random steps are made of; see `random_operations`."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from random_operations import TYPES, Made, Pool, maker, often


@often(2)
def compared(pool: Pool) -> Made:
    x = pool.pick("fiu")
    if x is None:
        return None
    test = [jnp.less, jnp.less_equal, jnp.greater, jnp.greater_equal, jnp.not_equal, jnp.equal]
    chosen = test[int(pool.rng.integers(6))]
    by = 0.4444 if pool.kinds[x].type == "f" else 3
    return (x,), lambda x: chosen(x, by), None


@maker
def bits(pool: Pool) -> Made:
    x = pool.pick("b")
    y = None if x is None else pool.pick("b", pool.kinds[x].shape)
    if x is None or y is None:
        return None
    forms: list[Callable[[Any, Any], Any]] = [
        jnp.logical_and, jnp.logical_or, jnp.logical_xor, lambda x, y: ~x, lambda x, y: jnp.any(x & y),
        lambda x, y: jnp.all(x | y), lambda x, y: (x & ~y).reshape(-1), lambda x, y: x != y,
        lambda x, y: jnp.concatenate([x.reshape(-1), y.reshape(-1)]),
    ]  # fmt: skip
    return (x, y), forms[int(pool.rng.integers(len(forms)))], None


@often(3)
def chosen(pool: Pool) -> Made:
    x = pool.pick("f")
    if x is None:
        return None
    y = pool.scalars_or(pool.kinds[x].shape)
    c = pool.scalars_or(pool.kinds[x].shape, "b")
    if y is None or c is None:
        return None
    if pool.kinds[c].shape == () and pool.kinds[y].shape == pool.kinds[x].shape:
        return (c, x, y), lambda c, x, y: lax.cond(c, lambda x, y: x + y, lambda x, y: x * y, x, y), 4.0
    return (c, x, y), jnp.where, 2.0


@often(2)
def whole(pool: Pool) -> Made:
    x = pool.pick("iu")
    if x is None:
        return None
    kind = pool.kinds[x].type
    forms: list[Callable[[Any], Any]] = [
        lambda x: (x * 5 + 1) % 7, lambda x: x // 2, lambda x: jnp.minimum(x, 3), lambda x: x & 3, lambda x: x ^ 5,
        lambda x: (x << 2) % 11, lambda x: x >> 1, lambda x: jnp.where(x > 2, x, x + 1) % 9,
        lambda x: jnp.clip(x, 1, 4), lambda x: jnp.max(x), lambda x: jnp.min(x), lambda x: (x + 1) % 6,
    ]  # fmt: skip
    if kind == "i":
        forms += [lambda x: jnp.abs(x - 3), lambda x: -x + 7, lambda x: jnp.sign(x - 2), lambda x: x**2 % 5]
    form = forms[int(pool.rng.integers(len(forms)))]
    dtype = TYPES[kind]
    return (x,), lambda x: form(x).astype(dtype), None


@maker
def counted(pool: Pool) -> Made:
    x = pool.pick("b")
    return None if x is None else ((x,), lambda x: jnp.sum(x, dtype=np.int32) % 7, None)


@often(3)
def converted(pool: Pool) -> Made:
    x, dtype = pool.pick("iub"), pool.dtype
    if x is None:
        return None
    return (x,), lambda x: jnp.clip(x.astype(dtype) * 0.21, -1.5, 1.5), 2.0


@maker
def truncated(pool: Pool) -> Made:
    x = pool.pick("f")
    return None if x is None else ((x,), lambda x: (3.0 * x + 7.123).astype(np.int32) % 5, None)
