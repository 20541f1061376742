"""The loop as a primitive of JAX, and what it means: a scan.

`loop_p` runs it; with `keep` it also puts out what its reverse needs. `tangent_p` is its derivative, linear in the
tangents, and `adjoint_p` the transpose of that. `lanes` is the length of the leading axis of the operands that `flags`
name. `derivatives`, `batches` and `lowerings` hold the rules.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive

from .interpret import of_some
from .loop import Loop

loop_p, tangent_p, adjoint_p = (Primitive(f"cajax_{x}") for x in ("loop", "tangent", "adjoint"))
for primitive in (loop_p, tangent_p, adjoint_p):
    primitive.multiple_results = True

Flags = tuple[bool, ...]


def run(loop: Loop, operands: Sequence[Any]) -> list[Any]:
    """Return the last states and the outs of a loop."""
    return bound_loop(loop, operands, None, [False] * len(operands))


def bound_loop(
    loop: Loop, operands: Sequence[Any], lanes: int | None, flags: Sequence[bool], nonzero: Flags = (),
    keep: bool = False,
) -> list[Any]:  # fmt: skip
    """Bind `loop_p`; states that will differ between lanes do from the start."""
    operands, flags = widened(loop, operands, lanes, flags)
    return loop_p.bind(*operands, loop=loop, lanes=lanes, flags=tuple(flags), nonzero=nonzero, keep=keep)


def widened(
    loop: Loop, operands: Sequence[Any], lanes: int | None, flags: Sequence[bool]
) -> tuple[list[Any], list[bool]]:
    """Return operands and flags with lanes for all states that will differ between them."""
    if lanes is None:
        return list(operands), list(flags)
    wide = loop.wide(flags)[: len(operands)]
    spread = [
        jnp.broadcast_to(x, (lanes, *jnp.shape(x))) if w and not f else x
        for x, w, f in zip(operands, wide, flags, strict=True)
    ]
    return spread, list(wide)


# What the primitives mean


def reference(loop: Loop, lanes: int | None, flags: Flags) -> Callable[..., list[Any]]:
    """Return the loop as a scan, for operands with lanes."""
    if lanes is None:
        return loop.run
    wide = loop.wide(flags)
    out = wide[loop.n_theta :]
    inner = [0 if f else None for f in flags]
    return lambda *xs: jax.vmap(loop.run, inner, [0 if w else None for w in out], axis_size=lanes)(*xs)


TOKEN = 8
"""Bytes of what stands for all that a run keeps: the native machine knows it by number."""


def _shapes(
    *avals: Any, loop: Loop, lanes: int | None, flags: Flags, nonzero: Flags, keep: bool
) -> list[Any]:
    wide = loop.wide(flags)[loop.n_theta :]
    found = []
    for k, v in enumerate((*loop.states, *loop.outs)):
        lead = (lanes,) if lanes is not None and wide[k] else ()
        shape = v.shape if k < loop.n_state else (-(-loop.steps // loop.every[k - loop.n_state]), *v.shape)
        found.append(jax.core.ShapedArray((*lead, *shape), v.dtype))  # pyright: ignore
    if keep:
        found.append(jax.core.ShapedArray((TOKEN,), np.uint8))  # pyright: ignore
    return found


loop_p.def_abstract_eval(_shapes)


def _derived(
    loop: Loop, lanes: int | None, flags: Flags, values: Sequence[Any], free: Sequence[int]
) -> Callable[..., list[Any]]:
    """Return the results that have tangents as a function of the free operands."""
    fn, kept = reference(loop, lanes, flags), loop.derived

    def results(*operands: Any) -> list[Any]:
        found = fn(*operands)
        return [found[i] for i in kept]

    return of_some(results, values, free)


def reference_tangents(
    residual: Any, *xs: Any, loop: Loop, lanes: int | None, flags: Flags, nonzero: Flags
) -> list[Any]:
    """The derivative by the reference."""
    del residual
    free = loop.free(nonzero)
    count = loop.n_theta + loop.n_state
    values, tangents = list(xs[:count]), xs[count:]
    of = _derived(loop, lanes, flags, values, free)
    return jax.jvp(of, tuple(values[i] for i in free), tuple(tangents))[1]


def reference_cotangents(
    residual: Any, *xs: Any, loop: Loop, lanes: int | None, flags: Flags, nonzero: Flags, per_lane: bool
) -> list[Any]:
    """The transpose by the reference."""
    del residual
    free = loop.free(nonzero)
    count = loop.n_theta + loop.n_state
    values, cts = list(xs[:count]), list(xs[count:])
    if per_lane and lanes is not None:
        for i in free:
            if not flags[i]:
                values[i] = jnp.broadcast_to(values[i], (lanes, *jnp.shape(values[i])))
        flags = tuple(f or i in free for i, f in enumerate(flags))
    of = _derived(loop, lanes, flags, values, free)
    primal, pull = jax.vjp(of, *(values[i] for i in free))
    # A result that no lane changes has no derivative, whatever its cotangents.
    fitting = [ct if ct.shape == p.shape else jnp.zeros_like(p) for ct, p in zip(cts, primal, strict=True)]
    return list(pull(fitting))


def _tangent_shapes(residual: Any, *xs: Any, loop: Loop, lanes: Any, flags: Flags, nonzero: Flags) -> Any:
    shapes = _shapes(loop=loop, lanes=lanes, flags=flags, nonzero=(), keep=False)
    return [shapes[i] for i in loop.derived]


def _adjoint_shapes(
    residual: Any, *xs: Any, loop: Loop, lanes: int | None, flags: Flags, nonzero: Flags, per_lane: bool
) -> list[Any]:
    wide = loop.wide(flags)
    found = []
    for i in loop.free(nonzero):
        v = loop.inputs[i]
        apart = lanes is not None and (per_lane or (flags[i] if i < loop.n_theta else wide[i]))
        found.append(jax.core.ShapedArray((lanes, *v.shape) if apart else v.shape, v.dtype))  # pyright: ignore
    return found


tangent_p.def_abstract_eval(_tangent_shapes)
adjoint_p.def_abstract_eval(_adjoint_shapes)


@lru_cache(maxsize=256)
def _compiled(primitive: Primitive, params: tuple[tuple[str, Any], ...]) -> Any:
    return jax.jit(lambda *xs: primitive.bind(*xs, **dict(params)))


for primitive in (loop_p, tangent_p, adjoint_p):
    primitive.def_impl(
        lambda *xs, _primitive=primitive, **params: _compiled(_primitive, tuple(sorted(params.items())))(*xs)
    )
