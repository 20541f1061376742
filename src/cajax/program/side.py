"""The program of one direction as numbers for the native machine: slots, memory of temporaries, operations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from .emit import BYTES, Numbers, text_of
from .levels import Kernel, Levels, Slot
from .nodes import Node, UnsupportedError

PLACES = (
    "constant", "temp", "theta", "state_in", "state_out", "out", "saved", "ct_in", "ct_out", "ct_record", "acc",
    "state_next",
)  # fmt: skip
CODES = {"solve": 1, "sums": 2, "products": 3, "rows": 4, "due": 5, "gather": 6, "scatter": 7, "joined": 8}
REDUCTIONS = {"add": 0, "max": 1, "or": 1, "min": 2, "and": 2}
SPARE = 16
"""Entries behind a narrow array that whole vectors may read and write."""


@final
@dataclass(eq=False)
class Memory:
    """Arrays one after the other, each on whole cache lines."""

    width: int
    bytes: int = 0

    def add(self, n: int, kind: str, wide: bool) -> tuple[int, int, int, int]:
        """Return the field (n, bytes of an entry, wide, offset) of one more array."""
        found = n, BYTES[kind], int(wide), self.bytes
        self.bytes += size_of(n, kind, wide, self.width)
        return found


def size_of(n: int, kind: str, wide: bool, width: int) -> int:
    """Return the bytes of an array, with what vectors may touch behind it."""
    count = n * width if wide else n + SPARE
    return (count * BYTES[kind] + 63) // 64 * 64


@final
class Side:
    """The program of one direction: its levels, slots and operations."""

    def __init__(
        self, levels: Levels, loop_width: int, vector: int, prefix: str, constants: list[np.ndarray]
    ):
        self.levels, self.width, self.vector = levels, loop_width, vector
        self.numbers = Numbers()
        self.names = {
            id(k): f"{prefix}{i}" for i, k in enumerate(x for x in levels.steps if isinstance(x, Kernel))
        }
        self.constants = constants
        self.text = text_of(levels, vector, self.numbers, self.names)

    def encoded(self, first_kernel: int) -> list[int]:
        """Return the numbers of the program."""
        ops: list[int] = []
        count = first_kernel
        for step in self.levels.steps:
            if isinstance(step, Kernel):
                ops += [0, 0, step.n, count]
                count += 1
            else:
                ops += self._operation(step)
        offsets, arena = self._arena()
        slots: list[int] = []
        for slot in self.numbers.slots:
            slots += self._slot(slot, offsets)
        return [len(self.numbers.slots), *slots, arena, len(self.levels.steps), *ops]

    def _number(self, node: Node) -> int:
        return self.numbers.of(self.levels.slots[id(node)])

    def _operation(self, node: Node) -> list[int]:
        out = self._number(node)
        ins = [self._number(r.node) for r in node.refs]
        code, whole = CODES[node.op], int(node.kind in ("i32", "i64"))
        if node.op == "solve":
            return [code, 0, node.n, 4, *ins, out, *_trees(node.static)]
        if node.op == "joined":
            forest, a, b, most = node.static
            at = [*ins, out, self.numbers.index(a), self.numbers.index(b)]
            return [code, most, node.n, len(at), *at, *_trees(forest)]
        if node.op == "sums":
            op, offset, index = node.static
            at = [self.numbers.index(offset), self.numbers.index(index), *ins, out, REDUCTIONS[op]]
            return [code, whole, node.n, len(at), *at]
        if node.op == "products":
            offset, edge, index = node.static
            plain = np.array_equal(edge, np.arange(len(edge)))
            at = [self.numbers.index(offset), self.numbers.index(index), *ins, out]
            at.append(-1 if plain else self.numbers.index(edge))
            return [code, 0, node.n, len(at), *at]
        if node.op == "rows":
            tables = [np.arange(r.n) if r.table is None else r.table for r in node.refs]
            return [code, 0, node.n, 1 + len(ins), out, *ins, *_lists(tables)]
        if node.op == "due":
            slots, cells, pre = node.static
            return [code, slots, node.n // 2, 8, *ins, out, self.numbers.index(pre), cells]
        if node.op == "gather":
            return [code, 0, node.n, 3, *ins, out]
        if node.op == "scatter":
            return [code, whole, node.refs[2].n, 4, *ins, out]
        raise UnsupportedError(f"the operation '{node.op}'")

    def _slot(self, slot: Slot, offsets: Mapping[int, int]) -> list[int]:
        kind = "constant" if slot.kind == "table" else slot.kind
        index, offset = 0, 0
        if kind == "constant":
            data = self.numbers.data[self.numbers.of(slot)] if slot.kind == "table" else slot.index.static
            index = len(self.constants)
            self.constants.append(np.ascontiguousarray(data))
        elif kind == "temp":
            offset = offsets[id(slot)]
        else:
            (index,) = slot.index
        return [PLACES.index(kind), index, slot.n, BYTES[slot.type], int(slot.wide), offset]

    def _arena(self) -> tuple[dict[int, int], int]:
        """Place the temporaries; memory is used again once the last step that reads it is done."""
        touched: dict[int, list[int]] = {}
        temps: dict[int, Slot] = {}
        for at, step in enumerate(self.levels.steps):
            for slot in self._touched(step):
                if slot.kind == "temp":
                    temps[id(slot)] = slot
                    touched.setdefault(id(slot), []).append(at)
        free: list[tuple[int, int]] = []
        offsets: dict[int, int] = {}
        end = 0
        ends: list[tuple[int, int, int]] = []
        for key in sorted(temps, key=lambda k: touched[k][0]):
            slot, first, last = temps[key], touched[key][0], touched[key][-1]
            for entry in [e for e in ends if e[0] < first]:
                ends.remove(entry)
                free.append(entry[1:])
            size = size_of(slot.n + self._junctions(slot), slot.type, slot.wide, self.width)
            fitting = [f for f in free if f[1] >= size]
            if fitting:
                chosen = min(fitting, key=lambda f: f[1])
                free.remove(chosen)
                offsets[key] = chosen[0]
                ends.append((last, *chosen))
            else:
                offsets[key] = end
                ends.append((last, end, size))
                end += size
        return offsets, end

    def _junctions(self, slot: Slot) -> int:
        """Return how many rows a solve needs behind those of the control volumes."""
        return max(
            (sum(int((t.cv < 0).sum()) * t.lanes for t in step.static) for step in self.levels.steps
             if isinstance(step, Node) and step.op == "solve"
             and any(self.levels.slots[id(x)] is slot for x in (step, *(r.node for r in step.refs)))),
            default=0,
        )  # fmt: skip

    def _touched(self, step: Kernel | Node) -> list[Slot]:
        slots = self.levels.slots
        if isinstance(step, Node):
            return [slots[id(x)] for x in (step, *(r.node for r in step.refs))]
        found = [slot for slot, _ in step.stores]
        inline = self.levels.inline[id(step)]
        stack = [node for _, node in step.stores]
        seen: set[int] = set()
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            k = self.levels.fused.get(id(node))
            refs = [*node.refs, *(node.refs[k].node.refs if k is not None else ())]
            for ref in refs:
                if id(ref.node) in inline and ref.is_whole and ref.node.n == node.n:
                    stack.append(ref.node)
                elif id(ref.node) in slots:
                    found.append(slots[id(ref.node)])
        return found


def _trees(forest: Any) -> list[int]:
    """Return the tables of a forest."""
    tables = [
        np.concatenate([t.parent for t in forest]), np.concatenate([t.cv for t in forest]),
        [t.n_nodes for t in forest], [t.lanes for t in forest],
    ]  # fmt: skip
    return _lists(tables)


def _lists(tables: Sequence[Any]) -> list[int]:
    found: list[int] = []
    for table in tables:
        values = np.asarray(table).tolist()
        found += [len(values), *values]
    return found
