"""Which cell projects to which."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..base.errors import ParameterError


@final
@dataclass(frozen=True)
class Rule:
    """Which cell projects to which: pairs (pre, post) of cell numbers for given population sizes."""

    name: str
    array: Any = None
    p: float = 1.0
    seed: int = 0
    autapses: bool = False

    def pairs(
        self, n_pre: int, n_post: int, n_sites: int = 1, within: bool = False, mutual: bool = False
    ) -> np.ndarray | None:
        """Return the edges as `[edge, 2]` (or 3, with the site), or None when every pair is connected.

        `within` one population a cell is not its own partner unless `autapses` says so. A `mutual` connection goes both
        ways between like places of one population: its pairs are those with pre ≤ post. `one_to_one` and `edges` say
        themselves whom they join.
        """
        if self.name == "all_to_all":
            if not mutual and (self.autapses or not within):
                return None
            return self._partners(np.ones((n_pre, n_post), bool), within, mutual)
        if self.name == "bernoulli":
            hit = np.random.default_rng(self.seed).random((n_pre, n_post)) < self.p
            return self._partners(hit, within, mutual)
        if self.name == "one_to_one":
            if n_pre != n_post:
                raise ParameterError(
                    f"one_to_one needs populations of equal size, not {n_pre} and {n_post}; use all_to_all() or edges()"
                )
            return np.stack([np.arange(n_pre)] * 2, axis=1)
        return self._given(n_pre, n_post, n_sites)

    def _partners(self, hit: np.ndarray, within: bool, mutual: bool) -> np.ndarray:
        """Return the pairs [edge, 2] of a table of who is connected, less those that do not count."""
        if mutual:
            hit = np.triu(hit)
        if within and not self.autapses:
            hit = hit & ~np.eye(len(hit), dtype=bool)
        return np.argwhere(hit)

    def _given(self, n_pre: int, n_post: int, n_sites: int) -> np.ndarray:
        pairs = np.asarray(self.array)
        if pairs.ndim != 2 or pairs.shape[1] not in (2, 3) or not np.issubdtype(pairs.dtype, np.integer):
            raise ParameterError(
                "edges() takes integers of shape [edge, 2] (pre, post) or [edge, 3] (pre, post, site), not"
                f" {pairs.dtype} {pairs.shape}"
            )
        top = pairs.max(axis=0, initial=-1)
        if pairs.size and (pairs.min() < 0 or top[0] >= n_pre or top[1] >= n_post):
            raise ParameterError(
                f"edges() names a cell outside the populations, which have {n_pre} and {n_post} cells"
            )
        if pairs.shape[1] == 3 and top[2] >= n_sites:
            raise ParameterError(
                f"edges() names site {top[2]}, but 'at' has {n_sites} on every cell, from 0 on"
            )
        return pairs
