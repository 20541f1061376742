"""Which of a few queued times fall due at each of many edges, when every edge has a delay of its own."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from ..base.types import Array, Float, Int
from . import native
from .backend import chosen_backend, run_on


def due(
    age: Float[Array, "slot cell"],
    before: Float[Array, "slot cell"],
    filled: Array,
    delay: Float[Array, " edge"],
    dt: Any,
    pre: NDArray[np.int32],
    *,
    backend: str | None = None,
) -> tuple[Int[Array, " edge"], Int[Array, " edge"]]:
    """Return, per edge, the slots of its cell `pre` whose age reaches the delay within the next `dt`; −1 for none.

    A slot is due when delay − age < dt and was not when its age was `before`; slots that are not `filled` are empty. At
    most two are returned: the first and the last. There is nothing to differentiate; the times themselves can be read
    at the slots. `backend` as in `cajax.solve.solve`.
    """
    age = jnp.asarray(age)
    operands = (age, before, delay, jnp.asarray(dt, age.dtype))
    age, before, delay, dt = (jax.lax.stop_gradient(jnp.asarray(x)) for x in operands)
    filled = jax.lax.stop_gradient(jnp.asarray(filled)).astype(jnp.int32)
    chosen = chosen_backend(backend, age.dtype)

    def compiled(age: Array, before: Array, filled: Array, delay: Array, dt: Array) -> tuple[Array, Array]:
        return native.due(age, before, filled, delay, dt, pre)

    def plain(age: Array, before: Array, filled: Array, delay: Array, dt: Array) -> tuple[Array, Array]:
        return _plain(age, before, filled, delay, dt, pre)

    return run_on(chosen, compiled, plain, age, before, filled, delay, dt)


def _plain(
    age: Array, before: Array, filled: Array, delay: Array, dt: Array, pre: NDArray[np.int32]
) -> tuple[Array, Array]:
    age, before, filled = (x.at[:, pre].get(mode="promise_in_bounds") for x in (age, before, filled))
    hit = (filled != 0) & (delay[None] - age < dt) & ~(delay[None] - before < dt)
    slots = jnp.arange(age.shape[0], dtype=jnp.int32)[:, None]
    first = jnp.min(jnp.where(hit, slots, age.shape[0]), axis=0)
    last = jnp.max(jnp.where(hit, slots, -1), axis=0)
    first = jnp.where(last < 0, -1, first)
    return first, jnp.where(last > first, last, -1)
