"""The spectrum of a fit: which combinations of parameters the data decide, and which are sloppy.

Gauss–Newton: the information J'J of residuals in units of their standard deviation, at one candidate. Sloppy models:
Brown & Sethna (2003), Phys Rev E 68:021904; Gutenkunst et al. (2007), PLoS Comput Biol 3:e189.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ...base.checks import array_of, number, of_kind, shown
from ...base.errors import NonFiniteError, ParameterError
from ...base.show import text_of
from ...base.types import Float
from ..box import Box
from ..search import Problem, Result
from ..search.problem import BIN
from .draws import in_units
from .table import span, table_of

if TYPE_CHECKING:
    from rich.table import Table

FLAT = 12.0
"""Information that a uniform prior of a coordinate from 0 to 1 stands for: one over its variance."""
SLOPPY = 0.5
"""A direction whose standard deviation is above this share of the prior's is sloppy: the data hardly narrow it."""
NAMED = 0.3
"""Parameters with at least this part in a direction are named."""


@final
@dataclass(frozen=True, eq=False)
class Spectrum:
    """How well data determine parameters near coordinates `u` [parameter] of a box.

    `information` [parameter, parameter] is J'J for residuals in units of their standard deviation, J against u. Each
    coordinate has a uniform prior of variance 1/12, which enters as information of 12: what data do not decide has the
    prior's standard deviation, 0.29, instead of an infinite one.
    """

    box: Box
    u: Float[np.ndarray, " parameter"]
    information: Float[np.ndarray, "parameter parameter"]

    @cached_property
    def _eigen(self) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = np.linalg.eigh(self.information)
        vectors *= np.sign(vectors[np.abs(vectors).argmax(0), np.arange(len(values))])
        return np.maximum(values[::-1], 0.0), vectors[:, ::-1]

    @property
    def eigenvalues(self) -> Float[np.ndarray, " direction"]:
        """The information along every direction, the best decided first; 12 is as much as the prior says."""
        return self._eigen[0]

    @property
    def directions(self) -> Float[np.ndarray, "parameter direction"]:
        """The directions, of length one, in coordinates of the box."""
        return self._eigen[1]

    @property
    def deviations(self) -> Float[np.ndarray, " direction"]:
        """The standard deviation along every direction, in coordinates of the box."""
        return 1.0 / np.sqrt(self.eigenvalues + FLAT)

    @property
    def sloppy(self) -> np.ndarray:
        """Which directions [direction] the data hardly decide: more than half of the prior's deviation is left."""
        return self.deviations > SLOPPY / np.sqrt(FLAT)

    @cached_property
    def covariance(self) -> Float[np.ndarray, "parameter parameter"]:
        """The covariance of the coordinates, the prior included."""
        return (self.directions * np.square(self.deviations)) @ self.directions.T

    @property
    def errors(self) -> Float[np.ndarray, " parameter"]:
        """The standard error of every parameter in its unit; for small ones, since the box's scale may be curved."""
        box, sd = self.box, np.sqrt(np.diag(self.covariance))
        ratio = np.log(np.where(box.logarithmic, box.hi / np.where(box.logarithmic, box.lo, 1.0), 1.0))
        return sd * np.where(box.logarithmic, in_units(box, self.u) * ratio, box.hi - box.lo)

    @property
    def left(self) -> Float[np.ndarray, " parameter"]:
        """The share of the prior's standard deviation that is left to every parameter; 1 is no information."""
        return np.sqrt(np.diag(self.covariance) * FLAT)

    def correlations(self) -> Float[np.ndarray, "parameter parameter"]:
        """Return the correlations of the parameters."""
        sd = np.sqrt(np.diag(self.covariance))
        return self.covariance / np.outer(sd, sd)

    def interval(self, level: float = 0.9) -> Float[np.ndarray, "parameter 2"]:
        """Return the interval that holds every parameter with probability `level`, in its unit, within its bounds."""
        from scipy.special import ndtri

        reach = float(ndtri(0.5 + 0.5 * number(level, "1", "interval: level", above=0.0, most=1.0)))
        sd = np.sqrt(np.diag(self.covariance))
        ends = np.stack([self.u - reach * sd, self.u + reach * sd])
        return in_units(self.box, np.clip(ends, 0.0, 1.0)).T

    def named(self, direction: int) -> str:
        """Return a direction by its largest parameters, such as "0.8 soma.hh.gna − 0.6 soma.hh.gk"."""
        parts = self.directions[:, direction]
        order = np.argsort(-np.abs(parts), kind="stable")
        chosen = [k for i, k in enumerate(order) if i == 0 or abs(parts[k]) >= NAMED]
        signs = [
            "" if parts[k] > 0 and i == 0 else " + " if parts[k] > 0 else " − " for i, k in enumerate(chosen)
        ]
        return "".join(
            f"{s}{abs(parts[k]):.2f} {self.box.names[k]}" for s, k in zip(signs, chosen, strict=True)
        ).strip()

    def __rich__(self) -> "Table":
        rows = [
            (self.named(k), f"{value:.3g}", f"{sd:.2g}", "sloppy" if loose else "")
            for k, (value, sd, loose) in enumerate(
                zip(self.eigenvalues, self.deviations, self.sloppy, strict=True)
            )
        ]
        return table_of(("direction", "information", "deviation", ""), rows)

    def __str__(self) -> str:
        return text_of(self)

    def __repr__(self) -> str:
        ends = self.interval()
        widest = int(self.left.argmax())
        return (
            f"Spectrum({len(self.u)} parameters, {int(self.sloppy.sum())} sloppy directions, least decided:"
            f" {self.box.names[widest]} {span(*ends[widest])})"
        )


def spectrum(of: Result | Problem, u: Any = None, noise: float | None = None) -> Spectrum:
    """Return the spectrum of a search's problem at coordinates u [parameter], by default the best that it found.

    Residuals are those of the objective's terms, each in units of its standard deviation; with `noise` (mV), the
    difference from the recorded voltage, in means over half a millisecond, of independent samples with this standard
    deviation. Uses the programs that the search compiled. Raises `NonFiniteError` where the run at u fails.
    """
    of_kind(of, (Result, Problem), "spectrum", "the result of a search")
    problem = of.problem if isinstance(of, Result) else of
    if u is None:
        if not isinstance(of, Result):
            raise ParameterError(
                "spectrum: say at which coordinates u of the problem's box, such as result.best"
            )
        u = of.best
    at = array_of(u)
    if at is None or at.shape != (len(problem.box),) or not ((at >= 0.0) & (at <= 1.0)).all():
        raise ParameterError(
            f"spectrum: u is {shown(u)}; give {len(problem.box)} coordinates from 0 to 1, such as result.best"
        )
    at = np.asarray(at, float)
    if noise is None:
        rows, jacobian = (x[0] for x in problem.local(at[None]))
        scale = _per_residual(problem)
    else:
        rows, jacobian = (x[0] for x in problem.jacobian(at[None], 0.0))
        scale = _per_row(problem, number(noise, "mV", "spectrum: noise", above=0.0))
    jacobian = np.asarray(jacobian, float) * scale[:, None]
    if not np.isfinite(rows).all() or not np.isfinite(jacobian).all():
        raise NonFiniteError(
            "spectrum: the run at these coordinates fails; choose others, such as result.best"
        )
    return Spectrum(problem.box, at, jacobian.T @ jacobian)


def _per_residual(problem: Problem) -> np.ndarray:
    """Return what turns weighted residuals into ones in units of their standard deviation; 0: not compared."""
    found = []
    for term, counted in zip(problem.objective.terms, problem.objective.counted, strict=True):
        share = term.weight / max(int(counted.sum()), 1)
        found.append(np.where(counted.ravel() & (share > 0.0), 1.0 / max(share, 1e-300), 0.0))
    return np.concatenate(found)


def _per_row(problem: Problem, noise: float) -> np.ndarray:
    """Return what turns rows (differences summed over recorded samples, over a bin's length) into such units."""
    recorded = problem.objective.recorded
    bins = np.arange(recorded.shape[-1]) // max(1, round(BIN / problem.objective.dt))
    size = np.bincount(bins)
    real = np.stack(
        [np.bincount(bins, row) for row in recorded.reshape(-1, recorded.shape[-1]).astype(float)]
    )
    return np.where(real > 0.0, size / np.sqrt(np.maximum(real, 1.0)) / noise, 0.0).ravel()
