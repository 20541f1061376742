"""SWC files, cut into branches exactly as NEURON's Import3D does (Import3d_SWC_read, Import3d_GUI.instantiate)."""

import re
from itertools import chain
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from ...base.errors import MorphologyError
from ...base.limits import affordable
from ..morphology import Branch
from .contour import sphere
from .measures import MOST_POINTS, Measures, Reading, fault, faulty, number

_COLUMNS = "'id type x y z radius parent'"
_TAGS = {0: "undefined", 1: "soma", 2: "axon", 3: "basal", 4: "apical"}
_SOMA = 1
_LARGEST = 2**53  # whole numbers are exact in a double up to here
_UNUSUAL = re.compile(r"[^0-9eE+\-. ]")  # what no plain number holds, though Python may read it as one


@final
class _Rows(NamedTuple):
    """The points of a file: file line, id, type, index of the parent (-1 for a root) [P] and x, y, z, radius [P, 4]."""

    line: np.ndarray
    id: np.ndarray
    type: np.ndarray
    parent: np.ndarray
    points: np.ndarray

    def take(self, order: np.ndarray) -> "_Rows":
        """The same points in another order."""
        place = np.empty(len(order), int)
        place[order] = np.arange(len(order))
        parent = self.parent[order]
        parent = np.where(parent >= 0, place[parent], -1)
        return _Rows(self.line[order], self.id[order], self.type[order], parent, self.points[order])


def read_swc(path: Path, text: str, measures: Measures) -> Reading:
    """Read the `text` of an SWC file.

    Branches end where the tree forks, where the type changes, and where a child does not follow its parent in the
    file. A soma of one point, or of three in the NeuroMorpho.org convention, is a cylinder of length = diameter. A
    second root is joined to the first section, with a note. Where NEURON joins two points that are not parent and
    child (in files not written branch by branch), the tree is followed instead. Beyond NEURON: a unit in the header
    is used, a parent may have a larger id than its child, lines may end in a comment, and a root that is repeated
    with a parent counts as the one point it is. A radius of zero is allowed only at a tip. Raises `MorphologyError`
    naming the line for everything else.
    """
    line, table, header = _parse(path, text)
    measures, notes = measures.with_unit_of(header)
    table[:, 2:6] = measures.points(table[:, 2:6])
    for k in faulty(table[:, 2:6])[:1]:
        raise MorphologyError(f"{path} line {line[k]}: {fault(table[k, 2:6])} (point {table[k, 0]:.0f})")
    rows = _ordered(_linked(line, table, path), path)
    _check_radii(rows, path)
    more = np.flatnonzero(rows.parent < 0)[1:]
    if len(more):
        where = f"line {rows.line[more[0]]}" + (" and others" if len(more) > 1 else "")
        first = "the soma" if rows.type[0] == _SOMA else "the first section"
        notes.append(
            f"{where}: a second root is joined to {first}, as NEURON does; give it a parent to choose where"
        )
    return Reading(_branches(rows, path), notes)


def _parse(path: Path, text: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the file's line numbers [P], its seven columns [P, 7] and its comments."""
    lines, fields, header = [], [], []
    for at, line in enumerate(text.split("\n"), start=1):
        data, _, comment = line.partition("#")
        words = data.split()
        if not words:
            header.append(comment)
            continue
        if len(words) < 7:
            raise MorphologyError(f"{path} line {at}: expected 7 numbers {_COLUMNS}, found {len(words)}")
        lines.append(at)
        fields.append(words[:7])
    if not lines:
        raise MorphologyError(f"{path} holds no points; expected lines of 7 numbers {_COLUMNS}")
    affordable(f"{path}", len(lines), "points", MOST_POINTS, "read a smaller file", MorphologyError)
    return np.array(lines), _table(path, lines, fields), header


def _table(path: Path, lines: list[int], fields: list[list[str]]) -> np.ndarray:
    """The columns [P, 7] as numbers."""
    words = list(chain.from_iterable(fields))
    try:
        if _UNUSUAL.search(" ".join(words)):
            raise ValueError("a word that is no plain number")
        table = np.array(list(map(float, words))).reshape(-1, 7)
    except ValueError:
        at, word = next((n, w) for n, f in zip(lines, fields, strict=True) for w in f if number(w) is None)
        raise MorphologyError(
            f"{path} line {at}: expected 7 numbers {_COLUMNS}, found '{word[:40]}'"
        ) from None
    whole = table[:, [0, 1, 6]]
    wrong = (np.abs(whole) > _LARGEST) | (whole != np.round(whole))
    wrong[:, 0] |= whole[:, 0] < 0
    for k in np.flatnonzero(wrong.any(1))[:1]:
        raise MorphologyError(
            f"{path} line {lines[k]}: id, type and parent must be integers below 2**53, an id not negative,"
            f" found {' '.join(fields[k])[:80]}"
        )
    return table


def _linked(line: np.ndarray, table: np.ndarray, path: Path) -> _Rows:
    """Turn parent ids into indices; ids must be unique and parents must exist."""
    order = np.argsort(table[:, 0], kind="stable")
    line, table = line[order], table[order]
    line, table = _without_restated_roots(line, table, path)
    ids, parent_ids = table[:, 0].astype(int), table[:, 6].astype(int)
    place = np.minimum(np.searchsorted(ids, parent_ids), len(ids) - 1)
    for k in np.flatnonzero((parent_ids >= 0) & (ids[place] != parent_ids))[:1]:
        raise MorphologyError(
            f"{path} line {line[k]}: parent {parent_ids[k]} does not exist; give an id of this file, or -1 for a root"
        )
    parent = np.where(parent_ids < 0, -1, place)
    for k in np.flatnonzero(parent == np.arange(len(ids)))[:1]:
        raise MorphologyError(
            f"{path} line {line[k]}: point {ids[k]} is its own parent; a root has parent -1"
        )
    return _Rows(line, ids, table[:, 1].astype(int), parent, table[:, 2:6])


def _without_restated_roots(line: np.ndarray, table: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Join two lines of one id when they are the same point, first as a root and then with a parent."""
    keep = np.ones(len(line), bool)
    for k in np.flatnonzero(np.diff(table[:, 0]) == 0):
        roots = table[k : k + 2, 6] < 0
        if not np.array_equal(table[k, :6], table[k + 1, :6]) or roots.sum() != 1 or not keep[k]:
            a, b = sorted(line[k : k + 2])
            raise MorphologyError(
                f"{path} line {b}: id {table[k, 0]:.0f} is that of line {a}; ids must differ"
            )
        keep[k + int(roots[1])] = False
    return line[keep], table[keep]


def _ordered(rows: _Rows, path: Path) -> _Rows:
    """Put parents before children: in the order of ids where that does it (as NEURON), else depth first."""
    if (rows.parent < np.arange(len(rows.parent))).all():
        return rows
    children: list[list[int]] = [[] for _ in rows.parent]
    for k, p in enumerate(rows.parent):
        if p >= 0:
            children[p].append(k)
    order, stack = [], list(np.flatnonzero(rows.parent < 0)[::-1])
    while stack:
        k = stack.pop()
        order.append(k)
        stack.extend(reversed(children[k]))
    if len(order) < len(rows.parent):
        k = min(set(range(len(rows.parent))) - set(order), key=lambda k: rows.line[k])
        raise MorphologyError(
            f"{path} line {rows.line[k]}: point {rows.id[k]} does not lead to a root (a cycle of parents);"
            " follow its parents and give one of them parent -1"
        )
    return rows.take(np.array(order))


def _check_radii(rows: _Rows, path: Path) -> None:
    leaf = np.ones(len(rows.line), bool)
    leaf[rows.parent[rows.parent >= 0]] = False
    leaf &= rows.parent >= 0
    for k in np.flatnonzero((rows.points[:, 3] == 0) & ~leaf)[:1]:
        raise _no_radius(rows, int(k), path)


def _no_radius(rows: _Rows, k: int, path: Path) -> MorphologyError:
    return MorphologyError(
        f"{path} line {rows.line[k]}: radius 0 of point {rows.id[k]} must be positive (zero only at a tip);"
        " give min_radius= to raise it"
    )


def _section_ends(rows: _Rows) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return (is this point the last of a section [P], number of soma children [P], is it a three-point soma).

    A point goes on to the next one when that is its only child and of the same type. Two exceptions of Import3D: soma
    points that follow one another stay together however many dendrites leave them, and so does a dendrite whose
    first point has other children (those connect to the dendrite's start).
    """
    n, kind, parent = len(rows.line), rows.type, rows.parent
    child = np.flatnonzero(parent >= 0)
    p = parent[child]
    joined = p == child - 1
    soma_children = np.bincount(p[(kind[child] == _SOMA) & (kind[p] == _SOMA)], minlength=n)
    count = np.bincount(p, minlength=n)
    last = np.append((parent[1:] != np.arange(n - 1)) | (kind[1:] != kind[:-1]), True) | (count != 1)

    proximal = _proximal(rows)
    last_child = np.zeros(n, int)
    last_child[p[~joined]] = child[~joined]
    continued = np.zeros(n, bool)
    continued[p[joined]] = True  # only a point with a child right after it can go on
    continued &= np.isin(np.arange(n), p[proximal[child]])
    last[continued] = kind[last_child[continued]] != kind[continued]

    three = _three_point_soma(rows, count)
    if three:
        last[:2] = False
    follows = np.append((kind[:-1] == _SOMA) & (kind[1:] == _SOMA) & (parent[1:] == np.arange(n - 1)), False)
    follows[1:] &= soma_children[1:] <= 1
    last[follows] = False
    return last, soma_children, three


def _proximal(rows: _Rows) -> np.ndarray:
    """Which points [P] hang on the first point of a dendrite on the soma, or on the root outside a soma.

    To Import3D the parent of a second root is the first point of the file.
    """
    parent, kind = rows.parent, rows.type
    index = np.arange(len(parent))
    grand = np.maximum(parent[parent], 0)
    on_first = (parent > 1) & (kind[grand] == _SOMA)
    return (parent >= 0) & (parent != index - 1) & (kind[parent] != _SOMA) & ((parent == 0) | on_first)


def _three_point_soma(rows: _Rows, count: np.ndarray) -> bool:
    """NeuroMorpho.org's soma: a root with two childless soma points, equal radii, total length = diameter."""
    if (rows.type == _SOMA).sum() != 3 or (rows.parent[1:3] != 0).any() or count[1:3].any():
        return False
    xyz, radius = rows.points[:3, :3], rows.points[:3, 3]
    length = np.linalg.norm(xyz[1:] - xyz[0], axis=1).sum()
    return bool((radius == radius[0]).all() and abs(length / (2 * radius[0]) - 1) < 0.01)


def _branches(rows: _Rows, path: Path) -> list[Branch]:
    """Cut the ordered points into branches and connect them."""
    last, soma_children, three = _section_ends(rows)
    proximal = _proximal(rows)
    firsts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
    section = np.concatenate([[0], np.cumsum(last)[:-1]])
    ends = np.append(firsts[1:], len(last))
    branches: list[Branch] = []
    for s, (first, end) in enumerate(zip(firsts, ends, strict=True)):
        tag = _TAGS.get(int(rows.type[first]), f"custom{rows.type[first]}")
        points = rows.points[first:end]
        if s == 0:
            single = len(points) == 1 or three
            branches.append(Branch(sphere(points[0]) if single else points, -1, 1.0, tag))
            continue
        up = max(int(rows.parent[first]), 0)  # a second root continues the first point of the file
        parent = int(section[up])
        head = firsts[parent]
        attach, wired = _connection(
            rows, soma_children, first, end, head, 1 if three and parent == 0 else ends[parent] - head
        )
        if not wired:
            points = np.concatenate([rows.points[[up]], points])
            if rows.type[head] == _SOMA and rows.type[first] != _SOMA:
                points[0, 3] = points[1, 3]  # a thin dendrite does not start with the soma's radius
        if (points[:-1, 3] == 0).any():
            raise _no_radius(rows, int(first), path)
        branches.append(Branch(points, parent, 0.0 if proximal[first] else attach, tag))
    return branches


def _connection(
    rows: _Rows, soma_children: np.ndarray, first: int, end: int, head: int, size: int
) -> tuple[float, bool]:
    """Where a section starting at point `first` connects to the section of `size` points starting at `head`.

    Returns (relative position on the parent, True when it connects by a wire: the parent's point is not repeated as
    the first point of the section).
    """
    up = rows.parent[first]  # -1 for a second root, which so lies inside the first section of a soma
    soma_parent, soma_child = rows.type[head] == _SOMA, rows.type[first] == _SOMA
    forked = bool(not soma_child and soma_children[max(int(up), 0)] > 1)
    several = bool(end - first > 1)
    if head == 0:
        if soma_parent and not soma_child and size == 1:
            return 0.5, several
        if up == head:
            return 0.0, forked
    if not soma_parent:
        return 1.0, False
    # A section that is no root repeats its parent's point, so one more of its points lies inside.
    if up < head + size - 1:
        return 0.5, bool(several and not soma_child)
    return 1.0, several and forked
