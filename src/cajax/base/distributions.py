"""How a painted value varies over a cell, as plain data: `each` place its own, or `along` a measure.

Recipes and `Free` interpret these values; nothing here knows cells, regions or parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

from .errors import ParameterError, unknown

PLACES = ("cv", "branch", "cell")
"""The parts of a cell that can carry a value of their own, from fine to coarse."""
MEASURED = "measured"
"""In place of a value: a radius or a length starts from what the morphology has."""
EDGE = "edge"
"""The place of weights that differ from edge to edge of a projection."""


@final
@dataclass(frozen=True)
class Each:
    """One value per `place` ("cv", "branch" or "cell"), all starting from `x`.

    In a recipe `x` is a number, an array or text with a unit; in `Free` it is a bijection.
    """

    place: str
    x: Any

    def __post_init__(self) -> None:
        if self.place not in (*PLACES, EDGE):
            raise unknown("place", str(self.place), (*PLACES, EDGE), f"each({self.place!r}, ...)")
        if isinstance(self.x, Each | Along):
            raise ParameterError(
                f"each('{self.place}', ...) cannot hold another each or along; give it a plain value"
            )


@final
@dataclass(frozen=True)
class Along:
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
        object.__setattr__(self, "coefficients", dict(self.coefficients))


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
