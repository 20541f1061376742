"""What lowering gathers: the parameters it meets, and the control volumes of a population in the model's order."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..base import units
from ..base.distributions import Along, Each
from ..base.errors import ParameterError, unknown
from ..base.types import Array
from ..mech import ParamSpec, check_value
from ..model.fields import Source
from ..model.structure import Layout
from ..morph import CVs, Measure, region


class Parameters:
    """The parameters, units and sources gathered while walking the recipes."""

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.specs: dict[str, ParamSpec] = {}

    def add(self, path: str, value: Any, spec: ParamSpec) -> None:
        self.params[path] = jnp.asarray(value, dtype=float)
        self.specs[path] = spec

    def source(self, path: str, value: Any, spec: ParamSpec, where: np.ndarray, place: "Places") -> Source:
        """Register one painted value and return the source that fills the entries `where`."""
        owners = {k: np.unique(v[where], return_inverse=True)[1] for k, v in place.units.items()}
        if isinstance(value, Along):
            measure = _graded(path, value, place)[where]
            for name, coefficient in value.coefficients.items():
                number = units.value(coefficient, "1", f"{path}.{name}")
                self.add(f"{path}.{name}", number, ParamSpec(name, None, "1", None, None))
            return Source(path, "along", where, owners, measure, value.fn, tuple(value.coefficients))
        if isinstance(value, Each):
            if value.place not in owners:
                raise unknown("place", value.place, owners, f"parameter '{path}'")
            source = Source(path, value.place, where, owners)
            width = source.width(value.place)
            if np.shape(value.x) not in ((), (width,)):
                raise ParameterError(
                    f"parameter '{path}': each('{value.place}', …) needs one value or {width}, not {np.shape(value.x)}"
                )
            self.add(path, np.broadcast_to(value.x, (width,)), spec)
            return source
        if np.ndim(value) != 0:
            raise ParameterError(
                f"parameter '{path}' was given an array of shape {np.shape(value)}; write each('cv', values)"
            )
        self.add(path, value, spec)
        return Source(path, "shared", where, owners)


class Places:
    """CVs of one population in model order: who owns each, and its measures."""

    def __init__(self, layout: Layout, index: np.ndarray | None = None):
        self.layout = layout
        self.start = layout.groups[0].start
        cells = np.concatenate(
            [np.tile(g.first_cell + np.arange(g.lanes), len(g.cvs.branch)) for g in layout.groups]
        )
        branches = self._spread(lambda cvs: cvs.branch)
        self._index = np.arange(len(cells)) if index is None else index
        units = {
            "cell": cells,
            "branch": cells * (branches.max() + 1) + branches,
            "cv": np.arange(len(cells)),
        }
        self.units = {k: v[self._index] for k, v in units.items()}

    def _spread(self, of: Callable[[CVs], np.ndarray]) -> np.ndarray:
        return np.concatenate([np.repeat(of(g.cvs), g.lanes) for g in self.layout.groups])

    @property
    def size(self) -> int:
        return len(self._index)

    def only(self, index: np.ndarray) -> "Places":
        return Places(self.layout, self._index[index])

    def mask(self, label: str) -> np.ndarray:
        return self._spread(lambda cvs: region(label).mask(cvs, self.layout.labels))[self._index]

    def values(self, name: str) -> np.ndarray:
        """Return a column of the table of CVs."""
        return self._spread(lambda cvs: getattr(cvs, name))[self._index]

    def measure(self, measure: Any) -> np.ndarray:
        return self._spread(measure.values)[self._index]


def _graded(path: str, value: Along, places: Places) -> np.ndarray:
    """Return the measure of a graded parameter at `places`; raises `ParameterError` where its function does not fit."""
    if not isinstance(value.measure, Measure):
        raise ParameterError(
            f"parameter '{path}': along() needs a measure such as path_distance(), not {value.measure!r}"
        )
    measure = places.measure(value.measure)
    numbers = [units.value(x, "1", f"{path}.{name}") for name, x in value.coefficients.items()]
    try:
        out = jax.eval_shape(
            value.fn, jnp.asarray(measure), **dict(zip(value.coefficients, numbers, strict=True))
        )
    except TypeError as error:
        reason = str(error).splitlines()[0]
        raise ParameterError(f"parameter '{path}': the function of along() fails: {reason}") from None
    if np.shape(out) not in ((), measure.shape):
        raise ParameterError(
            f"parameter '{path}': along()'s function returns shape {np.shape(out)} for a measure of {measure.shape}"
        )
    return measure


def each_checked(owner: str, spec: ParamSpec, value: Any) -> Any:
    """Convert and check the values inside an `Each` as a mechanism does with plain ones; others pass."""
    if not isinstance(value, Each):
        return value
    x = units.value(value.x, spec.unit, f"{owner}.{spec.name}")
    check_value(owner, spec, np.asarray(x))
    return Each(value.place, x)


def template_of(mechanism: Any) -> Any:
    """Return the mechanism with the default of every parameter: what stays are the choices, which are static."""
    return mechanism.with_params({spec.name: spec.default for spec in mechanism.specs()})
