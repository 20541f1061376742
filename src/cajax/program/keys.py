"""Random numbers within a step, as arithmetic of whole numbers: a key becomes its two words, a draw rounds of Threefry.

The bits are JAX's: how a key is folded, split and drawn from is JAX's own definition, traced; only the cipher, which
JAX calls as one operation, is written out here. Source: Salmon et al. (2011), Parallel random numbers: as easy as 1, 2,
3, SC '11.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import random

from .nodes import UnsupportedError

WORDS = 2
"""The words of a key."""
SAME = ("random_wrap", "random_unwrap", "random_clone")
"""What does nothing to the words of a key."""
_ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)


def is_key(x: Any) -> bool:
    """Whether an array, or its shape, is of typed keys."""
    return bool(jnp.issubdtype(x.dtype, jax.dtypes.prng_key))


def words_of(x: Any) -> tuple[tuple[int, ...], Any]:
    """Return the shape and type of an array as it is computed with: keys are their words, along a last axis.

    Raises `UnsupportedError` for keys of another generator than JAX's default.
    """
    if not is_key(x):
        return x.shape, x.dtype
    if x.dtype.name != "key<fry>":
        raise UnsupportedError(f"random numbers of the generator {x.dtype.name}")
    return (*x.shape, WORDS), np.dtype(np.uint32)


def data(x: Any) -> Any:
    """Return an array as it is computed with."""
    return jax.random.key_data(x) if isinstance(x, jax.Array) and is_key(x) else x


def like(x: Any, before: Any) -> Any:
    """Return an array that is computed with as it was before `data`."""
    return jax.random.wrap_key_data(x, impl=jax.random.key_impl(before)) if is_key(before) else x


def written_out(equation: Any) -> Callable[..., Any] | None:
    """Return what an equation of a jaxpr does to words, as a function that JAX can trace; None if it has no keys."""
    name, params = equation.primitive.name, equation.params
    avals = [v.aval for v in (*equation.invars, *equation.outvars)]
    for x in avals:
        words_of(x)
    generator: Any = random.threefry_prng_impl
    shape = equation.outvars[0].aval.shape if equation.outvars else ()
    match name:
        case "threefry2x32":
            return _rounds
        case "iota_2x32_shape":
            return lambda: _counted(params["shape"])
        case "random_bits":
            draw = lambda key: generator.random_bits(key, params["bit_width"], params["shape"])  # noqa: E731
            return _over(equation.invars[0].aval.ndim, draw)
        case "random_split":
            return _over(equation.invars[0].aval.ndim, lambda key: generator.split(key, params["shape"]))
        case "random_seed":
            return _over(equation.invars[0].aval.ndim, generator.seed)
        case "random_fold_in":
            folded = _over(len(shape), generator.fold_in)
            return lambda key, word: folded(
                jnp.broadcast_to(key, (*shape, WORDS)), jnp.broadcast_to(word, shape)
            )
    return _by_word(equation) if any(map(is_key, avals)) else None


def _over(axes: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of single keys for arrays of them."""
    for _ in range(axes):
        function = jax.vmap(function)
    return function


def _by_word(equation: Any) -> Callable[..., Any]:
    """Return an equation that moves keys, as one that does the same to each of their words."""
    axes_in = [-1 if is_key(v.aval) else None for v in equation.invars]
    axes_out = [-1 if is_key(v.aval) else None for v in equation.outvars]
    if None in axes_out:
        raise UnsupportedError(f"the operation '{equation.primitive.name}' of keys")

    def bound(*operands: Any) -> Any:
        found = equation.primitive.bind(*operands, **equation.params)
        return found if equation.primitive.multiple_results else [found]

    return jax.vmap(bound, axes_in, axes_out)


def _counted(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return the numbers of the entries of an array, high and low words."""
    numbers = np.arange(int(np.prod(shape)), dtype=np.uint64).reshape(shape)
    return jnp.asarray((numbers >> 32).astype(np.uint32)), jnp.asarray(numbers.astype(np.uint32))


def _rounds(key0: Any, key1: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """The twenty rounds of Threefry-2x32."""
    key0, key1, x0, x1 = jnp.broadcast_arrays(key0, key1, x0, x1)

    def number(n: int) -> Any:
        return lax.full_like(x0, np.uint32(n), np.uint32)

    keys = key0, key1, key0 ^ key1 ^ number(0x1BD11BDA)
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for i in range(5):
        for r in _ROTATIONS[i % 2]:
            x0 = x0 + x1
            x1 = lax.shift_left(x1, number(r)) | lax.shift_right_logical(x1, number(32 - r))
            x1 = x1 ^ x0
        x0, x1 = x0 + keys[(i + 1) % 3], x1 + keys[(i + 2) % 3] + number(i + 1)
    return x0, x1
