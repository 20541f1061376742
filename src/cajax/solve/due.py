"""Which of a few queued times fall due at each of many edges, when every edge has a delay of its own."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import mlir
from numpy.typing import NDArray

from ..base.types import Array, Float, Int
from . import native
from .backend import chosen_backend, run_on
from .lead import define_batches, lead_of, over_lead
from .sites import Index

MOST_SLOTS = 32
"""What the compiled search can tell apart; of more slots JAX finds those that are due."""
RANKS = 2, 2, 2, 1, 0
"""The axes of the operands but those of a batch."""

due_p = Primitive("cajax_due")
"""Operands age, before, filled [..., slot, cell], delay [..., edge], dt [...]; no derivative."""
due_p.multiple_results = True


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
    at the slots. `backend` as in `cajax.solve.solve`; more than 32 slots are left to JAX.
    """
    age = jnp.asarray(age)
    operands = (age, before, delay, jnp.asarray(dt, age.dtype))
    age, before, delay, dt = (jax.lax.stop_gradient(jnp.asarray(x)) for x in operands)
    filled = jax.lax.stop_gradient(jnp.asarray(filled)).astype(jnp.int32)
    operands = (age, before, filled, delay, dt)
    chosen = chosen_backend(backend, age.dtype)
    if len(age) > MOST_SLOTS and chosen != "native":
        return _plain(*operands, pre=pre)
    first, second = due_p.bind(*operands, pre=Index(pre, age.shape[1]), backend=chosen)
    return first, second


def _plain(
    age: Array, before: Array, filled: Array, delay: Array, dt: Array, *, pre: NDArray[np.int32]
) -> tuple[Array, Array]:
    age, before, filled = (x.at[:, pre].get(mode="promise_in_bounds") for x in (age, before, filled))
    hit = (filled != 0) & (delay[None] - age < dt) & ~(delay[None] - before < dt)
    slots = jnp.arange(age.shape[0], dtype=jnp.int32)[:, None]
    first = jnp.min(jnp.where(hit, slots, age.shape[0]), axis=0)
    last = jnp.max(jnp.where(hit, slots, -1), axis=0)
    first = jnp.where(last < 0, -1, first)
    return first, jnp.where(last > first, last, -1)


def _rule(*operands: Array, pre: Index, backend: str | None) -> tuple[Array, Array]:
    lead = lead_of(RANKS, *operands)

    def compiled(*operands: Array) -> tuple[Array, Array]:
        whole = (
            jnp.broadcast_to(x, (*lead, *x.shape[x.ndim - r :])) for x, r in zip(operands, RANKS, strict=True)
        )
        return native.due(*whole, pre=pre.entries)

    plain = partial(over_lead, partial(_plain, pre=pre.entries), RANKS)
    return run_on(backend, compiled, plain, *operands)


def _shapes(*operands: Any, pre: Index, backend: str | None) -> list[Any]:
    shape = (*lead_of(RANKS, *operands), len(pre.entries))
    return [jax.core.ShapedArray(shape, np.int32)] * 2  # pyright: ignore


due_p.def_impl(jax.jit(_rule, static_argnames=("pre", "backend")))
due_p.def_abstract_eval(_shapes)
mlir.register_lowering(due_p, mlir.lower_fun(_rule, multiple_results=True))
define_batches(due_p)
