"""Bijections: from the unconstrained numbers an optimizer moves to parameters inside their range, and back."""

from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..base.checks import number
from ..base.errors import ParameterError
from ..base.types import Array, Float


@runtime_checkable
class Bijection(Protocol):
    """Any pair of inverse, differentiable, elementwise maps, with the open range of `forward`."""

    @property
    def range(self) -> tuple[float, float]:
        """The open interval that `forward` maps onto."""
        ...

    def forward(self, theta: Float[Array, "..."]) -> Float[Array, "..."]:
        """Map unconstrained numbers to values in the range."""
        ...

    def inverse(self, value: Float[Array, "..."], name: str = "value") -> Float[Array, "..."]:
        """Map values to unconstrained numbers; `ParameterError`, naming `name`, for one outside the range."""
        ...


@final
@dataclass(frozen=True)
class Bounded:
    """`lo + (hi - lo) * sigmoid(theta)`."""

    lo: float
    hi: float

    def __post_init__(self) -> None:
        for name in ("lo", "hi"):
            object.__setattr__(self, name, number(getattr(self, name), "1", f"bounded {name}"))
        if not self.lo < self.hi:
            raise ParameterError(
                f"bounded({self.lo}, {self.hi}): two finite numbers are needed, the lower one first"
            )

    @property
    def range(self) -> tuple[float, float]:
        return self.lo, self.hi

    def forward(self, theta: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.lo + (self.hi - self.lo) * jax.nn.sigmoid(theta)

    def inverse(self, value: Float[Array, "..."], name: str = "value") -> Float[Array, "..."]:
        value = jnp.asarray(value)
        _require(
            value,
            (value >= self.lo) & (value <= self.hi),
            self.range,
            f"bounded({self.lo:g}, {self.hi:g})",
            name,
        )
        # A value on the bound itself (trained, then rounded) goes to the nearest one that has a gradient.
        least = float(jnp.finfo(value.dtype).eps) * (self.hi - self.lo)
        return jnp.log(jnp.maximum(value - self.lo, least)) - jnp.log(jnp.maximum(self.hi - value, least))


@final
@dataclass(frozen=True)
class Positive:
    """`exp(theta)`: equal steps of theta are equal relative steps of the value."""

    @property
    def range(self) -> tuple[float, float]:
        return 0.0, float("inf")

    def forward(self, theta: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.exp(theta)

    def inverse(self, value: Float[Array, "..."], name: str = "value") -> Float[Array, "..."]:
        value = jnp.asarray(value)
        _require(value, (value > 0.0) & (value < jnp.inf), self.range, "positive()", name)
        return jnp.log(value)


@final
@dataclass(frozen=True)
class Unbounded:
    """`scale * theta`, where `scale` is the size of a sensible change."""

    scale: float = 1.0

    def __post_init__(self) -> None:
        scale = number(self.scale, "1", "unbounded scale (the size of a change)", above=0.0)
        object.__setattr__(self, "scale", scale)

    @property
    def range(self) -> tuple[float, float]:
        return -float("inf"), float("inf")

    def forward(self, theta: Float[Array, "..."]) -> Float[Array, "..."]:
        return self.scale * theta

    def inverse(self, value: Float[Array, "..."], name: str = "value") -> Float[Array, "..."]:
        value = jnp.asarray(value)
        _require(value, jnp.isfinite(value), self.range, "unbounded()", name)
        return value / self.scale


def bounded(lo: float, hi: float) -> Bounded:
    """Keep a parameter strictly between `lo` and `hi` (in its own unit) by a sigmoid."""
    return Bounded(lo, hi)


def positive() -> Positive:
    """Keep a parameter above zero and train its logarithm."""
    return Positive()


def unbounded(scale: float = 1.0) -> Unbounded:
    """Let a parameter take any value; `scale` (in its unit) is the size of a sensible change."""
    return Unbounded(scale)


def _require(value: Array, inside: Array, limits: tuple[float, float], written: str, name: str) -> None:
    # Under a trace there is no value to look at; `Free.init` is called on concrete models.
    if isinstance(inside, Tracer) or bool(inside.all()):
        return
    wrong: Any = np.asarray(value)[~np.asarray(inside)]
    count = f" ({wrong.size} of {value.size} values are)" if value.size > 1 else ""
    raise ParameterError(
        f"{name} = {wrong.flat[0]:g} is outside the range ({limits[0]:g}, {limits[1]:g}) of {written}{count}"
        "; start inside it or widen it"
    )
