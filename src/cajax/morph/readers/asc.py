"""Neurolucida ASC files (version 3), cut into branches as NEURON's Import3d_Neurolucida3 does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from ...base.errors import MorphologyError
from ...base.limits import affordable
from ..morphology import Branch
from . import contour
from .measures import MOST_POINTS, Measures, Reading, fault, faulty, like_number, number

_TOKEN = re.compile(r'"[^"\n]*"|;[^\n]*|[()<>|,]|[^\s()<>|,;"]+|\n|"')
_SOMA_NAMES = {"cellbody", "cell body", "soma"}
_TAGS = {"axon": "axon", "dendrite": "basal", "apical": "apical", "cellbody": "soma", "soma": "soma"}
_LABEL = re.compile(r'[A-Za-z_"]')
MOST_SOMAS = 1000
MOST_OUTLINES = 10_000


@final
class _Node(list["str | _Node"]):
    """What stands between two parentheses, and the line where it opens."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line

    @property
    def word(self) -> str:
        """Its first word, or "" when it begins with a parenthesis."""
        first = self[0] if self else ""
        return first if isinstance(first, str) else ""


@final
class _Outline(NamedTuple):
    line: int
    points: np.ndarray


def read_asc(path: Path, text: str, measures: Measures) -> Reading:
    """Read the `text` of a Neurolucida ASC file.

    An outline named CellBody or Soma becomes a soma; outlines whose boxes overlap one after the other are a stack,
    one soma. Every tree connects to the middle of the first soma whose box holds its first point, else of the nearest
    one, and keeps its own points only. Without a soma each tree is a root. Raises `MorphologyError` with the line.
    """
    outlines: list[_Piece] = []
    trees: list[_Piece] = []
    notes: list[str] = []
    rows = _Rows(path)
    for item in _objects(_parse(path, text), path):
        if item.word.startswith('"') and item.word.strip('"').lower() in _SOMA_NAMES:
            drawn = _drawn(item, rows)
            if len(drawn) > 2:
                outlines.append(rows.add(drawn))
            else:
                notes.append(
                    f"line {item.line}: a soma outline of {len(drawn)} points is left out, as in NEURON"
                )
        elif not item.word and not _is_text(item):
            _grow(item, trees, rows)
    if not trees and not outlines:
        raise MorphologyError(f"{path} holds no tree and no soma outline; expected a Neurolucida ASC file")
    points = rows.points(measures)
    stacks = _stacks([_Outline(rows.lines[o.start], points[o.start : o.end, :3]) for o in outlines], path)
    return Reading(
        _joined(stacks, [_branch(tree, trees, points, rows) for tree in trees], notes, path), notes
    )


def _parse(path: Path, text: str) -> _Node:
    """Read nested parentheses into lists of words and lists; comments are dropped."""
    root = _Node(1)
    stack, line = [root], 1
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "\n":
            line += 1
        elif token == "(":
            node = _Node(line)
            stack[-1].append(node)
            stack.append(node)
        elif token == ")":
            if len(stack) == 1:
                raise MorphologyError(f"{path} line {line}: ')' closes nothing")
            stack.pop()
        elif token == '"':
            raise MorphologyError(f"{path} line {line}: a quote is never closed")
        elif token[0] not in ";,":
            if len(stack) == 1:
                raise MorphologyError(f"{path} line {line}: '{token[:40]}' stands outside all parentheses")
            stack[-1].append(token)
    if len(stack) > 1:
        raise MorphologyError(f"{path} line {stack[-1].line}: '(' is never closed")
    return root


def _objects(root: _Node, path: Path) -> Iterator[_Node]:
    """The objects of a file, those inside `(Set "name" ...)` included."""
    waiting = [iter(root)]
    while waiting:
        item = next(waiting[-1], None)
        if item is None:
            waiting.pop()
        elif isinstance(item, _Node) and item.word.lower() == "set":
            waiting.append(iter(item[2:]))
        elif isinstance(item, _Node) and item:
            if item.word and not _LABEL.match(item.word):
                said = f"({item.word[:40]} ...) stands outside of every tree and outline"
                raise MorphologyError(f"{path} line {item.line}: {said}")
            yield item


@final
class _Piece(NamedTuple):
    """A branch or an outline: its first row and the one after its last, the number of its parent, its kind."""

    start: int
    end: int
    parent: int = -1
    tag: str = "undefined"


@final
class _Rows:
    """The points of a file as they are written, gathered to be judged together: x, y, z, radius, and their lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[tuple[float, float, float, float]] = []
        self.lines: list[int] = []

    def add(self, items: list[_Node], parent: int = -1, tag: str = "undefined") -> _Piece:
        """Append points `(x y z diameter ...)`; what the file leaves out is 0."""
        start = len(self.rows)
        self.rows += [self._row(item) for item in items]
        self.lines += [item.line for item in items]
        affordable(
            f"{self.path}", len(self.rows), "points", MOST_POINTS, "read a smaller file", MorphologyError
        )
        return _Piece(start, len(self.rows), parent, tag)

    def _row(self, item: _Node) -> tuple[float, float, float, float]:
        """A label and a list may follow the four numbers of a point."""
        numbers: list[float] = []
        for word in item[:4]:
            x = number(word) if isinstance(word, str) else None
            if x is None:
                break
            numbers.append(x)
        rest = [word for word in item[len(numbers) :] if isinstance(word, str)]
        labelled = len(numbers) == 4 and len(rest) == 1 and not like_number(rest[0])
        if len(numbers) < 2 or (rest and not labelled):
            said = " ".join(word for word in item if isinstance(word, str))[:60]
            raise self.error(item.line, f"({said}) is no point; expected '(x y z diameter)' in plain numbers")
        x, y, z, diameter = (*numbers, 0.0, 0.0)[:4]
        return x, y, z, diameter / 2

    def points(self, measures: Measures) -> np.ndarray:
        """All points [n, 4] in µm."""
        points = measures.points(np.array(self.rows))
        for k in faulty(points)[:1]:
            raise self.error(self.lines[k], f"{fault(points[k])}")
        return points

    def error(self, line: int, said: str) -> MorphologyError:
        return MorphologyError(f"{self.path} line {line}: {said}")


def _is_point(item: _Node, rows: _Rows) -> bool:
    """Whether a list is a point, not a property or marker such as `(Color Red)`; refuses what is neither."""
    if like_number(item.word):
        return True
    if not _LABEL.match(item.word):
        raise rows.error(item.line, f"({item.word[:40]} ...) is neither a point nor a property")
    return False


def _drawn(outline: _Node, rows: _Rows) -> list[_Node]:
    """The points of an outline."""
    for item in outline[1:]:
        if isinstance(item, str):
            raise rows.error(outline.line, f"'{item[:40]}' in this outline stands outside of a point")
    return [item for item in outline[1:] if isinstance(item, _Node) and item and _is_point(item, rows)]


def _is_text(item: _Node) -> bool:
    """A text object is properties, one point and a string."""
    last = item[-1]
    points = sum(isinstance(n, _Node) and like_number(n.word) for n in item)
    return isinstance(last, str) and last.startswith('"') and points == 1


@final
class _Part(NamedTuple):
    """A branch that waits to be read: what is written in it, the number of its parent, its kind."""

    items: _Node
    parent: int
    tag: str


def _grow(tree: _Node, trees: list[_Piece], rows: _Rows) -> None:
    """Append the branches written in `tree`, each before those it splits into, in the order of the file."""
    waiting = [_Part(tree, -1, "undefined")]
    while waiting:
        part = waiting.pop()
        items, split, tag = _read_branch(part, rows)
        own = len(trees)
        trees.append(rows.add(items, part.parent, tag))
        if split is not None:
            waiting += [_Part(piece, own, tag) for piece in reversed(_parts(split))]


def _branch(piece: _Piece, trees: list[_Piece], points: np.ndarray, rows: _Rows) -> Branch:
    """A branch of a tree; it begins at the end of its parent, with its own first radius."""
    own = points[piece.start : piece.end]
    if not own[:, 3].all():
        line = rows.lines[piece.start + int(np.argmin(own[:, 3]))]
        raise rows.error(line, "diameter 0 must be positive; give min_radius= to raise it")
    if piece.parent >= 0:
        last = trees[piece.parent].end - 1
        if rows.rows[last][:3] != rows.rows[piece.start][:3]:
            own = np.concatenate([points[last : last + 1], own])
            own[0, 3] = own[1, 3]
    return Branch(own, piece.parent, 1.0, piece.tag)


def _read_branch(part: _Part, rows: _Rows) -> tuple[list[_Node], _Node | None, str]:
    """The points of a branch, what it splits into, its kind."""
    points: list[_Node] = []
    split, tag, spine, end = None, part.tag, None, ""
    line = part.items.line
    for item in part.items:
        if item in ("<", ">"):
            if (item == "<") == (spine is not None):
                raise rows.error(line, f"a spine '<...>' of this branch has a '{item}' too many")
            spine = item if item == "<" else None
        elif spine is not None or not item:
            continue  # a spine's own point
        elif isinstance(item, str):
            if like_number(item):
                raise rows.error(line, f"'{item[:40]}' in this branch stands outside of a point")
            end = item
        elif not item.word or "|" in item:
            if split is not None or end:
                raise rows.error(
                    item.line, f"a split after {end or 'the split'} of its branch; a branch ends in one"
                )
            split = item
        elif _is_point(item, rows):
            if split is not None or end:
                raise rows.error(
                    item.line, f"a point after {end or 'the split'} of its branch; points come first"
                )
            points.append(item)
        elif part.parent < 0 and not points:
            tag = _TAGS.get(item.word.lower(), tag)
    if spine is not None:
        raise rows.error(line, "a spine '<...>' of this branch is never closed")
    if not points:
        raise rows.error(line, "expected a branch with points '(x y z diameter)', found none")
    return points, split, tag


def _parts(split: _Node) -> list[_Node]:
    """The branches of `( branch | branch )`."""
    parts, line = [_Node(split.line)], split.line
    for item in split:
        line = item.line if isinstance(item, _Node) else line
        if item == "|":
            parts.append(_Node(line))
        else:
            parts[-1].append(item)
    return parts


@final
class _Soma(NamedTuple):
    """A stack of outlines: its lower and upper corner in the xy plane [2], its middle [3]."""

    low: np.ndarray
    high: np.ndarray
    middle: np.ndarray


def _joined(stacks: list[list[_Outline]], trees: list[Branch], notes: list[str], path: Path) -> list[Branch]:
    """Somas first, then the trees on them; without a soma a tree of one point is a sphere."""
    branches, somas = [], []
    for stack in stacks:
        line, rows = stack[0].line, [outline.points for outline in stack]
        try:
            branches.append(Branch(contour.soma(rows), -1, 1.0, "soma"))
        except MorphologyError as error:
            raise MorphologyError(f"{path} line {line}: {error}") from None
        if len(rows) > 1 and (doubt := contour.doubt(rows)):
            notes.append(f"line {line}: {doubt}, so that its area may be far off")
        corners, margin = np.concatenate(rows)[:, :2], 0.5 if len(rows) == 1 else 0.0
        somas.append(_Soma(corners.min(0) - margin, corners.max(0) + margin, contour.center(rows)))
    shift = len(somas)
    table = _Soma(*map(np.array, zip(*somas, strict=True))) if somas else None
    for tree in trees:
        if tree.parent >= 0:
            branches.append(tree._replace(parent=tree.parent + shift))
        elif table is not None:
            branches.append(tree._replace(parent=_nearest(table, tree.points[0]), attach=0.5))
        elif len(tree.points) == 1:
            branches.append(tree._replace(points=contour.sphere(tree.points[0])))
        else:
            branches.append(tree)
    return branches


def _stacks(outlines: list[_Outline], path: Path) -> list[list[_Outline]]:
    """Group outlines whose boxes in the xy plane overlap from one to the next."""
    cure = "read one neuron at a time"
    affordable(f"{path}", len(outlines), "soma outlines", MOST_OUTLINES, cure, MorphologyError)
    stacks: list[list[_Outline]] = []
    for k, outline in enumerate(outlines):
        if k and _overlap(outlines[k - 1].points, outline.points):
            stacks[-1].append(outline)
        else:
            stacks.append([outline])
    affordable(f"{path}", len(stacks), "somas", MOST_SOMAS, cure, MorphologyError)
    return stacks


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a.min(0)[:2] <= b.max(0)[:2]).all() and (b.min(0)[:2] <= a.max(0)[:2]).all())


def _nearest(somas: _Soma, point: np.ndarray) -> int:
    """The soma a tree starting at `point` belongs to; the fields of `somas` have one row per soma."""
    inside = ((somas.low <= point[:2]) & (point[:2] <= somas.high)).all(1)
    if inside.any():
        return int(np.argmax(inside))
    return int(np.argmin(np.linalg.norm(point[:3] - somas.middle, axis=1)))
