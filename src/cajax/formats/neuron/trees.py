"""The trees of sections that live in NEURON, and which of them are one population."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np

from ...base.errors import ParameterError
from ...morph import Branch, Morphology

_TAGS = {"dend": "basal", "apic": "apical"}
_OURS = ("morphology", "capacitance")


@final
class Spot(NamedTuple):
    """Where a section is here: the number of its `tree` among all, and its `branch` there."""

    tree: int
    branch: int


@final
@dataclass(frozen=True)
class Piece:
    """A section of a tree: `parent` is the number of its parent's piece, −1 for a root, `attach` the place there.

    `is_flipped`: connected by its end 1, so that it starts there.
    """

    sec: Any
    parent: int
    attach: float
    is_flipped: bool

    def segments(self) -> list[Any]:
        """Return the segments from the start of the branch to its end."""
        found = list(self.sec)
        return found[::-1] if self.is_flipped else found

    def place(self, x: float) -> float:
        """Return the place on the branch of a place on the section."""
        return 1.0 - x if self.is_flipped else x

    def points(self) -> np.ndarray:
        """Return the points from start to end [n, 4]: x, y, z and radius (µm)."""
        sec, n = self.sec, int(self.sec.n3d())
        if n >= 2:
            rows = [(sec.x3d(k), sec.y3d(k), sec.z3d(k), 0.5 * sec.diam3d(k)) for k in range(n)]
        else:
            # Diameters that differ are painted on this rod, see `diameters`.
            radius = 0.5 * float(np.mean([seg.diam for seg in sec]))
            rows = [(0.0, 0.0, 0.0, radius), (sec.L, 0.0, 0.0, radius)]
        return np.array(rows[::-1] if self.is_flipped else rows, float)

    @cached_property
    def diameters(self) -> list[float]:
        """The diameters (µm) of a section without points whose segments differ; else nothing."""
        found = [seg.diam for seg in self.segments()] if self.sec.n3d() < 2 else []
        return found if len(set(found)) > 1 else []


@final
@dataclass(frozen=True)
class Stuck:
    """A point process of the type `kind` that lets a current flow by itself, in segment `cv` of a branch."""

    kind: str
    branch: int
    cv: int
    x: float
    point: Any = field(compare=False)


@final
@dataclass(frozen=True)
class Tree:
    """One cell: its pieces, parents first; what is inserted in each: density mechanisms `inside`, and `ions`.

    `stuck`: point processes that are painted as channels of one control volume.
    """

    base: str
    pieces: tuple[Piece, ...]
    inside: tuple[frozenset[str], ...]
    ions: tuple[frozenset[str], ...]
    tags: tuple[str, ...]
    stuck: tuple[Stuck, ...] = ()

    @property
    def form(self) -> tuple[Any, ...]:
        """What the cells of a population have in common: all but points and values."""
        wiring = tuple((p.parent, p.attach, p.sec.nseg, bool(p.diameters)) for p in self.pieces)
        return self.base, wiring, self.tags, self.inside, self.ions, self.stuck

    def segments(self, where: Sequence[bool]) -> list[Any]:
        """Return the segments of the pieces `where` something is, in the order of control volumes."""
        return [seg for p, here in zip(self.pieces, where, strict=True) if here for seg in p.segments()]

    def morphology(self) -> Morphology:
        """Return its shape."""
        rows = zip(self.pieces, self.tags, strict=True)
        return Morphology.of([Branch(p.points(), p.parent, p.attach, tag) for p, tag in rows])


def trees(h: Any, without: Iterable[str] = ()) -> list[Tree]:
    """Return all cells in the order of their roots, but for the mechanisms `without` which they are taken over.

    Raises `ParameterError` where there are none.
    """
    names = [n for n in densities(h) if n not in (*_OURS, *without)]
    found = [_tree(sec, names) for sec in h.allsec() if sec.parentseg() is None]
    if not found:
        raise ParameterError(
            "NEURON holds 0 cells (no sections), but from_neuron takes over what is there; build the model first"
        )
    return found


def with_points(found: Sequence[Tree], points: Iterable[tuple[str, Any]]) -> list[Tree]:
    """Return the trees with point processes (kind, point) stuck into them."""
    home = {p.sec: (k, b) for k, tree in enumerate(found) for b, p in enumerate(tree.pieces)}
    rows: list[list[Stuck]] = [[] for _ in found]
    for kind, point in points:
        seg = point.get_segment()
        k, b = home[seg.sec]
        x, n = found[k].pieces[b].place(float(seg.x)), int(seg.sec.nseg)
        rows[k].append(Stuck(kind, b, min(int(x * n), n - 1), x, point))
    order = [sorted(row, key=lambda s: (s.branch, s.cv, s.kind)) for row in rows]
    return [replace(tree, stuck=tuple(row)) for tree, row in zip(found, order, strict=True)]


def densities(h: Any) -> list[str]:
    """Return the names of all density mechanisms and ions that this NEURON knows."""
    types, name, found = h.MechanismType(0), h.ref(""), []
    for k in range(int(types.count())):
        types.select(k)
        types.selected(name)
        found.append(str(name[0]))
    return found


def points(h: Any) -> dict[str, bool]:
    """Return the names of all point processes that this NEURON knows, and whether they are artificial cells."""
    types, name, found = h.MechanismType(1), h.ref(""), {}
    for k in range(int(types.count())):
        types.select(k)
        types.selected(name)
        found[str(name[0])] = bool(types.is_artificial(k))
    return found


def populations(found: Iterable[Tree]) -> dict[str, list[int]]:
    """Return the numbers of the trees of every population: cells of one template and one form."""
    groups: dict[Any, list[int]] = {}
    for k, tree in enumerate(found):
        groups.setdefault((tree.base, tree.form), []).append(k)
    named: dict[str, list[int]] = {}
    for (base, _), members in groups.items():
        named[unused(base, named)] = members
    return named


def unused(name: str, taken: Iterable[str]) -> str:
    """Return the name as a word, with a number behind it where it is taken."""
    word = re.sub(r"\W", "_", name) or "cell"
    word = word if word.isidentifier() else f"cell_{word}"
    own, n = word, 1
    while own in taken:
        n += 1
        own = f"{word}_{n}"
    return own


def _tree(root: Any, known: Sequence[str]) -> Tree:
    pieces = tuple(_pieces(root))
    inside, ions = [], []
    for piece in pieces:
        # Iterating over a segment that has no mechanism ends NEURON 9.0.
        names = [n for n in known if piece.sec.has_membrane(n)]
        ions.append(frozenset(n.removesuffix("_ion") for n in names if n.endswith("_ion")))
        inside.append(frozenset(n for n in names if not n.endswith("_ion")))
    cell, _ = _words(root)
    template = re.match(r"(?:<(?:\w+\.)*)?([A-Za-z_]\w*)", cell)
    base = template[1] if template else "cell"
    return Tree(base, pieces, tuple(inside), tuple(ions), _tags(pieces, inside, ions))


def _words(sec: Any) -> tuple[str, str]:
    """Return the name of the cell that a section belongs to, "" where none is said, and its own."""
    words = str(sec).split(".")
    own = next((k for k in range(len(words) - 1, -1, -1) if words[k][:1].isalpha()), len(words) - 1)
    return ".".join(words[:own]), words[own]


def _pieces(root: Any) -> Iterator[Piece]:
    """Yield the pieces of a tree, parents first."""
    number: dict[Any, int] = {}
    known: list[Piece] = []
    waiting = [root]
    while waiting:
        sec = waiting.pop(0)
        seg = sec.parentseg()
        is_flipped = sec.orientation() != 0.0
        parent = -1 if seg is None else number[seg.sec]
        attach = 1.0 if seg is None else known[parent].place(float(seg.x))
        number[sec] = len(known)
        known.append(Piece(sec, parent, attach, is_flipped))
        yield known[-1]
        waiting += reversed(sec.children())


def _tags(
    pieces: Sequence[Piece], inside: Sequence[frozenset[str]], ions: Sequence[frozenset[str]]
) -> tuple[str, ...]:
    """Return a tag for every section: that of its name, and a number where equal names hold other mechanisms."""
    found: list[str] = []
    kinds: dict[str, list[Any]] = {}
    for piece, mechanisms, species in zip(pieces, inside, ions, strict=True):
        word = re.match(r"[A-Za-z]+", _words(piece.sec)[1])
        base = "dend" if word is None else word[0].lower()
        base = _TAGS.get(base, base)
        own = kinds.setdefault(base, [])
        # A section whose diameters are painted has a tag of its own kind too.
        kind = mechanisms, species, bool(piece.diameters)
        if kind not in own:
            own.append(kind)
        number = own.index(kind)
        found.append(f"{base}{number + 1}" if number else base)
    return tuple(found)
