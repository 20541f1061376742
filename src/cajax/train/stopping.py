"""When a training has done enough: conditions on its history, for `fit(until=…)`."""

from dataclasses import dataclass
from typing import final

import numpy as np

from ..base.errors import ParameterError
from .history import History


@final
@dataclass(frozen=True)
class Reached:
    """See `reached`."""

    accuracy: float | None
    loss: float | None
    over: int

    def __call__(self, history: History) -> bool:
        """Return whether the goal is reached."""
        if history.steps < self.over:
            return False
        good = self.accuracy is None or np.mean(history.aux[-self.over :]) >= self.accuracy
        return bool(good and (self.loss is None or np.mean(history.losses[-self.over :]) <= self.loss))


@final
@dataclass(frozen=True)
class Plateau:
    """See `plateau`."""

    over: int
    by: float

    def __call__(self, history: History) -> bool:
        """Return whether the loss stands still."""
        if history.steps < 2 * self.over:
            return False
        before, now = np.mean(np.reshape(history.losses[-2 * self.over :], (2, self.over)), axis=1)
        return bool(now > before - self.by * abs(before))


def reached(accuracy: float | None = None, loss: float | None = None, over: int = 20) -> Reached:
    """Enough is when the means of the last `over` steps are at least `accuracy` and at most `loss`.

    The accuracy is what the loss returns beside its value (`has_aux=True`). Raises `ParameterError` without a goal.
    """
    if accuracy is None and loss is None:
        raise ParameterError("reached() has no goal; write reached(accuracy=0.95) or reached(loss=0.1)")
    _check_steps("reached", over)
    return Reached(accuracy, loss, over)


def plateau(over: int = 200, by: float = 0.01) -> Plateau:
    """Enough is when the mean loss of the last `over` steps is not lower by the share `by` than that of those before.

    Early stopping. Raises `ParameterError` for less than one step.
    """
    _check_steps("plateau", over)
    return Plateau(over, by)


def _check_steps(name: str, over: int) -> None:
    if over < 1:
        raise ParameterError(f"{name}(over={over}) needs at least one step to look at")
