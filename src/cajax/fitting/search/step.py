"""Bounded Gauss–Newton steps: the linear least-squares problem of a Jacobian, solved in boxes of several sizes."""

from typing import final

import numpy as np

SCALES = np.array([1.0, 0.3, 0.1, 0.03])
"""Boxes that are tried in one batch, as shares of a lane's own."""
RIDGE = 1e-5
"""Damping, as a share of the mean of the diagonal of J'J: keeps directions that nothing depends on where they are."""
HEAVY = 0.7
"""Quantile of the rows' sizes above which rows are weighted down."""


def weights(rows: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
    """Return the weight of every row: 1/max(a, 70 % quantile of a), a the row's rms slope plus its residual.

    Without it a few samples on the upstrokes of spikes, where slopes are hundreds of times larger, decide all.
    """
    size = np.sqrt(mean_square(jacobian)) + np.abs(rows)
    if not np.isfinite(size).all():
        return np.ones(len(rows))  # a run that failed: nothing is done with it
    return 1.0 / np.maximum(size, max(float(np.quantile(size, HEAVY)), 1e-12))


def bounded_steps(
    rows: np.ndarray, jacobian: np.ndarray, u: np.ndarray, widths: np.ndarray, moves: np.ndarray
) -> np.ndarray:
    """Return the steps d [width, parameter] that minimise |J d + r|² + ridge, |d| ≤ width, u + d within [0, 1].

    `rows` [row] and `jacobian` [row, parameter] are weighted already; only the coordinates `moves` [parameter] move.
    """
    from scipy.optimize import lsq_linear

    steps = np.zeros((len(widths), len(u)))
    a = np.asarray(jacobian, float)[:, moves]
    scale = np.sqrt(np.mean(np.square(a).sum(0))) if a.size else 0.0
    if not scale > 0.0:
        return steps
    ridge = np.sqrt(RIDGE) * scale * np.eye(a.shape[1])
    q, small = np.linalg.qr(np.vstack([a, ridge]))
    right = -(q[: len(a)].T @ np.asarray(rows, float))
    for step, width in zip(steps, widths, strict=True):
        low, high = np.maximum(-width, -u[moves]), np.minimum(width, 1.0 - u[moves])
        step[moves] = lsq_linear(small, right, (low - 1e-9, high + 1e-9), method="bvls").x
    return np.clip(u + steps, 0.0, 1.0) - u


def mean_square(rows: np.ndarray) -> np.ndarray:
    """Return the mean square [lane] of the rows [lane, row] of every lane."""
    with np.errstate(over="ignore", invalid="ignore"):  # of a run that failed
        return np.mean(np.square(rows), -1)


@final
class Lanes:
    """Candidates `u` [lane, parameter] that move by bounded Gauss–Newton steps.

    Each has a box of its own, of half-width `width` [lane] between `least` and ½.
    """

    def __init__(self, u: np.ndarray, width: np.ndarray, least: float) -> None:
        self.u, self.width, self._least = np.array(u), np.array(width), least

    def __len__(self) -> int:
        return len(self.u)

    def tries(self, rows: np.ndarray, jacobian: np.ndarray, moves: np.ndarray) -> np.ndarray:
        """Return the candidates [lane · scale, parameter] that steps in boxes of all `SCALES` lead to.

        `rows` [lane, row], `jacobian` [lane, row, parameter] are weighted; lanes where they are not finite stay.
        """
        tried = np.repeat(self.u[:, None], len(SCALES), 1)
        for own, r, j, u, width in zip(tried, rows, jacobian, self.u, self.width, strict=True):
            if np.isfinite(r).all() and np.isfinite(j).all():
                own += bounded_steps(r, j, u, width * SCALES, moves)
        return tried.reshape(-1, tried.shape[-1])

    def take(self, tried: np.ndarray, costs: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move every lane to the best of its tries where that is better than `before` [lane]; fit the boxes to that.

        `costs` [lane · scale], not finite where a run failed. Returns the costs now [lane], and which lanes moved.
        """
        lanes = np.arange(len(self))
        costs = np.where(np.isfinite(costs), costs, np.inf).reshape(len(self), len(SCALES))
        best = costs.argmin(1)
        better = costs[lanes, best] < before
        self.u[better] = tried.reshape(len(self), len(SCALES), -1)[lanes, best][better]
        factor = np.where(better, np.where(best == 0, 2.0, np.sqrt(SCALES[best])), 1.0 / 3.0)
        self.width = np.clip(factor * self.width, self._least, 0.5)
        return np.where(better, costs[lanes, best], before), better
