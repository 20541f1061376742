"""Operations on whole numbers, bits and odd floats are JAX's, or refused; never something else."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from random_programs import compiled

from cajax.program import executor

pytestmark = pytest.mark.skipif(executor.missing() is not None, reason="programs cannot be compiled here")

OPERANDS = {
    "int64": np.array([5, -3, 2**40, 7, -9, 0]),
    "int32": np.array([5, -3, 9, 7, -9, 0], np.int32),
    "uint32": np.array([2**31 + 5, 3, 2**32 - 1, 7, 9, 0], np.uint32),
    "bool": np.array([1, 0, 1, 1, 0, 0], bool),
    "float64": np.linspace(-1, 1, 6),
    "float32": np.linspace(-1, 1, 6, dtype=np.float32),
}
ODD = np.array([np.nan, -0.0, 0.0, np.inf, -np.inf, 3e10, -3e10, 1e300, 2.5, -2.5, 0.5, 1.5])
REPEATED = np.array([0, 1, 1, 2, 2, 2])

# Of the number of the step and an array; the letters name the kinds of types they are for.
FORMS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "sum": ("iufb", lambda k, x: jnp.sum(x)),
    "sum of its own type": ("iuf", lambda k, x: jnp.sum(x, dtype=x.dtype)),
    "count": ("b", lambda k, x: jnp.sum(x, dtype=np.int32)),
    "extremes": ("iufb", lambda k, x: (jnp.max(x), jnp.min(x), lax.max(x, x[::-1]), lax.min(x, x[::-1]))),
    "dot": ("iuf", lambda k, x: jnp.dot(x, x)),
    "sign and order": ("iuf", lambda k, x: (jnp.sign(x), x < x[::-1], x >= x[::-1], x == x[::-1])),
    "add at a moving place": ("iuf", lambda k, x: x.at[k % 3].add(x[0], mode="promise_in_bounds")),
    "add at places": ("iuf", lambda k, x: jnp.zeros(3, x.dtype).at[REPEATED].add(x)),
    "write into zeros": ("iufb", lambda k, x: lax.dynamic_update_slice(jnp.zeros(9, x.dtype), x, (k,))),
    "write": ("iufb", lambda k, x: lax.dynamic_update_slice(x, x[:2], (k,))),
    "write at a place": ("iufb", lambda k, x: x.at[k].set(x[0])),
    "window": ("iufb", lambda k, x: lax.dynamic_slice(x, (k - 2,), (3,))),
    "place from the end": ("iufb", lambda k, x: x[k - 2]),
    "moved into bounds": ("iufb", lambda k, x: x.at[np.array([1, 9])].set(x[:2], mode="clip")),
    "dropped": ("iufb", lambda k, x: x.at[np.array([1, 9])].set(x[:2], mode="drop")),
    "written twice": ("iufb", lambda k, x: x.at[np.array([1, 1, 2])].set(x[:3])),
    "filled": ("iufb", lambda k, x: x.at[np.array([1, 9])].get(mode="fill", fill_value=0)),
    "clipped": ("iufb", lambda k, x: x.at[np.array([1, 9, -9])].get(mode="clip")),
    "one of two": ("iufb", lambda k, x: jnp.where(k > 1, x, x[::-1])),
    "padded": ("iufb", lambda k, x: lax.pad(x, x[0], [(2, -1, 1)])),
    "converted": (
        "iufb",
        lambda k, x: [lax.convert_element_type(x, t) for t in ("f4", "f8", "i4", "i8", "u4", bool)],
    ),
    "shifted": ("iu", lambda k, x: [
        f(x, x.dtype.type(n))
        for n in (0, 1, 31, 33)
        for f in (lax.shift_left, lax.shift_right_logical, lax.shift_right_arithmetic)
    ]),
    "powers": ("iuf", lambda k, x: (x**3, x**0, x * x - x)),
    "hashed": ("u", lambda k, x: (x * x.dtype.type(2654435761) ^ (x >> 15), x // x.dtype.type(7), ~x)),
    "bits": ("b", lambda k, x: (x & x[::-1], x | x[::-1], x ^ x[::-1], ~x, jnp.any(x), jnp.all(x))),
}  # fmt: skip
REFUSED = {
    "sum int64", "sum int32", "sum uint32", "sum bool", "sum of its own type int64", "extremes int64",
    "extremes uint32", "dot int64", "dot int32", "dot uint32", "add at places int64",
    *(f"add at a moving place {t}" for t in ("int64", "int32", "uint32")),
    *(f"write into zeros {t}" for t in ("int64", "int32", "uint32", "bool")),
    *(f"{form} {t}" for t in OPERANDS for form in ("write", "write at a place", "moved into bounds")),
    "filled float64", "filled float32",
}  # fmt: skip
"""What may fall back to the scan."""


def check(name: str, form: Callable[[Any, Any], Any], x: np.ndarray) -> None:
    def step(carry: Any) -> Any:
        k, x = carry
        return (k + 1, x[::-1]), form(k, x)

    carry = jnp.int32(0), jnp.asarray(x)
    wanted = jax.jit(lambda c: lax.scan(lambda c, _: step(c), c, None, length=3))(carry)
    try:
        found = compiled(step, carry, 3)
        batch = jax.vmap(lambda x: compiled(step, (jnp.int32(0), x), 3))(jnp.stack([carry[1]] * 3))
    except NotImplementedError:
        assert name in REFUSED
        return
    for a, b, c in zip(*map(jax.tree.leaves, (found, wanted, batch)), strict=True):
        equal = np.testing.assert_allclose if b.dtype.kind == "f" else np.testing.assert_array_equal
        equal(a, b)
        equal(c[1] if c.ndim > b.ndim else c, b)


@pytest.mark.parametrize("dtype", OPERANDS)
@pytest.mark.parametrize("name", FORMS)
def test_form(name: str, dtype: str) -> None:
    kinds, form = FORMS[name]
    if np.dtype(dtype).kind in kinds:
        check(f"{name} {dtype}", form, OPERANDS[dtype])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_odd_floats(dtype: Any) -> None:
    def form(k: Any, x: Any) -> Any:
        two, half = x.dtype.type(2), x.dtype.type(0.5)
        return [
            *(lax.convert_element_type(x, t) for t in ("i4", "i8", "u4", bool)),
            jnp.sign(x), jnp.signbit(jnp.sign(x)), lax.clamp(-two, x, two), jnp.where(x > 0, x, jnp.nan),
            jnp.maximum(x, half), jnp.maximum(half, x), jnp.minimum(x, x[::-1]), jnp.max(x), jnp.min(x),
            jnp.round(x), jnp.floor(x), jnp.ceil(x), lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
            x < x[::-1], x == x, x != x, x >= 0, jnp.isfinite(x), jnp.isnan(x), x**0, x**1, x**-1, x**2,
            lax.rem(x[8:], two + 0 * x[8:]), lax.pow(x, jnp.full_like(x, 2.0)),
        ]  # fmt: skip

    with np.errstate(over="ignore"):
        check("odd", form, ODD.astype(dtype))
