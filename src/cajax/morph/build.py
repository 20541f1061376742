"""Morphologies made from numbers, so that everything runs without a file."""

from typing import Any

import numpy as np

from ..base import units
from ..base.checks import array_of, is_real, number, shown
from ..base.errors import MorphologyError
from .morphology import Branch, Morphology
from .readers.contour import sphere


def cylinder(length: float | str, radius: float | str, tag: str = "soma") -> Morphology:
    """One unbranched cylinder along x, `length` and `radius` in µm (or text with a unit, such as "1 mm")."""
    length, radius = _um("length", length), _um("radius", radius)
    return Morphology.of([Branch(_rod((0.0, 0.0, 0.0), length, radius), tag=tag)])


def ball_and_stick(
    soma_radius: float | str = 10.0,
    length: float | str = 300.0,
    radius: float | str = 1.0,
    taper: float = 1.0,
    tag: str = "apical",
) -> Morphology:
    """A soma (a cylinder of the area of the sphere of `soma_radius`) and one dendrite on its far end, all in µm.

    `taper` is the dendrite's radius at its tip relative to its base.
    """
    soma_radius, length, radius = (
        _um(name, x) for name, x in (("soma_radius", soma_radius), ("length", length), ("radius", radius))
    )
    taper = number(taper, "1", "ball_and_stick: taper (1 is a cylinder)", above=0.0, kind=MorphologyError)
    soma = sphere(np.array([0.0, 0.0, 0.0, soma_radius]))
    return Morphology.of(
        [
            Branch(soma, tag="soma"),
            Branch(_rod((soma_radius, 0.0, 0.0), length, radius, radius * taper), 0, 1.0, tag),
        ]
    )


def _rod(
    start: tuple[float, float, float], length: float, radius: float, end: float | None = None
) -> np.ndarray:
    x, y, z = start
    return np.array([[x, y, z, radius], [x + length, y, z, radius if end is None else end]])


def _um(name: str, x: Any) -> float:
    value = array_of(units.value(x, "um", name))
    if (
        isinstance(x, bool)
        or value is None
        or value.ndim
        or not is_real(value.dtype)
        or not 0 < value < np.inf
    ):
        raise MorphologyError(f"{name} = {shown(x)} must be a positive number of µm")
    return float(value)
