"""Neurolucida ASC files (version 3), cut into branches as NEURON's Import3d_Neurolucida3 does."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import final

import numpy as np

from ...base.errors import MorphologyError
from ..morphology import Branch, Morphology, pruned
from . import contour

_TOKEN = re.compile(r'"[^"\n]*"|;[^\n]*|[()<>|,]|[^\s()<>|,;"]+|\n')
_SOMA_NAMES = {"cellbody", "cell body", "soma"}
_TAGS = {"axon": "axon", "dendrite": "basal", "apical": "apical", "cellbody": "soma", "soma": "soma"}


@final
class _Node(list):
    """What stands between two parentheses, and the line where it opens."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


def read_asc(path: Path) -> Morphology:
    """Read a Neurolucida ASC file.

    An outline named CellBody or Soma becomes a soma; outlines whose boxes overlap one after the other are a stack,
    one soma. Every tree connects to the middle of the first soma whose box holds its first point, else of the nearest
    one, and keeps its own points only. Without a soma each tree is a root. Raises `MorphologyError` with the line.
    """
    outlines: list[np.ndarray] = []
    trees: list[Branch] = []
    for item in _objects(_parse(path)):
        if isinstance(item[0], str):
            if item[0].startswith('"') and item[0].strip('"').lower() in _SOMA_NAMES:
                points = [p for p in item if _is_point(p)]
                if len(points) > 2:
                    outlines.append(np.array([_point(p, path)[:3] for p in points]))
        elif not _is_text(item):
            _tree(item, "undefined", -1, trees, path)
    if not trees and not outlines:
        raise MorphologyError(f"{path} holds no tree and no soma outline; expected a Neurolucida ASC file")
    return Morphology.of(_joined(outlines, trees))


def _parse(path: Path) -> _Node:
    """Read nested parentheses into lists of words and lists; comments are dropped."""
    root = _Node(1)
    stack, line = [root], 1
    for match in _TOKEN.finditer(path.read_text(encoding="utf-8", errors="replace")):
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
        elif token[0] not in ";,":
            stack[-1].append(token)
    if len(stack) > 1:
        raise MorphologyError(f"{path} line {stack[-1].line}: '(' is never closed")
    return root


def _objects(items: Sequence) -> Iterator[_Node]:
    """The objects of a file, those inside `(Set "name" ...)` included."""
    for item in items:
        if isinstance(item, _Node) and item:
            if isinstance(item[0], str) and item[0].lower() == "set":
                yield from _objects(item[2:])
            else:
                yield item


def _is_point(item: object) -> bool:
    return (
        isinstance(item, _Node) and bool(item) and isinstance(item[0], str) and _number(item[0]) is not None
    )


def _is_text(item: _Node) -> bool:
    """A text object ends in a string after its point."""
    return isinstance(item[-1], str) and item[-1].startswith('"')


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _point(item: _Node, path: Path) -> list[float]:
    """x, y, z and radius of a point `(x y z diameter ...)`; what the file leaves out is 0."""
    numbers = [x for word in item[:4] if isinstance(word, str) and (x := _number(word)) is not None]
    if len(numbers) < 2:
        raise MorphologyError(f"{path} line {item.line}: a point needs at least x and y: '(x y z diameter)'")
    x, y, z, diameter = (*numbers, 0.0, 0.0)[:4]
    return [x, y, z, diameter / 2]


def _tree(items: "_Node", tag: str, parent: int, branches: list[Branch], path: Path) -> None:
    """Append the branch written in `items`, then those it splits into."""
    points, splits, depth = [], [], 0
    for item in items:
        if item == "<" or item == ">":  # a spine
            depth += 1 if item == "<" else -1
        elif depth or isinstance(item, str) or not item:
            continue  # a spine's own point, or a word such as Normal, Incomplete
        elif _is_point(item):
            point = _point(item, path)
            if not point[3] > 0:
                raise MorphologyError(f"{path} line {item.line}: diameter {2 * point[3]:g} must be positive")
            points.append(point)
        elif isinstance(item[0], _Node) or "|" in item:
            splits.append(item)
        elif parent < 0 and not points:
            tag = _TAGS.get(item[0].lower(), tag)
    if not points:
        line = getattr(items, "line", 1)
        raise MorphologyError(
            f"{path} line {line}: expected a branch with points '(x y z diameter)', found none"
        )
    if parent >= 0 and points[0][:3] != list(branches[parent].points[-1, :3]):
        points.insert(0, [*branches[parent].points[-1, :3], points[0][3]])
    own = len(branches)
    branches.append(Branch(np.array(points), parent, 1.0, tag))
    for split in splits:
        for part in _parts(split):
            _tree(part, tag, own, branches, path)


def _parts(split: _Node) -> list[_Node]:
    """The branches of `( branch | branch )`."""
    parts, line = [_Node(split.line)], split.line
    for item in split:
        line = getattr(item, "line", line)
        if item == "|":
            parts.append(_Node(line))
        else:
            parts[-1].append(item)
    return parts


def _joined(outlines: list[np.ndarray], trees: list[Branch]) -> list[Branch]:
    """Somas first, then the trees on them; without a soma a tree of one point is a sphere."""
    stacks = _stacks(outlines)
    branches = [Branch(contour.soma(s), -1, 1.0, "soma") for s in stacks]
    for tree in trees:
        if tree.parent >= 0:
            branches.append(tree._replace(parent=tree.parent + len(stacks)))
        elif stacks:
            branches.append(tree._replace(parent=_nearest(stacks, tree.points[0]), attach=0.5))
        elif len(tree.points) == 1:
            branches.append(tree._replace(points=contour.sphere(tree.points[0])))
        else:
            branches.append(tree)
    return pruned(branches)


def _stacks(outlines: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Group outlines whose boxes in the xy plane overlap from one to the next."""
    stacks: list[list[np.ndarray]] = []
    for k, outline in enumerate(outlines):
        if k and _overlap(outlines[k - 1], outline):
            stacks[-1].append(outline)
        else:
            stacks.append([outline])
    return stacks


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a.min(0)[:2] <= b.max(0)[:2]).all() and (b.min(0)[:2] <= a.max(0)[:2]).all())


def _nearest(stacks: list[list[np.ndarray]], point: np.ndarray) -> int:
    """The soma a tree starting at `point` belongs to."""
    for k, stack in enumerate(stacks):
        margin = 0.5 if len(stack) == 1 else 0.0
        corners = np.concatenate(stack)[:, :2]
        if (corners.min(0) - margin <= point[:2]).all() and (point[:2] <= corners.max(0) + margin).all():
            return k
    return int(np.argmin([np.linalg.norm(point[:3] - contour.center(s)) for s in stacks]))
