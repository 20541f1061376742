"""The model: a frozen pytree of arrays (the parameters) around a static, hashable structure (everything discrete)."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..base import units
from ..base.distributions import PLACES
from ..base.errors import ParameterError, ProtocolError, unknown
from ..base.types import Array, Float
from ..mech import check_value
from ..morph import CVs
from .structure import Structure


class Model(eqx.Module):
    """A lowered cell or network: arrays only, so `jax.jit`, `jax.grad` and `jax.vmap` take it as it is.

    `params`: path → value, a scalar where one value is shared, else `[cell]`, `[branch]`, `[cv]` or `[edge…]`.
    `area` [cv] µm²; `res_child`, `res_parent` [node] 1/µm: geometric part of the axial resistance to the parent node.
    """

    params: dict[str, Float[Array, "..."]]
    area: Float[Array, "cv"]
    res_child: Float[Array, "node"]
    res_parent: Float[Array, "node"]
    structure: Structure = eqx.field(static=True)

    @property
    def units(self) -> Mapping[str, str]:
        """Path → unit."""
        return {path: spec.unit for path, spec in self.structure.specs.items()}

    @property
    def cvs(self) -> CVs:
        """The table of control volumes of a lone cell; for a network see `model.structure.layouts`."""
        if not self.structure.is_cell:
            raise ProtocolError(
                "a network has a table of CVs per shape: model.structure.layouts[i].groups[j].cvs"
            )
        return self.structure.layouts[0].groups[0].cvs

    def replace(self, params: Mapping[str, Any]) -> "Model":
        """Return this model with some parameters changed.

        Raises for unknown paths, shapes that do not fit and, where values are known, values out of range.
        """
        new = {}
        for path, value in params.items():
            if path not in self.params:
                raise unknown("parameter", path, self.params)
            spec = self.structure.specs[path]
            value = units.value(value, spec.unit, path)
            if jnp.shape(value) != self.params[path].shape:
                raise ParameterError(
                    f"parameter '{path}' has shape {self.params[path].shape}, not {jnp.shape(value)}"
                )
            check_value(path.rpartition(".")[0], spec, value)
            new[path] = jnp.asarray(value, self.params[path].dtype)
        return Model({**self.params, **new}, self.area, self.res_child, self.res_parent, self.structure)

    def widened(self, path: str, place: str) -> "Model":
        """Return this model with the shared value at `path` given to every "cell", "branch" or "cv" separately."""
        if path not in self.params:
            raise unknown("parameter", path, self.params)
        source = self.structure.source(path)
        if place not in PLACES:
            raise unknown("place", place, PLACES)
        if source is None or source.place == "along":
            raise ParameterError(
                f"parameter '{path}' cannot vary by {place}; it belongs to a projection or is graded"
            )
        if source.place == place:
            return self
        if source.place != "shared":
            raise ParameterError(
                f"parameter '{path}' already varies by {source.place}; paint it with each('{place}', …)"
            )
        wide = jnp.broadcast_to(self.params[path], (source.width(place),))
        structure = self.structure.replace_source(path, place)
        return Model({**self.params, path: wide}, self.area, self.res_child, self.res_parent, structure)

    def __repr__(self) -> str:
        s = self.structure
        cells = sum(layout.size for layout in s.layouts)
        values = sum(int(np.prod(np.shape(v))) for v in self.params.values())
        names = sorted({m.name.rsplit(".", 1)[-1] for m in (*s.mechanisms, *s.ions)})
        return f"Model({cells} cells, {s.size} CVs, {values} parameters, mechanisms {', '.join(names) or 'none'})"


def require_model(model: Any, caller: str) -> None:
    """Raise `ParameterError` unless `model` is a `Model`; `caller` names the function that needs one."""
    if not isinstance(model, Model):
        raise ParameterError(
            f"{caller} needs a Model, not {type(model).__name__}; call .discretize(…) on the recipe first"
        )
