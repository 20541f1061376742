"""Levels: which fused kernels and operations compute a program, in which order, and what they keep in memory.

A kernel computes, in one loop over the entries of a domain, every elementwise value of one level; a domain is a number
of entries, wide (each the lanes of a batch) or narrow (shared by all lanes). What reads other entries than its own (a
solve, a sum, a table) needs its operands in memory: it ends a level.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from .elementwise import EXPENSIVE, is_float
from .nodes import Node, Ref, ordered

WORTH = 8
"""From so many operations on a value is kept in memory for a later level rather than computed again."""

Role = tuple[Any, ...]
"""What a root is for: ("state", i), ("out", j), ("saved", k), ("acc", i), …"""


@final
@dataclass(frozen=True, eq=False)
class Slot:
    """An array in memory: `kind` and `index` say which, `n` entries of `type`, wide or narrow."""

    kind: str
    index: Any
    n: int
    type: str
    wide: bool


@final
@dataclass(eq=False)
class Kernel:
    """The elementwise values of one level and domain: `stores` into memory of what it computes, in this order."""

    level: int
    n: int
    wide: bool
    stores: list[tuple[Slot, Node]] = field(default_factory=list)


@final
@dataclass(eq=False)
class Levels:
    """A planned program: `steps` are kernels and nodes of other operations, in their order."""

    wide: Mapping[int, bool]
    level: dict[int, int]
    slots: dict[int, Slot]
    steps: list[Kernel | Node]
    fused: dict[int, int]
    inline: dict[int, set[int]]

    def is_wide(self, node: Node) -> bool:
        """Whether a node has lanes."""
        return self.wide[id(node)]


def contractions(roots: Sequence[Ref], known: Mapping[Any, int | None]) -> dict[Any, int | None]:
    """Return, by the key of every sum, which of its operands is a product contracted into it (None: none is).

    A product is contracted into the only sum that takes it, whatever its level: so a value has one rounding. `known`
    are the decisions of another program, that hold here too.
    """
    uses: dict[int, int] = {}
    nodes = ordered(roots)
    for ref in (*roots, *(r for node in nodes for r in node.refs)):
        uses[id(ref.node)] = uses.get(id(ref.node), 0) + 1
    found: dict[Any, int | None] = dict(known)
    for node in nodes:
        if node.op not in ("add", "add_any", "sub") or not is_float(node) or node.key in found:
            continue
        found[node.key] = None
        for k in (1, 0) if node.op == "sub" else (0, 1):
            ref = node.refs[k]
            if _is_product(ref) and uses[id(ref.node)] == 1 and ref.node.n == node.n:
                found[node.key] = k
                break
    return found


def _is_product(ref: Ref) -> bool:
    return ref.is_whole and ref.node.op == "mul" and is_float(ref.node)


def planned(
    roots: Sequence[tuple[Role, Ref]],
    inputs: Mapping[int, tuple[Slot, bool]],
    decided: Mapping[Any, int | None],
    wide_roots: Mapping[Role, bool],
) -> Levels:
    """Return the levels of a program. `inputs`: the slot of every input node, by identity, and whether it is wide.

    `wide_roots` says of some roots that they are kept wide, though they may be narrow.
    """
    return _Planning(roots, inputs, decided, wide_roots).done()


@final
class _Planning:
    def __init__(self, roots: Any, inputs: Any, decided: Any, wide_roots: Any):
        self.roots = [(role, _own(ref)) for role, ref in roots]
        self.nodes = _prepared([node for _, node in self.roots])
        self.inputs = inputs
        self.wide: dict[int, bool] = {}
        for node in self.nodes:
            known = inputs.get(id(node))
            self.wide[id(node)] = known[1] if known else any(self.wide[id(r.node)] for r in node.refs)
        self._widen(wide_roots)
        self.level: dict[int, int] = {}
        for node in self.nodes:
            self.level[id(node)] = self._level(node)
        self.fused: dict[int, int] = {}
        for node in self.nodes:
            k = decided.get(node.key) if node.op in ("add", "add_any", "sub") else None
            if k is not None and _is_product(node.refs[k]):
                self.fused[id(node)] = k
        self.slots: dict[int, Slot] = {}
        self.kernels: dict[tuple[int, int, bool], Kernel] = {}
        self.inline: dict[int, set[int]] = {}

    def _widen(self, wide_roots: Mapping[Role, bool]) -> None:
        """Copy narrow roots that are kept wide."""
        for i, (role, node) in enumerate(self.roots):
            if wide_roots.get(role, False) and not self.wide[id(node)]:
                copy = Node("copy", [Ref(node)], node.n, node.dtype, ("wide", node.key))
                self.wide[id(copy)] = True
                self.nodes.append(copy)
                self.roots[i] = role, copy

    def _level(self, node: Node) -> int:
        level = 0
        for ref in node.refs:
            source = ref.node
            if source.op in ("input", "constant"):
                continue
            after = self.level[id(source)]
            if node.is_map:
                level = max(level, after if self._joins(node, ref) else after + 1)
            else:
                level = max(level, after if source.is_map else after + 1)
        return level

    def _joins(self, node: Node, ref: Ref) -> bool:
        """Whether a kernel that computes `node` can compute what it reads there as well."""
        source = ref.node
        return (
            source.is_map
            and ref.is_whole
            and source.n == node.n
            and self.wide[id(source)] == self.wide[id(node)]
        )

    def kernel(self, node: Node) -> Kernel:
        key = self.level[id(node)], node.n, self.wide[id(node)]
        return self.kernels.setdefault(key, Kernel(*key))

    def keep(self, node: Node) -> None:
        """Let a node be in memory."""
        if id(node) in self.slots:
            return
        if node.op == "input":
            self.slots[id(node)] = self.inputs[id(node)][0]
            return
        kind = "constant" if node.op == "constant" else "temp"
        slot = Slot(
            kind, node if kind == "constant" else len(self.slots), node.n, node.kind, self.wide[id(node)]
        )
        self.slots[id(node)] = slot
        if node.is_map:
            self.kernel(node).stores.append((slot, node))

    def done(self) -> Levels:
        for role, node in self.roots:
            slot = Slot(role[0], role[1:], node.n, node.kind, self.wide[id(node)])
            if role[0] != "acc":
                self.slots.setdefault(id(node), slot)
            self.kernel(node).stores.append((slot, node))
        for node in self.nodes:
            refs = list(node.refs)
            if (k := self.fused.get(id(node))) is not None:
                refs += node.refs[k].node.refs  # what a product of another domain reads, the sum reads
            for ref in refs:
                known = ref.node.op == "constant" and ref.node.n == 1 and ref.scalar is not None
                written = node.is_map and known
                if not written and not (node.is_map and self._joins(node, ref)):
                    self.keep(ref.node)
        self._keep_what_is_worth_it()
        order = sorted(self.kernels.values(), key=lambda k: k.level)
        steps: list[tuple[int, int, Any]] = [(k.level, 0, k) for k in order if k.stores]
        steps += [(self.level[id(x)], 1, x) for x in self.nodes if not x.is_map and x.refs]
        for node in self.nodes:
            if not node.is_map and node.refs:
                self.keep(node)
        steps.sort(key=lambda s: s[:2])
        return Levels(self.wide, self.level, self.slots, [s[2] for s in steps], self.fused, self.inline)

    def _keep_what_is_worth_it(self) -> None:
        """Decide what later levels read from memory of what earlier ones compute anyway; the rest is computed again."""
        own: dict[tuple[int, int, bool], set[int]] = {}
        for key in sorted(self.kernels):
            own[key] = self._computed(self.kernels[key], None)
        for key in sorted(self.kernels, reverse=True):
            self.inline[id(self.kernels[key])] = self._computed(self.kernels[key], own)

    def _computed(self, kernel: Kernel, own: dict[Any, set[int]] | None) -> set[int]:
        """Return what a kernel computes; with `own`, what the kernels before compute, keep what is worth it."""
        found: set[int] = set()
        stack = [node for _, node in kernel.stores]
        while stack:
            node = stack.pop()
            if id(node) in found:
                continue
            found.add(id(node))
            refs = list(node.refs)
            k = self.fused.get(id(node))
            if k is not None:
                refs = [*(r for i, r in enumerate(refs) if i != k), *refs[k].node.refs]
            for ref in refs:
                if not self._joins(node, ref) or id(ref.node) in found:
                    continue
                source = ref.node
                if self.level[id(source)] < kernel.level:
                    if id(source) in self.slots:
                        continue
                    key = self.level[id(source)], source.n, self.wide[id(source)]
                    if own is not None and id(source) in own.get(key, ()) and self._worth(source):
                        self.keep(source)
                        continue
                stack.append(source)
        return found

    def _worth(self, node: Node) -> bool:
        cost, stack, seen = 0, [node], set()
        while stack and cost <= WORTH:
            x = stack.pop()
            if id(x) in seen or id(x) in self.slots:
                continue
            seen.add(id(x))
            if x.op in EXPENSIVE:
                return True
            cost += 1
            stack += [r.node for r in x.refs if r.node.is_map]
        return cost > WORTH


def _own(ref: Ref) -> Node:
    """Return a map that holds the array of a root."""
    return ref.node if ref.is_whole and ref.node.is_map else _own_copy(ref)


def _prepared(roots: list[Node]) -> list[Node]:
    """Return the nodes in order, with operands of other operations than maps in the form that these take."""
    nodes = ordered(roots)
    uses: dict[int, int] = {}
    for node in nodes:
        for ref in node.refs:
            uses[id(ref.node)] = uses.get(id(ref.node), 0) + 1
    for node in roots:
        uses[id(node)] = uses.get(id(node), 0) + 1
    for node in nodes:
        if node.op == "solve":
            # Its first and last operand are spoilt by it.
            a, g, b = node.refs
            fresh = [
                r if r.is_whole and r.node.is_map and uses[id(r.node)] == 1 else Ref(_own_copy(r))
                for r in (a, b)
            ]
            g = g if g.is_whole else Ref(_own_copy(g))
            node.refs = (fresh[0], g, fresh[1])
        elif node.op in ("sums", "products"):
            node.refs, node.static = _composed(node)
        elif node.op in ("joined", "gather", "scatter", "due"):
            node.refs = tuple(r if r.is_whole else Ref(_own_copy(r)) for r in node.refs)
    return ordered(roots)


def _own_copy(ref: Ref) -> Node:
    return Node("copy", [ref], ref.n, ref.node.dtype, ("copy", ref.node.key))


def _composed(node: Node) -> tuple[tuple[Ref, ...], Any]:
    """Let the tables of a sum read through those of its operands."""
    head, *tables = node.static if node.op == "products" else node.static[1:]
    refs = []
    for i, ref in enumerate(node.refs):
        if ref.table is not None and (ref.table < 0).any():
            ref = Ref(_own_copy(ref))
        if ref.table is not None:
            tables[i] = ref.table[tables[i]].astype(np.int32)
            ref = Ref(ref.node)
        refs.append(ref)
    static = (head, *tables) if node.op == "products" else (node.static[0], head, *tables)
    return tuple(refs), static
