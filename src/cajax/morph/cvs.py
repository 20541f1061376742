"""Control volumes: a morphology cut into pieces, and the tree of axial resistances that joins them."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..base.errors import ParameterError
from ..base.names import on_disk
from .morphology import Morphology
from .policies import Policy, whole
from .wiring import Wiring, wire


@final
@on_disk
@dataclass(frozen=True, eq=False)
class CVs:
    """The table of N control volumes of a morphology of B branches, and its electrical tree of M nodes.

    CVs are Hines-ordered: parent before child, branch after branch, within a branch from its start to its end.

    Per CV: `branch` number; `x` relative position of the centre in the branch; `length` µm; `area` µm² (mantles of
    the frusta, cut exactly); `radius` = area / (2π length) µm; `tag`; `distance` of the centre along the tree from
    the middle of the root branch, µm; `order` of the branch (root 0); `xyz` of the centre [N, 3] µm; `resist_in` and
    `resist_out`, ∫dx/(πr²) over the half towards the start and towards the end of the branch, 1/µm.
    Per branch: `offsets` [B + 1] (CVs of branch b are `offsets[b]:offsets[b + 1]`) and `branch_parent` [B].
    Per node of the electrical tree (Hines order): `node_parent` (-1 for a root) and `node_cv` (-1 for a massless
    junction). The edge of a node to its parent has the axial resistance
    `ra[cv_child] * res_child + ra[cv_parent] * res_parent` (`res_*` in 1/µm; 0 for the edge of a root).
    """

    branch: np.ndarray
    x: np.ndarray
    length: np.ndarray
    area: np.ndarray
    radius: np.ndarray
    tag: np.ndarray
    distance: np.ndarray
    order: np.ndarray
    xyz: np.ndarray
    resist_in: np.ndarray
    resist_out: np.ndarray
    offsets: np.ndarray
    branch_parent: np.ndarray
    node_parent: np.ndarray
    node_cv: np.ndarray
    res_child: np.ndarray
    res_parent: np.ndarray
    cv_child: np.ndarray
    cv_parent: np.ndarray

    def __post_init__(self) -> None:
        for array in vars(self).values():
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.branch)

    def __repr__(self) -> str:
        return f"CVs({len(self)} CVs in {len(self.branch_parent)} branches, {self.area.sum():.1f} µm²)"

    def containing(self, branch: Any, x: Any) -> np.ndarray:
        """The CV of `branch` that holds relative position `x`: `int(x * n)`, and the last one for x = 1 (as NEURON)."""
        first, n = self.offsets[branch], self.offsets[np.asarray(branch) + 1] - self.offsets[branch]
        return first + np.minimum((np.asarray(x, float) * n).astype(int), n - 1)


def discretize(morph: Morphology, policy: Policy, ra: Any, cm: Any) -> CVs:
    """Cut every branch into the equal CVs that `policy` asks for.

    `ra` (Ω·cm) and `cm` (µF/cm²) are scalars or one value per branch [B]; only `DLambda` looks at them. Raises
    `ParameterError` when they have another shape or the policy asks for less than one CV, or a million and more.
    """
    n_branches = len(morph.parent)
    for name, value in (("ra", ra), ("cm", cm)):
        if np.shape(value) not in ((), (n_branches,)):
            raise ParameterError(
                f"{name} has shape {np.shape(value)}; give one value or one per branch ({n_branches})"
            )
        if not (np.asarray(value, float) > 0).all():
            raise ParameterError(f"{name} must be positive to discretize a morphology, not {value!r}")
    counts = np.asarray(policy.counts(morph, ra, cm))
    if counts.shape != (n_branches,) or not np.issubdtype(counts.dtype, np.integer) or counts.min() < 1:
        raise ParameterError(
            f"{policy} must give a whole number of at least 1 CV for each of {n_branches} branches"
        )
    counts = whole(policy, morph, counts)
    branch = np.repeat(np.arange(n_branches), counts)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    x = (np.arange(len(branch)) - offsets[branch] + 0.5) / counts[branch]
    length = (morph.lengths / counts)[branch]
    area, resist, xyz = _halves(morph, counts)
    area = area[0::2] + area[1::2]
    wiring: Wiring = wire(morph, offsets, resist[0::2], resist[1::2])
    start, order = _starts(morph)
    along = np.where(morph.parent[branch] < 0, np.abs(x - 0.5), x) * morph.lengths[branch]
    return CVs(
        branch=branch,
        x=x,
        length=length,
        area=area,
        radius=area / (2 * np.pi * length),
        tag=np.array(morph.tags)[branch],
        distance=start[branch] + along,
        order=order[branch],
        xyz=xyz,
        resist_in=resist[0::2],
        resist_out=resist[1::2],
        offsets=offsets,
        branch_parent=morph.parent,
        **wiring._asdict(),
    )


def _starts(morph: Morphology) -> tuple[np.ndarray, np.ndarray]:
    """Per branch [B]: the distance of its start from the middle of its root branch in µm (0 for a root), its order."""
    start, order = np.zeros(len(morph.parent)), np.zeros(len(morph.parent), int)
    lengths = morph.lengths
    for b, p in enumerate(morph.parent):
        if p >= 0:
            x = morph.attach[b] if morph.parent[p] >= 0 else abs(morph.attach[b] - 0.5)
            start[b] = start[p] + x * lengths[p]
            order[b] = order[p] + 1
    return start, order


def _halves(morph: Morphology, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Area [2N] and ∫dx/(πr²) [2N] of every half of a CV, and the centres [N, 3], integrating the frusta exactly.

    The points of all branches and the 2n - 1 inner borders and centres of their n CVs are merged into one row sorted
    by place; what lies between two neighbours is a frustum that belongs to one half.
    """
    arc, point_branch = morph.arc, morph.point_branch
    n_cuts = 2 * counts - 1
    cut_branch = np.repeat(np.arange(len(counts)), n_cuts)
    index = np.arange(len(cut_branch)) - np.repeat(np.cumsum(n_cuts) - n_cuts, n_cuts)
    cut = (index + 1) / (2 * counts)[cut_branch] * morph.lengths[cut_branch]

    branch = np.concatenate([point_branch, cut_branch])
    place = np.concatenate([arc, cut])
    is_cut = np.arange(len(branch)) >= len(arc)
    row = np.lexsort((is_cut, place, branch))  # a point that lies on a border comes first, as in NEURON
    branch, place, is_cut = branch[row], place[row], is_cut[row]

    before = (np.cumsum(~is_cut) - 1)[is_cut]  # the point before each cut; the next one is in the same branch
    theta = (cut - arc[before]) / (arc[before + 1] - arc[before])
    radius = np.empty(len(branch))
    radius[~is_cut] = morph.radius
    radius[is_cut] = _mix(morph.radius, before, theta)
    centers = _mix(morph.xyz, before[index % 2 == 0], theta[index % 2 == 0][:, None])

    inside = branch[1:] == branch[:-1]
    half = (np.cumsum(is_cut)[:-1] + branch[:-1])[inside]
    length = np.diff(place)[inside]
    r0, r1 = radius[:-1][inside], radius[1:][inside]
    size = 2 * int(counts.sum())
    area = np.bincount(half, np.pi * (r0 + r1) * np.hypot(length, r1 - r0), size)
    # A cone's axial resistance diverges at its point; that half of a tip leads nowhere, so any finite value will do.
    resist = np.bincount(half, length / (np.pi * r0 * np.where(r1 > 0, r1, r0)), size)
    return area, resist, centers


def _mix(values: np.ndarray, before: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return (1 - theta) * values[before] + theta * values[before + 1]
