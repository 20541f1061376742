"""Fields: how one parameter of a mechanism is put together, entry by entry, from what was painted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..base.types import Array, Float


@dataclass(frozen=True, eq=False)
class Source:
    """One painted value and the entries of its field that it fills.

    `place` is "shared" (one scalar), one of `PLACES`, or "along" (a function of a measure).
    `where` are the entries filled; `units[place]` numbers, per entry, the cell, branch or CV it belongs to.
    """

    path: str
    place: str
    where: np.ndarray
    units: Mapping[str, np.ndarray]
    measure: np.ndarray | None = None
    fn: Any = None
    coefficients: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(f"{self.path}.{c}" for c in self.coefficients) or (self.path,)

    def width(self, place: str) -> int:
        return int(self.units[place].max()) + 1

    def values(self, params: Mapping[str, Array]) -> tuple[Array, np.ndarray]:
        """Return the distinct values `[value]` and, per entry of `where`, which of them applies."""
        if self.place == "along":
            coefficients = {c: params[p] for c, p in zip(self.coefficients, self.paths, strict=True)}
            values = jnp.asarray(self.fn(jnp.asarray(self.measure), **coefficients))
            return jnp.broadcast_to(values, (len(self.where),)), np.arange(len(self.where))
        value = params[self.path]
        if self.place == "shared":
            return value[None], np.zeros(len(self.where), int)
        return value, self.units[self.place]


@dataclass(frozen=True, eq=False)
class FieldPlan:
    """How one field of a mechanism is put together from its sources: a scalar, or an array `[size]`.

    `base` [size] holds where no source does; without it the sources fill every entry.
    """

    size: int
    sources: tuple[Source, ...]
    base: np.ndarray | None = None

    def assemble(self, params: Mapping[str, Array]) -> Float[Array, "..."]:
        if len(self.sources) == 1 and self.sources[0].place == "shared" and self.base is None:
            return params[self.sources[0].path]
        index = np.zeros(self.size, int)
        parts, start = [], 0
        if self.base is not None:
            index = np.arange(self.size)
            parts, start = [jnp.asarray(self.base, params[self.sources[0].paths[0]].dtype)], self.size
        for source in self.sources:
            values, which = source.values(params)
            index[source.where] = start + which
            parts.append(values)
            start += values.shape[0]
        joined = jnp.concatenate(parts)
        return joined if np.array_equal(index, np.arange(start)) else joined[index]
