"""Parameters of a mechanism: a field that knows its default, its unit and its bounds."""

import inspect
import math
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass
from typing import Any, final

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer

from ..base import units
from ..base.checks import array_of, is_finite, is_real, number, shown
from ..base.errors import ParameterError
from ..base.names import on_disk

# A negative conductance makes the implicit step ill-posed: these units start at zero unless another bound is given.
_NON_NEGATIVE = ("S/cm2", "uS")


@final
@on_disk
@dataclass(frozen=True)
class ParamSpec:
    """What a parameter is: its name, default (in `unit`), unit and inclusive bounds (None = unbounded)."""

    name: str
    default: Any
    unit: str
    lo: float | None
    hi: float | None


@final
class _InUnit:
    """Converter of one field; `name` ("Kd.g") is filled in once the class that owns the field is known."""

    def __init__(self, unit: str):
        self.unit, self.name = unit, "parameter"

    def __call__(self, x: Any) -> Any:
        # JAX would look into an iterator, and use it up.
        if isinstance(x, Iterator) or (isinstance(x, int) and array_of(x) is None):
            raise ParameterError(f"{self.name} = {shown(x)} is not a number; give a number, an array or text")
        return units.value(x, self.unit, self.name)


def param(default: Any, unit: str, lo: float | None = None, hi: float | None = None) -> Any:
    """Declare a parameter of a `Channel` or `Synapse`: `g: Param = param(5e-3, "S/cm2")`.

    The value given later may be a number, an array, text such as "5 mS/cm2" (converted to `unit`) or any
    foreign object, such as a distribution over places, which passes unchanged. `lo` and `hi` are inclusive
    and in `unit`; conductances (S/cm2, uS) have `lo=0` unless another is given.

    Raises `UnitError` for a unit that does not exist or a text default that does not fit it.
    """
    scale, dim = units.parse(unit)
    lo, hi = (None if x is None else number(x, unit, "a bound of param()") for x in (lo, hi))
    if lo is None and any((scale, dim) == units.parse(u) for u in _NON_NEGATIVE):
        lo = 0.0
    spec = ParamSpec("", units.value(default, unit, "default"), unit, lo, hi)
    check_value("param", ParamSpec("default", None, unit, lo, hi), spec.default)
    return eqx.field(default=spec.default, converter=_InUnit(unit), metadata={"param": spec})


def spec_of(field: Field) -> ParamSpec | None:
    """Return the `ParamSpec` of a dataclass field, None for a field not made by `param`."""
    spec = field.metadata.get("param")
    return spec and ParamSpec(field.name, spec.default, spec.unit, spec.lo, spec.hi)


def adopt(owner: type) -> None:
    """Check the fields that the class body of `owner` declares, and tell their converters their names.

    Raises `ParameterError` for a field without a unit: it would silently stay out of everything that trains.
    """
    kinds = inspect.get_annotations(owner)
    fields = {
        n: owner.__dict__.get(n, MISSING)
        for n, kind in kinds.items()
        if "ClassVar" not in str(kind) and "AbstractVar" not in str(kind)
    }
    for name, value in fields.items():
        if not isinstance(value, Field):
            given = "1.0" if value is MISSING else repr(value)
            cure = f"write '{name}: Param = param({given}, \"mV\")' with its unit"
            raise ParameterError(f"{owner.__name__}.{name} has no unit; {cure}")
        if "param" in value.metadata:
            value.metadata["converter"].name = f"{owner.__name__}.{name}"
    for name, value in owner.__dict__.items():
        if isinstance(value, Field) and name not in kinds:
            raise ParameterError(f"{owner.__name__}.{name} has no type; write '{name}: Param = param(...)'")


def check_value(owner: str, spec: ParamSpec, x: Any) -> None:
    """Raise `ParameterError` if `x` is known to be no real number, or to lie outside the bounds of `spec`.

    Tracers and foreign objects pass: nothing is known about their value.
    """
    where = f"{owner}.{spec.name}"
    if x is None or isinstance(x, bool | complex | bytes | list | tuple | dict | set):
        cure = f"give a number, an array or text such as '1 {spec.unit}'"
        raise ParameterError(f"{where} = {shown(x)} is not a number; {cure}")
    if isinstance(x, Tracer) or not isinstance(x, int | float | np.ndarray | np.generic | jax.Array):
        return
    array = array_of(x)
    if array is None or not is_real(array.dtype):
        kind = "is too large" if array is None else f"has dtype {array.dtype}"
        raise ParameterError(f"{where} {kind}; give real numbers in {spec.unit}")
    if array.size == 0:
        return
    low, high = float(array.min()), float(array.max())  # a NaN anywhere comes out of both
    if math.isnan(low):
        raise ParameterError(f"{where} = NaN is not a number; give a value in {spec.unit}")
    if not is_finite(low) or not is_finite(high):
        raise ParameterError(f"{where} = {shown(x)} is not finite; give a value in {spec.unit}")
    if spec.lo is not None and low < spec.lo:
        raise ParameterError(f"{where} = {low:g} {spec.unit} is below its lower bound {spec.lo:g}")
    if spec.hi is not None and high > spec.hi:
        raise ParameterError(f"{where} = {high:g} {spec.unit} is above its upper bound {spec.hi:g}")
