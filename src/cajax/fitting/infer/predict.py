"""What a posterior predicts: the traces of many draws, with the noise of the recording."""

from dataclasses import dataclass
from typing import final

import numpy as np

from ...base.checks import number
from ...base.types import Float
from .runs import Runs

SAMPLED = 1000
"""Numbers that the interval of a sample is read from."""


@final
@dataclass(frozen=True, eq=False)
class Predictive:
    """Voltages `v` [draw, sweep, place, sample] mV that draws predict, without the recording's noise.

    `recorded` [sweep, place, sample] are the sweeps that they are predictions of, `real` which of their samples were
    recorded; `noise` (mV) is the standard deviation of the measurement; a draw whose run failed is left out.
    """

    v: Float[np.ndarray, "draw sweep place sample"]
    recorded: Float[np.ndarray, "sweep place sample"]
    real: np.ndarray
    noise: float
    seed: int = 0

    def interval(self, level: float = 0.9, noise: bool = True) -> Float[np.ndarray, "2 sweep place sample"]:
        """Return between which voltages a sample lies with probability `level`; without `noise`, the model's."""
        tail = 0.5 - 0.5 * number(level, "1", "interval: level", above=0.0, most=1.0)
        rng = np.random.default_rng(self.seed)
        found = np.zeros((2, *self.v.shape[1:]))
        for k in range(self.v.shape[1]):  # one sweep after the other, for the sake of memory
            v = self.v[:, k]
            if noise and np.isfinite(self.noise):
                # Each draw with several samples of noise: the ends of an interval from few numbers are too near.
                v = np.repeat(v, max(1, SAMPLED // len(v)), 0)
                v = v + self.noise * rng.standard_normal(v.shape)
            found[:, k] = np.quantile(v, [tail, 1.0 - tail], axis=0)
        return found

    def coverage(self, level: float = 0.9) -> float:
        """Return which share of what was recorded lies in the interval of this level, noise included."""
        lo, hi = self.interval(level)
        inside = (self.recorded >= lo) & (self.recorded <= hi)
        return float(inside[self.real].mean())

    def error(self) -> float:
        """Return the root mean square (mV) of the difference between the recording and the mean prediction."""
        off = (self.v.mean(0) - self.recorded)[self.real]
        return float(np.sqrt(np.mean(np.square(off))))


def predicted(runs: Runs, u: Float[np.ndarray, "draw parameter"], noise: float, seed: int) -> Predictive:
    """Return the traces at coordinates u [draw, parameter]."""
    v = runs.traces(u)
    v = v[np.isfinite(v).all((1, 2, 3))]
    return Predictive(v, runs.objective.voltages, runs.objective.recorded, noise, seed)
