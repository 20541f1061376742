"""Batches of the loop: `vmap` makes lanes; what is shared stays shared, and a further `vmap` makes more lanes."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import batching

from .loop import Loop
from .primitive import (
    Flags,
    adjoint_p,
    bound_loop,
    loop_p,
    reference_tangents,
    tangent_p,
    widened,
)  # fmt: skip


def _merged(
    args: Any, dims: Any, lanes: int | None, flags: Sequence[bool]
) -> tuple[list[Any], int, list[bool]]:
    """Return operands with one axis of lanes: the new axis before the one that they had."""
    (size,) = {x.shape[d] for x, d in zip(args, dims, strict=True) if d is not None}
    merged, wide = [], []
    for x, d, f in zip(args, dims, flags, strict=True):
        if d is not None:
            x = jnp.moveaxis(x, d, 0)
        if lanes is None or (d is None and not f):
            merged.append(x)
        elif d is None:
            merged.append(jnp.broadcast_to(x, (size, *x.shape)).reshape(size * lanes, *x.shape[1:]))
        elif f:
            merged.append(x.reshape(size * lanes, *x.shape[2:]))
        else:
            spread = jnp.broadcast_to(x[:, None], (size, lanes, *x.shape[1:]))
            merged.append(spread.reshape(size * lanes, *x.shape[1:]))
        wide.append(f or d is not None)
    return merged, size, wide


def _parted(x: Any, size: int, lanes: int | None) -> Any:
    return x if lanes is None else x.reshape(size, lanes, *x.shape[1:])


def _batched(
    args: Any, dims: Any, *, loop: Loop, lanes: int | None, flags: Flags, nonzero: Flags, keep: bool
) -> tuple[list[Any], list[Any]]:
    merged, size, wide = _merged(args, dims, lanes, flags)
    total = size * (lanes or 1)
    found = bound_loop(loop, merged, total, wide, nonzero, keep)
    out = loop.wide(wide)[loop.n_theta :]
    before = loop.wide(flags)[loop.n_theta :]
    results: list[Any] = []
    axes: list[Any] = []
    for x, w, was in zip(found, out, before, strict=False):
        x = _parted(x, size, lanes) if w else x
        if w and lanes is not None and not was:
            x = x[:, 0]  # it differs along the new axis alone
        results.append(x)
        axes.append(0 if w else None)
    if keep:
        # What is kept belongs to all lanes together; only `adjoint_p` reads it.
        results.append(found[-1])
        axes.append(None)
    return results, axes


def _adjoint_batched(
    args: Any, dims: Any, *, loop: Loop, lanes: int | None, flags: Flags, nonzero: Flags, per_lane: bool
) -> tuple[list[Any], list[Any]]:
    """Every lane its own cotangents: those of what lanes share add up along the lanes that were there before."""
    count = loop.n_theta + loop.n_state
    residual, *xs = args
    size = next(x.shape[d] for x, d in zip(args, dims, strict=True) if d is not None)
    values, cts = xs[:count], xs[count:]
    value_dims, ct_dims = dims[1 : 1 + count], dims[1 + count :]
    wide_out = loop.wide(flags)[loop.n_theta :]
    ct_flags = [lanes is not None and wide_out[i] for i in loop.derived]
    cts = [
        jnp.broadcast_to(ct, (size, *ct.shape)) if d is None else jnp.moveaxis(ct, d, 0)
        for ct, d in zip(cts, ct_dims, strict=True)
    ]
    if any(d is not None for d in value_dims):
        merged, _, wide = _merged(values, value_dims, lanes, flags)
    elif lanes is None:
        merged, wide = list(values), list(flags)
    else:
        merged, _, wide = _merged(
            [jnp.broadcast_to(x, (size, *x.shape)) for x in values], [0] * count, lanes, flags
        )
    total = size * (lanes or 1)
    ready = []
    for ct, f in zip(cts, ct_flags, strict=True):
        if lanes is not None and not f:
            # Of a result that the lanes shared: it counts once.
            ct = jnp.concatenate([ct[:, None], jnp.zeros((size, lanes - 1, *ct.shape[1:]), ct.dtype)], 1)
        ct = ct if lanes is None else ct.reshape(total, *ct.shape[2:])
        ready.append(ct)
    merged, wide = widened(loop, merged, total if any(wide) else None, wide)
    # Where the lanes are others than those of the run that kept, the machine finds nothing and runs again.
    residual = residual if dims[0] is None else jnp.moveaxis(residual, dims[0], 0)[0]
    found = adjoint_p.bind(
        residual, *merged, *ready, loop=loop, lanes=total, flags=tuple(wide), nonzero=nonzero, per_lane=True
    )
    results = []
    apart_before = loop.wide(flags)
    for x, i in zip(found, loop.free(nonzero), strict=True):
        x = _parted(x, size, lanes)
        if lanes is not None and not per_lane and not (flags[i] if i < loop.n_theta else apart_before[i]):
            x = jnp.sum(x, 1)
        results.append(x)
    return results, [0] * len(results)


def _tangent_batched(args: Any, dims: Any, **params: Any) -> tuple[list[Any], list[int]]:
    fn = partial(reference_tangents, None, **params)
    found = jax.vmap(fn, list(dims[1:]))(*args[1:])
    return found, [0] * len(found)


batching.primitive_batchers[loop_p] = _batched
batching.primitive_batchers[tangent_p] = _tangent_batched
batching.primitive_batchers[adjoint_p] = _adjoint_batched
