"""The shape of a neuron: a tree of unbranched branches, each a polyline of points with a radius."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np

from ..base.checks import shown
from ..base.errors import MorphologyError


@final
class Branch(NamedTuple):
    """One unbranched piece while a morphology is put together: `points` [n, 4] are x, y, z and radius in µm."""

    points: np.ndarray
    parent: int = -1
    attach: float = 1.0
    tag: str = "soma"


FARTHEST = 1e9
"""The largest coordinate and radius in µm: a kilometre."""
THINNEST = 1e-9
"""The smallest radius in µm but for the zero of a tip: the nucleus of an atom."""
_NO_LENGTH = 1e-9  # µm, what NEURON gives a section whose points all coincide


def pruned(branches: Sequence[Branch]) -> list[Branch]:
    """Drop branches without length that have a parent; their children start where they would have started.

    A root without length stays, since it joins its children: it becomes 1e-9 µm long, as in NEURON.
    """
    kept: list[Branch] = []
    place: list[
        tuple[int, float | None]
    ] = []  # per branch its new number, or for a dropped one what it hung on
    for b in branches:
        parent, moved = place[b.parent] if b.parent >= 0 else (-1, None)
        attach = b.attach if moved is None else moved
        if parent >= 0 and _is_point(b):
            place.append((parent, attach))
            continue
        place.append((len(kept), None))
        kept.append(b._replace(parent=parent, attach=attach))
    joins = {b.parent for b in kept}
    return [
        b._replace(points=_stretched(b.points)) if k in joins and _is_point(b) else b
        for k, b in enumerate(kept)
    ]


def _is_point(branch: Branch) -> bool:
    xyz = branch.points[:, :3]
    if xyz[0].tolist() != xyz[-1].tolist():  # as of most branches; quick
        return False
    return bool((xyz[1:] == xyz[0]).all())


def _stretched(points: np.ndarray) -> np.ndarray:
    """Coinciding points [n, 4] set apart, along the axis on which doubles are densest there."""
    axis = int(np.argmin(np.abs(points[0, :3])))
    length = max(_NO_LENGTH, 8 * float(np.spacing(np.abs(points[0, axis]))))
    points = points.copy()
    points[:, axis] += np.linspace(0.0, length, len(points))
    return points


@final
@dataclass(frozen=True, eq=False)
class Morphology:
    """A forest of branches; a branch is what NEURON calls a section.

    `xyz` [P, 3] and `radius` [P] are in µm; the points of branch b are `offsets[b]:offsets[b + 1]`, at least two.
    Consecutive points bound a truncated cone (frustum); repeated points are allowed. `parent` [B] is the parent
    branch, less than the branch's own number, or -1 for a root; `attach` [B] is the relative position 0..1 on the
    parent where the branch starts; `tags` name each branch: "soma", "axon", "basal", "apical", "custom5", …
    A child need not start where its parent ends (a dendrite on the surface of a soma): the gap has no membrane.

    A radius is positive everywhere but at the last point of a branch without children, where it may be zero; a
    positive one is at least 1e-9 µm, and no number is beyond 1e9 µm. Raises `MorphologyError` when any of this does
    not hold.
    """

    xyz: np.ndarray
    radius: np.ndarray
    offsets: np.ndarray
    parent: np.ndarray
    attach: np.ndarray
    tags: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, dtype in _FIELDS.items():
            array = _array(name, getattr(self, name), dtype)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "tags", tuple(self.tags))
        _check_shapes(self)
        _check_tree(self)
        _check_points(self)

    @classmethod
    def of(cls, branches: Sequence[Branch]) -> "Morphology":
        """Join branches, parents first, into a morphology."""
        if not branches:
            raise MorphologyError("a morphology needs at least one branch")
        points = _stacked([b.points for b in branches])
        counts = [len(b.points) for b in branches]
        return cls(
            xyz=points[:, :3],
            radius=points[:, 3],
            offsets=np.concatenate([[0], np.cumsum(counts)]),
            parent=np.array([b.parent for b in branches]),
            attach=np.array([b.attach for b in branches]),
            tags=tuple(b.tag for b in branches),
        )

    def __repr__(self) -> str:
        kinds = ", ".join(f"{self.tags.count(tag)} {tag}" for tag in dict.fromkeys(self.tags))
        total, area = self.lengths.sum(), self.areas.sum()
        return f"Morphology({len(self.tags)} branches: {kinds}; {total:.1f} µm, {area:.1f} µm²)"

    @cached_property
    def point_branch(self) -> np.ndarray:
        """The branch of each point [P]."""
        return np.repeat(np.arange(len(self.parent)), np.diff(self.offsets))

    @cached_property
    def arc(self) -> np.ndarray:
        """The distance in µm of each point [P] from the start of its branch."""
        step = np.linalg.norm(np.diff(self.xyz, axis=0), axis=1)
        step[self.offsets[1:-1] - 1] = 0.0  # from the last point of a branch to the first of the next
        along = np.concatenate([[0.0], np.cumsum(step)])
        return along - along[self.offsets[:-1]][self.point_branch]

    @cached_property
    def frusta(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Every frustum as (branch, length, radius at its start, radius at its end), each [P - B]."""
        inside = self.point_branch[1:] == self.point_branch[:-1]
        return (
            self.point_branch[1:][inside],
            np.diff(self.arc)[inside],
            self.radius[:-1][inside],
            self.radius[1:][inside],
        )

    @property
    def lengths(self) -> np.ndarray:
        """The length of each branch [B] in µm."""
        return self.arc[self.offsets[1:] - 1]

    @property
    def areas(self) -> np.ndarray:
        """The lateral area of each branch [B] in µm²: the mantles of its frusta."""
        branch, length, r0, r1 = self.frusta
        return np.bincount(branch, np.pi * (r0 + r1) * np.hypot(length, r1 - r0), len(self.parent))


def _stacked(rows: Sequence[np.ndarray]) -> np.ndarray:
    """The points of all branches [P, 4]."""
    try:
        points = np.concatenate(rows)
    except ValueError:
        points = np.zeros((0, 0))
    if points.ndim == 2 and points.shape[1] == 4 and points.dtype.kind in "iuf":
        return points.astype(float)
    for k, row in enumerate(rows):
        shape = _array(f"points of branch {k}", row, float).shape
        if len(shape) != 2 or shape[1] != 4:
            raise MorphologyError(f"points of branch {k} have shape {shape}, not [n, 4]: x, y, z, radius")
    return np.concatenate([np.asarray(row, float) for row in rows])


_FIELDS = {"xyz": float, "radius": float, "offsets": np.int64, "parent": np.int64, "attach": float}


def _array(name: str, value: Any, dtype: type) -> np.ndarray:
    """A copy of `value` as an array of `dtype`; nothing is rounded or read from text."""
    try:
        given = np.asarray(value)
        if given.size and given.dtype.kind not in "iuf":
            raise ValueError("no numbers")
        with np.errstate(invalid="ignore"):  # NaN has no integer, and differs from it
            array = given.astype(dtype)
        if array.dtype.kind == "i" and not np.array_equal(array, given):
            raise ValueError("not whole")
    except ValueError:  # also of rows of unequal length
        kind = "whole numbers" if dtype is np.int64 else "numbers"
        raise MorphologyError(f"{name} must be an array of {kind}, not {shown(value)}") from None
    return array


def _check_shapes(m: Morphology) -> None:
    p, b = len(m.radius), len(m.parent)
    if b == 0:
        raise MorphologyError("a morphology needs at least one branch")
    if m.xyz.shape != (p, 3):
        raise MorphologyError(f"xyz has shape {m.xyz.shape}; {p} radii need points of shape ({p}, 3)")
    for name, size in (("attach", len(m.attach)), ("tags", len(m.tags)), ("offsets", len(m.offsets) - 1)):
        if size != b:
            raise MorphologyError(f"{name} describes {size} branches, but parent describes {b}")
    if m.offsets[0] != 0 or m.offsets[-1] != p:
        raise MorphologyError(f"offsets run from {m.offsets[0]} to {m.offsets[-1]}, not from 0 to {p} points")
    for k in np.flatnonzero(np.diff(m.offsets) < 2)[:1]:
        raise MorphologyError(f"branch {k} has {np.diff(m.offsets)[k]} points; a branch needs at least two")


def _check_tree(m: Morphology) -> None:
    own = np.arange(len(m.parent))
    for k in np.flatnonzero((m.parent >= own) | (m.parent < -1))[:1]:
        raise MorphologyError(
            f"branch {k} has parent {m.parent[k]}; a parent comes before its children (-1 for a root)"
        )
    for k in np.flatnonzero(~((m.attach >= 0) & (m.attach <= 1)))[:1]:
        raise MorphologyError(
            f"branch {k} attaches at {m.attach[k]}; the position on the parent lies between 0 and 1"
        )


def _check_points(m: Morphology) -> None:
    near = (np.abs(m.xyz) <= FARTHEST).all(1) & (np.abs(m.radius) <= FARTHEST)
    for k in np.flatnonzero(~near)[:1]:
        raise MorphologyError(
            f"branch {m.point_branch[k]} has a point that is not finite or beyond {FARTHEST:g} µm:"
            f" {m.xyz[k].tolist()}, radius {m.radius[k]:g}"
        )
    tip = np.ones(len(m.parent), bool)
    tip[m.parent[m.parent >= 0]] = False
    may_vanish = np.zeros(len(m.radius), bool)
    may_vanish[m.offsets[1:][tip] - 1] = True
    for k in np.flatnonzero((m.radius < THINNEST) & ~((m.radius == 0) & may_vanish))[:1]:
        b = m.point_branch[k]
        raise MorphologyError(
            f"branch {b} has radius {m.radius[k]:g} µm at point {k - m.offsets[b]}; a radius must be positive"
            f" and at least {THINNEST:g} (zero only at the end of a tip)"
        )
    for k in np.flatnonzero(m.lengths <= 0)[:1]:
        raise MorphologyError(f"branch {k} ('{m.tags[k]}') has length 0; its points must not all coincide")
