"""Where the cells of every population lie in the flat vectors of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from ..base.errors import ProtocolError
from ..base.names import on_disk
from ..morph import DEFAULT_LABELS, CVs, Location, Region, center


@final
@on_disk
@dataclass(frozen=True, eq=False)
class Group:
    """`lanes` equal cells, interleaved: the CV `c` of lane `k` is number `start + c * lanes + k` of the whole model."""

    start: int
    lanes: int
    first_cell: int
    cvs: CVs

    @property
    def stop(self) -> int:
        """The number after that of the last CV."""
        return self.start + self.lanes * len(self.cvs)

    def flat(self, cv: np.ndarray) -> np.ndarray:
        """Return the model's CV numbers `[lane, len(cv)]` of the cell's CVs `cv`."""
        return self.start + np.asarray(cv)[None, :] * self.lanes + np.arange(self.lanes)[:, None]


@final
@on_disk
@dataclass(frozen=True, eq=False)
class Layout:
    """Where the cells of one population lie in the model, and what its regions are called.

    A population of spike sources has `virtual` of them and no cells.
    """

    name: str
    groups: tuple[Group, ...]
    labels: Mapping[str, Region]
    virtual: int = 0

    @property
    def size(self) -> int:
        """How many cells, or spike sources, there are."""
        return self.virtual or sum(g.lanes for g in self.groups)

    @property
    def prefix(self) -> str:
        """What the paths of its parameters start with; nothing for a lone cell."""
        return f"{self.name}." if self.name else ""

    @property
    def start(self) -> int:
        """The number of its first CV."""
        return self.groups[0].start

    def sites(self, location: Location) -> np.ndarray:
        """Return the CV numbers `[cell, site]` of a location, or `[site]` where cells differ in how many they have."""
        if self.virtual:
            raise ProtocolError(f"population '{self.name}' consists of spike sources; they have no membrane")
        rows = [group.flat(location.resolve(group.cvs, self.labels)) for group in self.groups]
        if len({row.shape[1] for row in rows}) == 1:
            return np.concatenate(rows)
        return np.concatenate([row.ravel() for row in rows])

    @property
    def soma(self) -> Location:
        """The location that stands for a whole cell: the soma's centre, or the whole cell's when it has no soma."""
        has_soma = all((group.cvs.tag == "soma").any() for group in self.groups)
        return center(DEFAULT_LABELS["soma"] if has_soma else DEFAULT_LABELS["all"])


def spread(groups: Sequence[Group], name: str) -> np.ndarray:
    """Return a column of the tables of CVs (or nodes) in the model's order."""
    return np.concatenate([np.repeat(getattr(g.cvs, name), g.lanes) for g in groups])


def cv_ends(groups: Sequence[Group], name: str) -> np.ndarray:
    """Return the model's numbers of the CVs that a column of the tables of nodes names; 0 where it names none."""
    return np.concatenate([g.flat(np.maximum(getattr(g.cvs, name), 0)).T.ravel() for g in groups])
