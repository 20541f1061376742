"""`Posterior`: parameters drawn from their distribution given a recording, and what follows from them."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import jax.numpy as jnp
import numpy as np

from ...base.checks import count, number, of_kind
from ...base.show import text_of
from ...base.types import Float
from ...model.model import Model
from ..box import Box
from ..objective import Objective
from .diagnose import ess, rhat
from .predict import Predictive, predicted
from .runs import Runs
from .table import span, table_of

if TYPE_CHECKING:
    from rich.table import Table

MIXED = 1.05
"""Largest R-hat of chains that have mixed."""
ENOUGH = 100.0
"""Fewest effective draws of every parameter."""


@final
@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws from the distribution of the parameters given a recording.

    `u` [chain, draw, parameter] are coordinates of the box, `density` [chain, draw] log densities in u up to a
    constant, `noise` [chain, draw] the standard deviation of the noise (mV; NaN where features were compared). `method`
    says how they were drawn; `accepted`, `diverged` and `steps` are means over proposals (NaN where there were none),
    `seconds` what it took. `runs` are the protocols it was inferred from.
    """

    runs: Runs
    u: Float[np.ndarray, "chain draw parameter"]
    density: Float[np.ndarray, "chain draw"]
    noise: Float[np.ndarray, "chain draw"]
    method: str
    seconds: float
    accepted: float = float("nan")
    diverged: float = float("nan")
    steps: float = float("nan")

    @property
    def box(self) -> Box:
        """The free parameters and their bounds."""
        return self.runs.box

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return self.box.names

    @cached_property
    def draws(self) -> Float[np.ndarray, "chain draw parameter"]:
        """The draws in the units of the parameters."""
        return in_units(self.box, self.u)

    @cached_property
    def rhat(self) -> Float[np.ndarray, " parameter"]:
        """Rank-normalized split R-hat of every parameter: 1 where all chains say the same; see `MIXED`."""
        return rhat(self.u)

    @cached_property
    def ess(self) -> Float[np.ndarray, " parameter"]:
        """The number of independent draws that the draws of every parameter are worth."""
        return ess(self.u)

    @property
    def mixed(self) -> bool:
        """Whether all chains agree (R-hat at most 1.05), with at least 100 effective draws of every parameter."""
        return bool((self.rhat <= MIXED).all() and (self.ess >= ENOUGH).all())

    @property
    def flat(self) -> Float[np.ndarray, "draw parameter"]:
        """The coordinates of all draws, one chain after the other."""
        return self.u.reshape(-1, self.u.shape[-1])

    @property
    def median(self) -> dict[str, float]:
        """The median of every parameter, in its unit."""
        middle = np.median(self.draws.reshape(-1, len(self.names)), 0)
        return dict(zip(self.names, map(float, middle), strict=True))

    def interval(self, level: float = 0.9) -> Float[np.ndarray, "parameter 2"]:
        """Return the interval that holds every parameter with probability `level`, as much on either side outside."""
        tail = 0.5 - 0.5 * number(level, "1", "interval: level", above=0.0, most=1.0)
        return np.quantile(self.draws.reshape(-1, len(self.names)), [tail, 1.0 - tail], axis=0).T

    def correlations(self) -> Float[np.ndarray, "parameter parameter"]:
        """Return the correlations of the parameters, each on the scale (linear or logarithmic) of its bounds."""
        return correlated(self.flat)

    def model(self, chain: int = 0, draw: int = 0) -> Model:
        """Return the model of one draw."""
        chain = count(chain, "model: chain", least=0, most=self.u.shape[0] - 1)
        draw = count(draw, "model: draw", least=0, most=self.u.shape[1] - 1)
        return self.box.put(self.box.model, jnp.asarray(self.u[chain, draw], self.runs.dtype))

    def thinned(self, most: int) -> Float[np.ndarray, "draw parameter"]:
        """Return the coordinates of at most so many draws, evenly taken from all chains."""
        most = min(count(most, "most"), len(self.flat))
        return self.flat[np.linspace(0, len(self.flat) - 1, most).round().astype(int)]

    def predict(self, objective: Objective | None = None, most: int = 100, seed: int = 0) -> Predictive:
        """Return what at most so many draws predict for the protocols of an objective, by default the fitted ones.

        The objective may hold sweeps that nothing was inferred from, recorded at the same places or others.
        """
        runs = self.runs
        if objective is not None:
            of_kind(objective, Objective, "predict: objective", "an Objective(sweeps)")
            runs = Runs(objective, runs.model, runs.free, runs.settle, "predict")
        noise = float(np.sqrt(np.mean(np.square(self.noise))))
        return predicted(runs, self.thinned(most), noise, seed)

    def __rich__(self) -> "Table":
        ends, prior = (
            self.interval(),
            in_units(self.box, np.array([[0.05], [0.95]]) * np.ones(len(self.names))),
        )
        rows = [
            (name, self.box.units[k], f"{middle:.4g}", span(*ends[k]), span(*prior[:, k]),
             f"{self.rhat[k]:.3f}", f"{self.ess[k]:.0f}")
            for k, (name, middle) in enumerate(self.median.items())
        ]  # fmt: skip
        return table_of(("parameter", "unit", "median", "90 %", "prior's 90 %", "R-hat", "draws"), rows)

    def __str__(self) -> str:
        return text_of(self)

    def __repr__(self) -> str:
        chains, draws, parameters = self.u.shape
        return (
            f"Posterior({self.method}, {parameters} parameters, {chains} chains of {draws} draws, "
            f"R-hat {np.max(self.rhat):.3f}, {np.min(self.ess):.0f} effective draws, {self.seconds:.0f} s)"
        )


def in_units(box: Box, u: Any) -> Float[np.ndarray, "... parameter"]:
    """Return the values of parameters at coordinates u, in double precision."""
    u = np.asarray(u, float)
    lo = np.where(box.logarithmic, box.lo, 1.0)
    curved = lo * np.exp(u * np.log(np.where(box.logarithmic, box.hi, 1.0) / lo))
    return np.where(box.logarithmic, curved, box.lo + u * (box.hi - box.lo))


def correlated(u: Float[np.ndarray, "draw parameter"]) -> Float[np.ndarray, "parameter parameter"]:
    """Return correlations; zero where a parameter does not vary, but one with itself."""
    off = u - u.mean(0)
    size = np.sqrt(np.mean(np.square(off), 0))
    off = off / np.where(size > 1e-12, size, np.inf)
    found = off.T @ off / len(u)
    np.fill_diagonal(found, 1.0)
    return found
