"""Splitting a batch over the local devices: each takes its share, and the means are averaged."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from ..base.errors import ParameterError

AXIS = "batch"


def split_mean(
    fn: Callable[..., Any], devices: Sequence[Any] | None = None, shares: int | None = None
) -> Callable[..., Any]:
    """Return `fn`, computed in equal shares of the batch on `devices` (default: all local ones) and averaged.

    `fn(params, batch, *rest)` returns a scalar or a pytree, every leaf of which is a mean over the leading
    axis that all leaves of `batch` share; `params` and `rest` go to every device whole. Values and
    derivatives are those of `fn` itself, up to rounding. Randomness that differs per example (keys, noise) belongs in
    the batch. The CPU is two devices after `jax.config.update("jax_num_cpu_devices", 2)` at the start of a program.

    The batch is cut into `shares` (default: one per device); those of one device are worked through one after the
    other, and halves are added in pairs, so that the same `shares` on 1, 2, 4, … devices give the same bits (where the
    compiler does not contract: see "The same bits" in the documentation). Raises `ParameterError` when the batch cannot
    be shared out equally.
    """
    devices = list(jax.local_devices() if devices is None else devices)
    count = len(devices)

    def mean(params: Any, batch: Any, *rest: Any) -> Any:
        size = _size(batch)
        parts = count if shares is None else shares
        _require_equal_shares(size, count, parts)
        local = _halved(fn, parts // count)
        if count == 1:
            return local(params, batch, *rest)

        def share(params: Any, batch: Any, *rest: Any) -> Any:
            return jax.tree.map(lambda mean: jax.lax.pmean(mean, AXIS), local(params, batch, *rest))

        specs = (P(), P(AXIS), *(P() for _ in rest))
        return _on(devices, share, specs, P())(params, batch, *rest)

    return mean


def split_rows(fn: Callable[..., Any], devices: Sequence[Any] | None = None) -> Callable[..., Any]:
    """Return `fn(params, batch, *rest)`, whose results have the batch's leading axis, computed in shares on `devices`.

    Raises `ParameterError` when the batch cannot be shared out equally.
    """
    devices = list(jax.local_devices() if devices is None else devices)
    count = len(devices)

    def rows(params: Any, batch: Any, *rest: Any) -> Any:
        _require_equal_shares(_size(batch), count, count)
        if count == 1:
            return fn(params, batch, *rest)
        specs = (P(), P(AXIS), *(P() for _ in rest))
        return _on(devices, fn, specs, P(AXIS))(params, batch, *rest)

    return rows


def _on(devices: Sequence[Any], fn: Callable[..., Any], specs: Any, out: Any) -> Callable[..., Any]:
    mesh = jax.make_mesh((len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)
    # No check of replication (`check_vma`): a loop that starts from a constant does not pass it, so no
    # simulation would. The derivatives are right without it.
    return jax.shard_map(fn, mesh=mesh, in_specs=specs, out_specs=out, check_vma=False)


def _halved(fn: Callable[..., Any], parts: int) -> Callable[..., Any]:
    """Return `fn` as the mean of its values on both halves of the batch, down to `parts` parts."""
    if parts == 1:
        return fn
    inner = _halved(fn, parts // 2)

    def mean(params: Any, batch: Any, *rest: Any) -> Any:
        halves = jax.tree.map(lambda x: jnp.reshape(x, (2, -1, *jnp.shape(x)[1:])), batch)
        found = jax.lax.map(lambda half: inner(params, half, *rest), halves)
        return jax.tree.map(lambda x: 0.5 * (x[0] + x[1]), found)

    return mean


def _size(batch: Any) -> int:
    sizes = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(batch)}
    if len(sizes) != 1 or sizes == {()}:
        shown = ", ".join(sorted(str(size[0]) if size else "none" for size in sizes)) or "none"
        raise ParameterError(
            f"split_mean: the arrays of the batch must share one leading axis (found {shown}); "
            "what every device needs whole goes into params"
        )
    ((size,),) = sizes
    return size


def _require_equal_shares(size: int, count: int, shares: int) -> None:
    if size % count:
        near = max(size - size % count, count)
        raise ParameterError(
            f"split_mean: a batch of {size} cannot be shared out equally over {count} devices; "
            f"take {near} or {near + count}"
        )
    each = shares / count
    if not (isinstance(shares, int) and each >= 1 and each == 2 ** max(0, round(math.log2(max(each, 1))))):
        raise ParameterError(
            f"split_mean: shares = {shares!r} must be {count} times a power of two, for {count} devices"
        )
    if size % shares:
        raise ParameterError(f"split_mean: a batch of {size} cannot be cut into {shares} equal shares")
