"""How a painted value varies over a cell's regions: one value for each region, or by the distance from the soma."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...base.distributions import Distribution, Ground, Laid, Selection
from ...base.errors import ParameterError
from ...morph import Morphology


@final
@dataclass(frozen=True, eq=False)
class ByRegion(Distribution):
    """One value for each of several regions, of a parameter whose mechanism is painted on all of them.

    `region` says for each branch of the painted ground, in order, which of the `values` it takes. Made by `by_region`.
    """

    values: Mapping[str, float]
    region: np.ndarray

    def over(self, ground: Ground) -> Laid:
        owner = _branches(ground, len(self.region))
        return Laid(measure=self.region[owner], fn=Selection(tuple(self.values)), coefficients=self.values)


def by_region(values: Mapping[str, float], branches: Mapping[str, np.ndarray]) -> Any:
    """Return one value for each region: the number itself where only one of the regions has `branches`.

    The mechanism must be painted on exactly the regions named in `values`. Its other parameters are then shared by them
    all, and this one has a path for each, `path.region`.
    """
    found = {name: x for name, x in values.items() if len(branches[name])}
    if len(found) == 1:
        return next(iter(found.values()))
    order = np.argsort(np.concatenate([branches[name] for name in found]))
    return ByRegion(found, np.repeat(np.arange(len(found)), [len(branches[name]) for name in found])[order])


@final
@dataclass(frozen=True, eq=False)
class BySomaDistance(Distribution):
    """The value g (offset + scale exp(rate d)) at the straight distance d (µm) of a CV's centre from the soma's middle.

    `branches` are those painted. The default is how the density of the h current rises along the apical dendrite of
    layer-5 pyramidal cells: Kole, Hallermann & Stuart, J Neurosci 26:1677 (2006), as used by Hay et al. (2011).
    """

    morph: Morphology
    branches: np.ndarray
    soma: int
    g: float
    offset: float = -0.8696
    scale: float = 2.087
    rate: float = 0.0031

    def over(self, ground: Ground) -> Laid:
        owner = _branches(ground, len(self.branches))
        own = ground.owners["branch"]  # counts the branches of every cell
        place = np.empty(ground.size)
        for k in range(int(own.max()) + 1):
            where = np.flatnonzero(own == k)
            place[where] = (np.arange(len(where)) + 0.5) / len(where)
        centers = np.stack(
            [self._point(int(self.branches[b]), x) for b, x in zip(owner.tolist(), place, strict=True)]
        )
        d = np.linalg.norm(centers - self._point(self.soma, 0.5), axis=1)
        return Laid("cv", self.g * (self.offset + self.scale * np.exp(self.rate * d)))

    def _point(self, branch: int, x: float) -> np.ndarray:
        part = slice(self.morph.offsets[branch], self.morph.offsets[branch + 1])
        arc = self.morph.arc[part]
        return np.array([np.interp(x * arc[-1], arc, column) for column in self.morph.xyz[part].T])


def _branches(ground: Ground, count: int) -> np.ndarray:
    """Return for each control volume of a ground the number of its branch among the `count` of its cell."""
    owner = ground.owners["branch"]
    if (int(owner.max()) + 1) % count:
        raise ParameterError(
            f"a value for {count} branches of a recipe's regions is painted on {int(owner.max()) + 1}; "
            "paint it on the region that it was made for"
        )
    return owner % count
