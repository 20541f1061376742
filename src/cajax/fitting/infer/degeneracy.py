"""Degeneracy: how different models are that do the same, and which parameters make up for one another.

Source: Prinz, Bucher & Marder (2004), Nat Neurosci 7:1345; Goaillard & Marder (2021), Annu Rev Neurosci 44:335.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from ...base.show import text_of
from ...base.types import Float
from .draws import correlated
from .table import span, table_of

if TYPE_CHECKING:
    from rich.table import Table

RESAMPLED = 2000
"""Bootstrap samples of the members."""
LEVEL = 0.95
"""Level of the bootstrap intervals, all pairs together (Bonferroni)."""


@final
class Pair(NamedTuple):
    """Two parameters that go together: positive where more of one goes with more of the other.

    `lo` and `hi` are the ends of the bootstrap interval of the correlation.
    """

    one: str
    other: str
    correlation: float
    lo: float
    hi: float


@final
@dataclass(frozen=True, eq=False)
class Degeneracy:
    """What a population of models has in common.

    `correlations` [parameter, parameter] on the scale of the bounds, `spread` [parameter] the standard deviation of
    every parameter as a share of the way between its bounds, `span` [parameter, 2] the range in which 90 % of the
    members lie, likewise. `pairs` are those whose correlation is not zero, the strongest first: they compensate.
    """

    names: tuple[str, ...]
    correlations: Float[np.ndarray, "parameter parameter"]
    spread: Float[np.ndarray, " parameter"]
    span: Float[np.ndarray, "parameter 2"]
    pairs: tuple[Pair, ...]

    def __rich__(self) -> "Table":
        rows = [(f"{p.one} – {p.other}", f"{p.correlation:+.2f}", span(p.lo, p.hi)) for p in self.pairs]
        return table_of(("compensate", "correlation", "95 %"), rows)

    def __str__(self) -> str:
        return text_of(self)

    def __repr__(self) -> str:
        first = f", first {self.pairs[0].one} – {self.pairs[0].other}" if self.pairs else ""
        return f"Degeneracy({len(self.names)} parameters, {len(self.pairs)} pairs compensate{first})"


def degeneracy(
    names: tuple[str, ...], u: Float[np.ndarray, "member parameter"], which: np.ndarray
) -> Degeneracy:
    """Return the degeneracy of members at coordinates u; pairs are those among the parameters `which`."""
    found = correlated(u)
    chosen = np.flatnonzero(which)
    pairs = []
    tests = max(1, len(chosen) * (len(chosen) - 1) // 2)
    lo, hi = _bootstrapped(u[:, chosen], (1.0 - LEVEL) / tests)
    for i, a in enumerate(chosen):
        for j, b in enumerate(chosen[:i]):
            if lo[i, j] > 0.0 or hi[i, j] < 0.0:
                pairs.append(Pair(names[b], names[a], float(found[a, b]), float(lo[i, j]), float(hi[i, j])))
    pairs.sort(key=lambda p: -abs(p.correlation))
    return Degeneracy(names, found, u.std(0), np.quantile(u, [0.05, 0.95], axis=0).T, tuple(pairs))


def _bootstrapped(u: np.ndarray, outside: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the bootstrap intervals of all correlations, by Fisher's z and its bootstrap deviation.

    A quantile far outside, as many pairs need it, cannot be read off a few thousand resamplings; z is close to normal.
    """
    from scipy.special import ndtri

    d, n = u.shape[1], len(u)
    if n < 4 or d == 0:
        return np.full((d, d), -1.0), np.full((d, d), 1.0)
    rng = np.random.default_rng(0)
    samples = np.stack([_fisher(correlated(u[rng.integers(n, size=n)])) for _ in range(RESAMPLED)])
    middle, reach = _fisher(correlated(u)), -float(ndtri(0.5 * outside)) * samples.std(0)
    return np.tanh(middle - reach), np.tanh(middle + reach)


def _fisher(correlation: np.ndarray) -> np.ndarray:
    return np.arctanh(np.clip(correlation, -1.0 + 1e-9, 1.0 - 1e-9))
