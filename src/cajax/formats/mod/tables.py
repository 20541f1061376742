"""TABLE and FUNCTION_TABLE: interpolation as NEURON does it, and the line in a text that says what a reader chose."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...base import checks
from . import tree as t
from .faults import ModError
from .source import Source

_MARK = ":cajax "
_MOST = 10_000
"""Values of one table; a longer one belongs into a formula."""


def chosen(source: Source, usetable: bool, tables: Any) -> Source:
    """Return the source with a last line that holds the reader's choices, so that a saved class has them too."""
    filled = {name: _given(name, value) for name, value in _named(tables).items()}
    if not usetable and not filled:
        return source
    said = json.dumps({"usetable": usetable, "tables": {k: [v.x, v.y] for k, v in filled.items()}})
    origin = (source.origins[-1][0] if source.origins else "the file", 1)
    return Source(f"{source.text}{_MARK}{said}\n", (*source.origins, origin))


def take_choices(file: t.File, source: Source) -> None:
    """Fill the tables of a file, and say whether its TABLEs interpolate, from the choices in its text.

    Raises `ModError` for a table that the file does not declare.
    """
    lines = [line for line in source.text.splitlines() if line.startswith(_MARK)]
    if not lines:
        return
    try:
        said = json.loads(lines[-1].removeprefix(_MARK))
        file.usetable, tables = bool(said["usetable"]), dict(said["tables"])
    except (ValueError, KeyError, TypeError):
        raise ModError(
            f"{source.where(len(source.origins))}: '{_MARK}' begins no choices; take it out"
        ) from None
    for name, value in tables.items():
        if name not in file.tables:
            known = ", ".join(file.tables) or "none"
            raise ModError(f"{source.where(1)}: no FUNCTION_TABLE '{name}'; the file has {known}")
        file.tables[name] = _given(name, value)


def _named(tables: Any) -> Mapping[str, Any]:
    if tables is None:
        return {}
    return checks.of_kind(tables, Mapping, "read_mod: tables", "a dictionary such as {'tau': (x, y)}")


def _given(name: Any, value: Any) -> t.Given:
    """Return one table: a number, or rising `x` with as many `y`."""
    cure = f"read_mod: table {str(name)!a:.60} must be a number, or (x, y) with rising x and as many y"
    try:
        if np.ndim(value) == 0:
            value = ([0.0], [float(value)])
        x, y = (np.asarray(part, float) for part in value)
    except (TypeError, ValueError):
        raise ModError(cure) from None
    fits = x.ndim == 1 and x.shape == y.shape and 0 < len(x) <= _MOST and bool((np.diff(x) > 0).all())
    if not fits or not np.isfinite([x, y]).all():
        raise ModError(cure)
    return t.Given(tuple(x.tolist()), tuple(y.tolist()))


def looked_up(table: t.Given, x: Any) -> Any:
    """Return a FUNCTION_TABLE at `x`: linear between its values, the first or last one outside."""
    if len(table.x) == 1:
        return table.y[0]
    return jnp.interp(jnp.asarray(x, float), jnp.asarray(table.x), jnp.asarray(table.y))


def between(first: Any, last: Any, count: int, x: Any, at: Callable[[Any], list[Any]]) -> list[Any]:
    """Return what a TABLE of `count` steps gives at `x`, `at` being what it tabulates.

    NEURON keeps the values at count + 1 points; those of the two neighbours of `x` are all that is needed.
    """
    step = (last - first) / count
    place = jnp.clip((jnp.asarray(x, dtype=float) - first) / step, 0.0, float(count))
    k = jnp.floor(jnp.minimum(place, count - 1.0))
    low, high = at(first + k * step), at(first + (k + 1.0) * step)
    return [_blend(a, b, place - k) for a, b in zip(low, high, strict=True)]


def _blend(a: Any, b: Any, share: Any) -> Any:
    if isinstance(a, list):
        return [_blend(x, y, share) for x, y in zip(a, b, strict=True)]
    return a + share * (b - a)
