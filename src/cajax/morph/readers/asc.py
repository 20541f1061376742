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
MOST_SOMAS = 1000


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
    outlines: list[_Outline] = []
    trees: list[Branch] = []
    notes: list[str] = []
    reader = _Points(path, measures)
    for item in _objects(_parse(path, text), path):
        if item.word.startswith('"') and item.word.strip('"').lower() in _SOMA_NAMES:
            points = [p for p in item if isinstance(p, _Node) and like_number(p.word)]
            if len(points) > 2:
                outlines.append(_Outline(item.line, reader.points(points)[:, :3]))
            else:
                notes.append(
                    f"line {item.line}: a soma outline of {len(points)} points is left out, as in NEURON"
                )
        elif not item.word and not _is_text(item):
            _grow(item, trees, reader)
    if not trees and not outlines:
        raise MorphologyError(f"{path} holds no tree and no soma outline; expected a Neurolucida ASC file")
    return Reading(_joined(outlines, trees, notes, path), notes)


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
            if like_number(item.word):
                raise MorphologyError(
                    f"{path} line {item.line}: a point stands outside of every tree and outline"
                )
            yield item


@final
class _Points:
    """Turns items `(x y z diameter ...)` into points in µm; counts them."""

    def __init__(self, path: Path, measures: Measures) -> None:
        self.path, self.measures, self.count = path, measures, 0

    def points(self, items: list[_Node]) -> np.ndarray:
        """x, y, z and radius of each item [n, 4]."""
        self.count += len(items)
        affordable(f"{self.path}", self.count, "points", MOST_POINTS, "read a smaller file", MorphologyError)
        points = self.measures.points(np.array([self._numbers(item) for item in items]))
        for k in faulty(points)[:1]:
            raise self.error(items[k], f"{fault(points[k])}")
        return points

    def _numbers(self, item: _Node) -> list[float]:
        """x, y, z and radius; what the file leaves out is 0. A label and a list may follow the numbers."""
        words = [word for word in item if isinstance(word, str)]
        numbers = [number(word) for word in words[:4] if like_number(word)]
        rest = words[len(numbers) :]
        if len(numbers) < 2 or len(rest) > 1 or any(map(like_number, rest)):
            raise self.error(item, "a point needs numbers for at least x and y: '(x y z diameter)'")
        known = [x for x in numbers if x is not None]
        if len(known) < len(numbers):
            raise self.error(
                item, f"'{' '.join(words[:4])[:60]}' are not all numbers; expected '(x y z diameter)'"
            )
        x, y, z, diameter = (*known, 0.0, 0.0)[:4]
        return [x, y, z, diameter / 2]

    def error(self, item: _Node, said: str) -> MorphologyError:
        return MorphologyError(f"{self.path} line {item.line}: {said}")


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


def _grow(tree: _Node, branches: list[Branch], reader: _Points) -> None:
    """Append the branches written in `tree`, each before those it splits into, in the order of the file."""
    waiting = [_Part(tree, -1, "undefined")]
    while waiting:
        part = waiting.pop()
        items, split, tag = _read_branch(part, reader)
        points = reader.points(items)
        for k in np.flatnonzero(points[:, 3] == 0)[:1]:
            raise reader.error(items[k], "diameter 0 must be positive; give min_radius= to raise it")
        if part.parent >= 0:
            end = branches[part.parent].points[-1]
            if (points[0, :3] != end[:3]).any():
                points = np.concatenate([[[*end[:3], points[0, 3]]], points])
        own = len(branches)
        branches.append(Branch(points, part.parent, 1.0, tag))
        if split is not None:
            waiting += [_Part(piece, own, tag) for piece in reversed(_parts(split))]


def _read_branch(part: _Part, reader: _Points) -> tuple[list[_Node], _Node | None, str]:
    """The points of a branch, what it splits into, its kind."""
    points: list[_Node] = []
    split, tag, spine = None, part.tag, None
    for item in part.items:
        if item in ("<", ">"):
            if (item == "<") == (spine is not None):
                raise reader.error(part.items, f"a spine '<...>' of this branch has a '{item}' too many")
            spine = item if item == "<" else None
        elif spine is not None or not item:
            continue  # a spine's own point
        elif isinstance(item, str):
            if like_number(item):
                raise reader.error(part.items, f"'{item[:40]}' in this branch stands outside of a point")
        elif like_number(item.word):
            if split is not None:
                raise reader.error(item, "a point after the split of its branch; points come first")
            points.append(item)
        elif not item.word or "|" in item:
            if split is not None:
                raise reader.error(item, "a second split of one branch; write '( branch | branch )' once")
            split = item
        elif part.parent < 0 and not points:
            tag = _TAGS.get(item.word.lower(), tag)
    if spine is not None:
        raise reader.error(part.items, "a spine '<...>' of this branch is never closed")
    if not points:
        raise reader.error(part.items, "expected a branch with points '(x y z diameter)', found none")
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


def _joined(outlines: list[_Outline], trees: list[Branch], notes: list[str], path: Path) -> list[Branch]:
    """Somas first, then the trees on them; without a soma a tree of one point is a sphere."""
    branches, somas = [], []
    for stack in _stacks(outlines, path):
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
    stacks: list[list[_Outline]] = []
    for k, outline in enumerate(outlines):
        if k and _overlap(outlines[k - 1].points, outline.points):
            stacks[-1].append(outline)
        else:
            stacks.append([outline])
    affordable(f"{path}", len(stacks), "somas", MOST_SOMAS, "read one neuron at a time", MorphologyError)
    return stacks


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a.min(0)[:2] <= b.max(0)[:2]).all() and (b.min(0)[:2] <= a.max(0)[:2]).all())


def _nearest(somas: _Soma, point: np.ndarray) -> int:
    """The soma a tree starting at `point` belongs to; the fields of `somas` have one row per soma."""
    inside = ((somas.low <= point[:2]) & (point[:2] <= somas.high)).all(1)
    if inside.any():
        return int(np.argmax(inside))
    return int(np.argmin(np.linalg.norm(point[:3] - somas.middle, axis=1)))
