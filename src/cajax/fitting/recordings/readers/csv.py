"""Recordings as text (.csv, .tsv, .txt): a line of names such as t_ms, v_mV, i_nA, then numbers."""

from pathlib import Path

import numpy as np

from ....base.disk import read_whole
from ..errors import RecordingError
from ..raw import Ask, Raw
from .tables import HELP, sweeps_of

MOST_BYTES = 200_000_000
_MOST_COLUMNS = 10_000


def read_csv(path: Path, ask: Ask) -> Raw:
    """Read columns separated by commas, semicolons or tabs; lines that begin with # are comments."""
    return sweeps_of(path, ask, read_columns(path))


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a text file by name; `RecordingError` names the line of what is no number.

    A column that is shorter than others is filled up by empty cells at its end, which are left out.
    """
    text = read_whole(path, MOST_BYTES).decode("utf-8", errors="replace").lstrip("\ufeff")
    lines = [
        (n, x) for n, x in enumerate(text.splitlines(), 1) if x.strip() and not x.lstrip().startswith("#")
    ]
    if not lines:
        raise RecordingError(f"{path} is empty; {HELP}")
    mark = next((mark for mark in ("\t", ";", ",") if mark in lines[0][1]), ",")
    names = [name.strip().strip('"').strip() for name in lines[0][1].split(mark)]
    if any(_number(name) is not None for name in names):
        raise RecordingError(f"{path} line {lines[0][0]} holds numbers, not names of columns; {HELP}")
    doubled = (
        next((name for name in names if names.count(name) > 1), None) if len(names) <= _MOST_COLUMNS else ""
    )
    if doubled is not None:
        what = f"has two columns '{doubled:.40}'" if doubled else f"has {len(names):,} columns"
        raise RecordingError(f"{path} line {lines[0][0]} {what}; {HELP}")
    table = _table(path, lines[1:], mark, names)
    return {name: _without_end(table[:, k]) for k, name in enumerate(names)}


def _table(path: Path, lines: list[tuple[int, str]], mark: str, names: list[str]) -> np.ndarray:
    if not lines:
        raise RecordingError(f"{path} has names of columns and no numbers")
    try:
        table = np.loadtxt([x for _, x in lines], delimiter=mark, comments=None, ndmin=2)
        if table.shape[1] == len(names):
            return table
    except ValueError:
        pass  # empty cells, or what is no number
    rows = [x.split(mark) for _, x in lines]
    try:
        if any(len(row) != len(names) for row in rows):
            raise ValueError("a row of another length")
        return np.array([[float(x) if x.strip() else np.nan for x in row] for row in rows])
    except ValueError:
        pass
    for (n, _), row in zip(lines, rows, strict=True):
        if len(row) != len(names):
            raise RecordingError(
                f"{path} line {n} has {len(row)} columns, the first line {len(names)}"
            ) from None
        for name, x in zip(names, row, strict=True):
            if x.strip() and _number(x) is None:
                raise RecordingError(
                    f"{path} line {n}: '{x.strip():.40}' in column '{name:.40}' is no number"
                )
    raise RecordingError(f"{path} holds numbers that cannot be read")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _without_end(x: np.ndarray) -> np.ndarray:
    """A column without the empty cells at its end; those in between stay NaN."""
    there = np.flatnonzero(~np.isnan(x))
    return x[: there[-1] + 1] if len(there) else x[:0]
