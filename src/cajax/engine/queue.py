"""Spikes on their way: a queue per presynaptic cell, and what of it arrives within a step.

A slot of a queue [slot, pre] holds the `age` (ms) of a spike now, its age one step `before`, and its `count`: 1 for a
spike, 0 for an empty slot, and of size zero but with derivatives for spikes that did not happen (see `pushed`).
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..base.kinks import rounded_into
from ..base.types import Array, Float
from ..mech import Surrogate
from ..solve import due
from .sites import Sites

Queue = Mapping[str, Array]

_NEVER = 1e30  # ms: an age that no delay reaches, and the age before a spike that no delay exceeds, with a minus sign


def empty(slots: int, n_pre: int, dtype: jnp.dtype) -> dict[str, Array]:
    """Return the queues of cells that have not spiked."""
    shape = (slots, n_pre)
    return {
        "age": jnp.full(shape, _NEVER, dtype),
        "before": jnp.full(shape, _NEVER, dtype),
        "count": jnp.zeros(shape, dtype),
    }


class Delays(eqx.Module):
    """How long spikes are on their way."""

    @abstractmethod
    def arriving(self, queue: Queue, dt: Array) -> tuple[Array, Array]:
        """Return how many spikes arrive during the step, and after how many ms of it; `[pre]` or `[edge]`.

        Where nothing arrives it arrives at the end, where it changes nothing: so a spike that moves into the next step
        does not jump.
        """

    @abstractmethod
    def longest(self) -> Array:
        """Return the longest delay, ms."""


@final
class SharedDelay(Delays):
    """One delay for all edges: what arrives is `[pre]`."""

    delay: Float[Array, ""]

    def arriving(self, queue: Queue, dt: Array) -> tuple[Array, Array]:
        age, before, count = queue["age"], queue["before"], queue["count"]
        # The very comparison of one step decides the next one too, so that rounding neither loses nor doubles a spike.
        hit = (self.delay - age < dt) & ~(self.delay - before < dt)
        real = hit & (count > 0.0)
        lag = jnp.where(real, rounded_into(self.delay - age, 0.0, dt), 0.0)
        many = jnp.maximum(jnp.sum(real, axis=0), 1)
        amount = jnp.sum(jnp.where(hit, count, 0.0), axis=0)
        return amount, jnp.where(real.any(axis=0), jnp.sum(lag, axis=0) / many, dt)

    def longest(self) -> Array:
        return jnp.max(self.delay)


@final
class EdgeDelays(Delays):
    """A delay for every edge: what arrives is `[edge]`. `of_pre` [edge] are the edges' presynaptic cells.

    First it is found which slots are due, then their numbers are read. `ghosts`: slots without a spike count too.
    """

    delay: Float[Array, "edge"]
    of_pre: Sites = eqx.field(static=True)
    ghosts: bool = eqx.field(static=True)

    def arriving(self, queue: Queue, dt: Array) -> tuple[Array, Array]:
        age, count = queue["age"].ravel(), queue["count"].ravel()
        occupied = jnp.ones_like(queue["count"]) if self.ghosts else queue["count"] != 0.0
        pre = self.of_pre.index.astype(np.int32)
        first, second = due(queue["age"], queue["before"], occupied, self.delay, dt, pre)

        def read(slot: Array) -> tuple[Array, Array, Array]:
            at = jnp.maximum(slot, 0) * self.of_pre.size + pre
            amount = jnp.where(slot >= 0, count.at[at].get(mode="promise_in_bounds"), 0.0)
            real = amount > 0.0
            lag = self.delay - jnp.where(real, age.at[at].get(mode="promise_in_bounds"), 0.0)
            return amount, jnp.where(real, rounded_into(lag, 0.0, dt), 0.0), real.astype(count.dtype)

        def both() -> tuple[Array, Array, Array]:
            return jax.tree.map(jnp.add, read(first), read(second))

        # Two spikes of one cell in one step are rare: a source may do so, a membrane does not.
        amount, lag, many = jax.lax.cond(jnp.any(second >= 0), both, lambda: read(first))
        return amount, jnp.where(many > 0.0, lag / jnp.maximum(many, 1.0), dt)

    def longest(self) -> Array:
        return jnp.max(self.delay)


def pushed(
    queue: Queue, delays: Delays, surrogate: Surrogate | None, dt: Array, count: Array, age: Array
) -> dict[str, Array]:
    """Return the queue one step later, with new spikes of `age` ms in front where `count` [pre] is not zero.

    With a surrogate the spikes that did not happen have derivatives as well: these gather in the newest slot, and an
    empty one is opened four times per delay, so that they arrive about when the spikes would have. A spike that has no
    room would be lost in silence; poisoned by NaN, the run says so.
    """
    new = _opened(queue, delays, surrogate, count)
    # The comparison of `arriving`, at the longest delay.
    waits = ~(delays.longest() - queue["age"][-1] < dt)
    overfull = new & (queue["count"][-1] > 0.0) & waits
    count = jnp.where(overfull, jnp.nan, count)
    older, lost = queue["age"] + dt, jnp.isnan(count)
    new = _opened(queue, delays, surrogate, count)
    kept = queue["count"]
    if surrogate is not None:
        kept = kept.at[0].add(jnp.where(new, 0.0, count))
    # The mark of a lost spike arrives in the next step, before another could push it out in turn.
    heads = {"age": jnp.where(lost, _NEVER, age), "before": jnp.full_like(age, -_NEVER), "count": count}
    tails = {"age": older, "before": queue["age"], "count": kept}
    return {k: jnp.where(new, jnp.concatenate([heads[k][None], tails[k][:-1]]), tails[k]) for k in heads}


def _opened(queue: Queue, delays: Delays, surrogate: Surrogate | None, count: Array) -> Array:
    """Return where the queue moves up by one slot: for a spike, or for those that did not happen, `[pre]`."""
    new = count != 0.0
    if surrogate is not None:
        new = new | (queue["age"][0] >= 0.25 * jax.lax.stop_gradient(delays.longest()))
    return new
