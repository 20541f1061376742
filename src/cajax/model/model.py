"""The model: a frozen pytree of arrays (the parameters) around a static, hashable structure (everything discrete)."""

import dataclasses
from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..base.checks import of_kind, reals, shown
from ..base.distributions import SCOPES, Distribution
from ..base.errors import ParameterError, ProtocolError, unknown
from ..base.types import Array, Float
from ..mech import Mechanism, check_value
from ..morph import CVs
from .fields import ALONG, SHARED
from .inserted import PARTS, InsertedPart
from .structure import Structure


@final
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
        for path, value in of_kind(params, Mapping, "replace", "a dictionary from paths to values").items():
            if not isinstance(path, str) or path not in self.params:
                raise unknown("parameter", path, self.params)
            spec = self.structure.specs[path]
            value = reals(value, spec.unit, f"parameter '{path}'")
            if jnp.shape(value) != self.params[path].shape:
                raise ParameterError(
                    f"parameter '{path}' has shape {self.params[path].shape}, not {jnp.shape(value)}"
                )
            check_value(path.rpartition(".")[0], spec, value)
            new[path] = jnp.asarray(value, self.params[path].dtype)
        return self._with(new, self.structure)

    def widened(self, path: str, scope: str) -> "Model":
        """Return this model with the shared value at `path` given to every "cell", "branch" or "cv" separately."""
        if not isinstance(path, str) or path not in self.params:
            raise unknown("parameter", path, self.params)
        painted = self.structure.painted(path)
        if not isinstance(scope, str) or scope not in SCOPES:
            raise unknown("scope", scope, SCOPES)
        if painted is None or painted.scope == ALONG:
            raise ParameterError(
                f"parameter '{path}' cannot vary by {scope}; it belongs to a projection or part, or is graded"
            )
        if painted.scope == scope:
            return self
        if painted.scope != SHARED:
            raise ParameterError(
                f"parameter '{path}' already varies by {painted.scope}; paint it with each('{scope}', …)"
            )
        wide = jnp.broadcast_to(self.params[path], (painted.width(scope),))
        return self._with({path: wide}, self.structure.rescoped(path, scope))

    def with_part(self, name: str, part: Mechanism) -> "Model":
        """Return this model with a `cajax.engine.Part` of the user's own; its parameters get paths `name.parameter`.

        Raises `ParameterError` for a name that is taken, or for what is not a part with parameters.
        """
        if not isinstance(part, Mechanism) or not isinstance(name, str) or not name.isidentifier():
            raise ParameterError(
                f"with_part({shown(name)}, …) takes a word and a class of Part and Mechanism, not {type(part).__name__}"
            )
        layouts = self.structure.layouts
        taken = {*PARTS, *(p.name for p in self.structure.parts), *(x.name for x in layouts)}
        if name in taken or (self.structure.is_cell and name in layouts[0].labels):
            raise ParameterError(
                f"there is a part, a population or a region '{name}' already; choose another name"
            )
        fields = {spec.name: f"{name}.{spec.name}" for spec in part.specs()}
        inserted = InsertedPart(name, part.plain(), fields)
        specs = {**self.structure.specs, **{fields[spec.name]: spec for spec in part.specs()}}
        structure = dataclasses.replace(self.structure, parts=(*self.structure.parts, inserted), specs=specs)
        for k, x in part.params().items():
            if isinstance(x, Distribution):
                raise ParameterError(f"'{fields[k]}' of a part cannot vary over a cell; give it numbers")
        values = {fields[k]: jnp.asarray(x, self.area.dtype) for k, x in part.params().items()}
        return self._with(values, structure)

    def _with(self, params: Mapping[str, Array], structure: Structure) -> "Model":
        return Model({**self.params, **params}, self.area, self.res_child, self.res_parent, structure)

    def __repr__(self) -> str:
        s = self.structure
        cells = sum(layout.size for layout in s.layouts)
        values = sum(int(np.prod(np.shape(v))) for v in self.params.values())
        names = sorted({m.name for m in (*s.channels, *s.ions)})
        return f"Model({cells} cells, {s.size} CVs, {values} parameters, mechanisms {', '.join(names) or 'none'})"


def require_model(model: Any, caller: str) -> None:
    """Raise `ParameterError` unless `model` is a `Model`; `caller` names the function that needs one."""
    if not isinstance(model, Model):
        raise ParameterError(
            f"{caller} needs a Model, not {type(model).__name__}; call .discretize(…) on the recipe first"
        )
