"""What a flat program becomes before it is compiled: nodes that compute arrays, and references that read them.

An array is flat: `n` entries in row-major order, whatever its shape was. Slices, transposes, broadcasts, static gathers
and the like compute nothing: they are references with a table that says where each entry is read.
"""

from collections.abc import Iterable, Sequence
from typing import Any, final

import numpy as np

KIND_OF = {
    "float32": "f32",
    "float64": "f64",
    "bool": "i1",
    "int32": "i32",
    "uint32": "i32",
    "int64": "i64",
    "uint64": "i64",
}


class UnsupportedError(Exception):
    """A program holds something that cannot be compiled; the message says what. Never leaves this package."""


@final
class Node:
    """An array of `n` entries: `op` of `refs`. Compared by identity.

    `op` is "input" or "constant", the name of an elementwise operation (in `MAPS` of `elementwise`), or one of
    "solve", "joined", "sums", "products", "rows", "due", "gather", "scatter". `static` is what the operation needs to
    know beside its operands. `key` numbers the content, as in `flat`.
    """

    __slots__ = ("dtype", "key", "n", "op", "refs", "static")

    def __init__(self, op: str, refs: Sequence["Ref"], n: int, dtype: Any, key: Any, static: Any = None):
        if np.dtype(dtype).name not in KIND_OF:
            raise UnsupportedError(f"arrays of {np.dtype(dtype).name}")
        self.op, self.refs, self.n, self.dtype = op, tuple(refs), n, np.dtype(dtype)
        self.key, self.static = key, static

    @property
    def kind(self) -> str:
        """The kind of its entries, as in `block`."""
        return KIND_OF[self.dtype.name]

    @property
    def is_map(self) -> bool:
        """Whether it is computed entry by entry."""
        return self.op not in OTHERS

    def __repr__(self) -> str:
        return f"Node({self.op}, {self.dtype.name}[{self.n}])"


OTHERS = ("input", "constant", "solve", "joined", "sums", "products", "rows", "due", "gather", "scatter")


@final
class Ref:
    """An array read from a node: entry i is the node's entry `table[i]`, or zero where that is −1.

    Without a table it is the node itself. `scalar`: every entry is the node's entry of that number.
    """

    __slots__ = ("n", "node", "scalar", "table")

    def __init__(self, node: Node, table: np.ndarray | None = None):
        self.node = node
        self.scalar: int | None = None
        if table is not None:
            table = np.asarray(table, np.int32).ravel()
            if len(table) == node.n and np.array_equal(table, np.arange(node.n, dtype=np.int32)):
                table = None
            elif len(table) and table[0] >= 0 and (table == table[0]).all():
                self.scalar = int(table[0])
        if table is None and node.n == 1:
            self.scalar = 0
        self.table = table
        self.n = node.n if table is None else len(table)

    @property
    def is_whole(self) -> bool:
        """Whether it is the node as it is."""
        return self.table is None

    def at(self, table: np.ndarray) -> "Ref":
        """Return the entries of this array at a table, zero where that is −1."""
        table = np.asarray(table, np.int32).ravel()
        if self.table is None:
            found = Ref(self.node, table)
        else:
            own = self.table if len(self.table) else np.full(1, -1)
            found = Ref(self.node, np.where(table < 0, -1, own[np.maximum(table, 0)]))
        return _through(found)

    def __repr__(self) -> str:
        return f"Ref({self.node}, {'whole' if self.table is None else f'[{self.n}]'})"


def _through(ref: Ref) -> Ref:
    """Return the same array read from what a node of joined rows was joined of, where that is a single one."""
    if ref.node.op != "rows" or ref.table is None:
        return ref
    starts = np.asarray(ref.node.static)
    read = ref.table[ref.table >= 0]
    if not len(read):
        return ref
    piece = np.searchsorted(starts, read, side="right") - 1
    if (piece != piece[0]).any():
        return ref
    k = int(piece[0])
    return ref.node.refs[k].at(np.where(ref.table < 0, -1, ref.table - starts[k]))


def constant(data: np.ndarray, key: Any) -> Ref:
    """Return a known array."""
    data = np.asarray(data)
    first = data.reshape(-1)[:1]
    if data.size > 1 and (data == first).all() and not (first == 0).any():
        return Ref(Node("constant", (), 1, data.dtype, key, first.copy()), np.zeros(data.size, np.int32))
    if data.size > 1 and (data.view(np.uint8) == 0).all():
        return Ref(Node("constant", (), 1, data.dtype, key, first.copy()), np.zeros(data.size, np.int32))
    return Ref(Node("constant", (), data.size, data.dtype, key, data.reshape(-1).copy()))


def joined(pieces: Sequence[Ref], key: Any) -> Ref:
    """Return arrays one after the other."""
    pieces = [p for p in pieces if p.n]
    if len(pieces) == 1:
        return pieces[0]
    node = pieces[0].node
    if all(p.node is node for p in pieces):
        tables = [np.arange(node.n) if p.table is None else p.table for p in pieces]
        return Ref(node, np.concatenate(tables))
    starts = np.cumsum([0, *(p.n for p in pieces)])
    total, dtype = int(starts[-1]), pieces[0].node.dtype
    return Ref(Node("rows", pieces, total, dtype, key, tuple(starts[:-1].tolist())))


def mapped(op: str, refs: Sequence[Ref], dtype: Any, key: Any, static: Any = None) -> Ref:
    """Return an elementwise operation of arrays of equal length; computed once where all entries are equal."""
    n = max(r.n for r in refs)
    if n > 1 and all(r.scalar is not None for r in refs):
        ones = [Ref(r.node, np.array([r.scalar])) for r in refs]
        return Ref(Node(op, ones, 1, dtype, key, static), np.zeros(n, np.int32))
    return Ref(Node(op, refs, n, dtype, key, static))


def ordered(roots: Iterable[Ref | Node]) -> list[Node]:
    """Return the nodes that the roots need, each after those it reads."""
    found: list[Node] = []
    seen: set[int] = set()
    stack = [(r.node if isinstance(r, Ref) else r, False) for r in roots]
    stack.reverse()
    while stack:
        node, done = stack.pop()
        if done:
            found.append(node)
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        stack.append((node, True))
        stack += [(r.node, False) for r in reversed(node.refs) if id(r.node) not in seen]
    return found
