"""What is painted on the regions of a cell, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..morph import Region


@final
@dataclass(frozen=True)
class Property:
    """A passive property of the membrane or the cytoplasm that can be painted like a channel."""

    unit: str
    lo: float | None = None
    strict: bool = False
    measured: bool = False
    """Whether the morphology has a value of its own, which holds wherever nothing is painted."""

    @property
    def least(self) -> float | None:
        """The smallest value allowed, in single precision too, where the bound itself may be excluded."""
        if self.lo is None or not self.strict:
            return self.lo
        return (
            float(np.finfo(np.float32).tiny)
            if self.lo == 0.0
            else float(np.nextafter(np.float32(self.lo), 0))
        )


PROPERTIES: Mapping[str, Property] = {
    "cm": Property("uF/cm2", 0.0, strict=True),
    "ra": Property("ohm*cm", 0.0, strict=True),
    "v0": Property("mV"),
    "temperature": Property("degC", -273.15, strict=True),
    "radius": Property("um", 0.0, strict=True, measured=True),
    "length": Property("um", 0.0, strict=True, measured=True),
}


@final
@dataclass(frozen=True, eq=False)
class Paint:
    """One value or mechanism on one labelled region: `name` is "na", "leak", … or one of `PROPERTIES`."""

    label: str
    name: str
    value: Any


@final
@dataclass(frozen=True, eq=False)
class Decor:
    """Everything about a cell but its shape: labels, and paints in the order they were applied."""

    labels: Mapping[str, Region]
    paints: tuple[Paint, ...]
