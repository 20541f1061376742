"""What the two JAX engines share: how voltages become a forward and a gradient program, on one device or several."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from wire import Run

Voltages = Callable[[Any, jax.Array], jax.Array]  # (params, amps [batch, …]) → [batch, time, …]
Split = Callable[[Callable[..., Any]], Callable[..., Any]]


def split_mean(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return `fn(params, batch)`, a mean over the batch, computed in equal shares on all devices."""
    mesh = jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Auto,))

    def share(params: Any, batch: Any) -> Any:
        return jax.tree.map(lambda mean: jax.lax.pmean(mean, "batch"), fn(params, batch))

    return jax.shard_map(share, mesh=mesh, in_specs=(P(), P("batch")), out_specs=P(), check_vma=False)


def batched(one: Voltages, run: Run) -> Voltages:
    """Return the voltages of a batch of amplitudes; a batch of one runs without `vmap`."""

    def voltages(params: Any, amps: jax.Array) -> jax.Array:
        if run.sets:
            return jax.vmap(one)(params, amps)
        return one(params, amps[0])[None] if len(amps) == 1 else jax.vmap(one, (None, 0))(params, amps)

    return voltages


def program(
    voltages: Voltages,
    params: Any,
    amps: np.ndarray,
    run: Run,
    named: Callable[[Any], Mapping[str, Any]],
    split: Split = split_mean,
) -> Callable[[], np.ndarray]:
    """Return the compiled program of `run`; `named` puts a gradient into the common order of arrays."""
    drive = jnp.asarray(amps)
    if run.sets:
        spread = np.random.default_rng(0).uniform(0.9, 1.1, len(amps))
        params = jax.tree.map(lambda x: jnp.stack([x * float(k) for k in spread]), params)

    def loss(params: Any, amps: jax.Array) -> jax.Array:
        return jnp.mean((voltages(params, amps) + 60.0) ** 2)

    shared = jax.device_count() > 1 and len(amps) > 1
    if run.what == "forward" and not shared:
        forward = jax.jit(voltages)
        return lambda: _lanes(np.asarray(forward(params, drive)))
    mean = split(loss) if shared else loss
    compiled = jax.jit(mean if run.what == "forward" else jax.grad(mean))
    if run.what == "forward":
        return lambda: np.asarray(compiled(params, drive))[None]
    return lambda: np.concatenate([np.ravel(x) for x in named(compiled(params, drive)).values()])


def _lanes(v: np.ndarray) -> np.ndarray:
    """Return voltages [batch, time] or, of a network, [batch, time, cell] as [lane, time]."""
    return v if v.ndim == 2 else np.moveaxis(v, 2, 1).reshape(-1, v.shape[1])
