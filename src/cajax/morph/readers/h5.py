"""BlueBrain morphologies in HDF5 (format 1): the tables `points` and `structure`, checked before they are read."""

from pathlib import Path
from typing import Any

import numpy as np

from ...base.errors import MorphologyError
from ...base.limits import affordable
from ..morphology import Branch
from . import contour
from .measures import MOST_POINTS, Measures, Reading, fault, faulty

_TAGS = {1: "soma", 2: "axon", 3: "basal", 4: "apical"}
_SOMA = 1
_CHUNK = 10**8  # bytes that the library allocates at once for a piece of a table
_FILTERS = {1, 2, 3}  # deflate, shuffle, checksum: what the library has built in
_FAILURES = (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError, AttributeError)
"""What h5py raises of damaged files."""


def read_h5(path: Path, measures: Measures) -> Reading:
    """Read a BlueBrain HDF5 morphology; its soma is an outline.

    Row k of `structure` is the first point, the type and the parent of section k; a first row of type 1 is the soma.
    Trees connect to the middle of the soma. Raises `MorphologyError` naming the table and its row.
    """
    points, structure = _tables(path)
    if not len(structure):
        raise MorphologyError(
            f"{path}: 'structure' is empty; expected a row (first point, type, parent) a section"
        )
    has_soma = bool(structure[0, 1] == _SOMA)
    ends = np.append(structure[1:, 0], len(points))
    _check_structure(path, structure, ends, has_soma)
    points = measures.points(points * [1.0, 1.0, 1.0, 0.5])
    for k in faulty(points)[:1]:
        raise MorphologyError(f"{path}: row {k} of 'points': {fault(points[k])}")
    notes = _gaps(points, structure, ends, has_soma)
    soma = _soma(path, points[: ends[0]]) if has_soma and ends[0] else []
    missing = int(has_soma) - len(soma)  # a row of `structure` that is no branch
    branches = list(soma)
    for k in range(int(has_soma), len(structure)):
        start, kind, parent = structure[k].tolist()
        own, tag = points[start : ends[k]], _TAGS.get(kind, f"custom{kind}")
        if parent >= has_soma:
            branches.append(Branch(own, parent - missing, 1.0, tag))
        else:
            branches.append(Branch(own, 0, 0.5, tag) if soma else Branch(own, -1, 1.0, tag))
    return Reading(branches, notes)


def _soma(path: Path, points: np.ndarray) -> list[Branch]:
    """A soma of one point is a sphere, one of two is as written, one of more an outline."""
    if len(points) == 1:
        points = contour.sphere(points[0])
    elif len(points) > 2:
        try:
            points = contour.soma([points[:, :3]])
        except MorphologyError as error:
            raise MorphologyError(f"{path}: rows 0 to {len(points) - 1} of 'points': {error}") from None
    return [Branch(points, -1, 1.0, "soma")]


def _check_structure(path: Path, structure: np.ndarray, ends: np.ndarray, has_soma: bool) -> None:
    start, kind, parent = structure.T
    own = np.arange(len(structure))
    first_parent = 0 if has_soma else -1
    wrong = {
        "its first point must lie in 'points'": (start < 0) | (start > ends[-1]),
        "its first point must follow those of the row before": start < np.append(0, start[:-1]),
        "it has no points": (ends <= start) & ~((own == 0) & has_soma),
        "points before it belong to no section": (own == 0) & (start != 0),
        "its type must be positive, and 1 (the soma) only in row 0": (kind <= 0)
        | ((kind == _SOMA) & (own > 0)),
        f"its parent must be a row before it, {first_parent} for a tree's first": (own >= has_soma)
        & ((parent >= own) | (parent < first_parent)),
    }
    for said, rows in wrong.items():
        for k in np.flatnonzero(rows)[:1]:
            row = ", ".join(map(str, structure[k].tolist()))
            raise MorphologyError(f"{path}: row {k} of 'structure' is ({row}), but {said}")


def _gaps(points: np.ndarray, structure: np.ndarray, ends: np.ndarray, has_soma: bool) -> list[str]:
    """A note when a section does not repeat its parent's last point as its first."""
    first = int(has_soma)
    child = first + np.flatnonzero(structure[first:, 2] >= first)
    gap = points[structure[child, 0], :3] != points[ends[structure[child, 2]] - 1, :3]
    for k in child[gap.any(1)][:1]:
        return [
            f"section {k} does not start where its parent ends; the gap has no membrane and no resistance"
        ]
    return []


def _tables(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The tables `points` [P, 4] and `structure` [S, 3] of a file of a version that is known."""
    import h5py  # heavy: only where a file is read

    try:
        with h5py.File(path, "r") as file:
            _check_version(path, file, h5py)
            points = _table(path, file, "points", 4, "iuf", h5py)
            structure = _table(path, file, "structure", 3, "iu", h5py)
    except _FAILURES as error:
        said = " ".join(str(error).split())[:120]
        raise MorphologyError(f"{path} is damaged or no morphology in HDF5: {said}") from None
    small = structure.astype(np.int64)
    if not np.array_equal(small, structure):
        raise MorphologyError(f"{path}: 'structure' holds numbers that are too large for rows of a table")
    return points.astype(float), small


def _check_version(path: Path, file: Any, h5py: Any) -> None:
    if file.get("metadata", getlink=True) is None and "points" not in file and "neuron1" in file:
        raise MorphologyError(
            f"{path} is an HDF5 morphology of version 2, which is not read; convert it to version 1"
        )
    if not isinstance(file.get("metadata", getlink=True), h5py.HardLink):
        return  # version 1.0 has none
    attributes = file["metadata"].attrs
    if "version" not in attributes:
        raise MorphologyError(f"{path}: its metadata lack a version; expected 1.0 or later")
    kept = attributes.get_id("version")
    if kept.shape not in ((), (1,), (2,)) or kept.dtype.kind not in "iu":
        raise MorphologyError(f"{path}: the version in its metadata is no pair of numbers")
    version = np.ravel(attributes["version"]).tolist()
    if version[0] != 1:
        shown = ".".join(map(str, version))
        raise MorphologyError(f"{path} is an HDF5 morphology of version {shown}; only version 1 is read")


def _table(path: Path, file: Any, name: str, columns: int, kinds: str, h5py: Any) -> np.ndarray:
    """Read a table after its type and sizes are known to be those of a morphology."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):  # a link may lead to another file
        raise MorphologyError(f"{path} has no table '{name}'; expected a BlueBrain morphology")
    table = file[name]
    if not isinstance(table, h5py.Dataset) or table.ndim != 2 or table.shape[1] != columns:
        raise MorphologyError(f"{path}: '{name}' must be a table of {columns} columns")
    if table.dtype.kind not in kinds or table.dtype.itemsize > 8:
        raise MorphologyError(f"{path}: '{name}' holds {table.dtype}, not numbers")
    affordable(
        f"{path}: '{name}'", table.shape[0], "rows", MOST_POINTS, "read a smaller file", MorphologyError
    )
    if table.external or table.is_virtual:
        raise MorphologyError(
            f"{path}: '{name}' lies in another file; only tables in the file itself are read"
        )
    if table.chunks:
        size = float(np.prod(table.chunks, dtype=float)) * table.dtype.itemsize
        affordable(
            f"{path}: '{name}'", size, "bytes a chunk", _CHUNK, "write it in smaller chunks", MorphologyError
        )
    layout = table.id.get_create_plist()
    if {layout.get_filter(k)[0] for k in range(layout.get_nfilters())} - _FILTERS:
        raise MorphologyError(
            f"{path}: '{name}' is packed by a filter that is not part of HDF5; write it without"
        )
    return table[()]
