"""Lazy expressions for parts of a neuron: `tag("apical") & (path_distance() > 200.0)`."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from ..base import units
from ..base.checks import shown
from ..base.errors import RegionError, unknown
from ..base.names import on_disk
from .cvs import CVs

_KNOWN_TAGS = ("soma", "axon", "basal", "apical")


class Region(ABC):
    """A set of control volumes, described without a morphology. `&`, `|`, `~` combine regions and label names."""

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        on_disk(cls)

    def mask(self, cvs: CVs, labels: "Mapping[str, Region] | None" = None) -> np.ndarray:
        """Which CVs [N] lie in the region; names are looked up in `labels`, then in `DEFAULT_LABELS`.

        Raises `UnknownNameError` for a label or tag that does not exist, `RegionError` for labels that need themselves.
        """
        try:
            return self._mask(cvs, {**DEFAULT_LABELS, **(labels or {})}, ())
        except RecursionError:
            raise RegionError(
                "the region joins too many others one by one; give parts of it labels"
            ) from None

    @abstractmethod
    def _mask(self, cvs: CVs, labels: "Mapping[str, Region]", path: tuple[str, ...]) -> np.ndarray: ...

    def __and__(self, other: "Region | str") -> "Region":
        return _Both(self, as_region(other))

    def __rand__(self, other: str) -> "Region":
        return as_region(other) & self

    def __or__(self, other: "Region | str") -> "Region":
        return _Either(self, as_region(other))

    def __ror__(self, other: str) -> "Region":
        return as_region(other) | self

    def __invert__(self) -> "Region":
        return _Not(self)

    def __bool__(self) -> bool:
        raise RegionError(
            f"region {self} has no truth value; combine regions with & | ~, write a < d < b as (a < d) & (d < b)"
        )


@final
@dataclass(frozen=True)
class _All(Region):
    def _mask(self, cvs: CVs, labels: Mapping[str, Region], path: tuple[str, ...]) -> np.ndarray:
        return np.ones(len(cvs), bool)

    def __str__(self) -> str:
        return "'all'"


@final
@dataclass(frozen=True)
class _Tag(Region):
    name: str

    def _mask(self, cvs: CVs, labels: Mapping[str, Region], path: tuple[str, ...]) -> np.ndarray:
        mask = cvs.tag == self.name
        if not mask.any() and self.name not in _KNOWN_TAGS:
            raise unknown("tag", self.name, {*_KNOWN_TAGS, *cvs.tag.tolist()}, "this morphology")
        return mask

    def __str__(self) -> str:
        return f"tag('{self.name}')"


@final
@dataclass(frozen=True)
class _Label(Region):
    name: str

    def _mask(self, cvs: CVs, labels: Mapping[str, Region], path: tuple[str, ...]) -> np.ndarray:
        if self.name not in labels:
            raise unknown("region", self.name, labels)
        if self.name in path:
            raise RegionError(f"the label '{self.name}' needs itself: {' -> '.join((*path, self.name))}")
        return as_region(labels[self.name])._mask(cvs, labels, (*path, self.name))

    def __str__(self) -> str:
        return f"'{self.name}'"


@final
@dataclass(frozen=True)
class _Both(Region):
    left: Region
    right: Region

    def _mask(self, cvs: CVs, labels: Mapping[str, Region], path: tuple[str, ...]) -> np.ndarray:
        return self.left._mask(cvs, labels, path) & self.right._mask(cvs, labels, path)

    def __str__(self) -> str:
        return f"({self.left} & {self.right})"


@final
@dataclass(frozen=True)
class _Either(Region):
    left: Region
    right: Region

    def _mask(self, cvs: CVs, labels: Mapping[str, Region], path: tuple[str, ...]) -> np.ndarray:
        return self.left._mask(cvs, labels, path) | self.right._mask(cvs, labels, path)

    def __str__(self) -> str:
        return f"({self.left} | {self.right})"


@final
@dataclass(frozen=True)
class _Not(Region):
    inner: Region

    def _mask(self, cvs: CVs, labels: Mapping[str, Region], path: tuple[str, ...]) -> np.ndarray:
        return ~self.inner._mask(cvs, labels, path)

    def __str__(self) -> str:
        return f"~{self.inner}"


@final
@dataclass(frozen=True)
class _Volume(Region):
    branch: int
    x: float

    def _mask(self, cvs: CVs, labels: Mapping[str, Region], path: tuple[str, ...]) -> np.ndarray:
        if self.branch >= len(cvs.branch_parent):
            n = len(cvs.branch_parent)
            raise RegionError(f"no branch {self.branch}; this morphology has {n} branches, 0 to {n - 1}")
        return np.arange(len(cvs)) == cvs.containing(self.branch, self.x)

    def __str__(self) -> str:
        return f"volume({self.branch}, {self.x:g})"


_COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@final
@dataclass(frozen=True)
class _Where(Region):
    measure: "Measure"
    sign: str
    bound: float

    def __post_init__(self) -> None:
        if self.sign not in _COMPARISONS:
            raise RegionError(f"'{self.sign}' compares nothing; use one of {', '.join(_COMPARISONS)}")

    def _mask(self, cvs: CVs, labels: Mapping[str, Region], path: tuple[str, ...]) -> np.ndarray:
        return _COMPARISONS[self.sign](self.measure.values(cvs), self.bound)

    def __str__(self) -> str:
        return f"({self.measure} {self.sign} {self.bound:g})"


@final
@on_disk
@dataclass(frozen=True)
class Measure:
    """A number for every control volume; compared with a number (or text such as "0.2 mm") it gives a `Region`."""

    field: str
    name: str
    unit: str

    UNITS: ClassVar[Mapping[str, str]] = {"um": "µm", "1": "1"}
    KNOWN: ClassVar[Mapping[str, tuple[str, str]]] = {
        "path_distance": ("distance", "um"),
        "radius": ("radius", "um"),
        "branch_order": ("order", "1"),
    }

    def __post_init__(self) -> None:
        if self.KNOWN.get(self.name) != (self.field, self.unit):
            raise unknown("measure", self.name, self.KNOWN)

    def values(self, cvs: CVs) -> np.ndarray:
        """The measure of every CV [N]."""
        return getattr(cvs, self.field).astype(float)

    def _where(self, sign: str, bound: Any) -> Region:
        bound = units.value(bound, self.unit, self.name)
        if isinstance(bound, bool) or not isinstance(bound, int | float | np.number):
            raise RegionError(
                f"{self} {sign} {shown(bound)}: compare with a number in {self.UNITS[self.unit]}"
            )
        return _Where(self, sign, float(bound))

    def __lt__(self, bound: float | str) -> Region:
        return self._where("<", bound)

    def __le__(self, bound: float | str) -> Region:
        return self._where("<=", bound)

    def __gt__(self, bound: float | str) -> Region:
        return self._where(">", bound)

    def __ge__(self, bound: float | str) -> Region:
        return self._where(">=", bound)

    def _joined(self, other: Any) -> Region:
        # `&` binds more tightly than `<`, so this is what a comparison without parentheses comes to.
        raise RegionError(f"put parentheses around the comparison: write (…) & ({self} > 100.0)")

    __and__ = __rand__ = __or__ = __ror__ = _joined

    def __str__(self) -> str:
        return f"{self.name}()"


def tag(name: str) -> Region:
    """The branches of one kind: "soma", "axon", "basal", "apical", "custom5", …"""
    return _Tag(name)


def region(name: str) -> Region:
    """The region that the label `name` stands for; looked up when it is used."""
    return _Label(name)


def volume(branch: int, x: float) -> Region:
    """The one control volume of a branch at the relative position `x` (0..1), as `at` finds it.

    Raises `RegionError` for what is no branch number or no position.
    """
    if isinstance(branch, bool) or not isinstance(branch, int | np.integer) or branch < 0:
        raise RegionError(f"volume(branch, x) needs a branch number of at least 0, not {shown(branch)}")
    if not isinstance(x, int | float | np.number) or not 0 <= x <= 1:
        raise RegionError(f"volume({branch}, x) needs a relative position x between 0 and 1, not {shown(x)}")
    return _Volume(int(branch), float(x))


def path_distance() -> Measure:
    """Distance in µm of the CV's centre along the tree from the middle of the root branch (the soma)."""
    return Measure("distance", "path_distance", "um")


def radius() -> Measure:
    """Mean radius of the CV in µm: area / (2π length)."""
    return Measure("radius", "radius", "um")


def branch_order() -> Measure:
    """Number of branches between the CV and the root branch; the root (soma) has order 0."""
    return Measure("order", "branch_order", "1")


def as_region(x: Region | str) -> Region:
    """A region stays; a name becomes the label of that name. Raises `RegionError` for anything else."""
    if isinstance(x, str):
        return region(x)
    if not isinstance(x, Region):
        raise RegionError(
            f"a region is a label name or a region expression such as tag('soma'), not {shown(x)}"
        )
    return x


DEFAULT_LABELS: dict[str, Region] = {"all": _All(), **{name: _Tag(name) for name in _KNOWN_TAGS}}
"""The labels every cell has: "all" and the four tags."""
