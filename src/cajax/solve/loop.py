"""The time loop and its reverse pass: only states are stored, every step is computed again on the way back."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from .._errors import ParameterError

Step = Callable[[Any], tuple[Any, Any]]


@dataclass(frozen=True)
class Direct:
    """Let JAX store what it wants: quickest to compile, but memory grows with every intermediate of every step."""

    def levels(self, n: int, state_bytes: int) -> int:
        return 0


@dataclass(frozen=True)
class Checkpointed:
    """Store states only, within a budget of `memory` bytes (default: a quarter of what is free), and recompute steps.

    When n states do not fit, the run is split into segments whose inner states are recomputed from their first one;
    each further level of nesting costs one more forward pass and divides the exponent of the memory:
    k levels need about k · n^(1/k) states (Griewank & Walther 2000).
    """

    memory: float | None = None

    def __post_init__(self) -> None:
        if self.memory is not None and not (isinstance(self.memory, int | float) and self.memory > 0):
            raise ParameterError(f"Checkpointed(memory={self.memory!r}) needs a positive number of bytes")

    def levels(self, n: int, state_bytes: int) -> int:
        """Return how deeply `n` steps are nested so that their states fit the budget."""
        budget = free_memory() / 4 if self.memory is None else self.memory
        for levels in range(1, 8):
            if levels * n ** (1 / levels) * state_bytes <= budget:
                return levels
        return 8


Adjoint = Direct | Checkpointed


def free_memory() -> int:
    """Return the bytes of main memory that are free now (8 GiB where the system does not say)."""
    try:
        with open("/proc/meminfo") as file:
            fields = dict(line.split(":") for line in file)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 8 * 2**30


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
    segments, rest = divmod(n, length)
    segment = jax.checkpoint(lambda c: loop(step, c, length, levels - 1), prevent_cse=False)
    carry, outs = jax.lax.scan(lambda c, _: segment(c), carry, None, length=segments)
    outs = jax.tree.map(lambda x: x.reshape(segments * length, *x.shape[2:]), outs)
    if rest:
        carry, tail = loop(step, carry, rest, levels - 1)
        outs = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), outs, tail)
    return carry, outs
