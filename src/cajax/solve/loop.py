"""The time loop and its reverse pass: only states are stored, every step is computed again on the way back."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from ..base.errors import ParameterError
from .memory import free_memory

Step = Callable[[Any], tuple[Any, Any]]

DEEPEST = 8
"""More levels than this are never nested."""
COPIES = 2
"""A gradient holds a recording and its cotangent."""
_SMALL = 2**26  # bytes that are taken without asking how many are free


@dataclass(frozen=True)
class Direct:
    """Let JAX store what it wants: quickest to compile, but memory grows with every intermediate of every step."""

    def levels(self, n: int, state_bytes: int, record_bytes: int = 0) -> int:
        return 0


@dataclass(frozen=True)
class Checkpointed:
    """Store states only, within a budget of `memory` bytes (default: a quarter of what is free), and recompute steps.

    When n states do not fit, the run is split into segments whose inner states are recomputed from their first one;
    each further level of nesting costs one more forward pass and divides the exponent of the memory:
    k levels need about k · n^(1/k) states (Griewank & Walther 2000). Recordings and their cotangents are in the
    budget too, but cannot be stored more thinly: nesting stops where the states are small beside them.
    """

    memory: float | None = None

    def __post_init__(self) -> None:
        if self.memory is not None and not (isinstance(self.memory, int | float) and self.memory > 0):
            raise ParameterError(f"Checkpointed(memory={self.memory!r}) needs a positive number of bytes")

    def levels(self, n: int, state_bytes: int, record_bytes: int = 0) -> int:
        """Return how deeply `n` steps are nested so that the gradient fits the budget.

        `state_bytes`: one state, `record_bytes`: all recordings over all steps; of the whole batch.
        """
        recordings = COPIES * record_bytes
        if self.memory is None and n * state_bytes + recordings <= _SMALL:
            return 1
        room = max(self.budget() - recordings, recordings / 4)
        choices = range(1, DEEPEST + 1)
        fitting = (k for k in choices if stored(n, k) * state_bytes <= room)
        return next(fitting, None) or min(choices, key=lambda k: stored(n, k))

    def budget(self) -> float:
        """Return the bytes that a gradient may take: `memory`, or a quarter of what is free now."""
        return free_memory() / 4 if self.memory is None else self.memory


Adjoint = Direct | Checkpointed


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
