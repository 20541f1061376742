"""Leading axes of operands: how primitives take a batch, each operand its own axes or, of length 1, shared.

So `vmap` adds an axis in front of every operand, which costs nothing where an operand is shared.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import batching

from ..base.types import Array


def lead_of(ranks: Sequence[int], *operands: Any) -> tuple[int, ...]:
    """Return the leading axes of the result of operands that have `ranks` axes of their own."""
    return np.broadcast_shapes(*(x.shape[: x.ndim - r] for x, r in zip(operands, ranks, strict=True)))


def over_lead(fn: Callable[..., Any], ranks: Sequence[int], *operands: Array) -> Any:
    """Return `fn` of operands of `ranks` axes, for every entry of the axes before those."""
    if operands[0].ndim == ranks[0]:
        return fn(*operands)
    (size,) = np.broadcast_shapes(*(x.shape[:1] for x in operands))
    inner = partial(over_lead, fn, ranks)
    if size == 1:
        return jax.tree.map(lambda x: x[None], inner(*(x[0] for x in operands)))
    axes = [None if x.shape[0] < size else 0 for x in operands]
    return jax.vmap(inner, axes)(*(x[0] if a is None else x for x, a in zip(operands, axes, strict=True)))


def batched(primitive: Primitive, args: Sequence[Any], dims: Sequence[int | None], **static: Any) -> Any:
    """The rule of `vmap` for such a primitive."""
    moved = (x[None] if d is None else jnp.moveaxis(x, d, 0) for x, d in zip(args, dims, strict=True))
    found = primitive.bind(*moved, **static)
    return (found, [0] * len(found)) if primitive.multiple_results else (found, 0)


def define_batches(primitive: Primitive) -> None:
    """Let `vmap` add a leading axis to the operands of a primitive."""
    batching.primitive_batchers[primitive] = partial(batched, primitive)


def summed_over_shared(found: Array, like: Any) -> Array:
    """Return a cotangent summed over the leading axes along which its operand is shared."""
    shared = tuple(i for i, n in enumerate(like.shape[:-1]) if n != found.shape[i])
    return jnp.sum(found, shared, keepdims=True) if shared else found
