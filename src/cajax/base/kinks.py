"""Functions with kinks, whose derivatives follow central differences and the limit of short time steps.

At a kink the derivative of what was computed is a convention, and people put their numbers there: on multiples of dt,
on a bound. Rounding must not decide it.
"""

from typing import Any

import jax
import jax.numpy as jnp

from .types import Array


@jax.custom_jvp
def ramp(x: Array) -> Array:
    """Return `x` held within 0 and 1.

    Its derivative is that of a central difference over a small share of the way: half at the kinks, from whichever side
    rounding has moved `x`. The derivatives of `ramp(x)` and `ramp(x + 1)` add up to 1 everywhere between, so that of
    two neighbouring steps, each with its share of a current, neither is lost and none counts twice.
    """
    return jnp.clip(x, 0.0, 1.0)


@ramp.defjvp
def _ramp_jvp(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    # What a time in steps is rounded by in a long run: a thousandth of a step, in single precision a few hundredths.
    width = 0.05 if jnp.finfo(x.dtype).bits <= 32 else 1e-3
    rising = jnp.clip(0.5 + 0.5 * x / width, 0.0, 1.0)
    falling = jnp.clip(0.5 + 0.5 * (x - 1.0) / width, 0.0, 1.0)
    return ramp(x), jax.lax.stop_gradient(rising - falling) * tangent


def bounded(x: Array, lo: Any, hi: Any) -> Array:
    """Return `x` held within the bounds, with the derivatives from inside where it lies on one.

    A state that is held at every step keeps its derivative, where `clip` would halve it each time.
    """
    return jnp.where(x > hi, hi, jnp.where(x < lo, lo, x))


def rounded_into(x: Array, lo: Any, hi: Any) -> Array:
    """Return `x`, which only rounding can have moved out of the bounds, within them, with the derivative of `x`."""
    return x + jax.lax.stop_gradient(jnp.clip(x, lo, hi) - x)
