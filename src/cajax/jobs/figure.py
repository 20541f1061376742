"""A figure: one number that a model is judged by, how it is written, and which way is better."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from ..base.errors import StoreError
from ..base.schema import conformed


@final
@dataclass(frozen=True)
class Figure:
    """One number that is measured of a model, such as an error in mV.

    The unit "%" stands for shares 0..1, written as percentages. `chance` is what guessing reaches. `sentence` says the
    figure of a test in words: {name}, {value}, {trials} and {test} stand for what they name.
    """

    name: str
    unit: str = ""
    more_is_better: bool = False
    chance: float | None = None
    sentence: str = "The {name} on {trials} held-out trials ({test}) is {value}"

    @property
    def factor(self) -> float:
        """What a value is multiplied by where it is drawn or written."""
        return 100.0 if self.unit == "%" else 1.0

    @property
    def label(self) -> str:
        """The name with its unit, for an axis."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def text(self, x: Any, digits: int = 1) -> str:
        """Return a value with its unit: "98.1 %" with `digits` decimals, else `digits` + 2 figures ("0.423 mV").

        A dash stands for what is no finite number.
        """
        known = isinstance(x, int | float | np.number) and not isinstance(x, bool) and np.isfinite(x)
        if not known:
            return "–"
        if self.unit == "%":
            return f"{100.0 * x:.{digits}f} %"
        return f"{x:.{digits + 2}g} {self.unit}".rstrip()

    def better(self, a: float, b: float) -> bool:
        """Return whether `a` is better than `b`; what is not a number is worse than any number."""
        if np.isnan(a) or np.isnan(b):
            return bool(np.isnan(b) and not np.isnan(a))
        return a > b if self.more_is_better else a < b

    def best(self, values: Sequence[float]) -> int:
        """Return where the first of the best values stands."""
        best = 0
        for k, value in enumerate(values):
            if self.better(value, values[best]):
                best = k
        return best

    def said(self, value: str, trials: str, test: str) -> str:
        """Return `sentence` about a test, without its full stop."""
        words = {"name": self.name, "value": value, "trials": trials, "test": test}
        text = self.sentence
        for name, word in words.items():
            text = text.replace(f"{{{name}}}", word)
        return text

    @classmethod
    def read(cls, data: Any) -> Self | None:
        """Return the figure that `dataclasses.asdict` wrote into a file, None where it is not one."""
        if not isinstance(data, dict):
            return None
        names = {field.name for field in dataclasses.fields(cls)}
        try:
            return conformed({k: v for k, v in data.items() if k in names}, cls, "figure")
        except StoreError:
            return None
