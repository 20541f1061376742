"""Gates: where a gate is heading, how fast, and the exact step on the way; and the rates they are made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

from ..base.checks import broadcast, divides, number
from ..base.types import Array, ArrayLike
from .kinetics import Kinetics, States


@final
class Gate(Kinetics):
    """First-order kinetics dx/dt = rate · (inf − x) of one gate at a fixed voltage.

    `inf` is the steady state (no unit), `rate` the inverse time constant (1/ms); shaped like the voltage.
    """

    inf: Array
    rate: Array

    @staticmethod
    def rates(a: Array, b: Array) -> "Gate":
        """Gate that opens with rate `a` and closes with rate `b` (1/ms, a + b > 0)."""
        broadcast("Gate.rates", a=a, b=b)
        rate = divides(a + b, "Gate.rates: a + b")
        return Gate(a / rate, rate)

    @staticmethod
    def relax(inf: Array, tau: Array) -> "Gate":
        """Gate that relaxes to `inf` with time constant `tau` (ms, > 0)."""
        broadcast("Gate.relax", inf=inf, tau=tau)
        return Gate(inf, 1.0 / divides(tau, "Gate.relax tau"))

    def names(self, own: str) -> tuple[str, ...]:
        return (own,)

    def rest(self, own: str) -> States:
        return {own: self.inf}

    def advance(self, own: str, now: States, dt: Any, order: int) -> States:
        return {own: self.step(now[own], dt)}

    def scaled(self, factor: Any) -> "Gate":
        """Return the gate with its rate times `factor`, as a temperature does; the steady state stays."""
        return self if isinstance(factor, float) and factor == 1.0 else Gate(self.inf, self.rate * factor)

    def step(self, x: Array, dt: Any) -> Array:
        """Return the gate `dt` ms after it was `x`: exact for a voltage that stands still."""
        return self.inf + (x - self.inf) * jnp.exp(-dt * self.rate)


@final
@dataclass(frozen=True)
class Q10:
    """All gates of a channel run `factor` times faster per 10 °C above `at` (°C), where its rates hold."""

    factor: float
    at: float

    def __post_init__(self):
        object.__setattr__(self, "factor", number(self.factor, "1", "Q10 factor", above=0.0))
        object.__setattr__(self, "at", number(self.at, "degC", "Q10 at", above=-273.15))

    def __call__(self, celsius: Any) -> Any:
        """Return the factor on every rate at `celsius` (°C): 1 at the reference temperature."""
        return self.factor ** ((celsius - self.at) / 10.0)


# z/(exp(z) − 1) = 1 − z/2 + Σ c_k z^2k with c_k = B_2k/(2k)! (Bernoulli numbers), k = 1, 2, …
_EARLY = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600)  # enough for float32
_SERIES = (*_EARLY, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600, -3617 / 10670622842880000)


@jax.custom_jvp
def trap(z: Array, exp_z: Array) -> Array:
    """Return z/(exp(z) − 1) from z and exp(z), for rates that share one exponential; see `vtrap`."""
    near, small, denominator = _branches(z, exp_z)
    square = small * small
    series = _polynomial(square, _terms(z))
    return jnp.where(near, series * square - 0.5 * small + 1.0, z / denominator)


@trap.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    # The derivative of the series is a series: to run back through the sum itself costs three times as much.
    z, exp_z = primals
    near, small, denominator = _branches(z, exp_z)
    value = trap(z, exp_z)
    slope = small * _polynomial(small * small, [2.0 * k * c for k, c in enumerate(_terms(z), 1)]) - 0.5
    inverse = 1.0 / denominator
    by_z, by_exp = jnp.where(near, slope, inverse), jnp.where(near, 0.0, -value * inverse)
    return value, by_z * tangents[0] + by_exp * tangents[1]


def _branches(z: Array, exp_z: Array) -> tuple[Array, Array, Array]:
    """Return where z is near 0, z there and exp(z) − 1 elsewhere.

    Each is finite where it is not wanted: else its derivative would be NaN, and 0 times that is NaN again.
    """
    near = jnp.abs(z) < 0.5
    return near, jnp.where(near, z, 0.0), jnp.where(near, 1.0, exp_z - 1.0)


def _terms(z: Array) -> tuple[float, ...]:
    return _EARLY if jnp.finfo(z.dtype).bits <= 32 else _SERIES


def _polynomial(x: Array, terms: Sequence[float]) -> Array:
    total = jnp.full_like(x, terms[-1])
    for c in terms[-2::-1]:
        total = total * x + c
    return total


def vtrap(x: ArrayLike, y: ArrayLike) -> Array:
    """Return x/(exp(x/y) − 1), in the unit of `x`, smooth through the 0/0 at x = 0, where it equals `y`.

    The linear-exponential rate of Hodgkin–Huxley models: `a = 0.032 * vtrap(-(v - vt - 15), 5)`. `x` has any
    shape, `y` broadcasts. Value and derivatives are finite for every finite x/y, in float32 and float64.
    """
    broadcast("vtrap", x=x, y=y)
    z = jnp.divide(x, y)
    # Beyond this the result is 0 to all digits; held there, exp and its derivatives stay finite.
    z = jnp.minimum(z, math.log(float(jnp.finfo(z.dtype).max)) - 3.0)
    return jnp.multiply(y, trap(z, jnp.exp(z)))


# sinh(x)/x = Σ x^2k/(2k + 1)!
_SINHC = tuple(1.0 / math.factorial(2 * k + 1) for k in range(9))


def exp_difference(a: ArrayLike, b: ArrayLike) -> Array:
    """Return (exp(−a) − exp(−b))/(b − a), smooth through a = b, where it is exp(−a).

    What a state that decays by exp(−b) has fed into one that decays by exp(−a). Symmetric; `a`, `b` >= 0, no unit. With
    m = (a + b)/2 and x = (b − a)/2 it is exp(−m) sinh(x)/x, and near 0 the series of sinh(x)/x.
    """
    x = jnp.asarray(0.5 * jnp.subtract(b, a))
    near = jnp.abs(x) < 0.5
    small, gap = jnp.where(near, x, 0.0), jnp.where(near, 1.0, 2.0 * x)
    square, series = small * small, _SINHC[-1]
    for c in _SINHC[-2::-1]:
        series = series * square + c
    middle = jnp.exp(-0.5 * jnp.add(a, b))
    return jnp.where(near, middle * series, (jnp.exp(jnp.negative(a)) - jnp.exp(jnp.negative(b))) / gap)
