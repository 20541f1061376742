"""Gradient transformations that Optax does not have."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from ..base.errors import ParameterError, unknown
from ..base.types import Array, Float
from .free import matching

if TYPE_CHECKING:
    import optax


def scale_by_norm_power(beta: float) -> "optax.GradientTransformation":
    """Replace the gradient g by g / ‖g‖**beta, over all parameters together; chain it before the optimizer.

    `beta=0` changes nothing, `beta=1` keeps only the direction; between them, cliffs and plateaus of a
    voltage loss are evened out (Deistler et al., Nature Methods 2025). A zero gradient stays zero.
    Raises `ParameterError` for `beta` outside [0, 1].
    """
    import optax

    if not 0.0 <= beta <= 1.0:
        raise ParameterError(
            f"scale_by_norm_power({beta}): beta lies between 0 (no change) and 1 (direction only)"
        )

    def scale(grads: Any, params: Any = None) -> Any:
        norm = global_norm(grads)
        factor = jnp.where(norm > 0.0, jnp.where(norm > 0.0, norm, 1.0) ** -beta, 0.0)
        return jax.tree.map(lambda g: g * factor.astype(g.dtype), grads)

    return optax.stateless(scale)


def annealed_adam(
    rate: float,
    steps: int,
    last: float = 0.0,
    *,
    wait: float = 0.0,
    clip: float | None = None,
    norm_power: float | None = None,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> "optax.GradientTransformation":
    """Adam whose rate falls from `rate` to the share `last` of it along a cosine over `steps` steps.

    The rate is zero during the share `wait` of the steps. Before Adam, the gradient's norm is evened out with the power
    `norm_power` (`scale_by_norm_power`) and clipped to `clip`.
    """
    import optax

    cosine: Any = optax.cosine_decay_schedule(rate, max(1, steps), last)

    def waiting(step: Any) -> Any:
        return jnp.where(step < wait * steps, 0.0, cosine(step))

    parts = [
        *([] if norm_power is None else [scale_by_norm_power(norm_power)]),
        *([] if clip is None else [optax.clip_by_global_norm(clip)]),
        optax.adam(waiting if wait else cosine, b2=b2, eps=eps),
    ]
    return optax.chain(*parts) if len(parts) > 1 else parts[0]


def by_glob(optimizers: "Mapping[str, optax.GradientTransformation]") -> "optax.GradientTransformation":
    """Give groups of parameters an optimizer each: glob over paths → optimizer, as in `Free`; the last match wins.

    What couples parameters (a global norm) sees its own group only; chain it before. Raises `ParameterError` for a path
    that no glob matches, and for a glob that matches none.
    """
    import optax

    def labels(theta: Any) -> dict[str, str]:
        chosen: dict[str, str] = {}
        for glob in optimizers:
            paths = matching(glob, theta)
            if not paths:
                raise unknown("parameter", glob, theta)
            chosen.update(dict.fromkeys(paths, glob))
        left = next((path for path in theta if path not in chosen), None)
        if left is not None:
            raise ParameterError(f"by_glob: no optimizer for '{left}'; add one for '*', first")
        return chosen

    return optax.partition({**optimizers}, labels)


def global_norm(tree: Any) -> Float[Array, ""]:
    """Euclidean norm over all leaves, without overflow or underflow of the squares; zero for no leaves."""
    leaves = jax.tree.leaves(tree)
    if not leaves:
        return jnp.zeros(())
    peak = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf), initial=0.0) for leaf in leaves]))
    safe = jnp.where((peak > 0.0) & jnp.isfinite(peak), peak, 1.0)
    return safe * jnp.sqrt(sum(jnp.sum(jnp.square(leaf / safe)) for leaf in leaves))
