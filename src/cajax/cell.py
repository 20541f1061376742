"""`Cell`: the recipe of one neuron. Every method returns a new recipe."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, final

import numpy as np
from jax.core import Tracer

from .base.checks import of_kind, reals, shown, word
from .base.distributions import MEASURED, Distribution
from .base.errors import ParameterError, RegionError, unknown
from .lower.lower import lower
from .mech import Channel, Ion
from .model.model import Model
from .morph import DEFAULT_LABELS, Morphology, Region
from .recipe.paints import PROPERTIES, Decor, Paint
from .recipe.populations import Population

_FIELDS = tuple(name for name, prop in PROPERTIES.items() if not prop.measured)


def _property(name: str, x: Any) -> Any:
    """Check one painted property and return it in its unit."""
    if isinstance(x, Distribution):
        return x.converted(lambda value: _value(name, value, many=True))
    return _value(name, x, many=False)


def _value(name: str, x: Any, many: bool) -> Any:
    """Check the value of a property, or with `many` an array of values, and return it in its unit."""
    prop = PROPERTIES[name]
    if many and prop.measured and isinstance(x, str) and x == MEASURED:
        return x
    value = reals(x, prop.unit, name, above=prop.lo)
    if value.ndim and not many:
        raise ParameterError(f"{name} was given an array of shape {value.shape}; write each('cv', values)")
    return value if value.ndim or isinstance(x, Tracer) else float(value)


@final
@dataclass(frozen=True, eq=False)
class Cell:
    """A morphology with what is painted on it.

    `cm` µF/cm², `ra` Ω·cm, `v0` initial voltage in mV, `temperature` in °C; without a temperature every mechanism runs
    at the one it was published for. Values may be text with a unit, such as "0.75 uF/cm2".
    """

    morph: Morphology
    cm: Any = 1.0
    ra: Any = 100.0
    v0: Any = -65.0
    temperature: Any = None
    labels: Mapping[str, Region] = field(default_factory=lambda: MappingProxyType({}))
    paints: tuple[Paint, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.morph, Morphology):
            raise ParameterError(
                f"Cell needs a Morphology, not {type(self.morph).__name__}; use read_morphology(path) or a builder"
            )
        of_kind(self.labels, Mapping, "Cell: labels", "a dictionary of regions by name")
        for name in _FIELDS:
            if name != "temperature" or self.temperature is not None:
                object.__setattr__(self, name, _property(name, getattr(self, name)))

    def __getstate__(self) -> dict[str, Any]:
        # A read-only view cannot be pickled or copied.
        return {**self.__dict__, "labels": dict(self.labels)}

    def label(self, **regions: Region | str) -> "Cell":
        """Name regions, to be used in `paint`, in clamps and in paths."""
        known = {**DEFAULT_LABELS, **self.labels}
        for name, value in regions.items():
            word(name, "label")
            if isinstance(value, str):
                if value not in known:
                    raise unknown("region", value, known)
            elif not isinstance(value, Region):
                raise RegionError(
                    f"label {name} = {shown(value)} is not a region; write for example tag('apical')"
                )
        return dataclasses.replace(self, labels=MappingProxyType({**self.labels, **regions}))

    def paint(self, label: str, **what: Any) -> "Cell":
        """Paint mechanisms (`na=Na(g=0.02)`) or properties (`cm=2.0`) on a labelled region.

        The same name painted on overlapping regions: the last paint wins there. Different names add up.
        """
        known = {**DEFAULT_LABELS, **self.labels}
        if not isinstance(label, str):
            raise RegionError("paint takes the name of a region; name yours first with .label(name=region)")
        if label not in known:
            raise unknown("region", label, known)
        paints = []
        for name, value in what.items():
            word(name, "the name of what is painted")
            if name in PROPERTIES:
                value = _property(name, value)
            elif not isinstance(value, Channel | Ion):
                kind = value.__name__ + " (the class; call it)" if isinstance(value, type) else shown(value)
                hint = (
                    unknown("property", name, PROPERTIES)
                    if np.isscalar(value)
                    else "write for example leak=Leak()"
                )
                raise ParameterError(
                    f"cannot paint {name} = {kind} on '{label}': it is not a mechanism; {hint}"
                )
            else:
                value.check()
            paints.append(Paint(label, name, value))
        return dataclasses.replace(self, paints=(*self.paints, *paints))

    @property
    def decor(self) -> Decor:
        base = [Paint("all", n, getattr(self, n)) for n in _FIELDS if getattr(self, n) is not None]
        return Decor(dict(self.labels), (*base, *self.paints))

    def __repr__(self) -> str:
        painted = ", ".join(f"{p.label}.{p.name}" for p in self.paints)
        return f"Cell({self.morph!r}, painted: {painted or 'nothing'})"

    def discretize(self, policy: Any) -> Model:
        """Return the model of this cell with control volumes by `PerBranch`, `MaxLength` or `DLambda`."""
        return lower((Population("", (self.morph,), (1,), self.decor),), (), policy)
