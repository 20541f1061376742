"""Tables as plain text: what Rich would print, without colours and without trailing spaces."""

import io
from typing import Any


def text_of(table: Any, width: int = 400) -> str:
    """Return the lines that Rich prints for `table` on a page of `width` columns; empty lines are left out."""
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines() if line.strip())
