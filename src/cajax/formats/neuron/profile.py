"""Diameters along a section that give every segment the area and the resistances of a control volume.

A model knows the area of a control volume and the axial resistance of both its halves, not the points in between. Three
numbers per volume are met by three kinds of points: the radius in the middle of a half sets its resistance, and a fin
without length, which resists nothing, adds the area that is left over.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

_SHORTER = (
    1.0,
    0.9999,
    0.9995,
    0.999,
    0.998,
    0.995,
    0.99,
    0.98,
    0.95,
    0.9,
    0.8,
    0.7,
    0.5,
    0.3,
    0.1,
    0.03,
    0.01,
)
"""Shares of the length that are tried: the shorter a rod of a given resistance, the less area it has."""
TOLERANCE = 3e-7
"""How far, relatively, a cylinder may be from what it stands for: the rounding of single precision."""


@final
@dataclass(frozen=True)
class Profile:
    """The `length` (µm) of a section and either its one `diam`, or its `points` [point, 2]: place and diameter (µm).

    `share` is its length over the one that the model has.
    """

    length: float
    diam: float | None
    points: np.ndarray | None
    share: float


def profile(length: float, area: np.ndarray, into: np.ndarray, out: np.ndarray) -> Profile:
    """Return the profile of n segments in `length` µm.

    `area` [n] µm²; `into`, `out` [n] 1/µm: ∫dx/(πr²) over the half towards the start, and towards the end.
    """
    n = len(area)
    half = length / (2 * n)
    radius = np.sqrt(half / (np.pi * np.stack([into, out])))
    r = float(radius.mean())
    alike = np.allclose(radius, r, rtol=TOLERANCE, atol=0.0)
    if alike and np.allclose(area, 4.0 * np.pi * r * half, rtol=TOLERANCE, atol=0.0):
        return Profile(length, float(area.sum()) / (np.pi * length), None, 1.0)
    for share in _SHORTER:
        points = _points(share * half, area, into, out)
        if points is not None:
            return Profile(share * length, None, points, share)
    raise ArithmeticError("no rod has so little area for its resistance")


def _points(half: float, area: np.ndarray, into: np.ndarray, out: np.ndarray) -> np.ndarray | None:
    """Return places and diameters for halves of `half` µm, None where they have too much area."""
    resistance = np.stack([into, out], axis=1).ravel()
    radius = np.sqrt(half / (np.pi * resistance))
    inner = np.sqrt(radius[:-1] * radius[1:])
    # In a cone r² of a half is the product of the radii at both its ends: so the outermost ones follow.
    ends = [radius[0] ** 2 / inner[0], radius[-1] ** 2 / inner[-1]]
    border = np.concatenate([ends[:1], inner, ends[1:]])
    middle = half / (2.0 * np.pi * resistance) * (1.0 / border[:-1] + 1.0 / border[1:])
    quarter = 0.5 * half
    sides = _mantle(border[:-1], middle, quarter) + _mantle(middle, border[1:], quarter)
    left = area - (sides[0::2] + sides[1::2])
    if (left < -1e-9 * area).any():
        return None
    fin = np.sqrt(middle[1::2] ** 2 + np.maximum(left, 0.0) / (2.0 * np.pi))
    rows = [(0.0, border[0])]
    for k in range(len(area)):
        start = 2 * k * half
        rows += [(start + quarter, middle[2 * k]), (start + half, border[2 * k + 1])]
        at, r = start + 3 * quarter, middle[2 * k + 1]
        rows += [(at, r), (at, fin[k]), (at, r)] if left[k] > 0.0 else [(at, r)]
        rows.append((start + 2 * half, border[2 * k + 2]))
    return np.array(rows) * [1.0, 2.0]


def _mantle(r0: np.ndarray, r1: np.ndarray, length: float) -> np.ndarray:
    """Return the area (µm²) of frusta."""
    return np.pi * (r0 + r1) * np.hypot(length, r1 - r0)
