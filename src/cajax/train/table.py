"""The table of trained parameters that `Free.table` returns: rows as data, printed with Rich."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from ..base.errors import ParameterError
from ..base.schema import Count
from ..base.show import text_of
from .bijections import Bijection

if TYPE_CHECKING:
    from rich.table import Table


@final
@dataclass(frozen=True)
class Row:
    """One path: how many numbers, their value (or least, middle, greatest), bounds, and change if known."""

    path: str
    unit: str
    count: Count
    value: str
    bounds: str
    change: str | None = None


@final
@dataclass(frozen=True)
class ParameterTable:
    """Rows of trained parameters; `print` it, or give it to Rich."""

    rows: tuple[Row, ...]

    @property
    def count(self) -> int:
        """How many numbers are trained in all."""
        return sum(row.count for row in self.rows)

    def __rich__(self) -> "Table":
        from rich import box
        from rich.table import Table
        from rich.text import Text

        changes = any(row.change is not None for row in self.rows)
        table = Table(box=box.SIMPLE_HEAD, show_footer=len(self.rows) > 1)
        table.add_column("parameter", footer="in all", no_wrap=True)
        table.add_column("unit")
        table.add_column("count", footer=str(self.count), justify="right")
        table.add_column("value", justify="right")
        table.add_column("bounds")
        if changes:
            table.add_column("change", justify="right")
        for row in self.rows:
            cells = [
                row.path,
                row.unit,
                str(row.count),
                row.value,
                row.bounds,
                *([row.change or ""] if changes else []),
            ]
            table.add_row(
                *(Text(cell) for cell in cells)
            )  # Text, since a path may hold Rich's markup brackets
        return table

    def __str__(self) -> str:
        return text_of(self)


def tabulate(
    bijections: Mapping[str, Bijection],
    params: Mapping[str, Any],
    units: Mapping[str, str],
    before: Mapping[str, Any] | None = None,
) -> ParameterTable:
    """Build the table of `bijections` (by path) from the present values and, for the change, the values `before`."""
    rows = []
    for path, bijection in bijections.items():
        values = np.asarray(params[path])
        change = None if before is None else _change(path, np.asarray(before[path]), values)
        unit = units.get(path, "")
        rows.append(
            Row(path, unit, values.size, _spread(values, "{:.4g}"), _bounds(*bijection.range), change)
        )
    return ParameterTable(tuple(rows))


def _spread(values: np.ndarray, form: str) -> str:
    if values.size == 0:
        return "none"
    if values.size == 1:
        return form.format(values.item())
    return " … ".join(form.format(x) for x in (values.min(), np.median(values), values.max()))


def _bounds(lo: float, hi: float) -> str:
    if np.isinf(lo) and np.isinf(hi):
        return "free"
    return f"> {lo:g}" if np.isinf(hi) else f"{lo:g} … {hi:g}"


def _change(path: str, before: np.ndarray, after: np.ndarray) -> str:
    if before.size not in (1, after.size):
        raise ParameterError(
            f"{path} has {after.size} values and the reference has {before.size}; "
            "compare with the model that was trained"
        )
    before = before.reshape(after.shape) if before.size == after.size else before.reshape(())
    if np.any(before == 0.0):
        return _spread(after - before, "{:+.3g}")
    return _spread(100.0 * (after - before) / np.abs(before), "{:+.1f} %")
