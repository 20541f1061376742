"""Splitting a batch over devices, those of all hosts: each takes its share, and the means are averaged in pairs."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from ..base.errors import ParameterError
from . import hosts

AXIS = "batch"


def split_mean(
    fn: Callable[..., Any], devices: Sequence[Any] | None = None, shares: int | None = None
) -> Callable[..., Any]:
    """Return `fn`, computed in equal shares of the batch on `devices` and averaged.

    By default these are all devices of this process, and within `joined` those of all hosts.

    `fn(params, batch, *rest)` returns a scalar or a pytree, every leaf of which is a mean over the leading
    axis that all leaves of `batch` share; `params` and `rest` go to every device whole. Values and
    derivatives are those of `fn` itself, up to rounding. Randomness that differs per example (keys, noise) belongs in
    the batch. The CPU is two devices after `jax.config.update("jax_num_cpu_devices", 2)` at the start of a program.

    The batch is cut into `shares` (default: one per device); those of one device are worked through one after the
    other, and halves are added in pairs, so that the same `shares` on 1, 2, 4, … devices give the same bits (where the
    compiler does not contract: see "The same bits" in the documentation), on one host or several.
    Raises `ParameterError` when the batch cannot be shared out equally.
    """
    devices = hosts.devices() if devices is None else list(devices)
    count = len(devices)

    def mean(params: Any, batch: Any, *rest: Any) -> Any:
        size = _size(batch)
        parts = count if shares is None else shares
        _require_equal_shares(size, count, parts)
        local = _halved(fn, parts // count)
        if count == 1:
            return local(params, batch, *rest)

        def share(whole: Any, batch: Any) -> Any:
            params, *rest = jax.tree.map(lambda copies: copies[0], whole)
            return jax.tree.map(lambda x: jnp.asarray(x)[None], local(params, batch, *rest))

        # Every device has a copy of its own, whose derivatives are added as the copies were made: in pairs.
        # The constraints leave the devices one exchange, in which every one gets what all have; the order is ours.
        everywhere = partial(jax.lax.with_sharding_constraint, shardings=NamedSharding(_mesh(devices), P()))
        whole = jax.tree.map(lambda x: everywhere(_copies(x, count)), (params, *rest))
        found = _on(devices, share, (P(AXIS), P(AXIS)), P(AXIS))(whole, batch)
        return jax.tree.map(lambda x: _paired(everywhere(x)), found)

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
    # No check of replication (`check_vma`): a loop that starts from a constant does not pass it, so no
    # simulation would. The derivatives are right without it.
    return jax.shard_map(fn, mesh=_mesh(devices), in_specs=specs, out_specs=out, check_vma=False)


def _mesh(devices: Sequence[Any]) -> Any:
    return jax.make_mesh((len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)


def _copies(x: Any, count: int) -> Any:
    """Return `count` copies [count, …], made by doubling: their derivatives are added as neighbours, then as pairs."""
    pairs = _pairs(count)
    copies = jnp.stack([jnp.asarray(x)] * (count >> pairs))
    for _ in range(pairs):
        copies = jnp.stack([copies, copies], axis=1).reshape(-1, *jnp.shape(x))
    return copies


def _paired(x: Any) -> Any:
    """Return the mean over the leading axis, of neighbours first; what is left of an odd count is added in order."""
    for _ in range(_pairs(len(x))):
        x = 0.5 * (x[::2] + x[1::2])
    total = x[0]
    for part in x[1:]:
        total = total + part
    return total if len(x) == 1 else total / len(x)


def _pairs(count: int) -> int:
    """Return how often a number can be halved."""
    return (count & -count).bit_length() - 1


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
