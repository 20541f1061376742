"""Events between samples: the top of a parabola, the crossing of a level, and how eFEL's values get their derivatives.

The index of an event is found by a search and has no derivative. What moves the event within its samples has: by the
implicit-function theorem the time t of v(t, p) = c moves by −(dv/dp)/(dv/dt), and that of an extreme by
−(d²v/dt dp)/(d²v/dt²). A parabola through three samples, or a line through two, puts the event between samples as a
smooth function of these, and automatic differentiation does the rest; the value at an extreme follows dv/dp alone.
"""

from typing import Any, NamedTuple, final

import jax.numpy as jnp
from jax import lax

from ...base.types import Array, Bool, Float, Int


@final
class Event(NamedTuple):
    """Something that happens once per spike, at `t` ms and `v` mV [spike], where `found`; else both mean nothing."""

    t: Float[Array, "spike"]
    v: Float[Array, "spike"]
    found: Bool[Array, "spike"]


def divided(a: Array, b: Array, fine: Array) -> Array:
    """Return a / b where that is `fine`; elsewhere `a`, with derivatives that are finite."""
    return a / jnp.where(fine, b, 1.0)


def attached(value: Array, smooth: Array, exact: bool) -> Array:
    """Return eFEL's `value` with the derivatives of the `smooth` one, or that one itself where values are `exact`."""
    return smooth if exact else lax.stop_gradient(value) + (smooth - lax.stop_gradient(smooth))


def samples(x: Float[Array, "sample"], *places: tuple[Int[Array, "spike"], int]) -> list[Array]:
    """Return samples [spike] from each index on, as many as it says; past the ends, the sample there.

    All are fetched at once.
    """
    index = jnp.stack([start + k for start, count in places for k in range(count)])
    found = x.at[jnp.clip(index, 0, len(x) - 1)].get(mode="promise_in_bounds")
    ends = [sum(count for _, count in places[: k + 1]) for k in range(len(places))]
    return [found[end - count : end] for (_, count), end in zip(places, ends, strict=True)]


def later(x: Array, by: int = 1, fill: Any = 0) -> Array:
    """Return an array [spike] whose entries are those `by` places further on, `fill` past the end."""
    return lax.pad(x, jnp.asarray(fill, x.dtype), [(-by, by, 0)])


def vertex(three: Array) -> tuple[Array, Array]:
    """Return how many samples after the middle one of three a parabola through them has its extreme, and its value.

    Where they lie on a line, or the extreme is more than a sample away, both are those of the middle one.
    """
    slope, bend = 0.5 * (three[2] - three[0]), three[2] - 2.0 * three[1] + three[0]
    fine = jnp.abs(bend) > jnp.abs(slope)
    late = jnp.where(fine, -divided(slope, bend, fine), 0.0)
    return late, three[1] + 0.5 * slope * late


def crossing(two: Array, level: Array | float) -> Array:
    """Return how far from the first to the second of two samples a level is crossed; 1 where they are equal."""
    fine = two[0] != two[1]
    return jnp.where(fine, divided(level - two[0], two[1] - two[0], fine), 1.0)
