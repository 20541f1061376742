"""How a painted value varies over a cell: `each` place its own, `along` a measure, or by a rule of the user's own.

Recipes and `Free` interpret these values; nothing here knows cells, regions or parameters.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, final, runtime_checkable

import jax.numpy as jnp
import numpy as np

from .checks import numeric
from .errors import ParameterError, unknown
from .names import on_disk
from .objects import optional
from .types import Array, Float, Int

SCOPES = ("cv", "branch", "cell")
"""What can carry a value of its own within a cell, from fine to coarse."""
MEASURED = "measured"
"""In place of a value: a radius or a length starts from what the morphology has."""
EDGE = "edge"
"""The scope of values that differ from edge to edge of a projection."""


@runtime_checkable
class Ground(Protocol):
    """The N control volumes that a value is painted on, as a distribution sees them."""

    @property
    def size(self) -> int:
        """The number N of control volumes."""
        ...

    @property
    def owners(self) -> Mapping[str, np.ndarray]:
        """Scope → the number [N] of the cell, branch or CV that each belongs to, counted from 0."""
        ...

    def measure(self, measure: Any) -> np.ndarray:
        """Return a measure such as `path_distance()` [N]."""
        ...


@final
@dataclass(frozen=True)
class Laid:
    """What a distribution comes to on certain control volumes.

    Either `values`, one number or one per owner of the `scope`, or a function of `measure` [N]: `fn(measure,
    **coefficients)` [N], whose coefficients are trained by name. Where `fn` is a `Selection` they are values of the
    painted parameter itself, with its unit and bounds, and a model that has them can be saved.
    """

    scope: str = "cv"
    values: Any = None
    measure: Any = None
    fn: Callable[..., Any] | None = None
    coefficients: Mapping[str, Any] = field(default_factory=dict)


@final
@on_disk
@dataclass(frozen=True)
class Selection:
    """Of the values given by name, the one that an index [N] into `names` says."""

    names: tuple[str, ...]

    def __call__(self, index: Int[Array, " cv"], **values: Any) -> Float[Array, " cv"]:
        return jnp.stack([jnp.asarray(values[name]) for name in self.names])[index]


class Distribution(ABC):
    """How a painted value varies over a cell. Subclass it for a rule of your own, and paint it like a number."""

    @abstractmethod
    def over(self, ground: Ground) -> Laid:
        """Return what the value comes to on the control volumes of `ground`."""

    @optional
    def converted(self, convert: Callable[[Any], Any]) -> "Distribution":
        """Return the distribution with its plain values converted and checked; those of `over` are checked again."""
        return self


@final
@dataclass(frozen=True)
class Each(Distribution):
    """One value per `scope` ("cv", "branch" or "cell"), all starting from `x`.

    In a recipe `x` is a number, an array or text with a unit; in `Free` it is a bijection.
    """

    scope: str
    x: Any

    def __post_init__(self) -> None:
        if not isinstance(self.scope, str) or self.scope not in (*SCOPES, EDGE):
            raise unknown("scope", self.scope, (*SCOPES, EDGE), "each(place, …)")
        if isinstance(self.x, Distribution):
            raise ParameterError(
                f"each('{self.scope}', ...) cannot hold another each or along; give it a plain value"
            )

    def over(self, ground: Ground) -> Laid:
        return Laid(self.scope, self.x)

    def converted(self, convert: Callable[[Any], Any]) -> "Each":
        return Each(self.scope, convert(self.x))


@final
@dataclass(frozen=True)
class Along(Distribution):
    """The value `fn(measure, **coefficients)` at every control volume.

    `measure` is a lazy measure such as `path_distance()`; `fn` takes its values `[N]` and the coefficients
    (numbers, trainable by name) and returns the parameter `[N]`. It must be made of `jax.numpy` operations
    to be trainable.
    """

    measure: Any
    fn: Callable[..., Any]
    coefficients: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not callable(self.fn):
            raise ParameterError(
                f"along(measure, fn): fn is a {type(self.fn).__name__}, not a function; "
                "write for example along(path_distance(), lambda x, slope: 0.01 + slope * x, slope=1e-5)"
            )
        for name, x in self.coefficients.items():
            if not isinstance(x, str):  # text is converted where the path is known
                numeric(x, f"along: the coefficient {name}")
        object.__setattr__(self, "coefficients", dict(self.coefficients))

    def over(self, ground: Ground) -> Laid:
        return Laid(measure=ground.measure(self.measure), fn=self.fn, coefficients=self.coefficients)


def each(place: str, x: Any) -> Each:
    """Give every "cv", "branch" or "cell" a value of its own, starting from `x`.

    Raises `UnknownNameError` for another place.
    """
    return Each(place, x)


def along(measure: Any, fn: Callable[..., Any], /, **coefficients: Any) -> Along:
    """Grade a value over the cell: `fn(measure values, **coefficients)` at every control volume.

    Raises `ParameterError` when `fn` is not a function.
    """
    return Along(measure, fn, coefficients)
