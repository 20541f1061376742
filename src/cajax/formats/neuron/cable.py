"""A model's cables as NEURON's: sections, where they are connected, and which segment every control volume is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...base.errors import ParameterError
from ...engine.geometry import Geometry
from ...model.layout import Group, Layout, spread
from ...model.model import Model
from ...morph import CVs
from .profile import Profile, profile
from .report import Report

_LEAST = 0.98
"""A section that had to be shorter than this share of its length is written as one section per control volume."""


@final
@dataclass(frozen=True)
class Section:
    """A section: its `profile`, `ra` (Ω·cm), the control volumes `cvs` of the model that its segments are.

    `parent`: the section and the place there that its start is connected to, None for a root.
    """

    name: str
    profile: Profile
    ra: float
    cvs: tuple[int, ...]
    parent: tuple[int, float] | None


@final
class Cable:
    """All sections of a model; `segment[cv]` is the (section, segment) of a control volume."""

    def __init__(self, model: Model, shape: Geometry, ra: np.ndarray, painted: np.ndarray, report: Report):
        """`painted` [cv] numbers what is inserted there: a section of NEURON has the same mechanisms all along."""
        s = model.structure
        self.sections: list[Section] = []
        self.segment: dict[int, tuple[int, int]] = {}
        self._report = report
        self.shortest = 1.0
        stretch = np.asarray(shape.radius, float) / s.radius
        # Areas go with radius and length, so what is left of their change is that of the length.
        long = np.asarray(shape.area, float) / np.asarray(model.area, float) / stretch
        self._numbers = (np.asarray(shape.area, float), long, long / stretch**2, ra, painted)
        self._check(model)
        for layout in s.layouts:
            for group in layout.groups:
                for lane in range(group.lanes):
                    self._add_cell(layout, group, lane)
        if self.shortest < 1.0:
            report.took(
                "areas and axial resistances of sections that are no cylinders; their points are not the morphology's,"
                f" and they are up to {100 * (1 - self.shortest):.2g} % shorter"
            )

    def place(self, cv: int) -> tuple[int, float]:
        """Return the section of a control volume, and the place of its centre there."""
        section, k = self.segment[int(cv)]
        return section, (k + 0.5) / len(self.sections[section].cvs)

    def _check(self, model: Model) -> None:
        groups = [group for layout in model.structure.layouts for group in layout.groups]
        for name in ("res_child", "res_parent"):
            own = np.asarray(getattr(model, name), float)
            if not np.allclose(own, spread(groups, name), rtol=1e-5, atol=0.0):
                raise ParameterError(
                    f"model.{name} is not that of its morphology, so its sections are unknown; change 'radius' and"
                    " 'length' by painting them"
                )

    def _add_cell(self, layout: Layout, group: Group, lane: int) -> None:
        cvs = group.cvs
        area, long, resist, ra, painted = self._numbers
        flat = group.flat(np.arange(len(cvs)))[lane]
        cell = f"{layout.name}[{group.first_cell + lane}]." if layout.name else ""
        spots = _spots(cvs)
        seen: dict[str, int] = {}
        for b in range(len(cvs.branch_parent)):
            own = np.arange(cvs.offsets[b], cvs.offsets[b + 1])
            tag = str(cvs.tag[own[0]])
            name = f"{cell}{tag}[{seen.setdefault(tag, 0)}]"
            seen[tag] += 1
            at = flat[own]
            pieces = _Pieces(
                cvs.length[own] * long[at], area[at], cvs.resist_in[own] * resist[at],
                cvs.resist_out[own] * resist[at], ra[at], painted[at], tuple(int(x) for x in at),
            )  # fmt: skip
            self._add_branch(name, pieces, self._parent(spots[b], flat))

    def _parent(self, spot: tuple[int, float | None] | None, flat: np.ndarray) -> tuple[int, float] | None:
        if spot is None:
            return None
        cv, end = spot
        section, middle = self.place(flat[cv])
        return section, middle if end is None else end

    def _add_branch(self, name: str, pieces: "_Pieces", parent: tuple[int, float] | None) -> None:
        whole = pieces.whole()
        if whole is not None:
            self._add(name, whole, float(pieces.ra[0]), pieces.cvs, parent)
            return
        self._report.took(
            "branches whose control volumes differ in length, axial resistivity or mechanisms: a section for each"
        )
        for k, (one, ra, cv) in enumerate(pieces.single()):
            self._add(f"{name}.{k}", one, ra, (cv,), parent)
            parent = (len(self.sections) - 1, 1.0)

    def _add(
        self, name: str, found: Profile, ra: float, cvs: tuple[int, ...], parent: tuple[int, float] | None
    ) -> None:
        if found.share < 1.0:
            self.shortest = min(self.shortest, found.share)
        for k, cv in enumerate(cvs):
            self.segment[cv] = (len(self.sections), k)
        self.sections.append(Section(name, found, ra, cvs, parent))


@final
@dataclass(frozen=True)
class _Pieces:
    """The control volumes of one branch, in order; lengths µm, areas µm², resistances 1/µm, `ra` Ω·cm."""

    length: np.ndarray
    area: np.ndarray
    into: np.ndarray
    out: np.ndarray
    ra: np.ndarray
    painted: np.ndarray
    cvs: tuple[int, ...]

    def whole(self) -> Profile | None:
        """Return the profile of one section for all of them, None where it cannot be one."""
        same = all(np.allclose(x, x[0], rtol=1e-6, atol=0.0) for x in (self.length, self.ra, self.painted))
        if not same and len(self.cvs) > 1:
            return None
        found = profile(float(self.length.sum()), self.area, self.into, self.out)
        return found if found.share >= _LEAST or len(self.cvs) == 1 else None

    def single(self) -> Iterator[tuple[Profile, float, int]]:
        """Yield the profile, the axial resistivity and the number of every control volume by itself."""
        for k, cv in enumerate(self.cvs):
            own = slice(k, k + 1)
            found = profile(float(self.length[k]), self.area[own], self.into[own], self.out[own])
            yield found, float(self.ra[k]), cv


def _spots(cvs: CVs) -> list[tuple[int, float | None] | None]:
    """Return where every branch starts: a control volume and its end of its section, None for the centre; or a root."""
    node_of = np.full(len(cvs), -1)
    node_of[cvs.node_cv[cvs.node_cv >= 0]] = np.flatnonzero(cvs.node_cv >= 0)
    found: list[tuple[int, float | None] | None] = []
    taken: set[tuple[int, float]] = set()
    for b, first in enumerate(cvs.offsets[:-1]):
        node = node_of[first]
        parent = int(cvs.node_parent[node])
        if cvs.branch_parent[b] < 0:
            found.append(None)
        elif cvs.node_cv[parent] < 0:
            # A massless junction: at the start of a root, or at the end of a branch.
            found.append((int(cvs.cv_child[parent]), 0.0 if cvs.node_parent[parent] < 0 else 1.0))
        else:
            found.append(_single(cvs, int(cvs.node_cv[parent]), float(cvs.res_parent[node]), taken))
    return found


def _single(cvs: CVs, cv: int, resist: float, taken: set[tuple[int, float]]) -> tuple[int, float | None]:
    """Return where a branch starts that shares its place with no other."""
    if resist == 0.0:
        return cv, None
    b = int(cvs.branch[cv])
    ends: list[Any] = []
    if cv == cvs.offsets[b + 1] - 1 and np.isclose(resist, cvs.resist_out[cv], rtol=1e-12):
        ends.append(1.0)
    if (
        cv == cvs.offsets[b]
        and cvs.branch_parent[b] < 0
        and np.isclose(resist, cvs.resist_in[cv], rtol=1e-12)
    ):
        ends.append(0.0)
    # Where both ends are alike, two branches still start at different ones.
    end = next((x for x in ends if (cv, x) not in taken), ends[0])
    taken.add((cv, end))
    return cv, end
