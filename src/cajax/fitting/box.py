"""The box of a search: all free parameters of a model as one vector of coordinates from 0 to 1, by their bounds."""

import math
from collections.abc import Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.errors import ParameterError
from ..base.types import Array, Float
from ..model.model import Model
from ..train.free import Free

DECADES = 10.0
"""Bounds that differ by this factor or more are searched on a logarithmic scale."""


@final
class Box:
    """The free parameters of a model, each between its bounds, as coordinates u [parameter] from 0 to 1.

    A coordinate is linear in its parameter, or in its logarithm where the bounds lie a decade or more apart. A
    parameter that `Free` widens has one coordinate per value. `names` are the paths, with an index where there are
    several values; `lo`, `hi` [parameter] the bounds, `logarithmic` [parameter] the scale.
    """

    def __init__(self, model: Model, free: Free) -> None:
        self.model = free.widened(model)
        """The model with every parameter as wide as `Free` says."""
        self.shapes: dict[str, tuple[int, ...]] = {}
        names, units, lo, hi = [], [], [], []
        for path, choice in free.choices(self.model).items():
            shape = np.shape(self.model.params[path])
            low, high = choice.bijection.range
            if not (math.isfinite(low) and math.isfinite(high)):
                raise ParameterError(
                    f"a search needs bounds, and {path} has none: write bounded(lowest, highest) in Free"
                )
            count = math.prod(shape)
            names += [path] if shape == () else [f"{path}[{i}]" for i in range(count)]
            units += [self.model.units[path]] * count
            lo += [low] * count
            hi += [high] * count
            self.shapes[path] = shape
        if not names:
            raise ParameterError("a search needs at least one free parameter; name some in Free")
        self.names, self.units = tuple(names), tuple(units)
        self.lo, self.hi = np.array(lo), np.array(hi)
        self.densities = np.array([unit == "S/cm2" for unit in units])
        """Which coordinates [parameter] are densities of conductances."""
        self.logarithmic = (self.lo > 0.0) & (self.hi >= DECADES * np.abs(self.lo))

    def __len__(self) -> int:
        return len(self.names)

    def values(self, u: Float[Array, "... parameter"]) -> Float[Array, "... parameter"]:
        """Return the values of the parameters, in their units, at coordinates `u`; differentiable."""
        u = jnp.asarray(u)
        ratio = np.log(np.where(self.logarithmic, self.hi / np.where(self.logarithmic, self.lo, 1.0), 1.0))
        lo, hi, ratio = (jnp.asarray(np.broadcast_to(x, u.shape), u.dtype) for x in (self.lo, self.hi, ratio))
        # Each branch is finite for the other's parameters, so that neither poisons a gradient.
        inside = jnp.where(
            np.broadcast_to(self.logarithmic, u.shape), lo * jnp.exp(u * ratio), lo + u * (hi - lo)
        )
        # Rounding may lead out of bounds that a mechanism insists on; the derivative at a bound is that inside.
        return inside + jax.lax.stop_gradient(jnp.clip(inside, lo, hi) - inside)

    def coordinates(self, values: Any) -> np.ndarray:
        """Return the coordinates of values [… parameter], clipped to the box."""
        values = np.clip(np.asarray(values, float), self.lo, self.hi)
        lo = np.where(self.logarithmic, self.lo, 1.0)
        curved = np.log(np.where(self.logarithmic, values, 1.0) / lo) / np.where(
            self.logarithmic, np.log(np.where(self.logarithmic, self.hi, 2.0) / lo), 1.0
        )
        return np.where(self.logarithmic, curved, (values - self.lo) / (self.hi - self.lo))

    def params(self, u: Float[Array, " parameter"]) -> dict[str, Array]:
        """Return path → value at coordinates `u`."""
        values, found, start = self.values(u), {}, 0
        for path, shape in self.shapes.items():
            stop = start + math.prod(shape)
            found[path] = values[start:stop].reshape(shape)
            start = stop
        return found

    def put(self, model: Model, u: Float[Array, " parameter"]) -> Model:
        """Return `model` (as wide as this box's) with its free parameters at coordinates `u`."""
        return model.replace(self.params(u))

    def start(self, model: Model | None = None) -> np.ndarray:
        """Return the coordinates of a model's present values; by default of the model that the box was made of."""
        params: Mapping[str, Any] = (self.model if model is None else model).params
        return self.coordinates(np.concatenate([np.ravel(np.asarray(params[p], float)) for p in self.shapes]))

    def matching(self, paths: set[str]) -> np.ndarray:
        """Return which coordinates [parameter] belong to these paths."""
        return np.concatenate(
            [np.full(math.prod(s), p in paths) for p, s in self.shapes.items()] or [np.zeros(0, bool)]
        )
