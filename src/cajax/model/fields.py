"""Fields: how one parameter of a mechanism is put together, entry by entry, from what was painted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from ..base.names import on_disk
from ..base.types import Array, Float

SHARED = "shared"
"""The scope of one value for all entries."""
ALONG = "along"
"""The scope of a function of a measure."""


@final
@on_disk
@dataclass(frozen=True)
class Address:
    """What a painted value belongs to: the `field` of the mechanism `name` on the region `label` of a population.

    A property has no fields, a lone cell no population to name: "".
    """

    population: str
    label: str
    name: str
    field: str = ""

    @property
    def path(self) -> str:
        """The path of its parameter."""
        return ".".join(word for word in (self.population, self.label, self.name, self.field) if word)


@final
@on_disk
@dataclass(frozen=True, eq=False)
class Painted:
    """One painted value and the entries of its field that it fills.

    `scope` says what has a value of its own: `SHARED` (one scalar), "cell", "branch", "cv", or `ALONG`. `where` are the
    entries filled; `owners[scope]` numbers, per entry, the cell, branch or CV it belongs to. Along a measure the value
    is `fn(measure, **coefficients)`, a parameter per coefficient.
    """

    address: Address
    scope: str
    where: np.ndarray
    owners: Mapping[str, np.ndarray]
    measure: np.ndarray | None = None
    fn: Callable[..., Any] | None = None
    coefficients: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The path of its parameter."""
        return self.address.path

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of its parameters."""
        return tuple(f"{self.path}.{c}" for c in self.coefficients) or (self.path,)

    def width(self, scope: str) -> int:
        """Return how many cells, branches or CVs it covers."""
        return int(self.owners[scope].max()) + 1

    def values(self, params: Mapping[str, Array]) -> tuple[Array, np.ndarray]:
        """Return the distinct values `[value]` and, per entry of `where`, which of them applies."""
        if self.fn is not None:
            coefficients = {c: params[p] for c, p in zip(self.coefficients, self.paths, strict=True)}
            values = jnp.asarray(self.fn(jnp.asarray(self.measure), **coefficients))
            return jnp.broadcast_to(values, (len(self.where),)), np.arange(len(self.where))
        value = params[self.path]
        if self.scope == SHARED:
            return value[None], np.zeros(len(self.where), int)
        return value, self.owners[self.scope]


@final
@on_disk
@dataclass(frozen=True, eq=False)
class Field:
    """How one field of a mechanism is put together from what was painted: a scalar, or an array `[size]`.

    `base` [size] holds where nothing is painted; without it the paints fill every entry.
    """

    size: int
    painted: tuple[Painted, ...]
    base: np.ndarray | None = None

    def assemble(self, params: Mapping[str, Array]) -> Float[Array, "..."]:
        """Return the field: the scalar itself where one value is shared by all entries, else one gather.

        With the distinct values of all paints (and the base) joined to one vector u, the field is u[index]: its
        transpose, a scatter-add, sums the gradient of every entry into the value that it came from.
        """
        if len(self.painted) == 1 and self.painted[0].scope == SHARED and self.base is None:
            return params[self.painted[0].path]
        index = np.zeros(self.size, int)
        parts, start = [], 0
        if self.base is not None:
            index = np.arange(self.size)
            parts, start = [jnp.asarray(self.base, params[self.painted[0].paths[0]].dtype)], self.size
        for painted in self.painted:
            values, which = painted.values(params)
            index[painted.where] = start + which
            parts.append(values)
            start += values.shape[0]
        joined = jnp.concatenate(parts)
        return joined if np.array_equal(index, np.arange(start)) else joined[index]
