"""Numbers and tables of an inference as text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


def table_of(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "Table":
    """Return a table for Rich: the first column is text, the second one too where it is called "unit"."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for k, name in enumerate(columns):
        table.add_column(name, justify="left" if k == 0 or name == "unit" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table


def span(lo: float, hi: float) -> str:
    """Return an interval as text."""
    return f"{lo:.4g} … {hi:.4g}"
