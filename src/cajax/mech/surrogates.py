"""Surrogates: what stands for the derivative of "a spike happened" by the voltage, which is zero or infinite in truth.

Every surrogate is the derivative of some smooth step in the voltage; `width` (mV) says how far from the threshold it
still lets gradients pass, once per ms that the voltage spends there. Without a surrogate gradients flow through the
times of spikes only, and are exact.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp

from ..base.checks import number
from ..base.names import on_disk
from ..base.types import Array


@dataclass(frozen=True)
class Surrogate(ABC):
    """The derivative (1/mV) that a spike's existence is given, by the distance of the voltage from the threshold."""

    width: float = 5.0

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        on_disk(cls)

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", number(self.width, "mV", f"{type(self).__name__} width", above=0.0))

    def slope(self, distance: Array) -> Array:
        """Return the derivative at `distance` mV above the threshold (any shape)."""
        return self.shape(distance / self.width) / self.width

    @abstractmethod
    def shape(self, u: Any) -> Any:
        """Return the derivative at `u` widths from the threshold; it is largest at 0."""


@final
class FastSigmoid(Surrogate):
    """1/(1 + |u|)²; Zenke & Ganguli, Neural Comput 30:1514 (2018) (SuperSpike)."""

    def shape(self, u: Any) -> Any:
        return 1.0 / (1.0 + jnp.abs(u)) ** 2


@final
class ArcTan(Surrogate):
    """1/(1 + (πu)²); Fang et al., ICCV (2021)."""

    def shape(self, u: Any) -> Any:
        return 1.0 / (1.0 + (jnp.pi * u) ** 2)


@final
class Triangle(Surrogate):
    """max(0, 1 − |u|); Esser et al., PNAS 113:11441 (2016), Bellec et al. (2018)."""

    def shape(self, u: Any) -> Any:
        return jnp.maximum(0.0, 1.0 - jnp.abs(u))


@final
class Gaussian(Surrogate):
    """exp(−u²/2)/√(2π)."""

    def shape(self, u: Any) -> Any:
        return jnp.exp(-0.5 * u * u) / jnp.sqrt(2.0 * jnp.pi)
