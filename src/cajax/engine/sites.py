"""Sites: a static set of control volumes that vectors over all of them are read at and added to."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from ..base.types import Array, Float
from ..model.structure import Structure
from ..solve import Index, spread, take


@final
@dataclass(frozen=True, eq=False)
class Sites:
    """A static set of entries `index` [site] of vectors of `size` entries; free of cost where it is all of them."""

    index: np.ndarray
    size: int

    @staticmethod
    def of(structure: Structure, at: Any) -> "Sites":
        """Return the control volumes of `at`, a place as in recordings, flat."""
        return Sites(structure.sites(at).ravel(), structure.size)

    @cached_property
    def _index(self) -> Index:
        return Index(self.index, self.size)

    @cached_property
    def is_all(self) -> bool:
        """Whether these are all entries in their order."""
        return np.array_equal(self.index, np.arange(self.size))

    def __len__(self) -> int:
        return len(self.index)

    def take(self, x: Float[Array, "cv"]) -> Float[Array, "site"]:
        """Return the entries of `x` at the sites."""
        return x if self.is_all else take(x, self._index)

    def spread(self, x: Float[Array, "site"]) -> Float[Array, "cv"]:
        """Return zeros with `x` added at the sites: the transpose of `take`."""
        return x if self.is_all else spread(x, self._index)

    def add(self, x: Float[Array, "cv"], value: Float[Array, "site"]) -> Float[Array, "cv"]:
        """Return `x` with `value` added at the sites."""
        return x + self.spread(value)
