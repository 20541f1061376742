"""Lowerings of the loop: the native machine on the CPU where it can, the reference elsewhere."""

from typing import Any

import jax.numpy as jnp
from jax.interpreters import mlir

from . import executor
from .build import ADJOINT, FORWARD, STORING
from .loop import Loop
from .primitive import (
    TOKEN,
    Flags,
    adjoint_p,
    loop_p,
    reference,
    reference_cotangents,
    reference_tangents,
    tangent_p,
)  # fmt: skip


def _loop_reference(
    *xs: Any, loop: Loop, lanes: int | None, flags: Flags, nonzero: Flags, keep: bool
) -> list[Any]:
    found = reference(loop, lanes, flags)(*xs)
    return [*found, jnp.zeros(TOKEN, jnp.uint8)] if keep else found


def _loop_native(
    context: Any, *xs: Any, loop: Loop, lanes: int | None, flags: Flags, nonzero: Flags, keep: bool
) -> Any:
    number = executor.program(loop, lanes, flags, STORING if keep else FORWARD, nonzero)
    if number is None:
        params = {"loop": loop, "lanes": lanes, "flags": flags, "nonzero": nonzero, "keep": keep}
        return mlir.lower_fun(_loop_reference, multiple_results=True)(context, *xs, **params)
    return executor.call(context, xs, number, loop)


def _adjoint_native(
    context: Any, residual: Any, *xs: Any, loop: Loop, lanes: int | None, flags: Flags, nonzero: Flags,
    per_lane: bool,
) -> Any:  # fmt: skip
    number = executor.program(loop, lanes, flags, ADJOINT, nonzero, per_lane)
    if number is None:
        params = {"loop": loop, "lanes": lanes, "flags": flags, "nonzero": nonzero, "per_lane": per_lane}
        return mlir.lower_fun(reference_cotangents, multiple_results=True)(context, residual, *xs, **params)
    # Thetas, states and what was kept, then the cotangents.
    count = loop.n_theta + loop.n_state
    return executor.call(_reordered(context, count), [*xs[:count], residual, *xs[count:]], number, loop)


def _reordered(context: Any, count: int) -> Any:
    residual, *avals = context.avals_in
    return context.replace(avals_in=[*avals[:count], residual, *avals[count:]])


mlir.register_lowering(loop_p, mlir.lower_fun(_loop_reference, multiple_results=True))
mlir.register_lowering(tangent_p, mlir.lower_fun(reference_tangents, multiple_results=True))
mlir.register_lowering(adjoint_p, mlir.lower_fun(reference_cotangents, multiple_results=True))
mlir.register_lowering(loop_p, _loop_native, platform="cpu")
mlir.register_lowering(adjoint_p, _adjoint_native, platform="cpu")
