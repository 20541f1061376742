"""Splitting a batch over the local devices: each takes its share, and the means are averaged."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from .._errors import ParameterError

AXIS = "batch"


def split_mean(fn: Callable[..., Any], devices: Sequence[Any] | None = None) -> Callable[..., Any]:
    """Return `fn`, computed in equal shares of the batch on `devices` (default: all local ones) and averaged.

    `fn(params, batch, *rest)` returns a scalar or a pytree, every leaf of which is a mean over the leading
    axis that all leaves of `batch` share; `params` and `rest` go to every device whole. Values and
    derivatives are those of `fn` itself, up to rounding. With one device it is `fn`. Randomness that
    differs per example (keys, noise) belongs in the batch. The CPU is two devices after
    `jax.config.update("jax_num_cpu_devices", 2)` at the start of a program. The returned function raises
    `ParameterError` when the batch cannot be shared out equally.
    """
    devices = list(jax.local_devices() if devices is None else devices)
    if len(devices) == 1:
        return fn
    mesh = jax.make_mesh((len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)

    def share(params: Any, batch: Any, *rest: Any) -> Any:
        return jax.tree.map(lambda mean: jax.lax.pmean(mean, AXIS), fn(params, batch, *rest))

    def mean(params: Any, batch: Any, *rest: Any) -> Any:
        _require_equal_shares(batch, len(devices))
        specs = (P(), P(AXIS), *(P() for _ in rest))
        # No check of replication (`check_vma`): a loop that starts from a constant does not pass it, so no
        # simulation would. The derivatives are right without it.
        return jax.shard_map(share, mesh=mesh, in_specs=specs, out_specs=P(), check_vma=False)(
            params, batch, *rest
        )

    return mean


def _require_equal_shares(batch: Any, count: int) -> None:
    sizes = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(batch)}
    if len(sizes) != 1 or sizes == {()}:
        shown = ", ".join(sorted(str(size[0]) if size else "none" for size in sizes)) or "none"
        raise ParameterError(
            f"split_mean: the arrays of the batch must share one leading axis (found {shown}); "
            "what every device needs whole goes into params"
        )
    ((size,),) = sizes
    if size % count:
        near = max(size - size % count, count)
        raise ParameterError(
            f"split_mean: a batch of {size} cannot be shared out equally over {count} devices; "
            f"take {near} or {near + count}"
        )
