"""The time loop with nested segments: only states are stored, every step is computed again on the way back."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

Step = Callable[[Any], tuple[Any, Any]]
"""From a carry to the next carry and what the step puts out."""


@lru_cache(maxsize=1024)
def segments(n: int, levels: int) -> tuple[int, ...]:
    """Return how `n` steps are split: segments at the outermost level, … , steps in an innermost segment.

    Where the numbers do not divide n, fewer steps remain and are run, nested likewise, after the last segment.
    """
    if levels <= 1 or n <= levels:
        return (n,)
    length = _segment_length(n, levels)
    return (n // length, *segments(length, levels - 1))


@lru_cache(maxsize=1024)
def lengths(n: int, levels: int) -> tuple[int, ...]:
    """Return how many steps a segment has, outermost level first; none where every state is stored."""
    if levels <= 1 or n <= levels:
        return ()
    length = _segment_length(n, levels)
    return (length, *lengths(length, levels - 1))


@lru_cache(maxsize=1024)
def stored(n: int, levels: int) -> int:
    """Return how many states the reverse pass of `loop` holds at once."""
    if levels <= 1 or n <= levels:
        return n
    count, rest = divmod(n, length := _segment_length(n, levels))
    return count + max(stored(length, levels - 1), stored(rest, levels - 1))


@lru_cache(maxsize=1024)
def _segment_length(n: int, levels: int) -> int:
    """Return a length near n^((levels-1)/levels), a divisor of n when there is one within a factor of 1.5."""
    ideal = max(1, round(n ** ((levels - 1) / levels)))
    for offset in range(ideal // 2 + 1):
        for length in (ideal - offset, ideal + offset):
            if 0 < length <= n and n % length == 0:
                return length
    return ideal


def loop(step: Step, carry: Any, n: int, levels: int) -> tuple[Any, Any]:
    """Apply `step` n times: carry → (carry, out); return the last carry and the outs stacked `[n, …]`.

    `levels` = 0 stores everything, 1 stores every carry, k > 1 nests segments (see `Checkpointed`). The result and
    its derivatives are the same for every value.
    """
    if levels <= 1 or n <= levels:
        body = step if levels == 0 else jax.checkpoint(step, prevent_cse=False)
        return jax.lax.scan(lambda c, _: body(c), carry, None, length=n)
    length = _segment_length(n, levels)
    count, rest = divmod(n, length)
    segment = jax.checkpoint(lambda c: loop(step, c, length, levels - 1), prevent_cse=False)
    carry, outs = jax.lax.scan(lambda c, _: segment(c), carry, None, length=count)
    outs = jax.tree.map(lambda x: x.reshape(count * length, *x.shape[2:]), outs)
    if rest:
        carry, tail = loop(step, carry, rest, levels - 1)
        outs = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), outs, tail)
    return carry, outs
