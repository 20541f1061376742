"""How many runs an enclosing `jax.vmap` makes at once."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer


def is_traced(*trees: Any) -> bool:
    """Whether any leaf is a tracer, whose value is not known."""
    return any(isinstance(x, Tracer) for x in jax.tree.leaves(trees))


def batch_size(*trees: Any) -> int:
    """Return the product of the sizes of all `vmap`s around that any leaf varies under; 1 where there is none.

    A `jit` between here and a `vmap` hides it.
    """
    return max((_size(x) for x in jax.tree.leaves(trees) if isinstance(x, Tracer)), default=1)


def _size(x: Any) -> int:
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        return 1
    sizes: list[int] = []

    @jax.custom_batching.custom_vmap
    def seen(x: Any) -> Any:
        return x

    @seen.def_vmap
    def _(axis_size: int, in_batched: list[bool], x: Any) -> tuple[Any, bool]:
        sizes.append(axis_size)
        return seen(x), in_batched[0]

    seen(jax.lax.stop_gradient(x))
    product = 1
    for size in sizes:
        product *= size
    return product
