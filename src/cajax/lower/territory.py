"""The control volumes of a population in the model's order: who owns each, and what is measured there."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np

from ..base.errors import ParameterError, RegionError
from ..model.layout import Layout
from ..morph import CVs, Measure, region
from ..recipe.paints import Paint


@final
class Territory:
    """CVs of one population, all or those at `index`: the ground that values are painted on."""

    def __init__(self, layout: Layout, index: np.ndarray | None = None):
        self.layout = layout
        self.start = layout.start
        groups = layout.groups
        cells = np.concatenate([np.tile(g.first_cell + np.arange(g.lanes), len(g.cvs)) for g in groups])
        branches = self._spread(lambda cvs: cvs.branch)
        self._index = np.arange(len(cells)) if index is None else index
        numbers = {
            "cell": cells,
            "branch": cells * (branches.max() + 1) + branches,
            "cv": np.arange(len(cells)),
        }
        self.numbers = {k: v[self._index] for k, v in numbers.items()}

    def _spread(self, of: Callable[[CVs], np.ndarray]) -> np.ndarray:
        return np.concatenate([np.repeat(of(g.cvs), g.lanes) for g in self.layout.groups])

    @property
    def size(self) -> int:
        """The number N of control volumes."""
        return len(self._index)

    @property
    def owners(self) -> Mapping[str, np.ndarray]:
        """Scope → the number [N] of the cell, branch or CV that each belongs to, counted from 0 without gaps."""
        return {k: np.unique(v, return_inverse=True)[1] for k, v in self.numbers.items()}

    def only(self, index: np.ndarray) -> "Territory":
        """Return the part of it at `index`."""
        return Territory(self.layout, self._index[index])

    def mask(self, label: str) -> np.ndarray:
        """Return which CVs [N] lie in the region of that label."""
        return self._spread(lambda cvs: region(label).mask(cvs, self.layout.labels))[self._index]

    def column(self, of: Callable[[CVs], np.ndarray]) -> np.ndarray:
        """Return a column of the table of CVs [N]."""
        return self._spread(of)[self._index]

    def measure(self, measure: Any) -> np.ndarray:
        """Return a measure such as `path_distance()` [N]; raises `ParameterError` for anything else."""
        if not isinstance(measure, Measure):
            raise ParameterError(f"along() needs a measure such as path_distance(), not {measure!r}")
        return self._spread(measure.values)[self._index]

    def means(self, scope: str, x: np.ndarray) -> np.ndarray:
        """Return the mean of `x` [N] over every owner of a scope."""
        owner = self.owners[scope]
        return np.bincount(owner, x) / np.bincount(owner)


def coverage(ground: Territory, paints: Sequence[Paint]) -> tuple[np.ndarray, list[tuple[Paint, np.ndarray]]]:
    """Return the CVs covered `[m]` (numbers in the population), and which entries of it each visible paint fills.

    Where paints overlap, the last one is visible. Raises `RegionError` for a region that is empty.
    """
    owner = np.full(ground.size, -1)
    for i, paint in enumerate(paints):
        mask = ground.mask(paint.label)
        if not mask.any():
            raise RegionError(
                f"region '{paint.label}' is empty: nothing to paint '{paint.name}' on in this morphology"
            )
        owner[mask] = i
    covered = np.flatnonzero(owner >= 0)
    return covered, [
        (p, np.flatnonzero(owner[covered] == i)) for i, p in enumerate(paints) if (owner == i).any()
    ]
