"""What the numbers of a morphology file mean: their spelling, their unit, the thinnest radius, how far they may go."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from ...base import checks, units
from ...base.errors import MorphologyError, UnitError
from ..morphology import FARTHEST, THINNEST, Branch

MOST_POINTS = 500_000
"""The most points of one file; the largest reconstructions have some hundred thousand."""

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_IS_NUMBER = re.compile(_NUMBER)
_LIKE_NUMBER = re.compile(r"[-+.]?\d")  # of any script
_UNIT = re.compile(r"\bunits?[\"']?\s*[:=]\s*(.*)", re.IGNORECASE)
_LENGTH = re.compile(rf"({_NUMBER})?\s*([^\W\d]+)")
_NAMES = {"nanometer": "nm", "micrometer": "um", "micron": "um", "millimeter": "mm", "meter": "m"}

SPAN = 5e4
"""A cell farther than this from end to end (µm), or with a median radius above `WIDE`, is thought to be in nm."""
WIDE = 100.0


@final
class Reading(NamedTuple):
    """What a file holds: branches, parents first, and what its reader should be warned of."""

    branches: list[Branch]
    notes: list[str]


@final
@dataclass(frozen=True)
class Measures:
    """`scale`: µm per unit of the file, a number or text such as "1 nm"; `min_radius` µm: what thinner radii become."""

    scale: float = 1.0
    min_radius: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _micrometres("scale", self.scale))
        if self.min_radius is not None:
            object.__setattr__(self, "min_radius", _micrometres("min_radius", self.min_radius))

    def points(self, rows: np.ndarray) -> np.ndarray:
        """Points [n, 4] of a file (x, y, z, radius) in µm, no radius below `min_radius`; a negative one stays."""
        rows = np.asarray(rows, float) * self.scale
        if self.min_radius is not None:
            thin = (rows[:, 3] >= 0) & (rows[:, 3] < self.min_radius)
            rows[thin, 3] = self.min_radius
        return rows

    def with_unit_of(self, header: list[str]) -> "tuple[Measures, list[str]]":
        """These measures, or in the unit that the comments of a file name where no scale was given; notes on doubts."""
        for said in (m[1].strip(" \t\"'}") for line in header if (m := _UNIT.search(line))):
            unit = _unit(said)
            if unit is None:
                doubt = f"the header gives the units as '{said[:40]}', which is no length: {self.scale:g} µm were taken"
                return self, [] if self.scale != 1 else [f"{doubt}; give scale=, in µm per unit"]
            if self.scale == 1:
                return Measures(unit, self.min_radius), []
            if not 0.1 < self.scale / unit < 10:
                return self, [
                    f"scale={self.scale:g} was taken, but the header's '{said[:40]}' is {unit:g} µm"
                ]
            return self, []
        return self, []


def _micrometres(name: str, given: Any) -> float:
    um = checks.number(given, "um", name, least=THINNEST, most=FARTHEST, kind=MorphologyError)
    return _plain(um) if isinstance(given, str) else um


def _plain(x: float) -> float:
    """A converted number as one would write it: 1e-3, not 0.0010000000000000002."""
    return float(f"{x:.12g}")


def _unit(said: str) -> float | None:
    """µm per unit, of text such as "1 nanometer"; None when it is no length."""
    match = _LENGTH.match(said)
    if not match:
        return None
    word = match[2].lower().replace("metre", "meter").removesuffix("s")
    try:
        factor = _plain(float(match[1] or 1) * units.factor(_NAMES.get(word, word), "um"))
    except UnitError:
        return None
    return factor if THINNEST <= factor <= FARTHEST else None


def number(word: str) -> float | None:
    """The number a word spells in plain ASCII, else None; "5_0", "nan" and "inf" are none."""
    return float(word) if _IS_NUMBER.fullmatch(word) else None


def like_number(word: str) -> bool:
    """Whether a word begins as a number does."""
    return bool(_LIKE_NUMBER.match(word))


def fault(point: np.ndarray) -> str | None:
    """What is wrong with a point [4] in µm (x, y, z, radius), or None; a radius of 0 is not judged."""
    if not (np.abs(point) <= FARTHEST).all():
        return f"x, y, z and radius must be finite and within {FARTHEST:g} µm, found {point.tolist()}"
    if point[3] < 0:
        return f"radius {point[3]:g} must be positive"
    if 0 < point[3] < THINNEST:
        return f"radius {point[3]:g} must be at least {THINNEST:g} µm; give min_radius= to raise it"
    return None


def faulty(points: np.ndarray) -> np.ndarray:
    """Numbers of the points [n, 4] that have a `fault`."""
    radius = points[:, 3]
    inside = (np.abs(points) <= FARTHEST).all(1)
    return np.flatnonzero(~inside | (radius < 0) | ((radius > 0) & (radius < THINNEST)))


def doubts(branches: list[Branch], measures: Measures) -> list[str]:
    """A note when a file that names no unit is too large for µm."""
    points = np.concatenate([b.points for b in branches])
    span, radius = float(np.ptp(points[:, :3], axis=0).max()), float(np.median(points[:, 3]))
    if measures.scale == 1 and (span > SPAN or radius > WIDE):
        size = f"{span:.3g} µm from end to end with a median radius of {radius:.3g} µm"
        return [f"the cell is {size}; if the file is in nm, give scale=1e-3"]
    return []
