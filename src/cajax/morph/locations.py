"""Lazy expressions for points on a neuron: where to inject, to record, to place synapses."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from ..base.checks import shown
from ..base.errors import RegionError
from .cvs import CVs
from .regions import Region, as_region


class Location(ABC):
    """One or several control volumes, described without a morphology; `single` says whether it is always one."""

    single: ClassVar[bool] = True

    @abstractmethod
    def resolve(self, cvs: CVs, labels: Mapping[str, Region] | None = None) -> np.ndarray:
        """Return the CV numbers [L]. Raises `RegionError` when there is nothing there."""


@final
@dataclass(frozen=True)
class _Center(Location):
    region: Region

    def resolve(self, cvs: CVs, labels: Mapping[str, Region] | None = None) -> np.ndarray:
        return np.array([_median(cvs, _filled(self.region, cvs, labels))])

    def __str__(self) -> str:
        return f"center({self.region})"


@final
@dataclass(frozen=True)
class _At(Location):
    branch: int
    x: float

    def resolve(self, cvs: CVs, labels: Mapping[str, Region] | None = None) -> np.ndarray:
        n = len(cvs.branch_parent)
        if self.branch >= n:
            raise RegionError(f"no branch {self.branch}; this morphology has {n} branches, 0 to {n - 1}")
        return np.array([cvs.containing(self.branch, self.x)])

    def __str__(self) -> str:
        return f"at({self.branch}, {self.x:g})"


@final
@dataclass(frozen=True)
class _Root(Location):
    def resolve(self, cvs: CVs, labels: Mapping[str, Region] | None = None) -> np.ndarray:
        return np.array([cvs.containing(0, 0.5)])

    def __str__(self) -> str:
        return "root()"


@final
@dataclass(frozen=True)
class _Terminals(Location):
    region: Region
    single: ClassVar[bool] = False

    def resolve(self, cvs: CVs, labels: Mapping[str, Region] | None = None) -> np.ndarray:
        mask = _filled(self.region, cvs, labels)
        tip = np.ones(len(cvs.branch_parent), bool)
        tip[cvs.branch_parent[cvs.branch_parent >= 0]] = False
        last = cvs.offsets[1:][tip] - 1
        if not mask[last].any():
            raise RegionError(
                f"no branch ends in the region {self.region}; terminals() needs a region with tips"
            )
        return last[mask[last]]

    def __str__(self) -> str:
        return f"terminals({self.region})"


@final
@dataclass(frozen=True)
class _EveryCV(Location):
    region: Region
    single: ClassVar[bool] = False

    def resolve(self, cvs: CVs, labels: Mapping[str, Region] | None = None) -> np.ndarray:
        return np.flatnonzero(_filled(self.region, cvs, labels))

    def __str__(self) -> str:
        return f"every_cv({self.region})"


def center(region: Region | str) -> Location:
    """The CV of the region that halves its length: no other splits it along the tree into smaller largest parts.

    Of two that halve it equally the one farther from the root: in a single branch of n CVs this is CV n // 2, as
    NEURON's `section(0.5)`.
    """
    return _Center(as_region(region))


def at(branch: int, x: float) -> Location:
    """The CV of `branch` at relative position `x` (0..1): number `int(x * n)`, the last one for x = 1 (as NEURON)."""
    if isinstance(branch, bool) or not isinstance(branch, int | np.integer) or branch < 0:
        raise RegionError(f"at(branch, x) needs a branch number of at least 0, not {shown(branch)}")
    if not isinstance(x, int | float | np.number) or not 0 <= x <= 1:
        raise RegionError(f"at({branch}, x) needs a relative position x between 0 and 1, not {shown(x)}")
    return _At(int(branch), float(x))


def root() -> Location:
    """The middle of the first root branch: the soma of most files, and where `path_distance()` is zero."""
    return _Root()


def terminals(region: Region | str = "all") -> Location:
    """The last CV of every branch without children, where it lies in the region."""
    return _Terminals(as_region(region))


def every_cv(region: Region | str = "all") -> Location:
    """All CVs of the region, in order."""
    return _EveryCV(as_region(region))


def as_location(x: Location | Region | str) -> Location:
    """A location stays; a region or a label name means its `center`. Raises `RegionError` for anything else."""
    if isinstance(x, Location):
        return x
    if isinstance(x, Region | str):
        return center(x)
    raise RegionError(
        f"a location is a label name, a region or one of center() at() root() terminals(), not {shown(x)}"
    )


def _filled(region: Region, cvs: CVs, labels: Mapping[str, Region] | None) -> np.ndarray:
    mask = region.mask(cvs, labels)
    if not mask.any():
        raise RegionError(
            f"the region {region} is empty in this morphology; choose one that holds a part of it"
        )
    return mask


def _median(cvs: CVs, mask: np.ndarray) -> int:
    """The CV in `mask` whose removal leaves the smallest largest part of the masked length (a tree's centroid)."""
    parent = cvs.node_parent
    is_cv = cvs.node_cv >= 0
    own = np.zeros(len(parent))
    own[is_cv] = np.where(mask, cvs.length, 0.0)[cvs.node_cv[is_cv]]
    below, largest, tree = own.copy(), np.zeros(len(parent)), np.arange(len(parent))
    for k in range(len(parent) - 1, -1, -1):
        if (p := parent[k]) >= 0:
            below[p] += below[k]
            largest[p] = max(largest[p], below[k])
    for k in range(len(parent)):
        if parent[k] >= 0:
            tree[k] = tree[parent[k]]
    total = below[tree]
    side = np.maximum(largest, total - below)
    fullest = tree[np.argmax(total)]  # of several trees the one with most of the region
    candidate = (own > 0) & (tree == fullest)
    close = 1e-9 * total[fullest]
    candidate &= side <= side[candidate].min() + close
    nodes = np.flatnonzero(candidate)
    if len(nodes) == 1:
        return int(cvs.node_cv[nodes[0]])
    depth = _depth(cvs)[cvs.node_cv[nodes]]
    return int(cvs.node_cv[nodes[np.argmax(depth >= depth.max() - close)]])


def _depth(cvs: CVs) -> np.ndarray:
    """Distance of every CV [N] from the start of its root branch in µm, for telling which of two is farther out."""
    on_root = cvs.branch_parent[cvs.branch] < 0
    n = np.diff(cvs.offsets)[cvs.branch]
    return np.where(on_root, (cvs.x - 0.5) * cvs.length * n, cvs.distance)
