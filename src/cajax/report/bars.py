"""Bars of one figure: of tests, controls, resets and lesions alike."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .. import plot
from ..jobs import Figure
from .folder import number


def bars(ax: Any, values: Mapping[str, float], figure: Figure, **options: Any) -> None:
    """Draw values of a figure in its unit; shares on an axis that ends at 100 %."""
    most = 100.0 if figure.unit == "%" else None
    plot.bars(ax, values, label=figure.label, most=most, factor=figure.factor, **options)


def known(x: Any) -> float:
    """Return `x` where it is a finite number, else NaN."""
    value = number(x)
    return np.nan if value is None else value


def listed(values: Mapping[str, float], figure: Figure) -> str:
    """Return values in words, for those who cannot see the bars."""
    return ", ".join(f"{name} {figure.text(value)}" for name, value in values.items())


def figures_in(x: Any, name: str) -> dict[str, float]:
    """Return the entries of a dictionary that are numbers, or dictionaries with one under `name`."""
    found = {}
    for key, value in (x or {}).items():
        value = number(value.get(name) if isinstance(value, Mapping) else value)
        if value is not None:
            found[str(key)] = value
    return found


def worst_first(values: Mapping[str, float], figure: Figure) -> dict[str, float]:
    """Return values in order, the worst one first."""
    order: Iterable[tuple[str, float]] = sorted(
        values.items(), key=lambda item: item[1], reverse=not figure.more_is_better
    )
    return dict(order)
