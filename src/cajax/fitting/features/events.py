"""Events between samples: where a trace has an extreme or passes a level, and how eFEL's values get their derivatives.

The sample of an event is found by a search and has no derivative. What moves the event is: by the implicit-function
theorem the time t of v(t, p) = c moves by −(dv/dp)/(dv/dt), and that of an extreme by −(d²v/dt dp)/(d²v/dt²); the
value at an extreme follows dv/dp alone (the envelope theorem). All are taken of a polynomial through seven samples of
the trace as it was sampled or simulated: on eFEL's clock of 0.1 ms a spike is too coarse, and a parabola through three
of its samples changes with where they happen to lie, by more than with the parameter.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax.numpy as jnp
import numpy as np
from jax import lax

from ...base.types import Array, Bool, Float, Int

REACH = 3
"""Samples on either side of an event through which the polynomial goes."""

_NODES = np.arange(-REACH, REACH + 1)
_POWERS = np.linalg.inv(np.vander(_NODES, increasing=True).astype(float))  # [power, sample]
_STEPS = 4  # of Newton's method; from a line or a parabola on the clock, two are mostly enough


@final
class Event(NamedTuple):
    """Something that happens once per spike, at `t` ms and `v` mV [spike], where `found`; else both mean nothing."""

    t: Float[Array, "spike"]
    v: Float[Array, "spike"]
    found: Bool[Array, "spike"]


@final
class Signal(NamedTuple):
    """A trace `v` [sample] as it was sampled from `start` ms on, `stride` samples in a step of `step` ms."""

    v: Array
    stride: int
    step: float
    start: Array

    def voltage(self, index: Array) -> Array:
        """Return v (mV) at samples; past the ends, that at the ends."""
        return self.v.at[jnp.clip(index, 0, len(self.v) - 1)].get(mode="promise_in_bounds")

    def slope(self, index: Array) -> Array:
        """Return dv/dt (mV/ms) at samples, by central differences over a step of the clock on either side, as eFEL."""
        return (self.voltage(index + self.stride) - self.voltage(index - self.stride)) / (2.0 * self.step)

    def time(self, position: Array) -> Array:
        """Return the time (ms) of a position, in samples."""
        return self.start + self.step / self.stride * position


def powers(value: Callable[[Array], Array], middle: Int[Array, "..."]) -> Float[Array, "power ..."]:
    """Return the coefficients of the polynomial through a value of a signal, in samples after the middle one."""
    index = middle[None] + jnp.asarray(_NODES, np.int32).reshape(-1, *[1] * middle.ndim)
    found = value(index)
    return jnp.tensordot(jnp.asarray(_POWERS, found.dtype), found, 1, precision="highest")


def polynomial(curve: Array, x: Array, order: int = 0) -> Array:
    """Return a polynomial with coefficients `curve` [power, ...] at `x`, or its derivative of an order."""
    total = jnp.zeros_like(x)
    for k in range(len(_NODES) - 1, order - 1, -1):
        total = total * x + float(np.prod(np.arange(k - order + 1, k + 1))) * curve[k]
    return total


def extreme(value: Callable[[Array], Array], stride: int, index: Array, sign: Array) -> tuple[Array, Array]:
    """Return where, in samples, a value of a signal is largest (`sign` −1: least) near a sample of the clock, and it.

    `index` [...] are samples of the clock, of which one has `stride` samples of the signal. Where there is no extreme
    next to the largest sample, that is it, and its time has no derivative.
    """
    beside = (index * stride)[None] + _range(-stride, stride, index)
    near = lax.stop_gradient(value(beside)) * sign[None]
    middle = jnp.take_along_axis(beside, near.argmax(0)[None], 0)[0]
    curve = powers(value, middle)
    late, fine = _root(curve, jnp.zeros(index.shape, curve.dtype), 1, 0.0)
    moved = polynomial(curve, late, 1) / _held(polynomial(curve, late, 2), fine)
    return middle + late - _moved(moved, fine), polynomial(curve, late)


def passing(
    value: Callable[[Array], Array], stride: int, index: Array, level: Array
) -> tuple[Array, Int[Array, "..."], Bool[Array, "..."]]:
    """Return how many samples after which sample a value of a signal passes a level, and whether it does.

    It is looked for between samples of the clock and those before. Where it does not, the former is it.
    """
    beside = (index * stride)[None] + _range(-stride, 0, index)
    near, held = lax.stop_gradient(value(beside)), lax.stop_gradient(level)[None]
    beyond = jnp.where((near[-1] > near[0])[None], near >= held, near <= held)
    first = beyond.argmax(0)[None]
    passes = (first[0] > 0) & (near[-1] != near[0])
    first = jnp.where(passes[None], first, stride)
    two = [jnp.take_along_axis(near, k, 0)[0] for k in (first - 1, first)]
    middle = jnp.take_along_axis(beside, first, 0)[0]
    curve = powers(value, middle)
    guess = jnp.where(passes, crossing(jnp.stack(two), held[0]) - 1.0, 0.0)
    late, fine = _root(curve, guess, 0, held[0])
    moved = (polynomial(curve, late) - level) / _held(polynomial(curve, late, 1), fine & passes)
    return late - _moved(moved, fine & passes), middle, passes


def _range(first: int, last: int, index: Array) -> Array:
    return jnp.arange(first, last + 1, dtype=np.int32).reshape(-1, *[1] * index.ndim)


def _root(curve: Array, guess: Array, order: int, level: Array | float) -> tuple[Array, Array]:
    """Return where a derivative of the polynomial equals a level, by Newton's method, and whether it was found."""
    curve, late = lax.stop_gradient(curve), guess
    change = jnp.zeros_like(guess)
    for _ in range(_STEPS):
        slope = polynomial(curve, late, order + 1)
        change = divided(polynomial(curve, late, order) - level, slope, slope != 0.0)
        late = jnp.clip(late - change, guess - 1.0, guess + 1.0)
    close = 1e-3 if jnp.finfo(guess.dtype).bits <= 32 else 1e-6
    fine = (jnp.abs(change) < close) & (polynomial(curve, late, order + 1) != 0.0)
    return jnp.where(fine, late, guess), fine


def _moved(x: Array, fine: Array) -> Array:
    """Return zero, with the derivative of `x` where that is `fine`."""
    return jnp.where(fine, x - lax.stop_gradient(x), 0.0)


def _held(x: Array, fine: Array) -> Array:
    return jnp.where(fine, lax.stop_gradient(x), 1.0)


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
