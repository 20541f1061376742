"""From planned levels to LLVM text: one function per kernel, a loop over the entries of its domain.

    void kernel(ptr table, i64 begin, i64 end)

`table` holds the address of every slot. Wide kernels take one entry, all its lanes, at a time; narrow ones as many
entries as a vector holds, or, of a single entry, one. So the rows of wide arrays and the length of narrow ones are
padded to whole vectors.
"""

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from .block import Block, Module, Reg
from .elementwise import MAPS
from .levels import Kernel, Levels, Slot
from .nodes import Node, Ref

STORED = {"f32": "float", "f64": "double", "i1": "i8", "i32": "i32", "i64": "i64"}
BYTES = {"f32": 4, "f64": 8, "i1": 1, "i32": 4, "i64": 8}


@final
class Numbers:
    """The numbers of slots in the table of addresses, and the tables of indices among them."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self._of: dict[int, int] = {}
        self._tables: dict[bytes, Slot] = {}
        self.data: dict[int, np.ndarray] = {}

    def of(self, slot: Slot) -> int:
        """Return the number of a slot."""
        if id(slot) not in self._of:
            self._of[id(slot)] = len(self.slots)
            self.slots.append(slot)
        return self._of[id(slot)]

    def index(self, table: np.ndarray) -> int:
        """Return the number of the slot of an index table."""
        table = np.ascontiguousarray(table, np.int32)
        key = table.tobytes()
        if key not in self._tables:
            slot = self._tables[key] = Slot("table", len(self._tables), len(table), "i32", False)
            self.data[self.of(slot)] = table
        return self._of[id(self._tables[key])]


def text_of(levels: Levels, width: int, numbers: Numbers, names: Mapping[int, str]) -> str:
    """Return the module of all kernels; `names` by their identity."""
    module = Module(width)
    functions = [
        _Function(module, levels, step, numbers).text(names[id(step)])
        for step in levels.steps
        if isinstance(step, Kernel)
    ]
    return "\n".join([*functions, *module.declared.values()]) + "\n"


@final
class _Function:
    def __init__(self, module: Module, levels: Levels, kernel: Kernel, numbers: Numbers):
        self.module, self.levels, self.kernel, self.numbers = module, levels, kernel, numbers
        self.entry, self.body = Block(module), Block(module)
        self.vector = kernel.wide or kernel.n > 1
        self.step = 1 if kernel.wide or kernel.n == 1 else module.width
        self._pointers: dict[int, str] = {}
        self._values: dict[int, Reg] = {}
        self._loaded: dict[Any, Reg] = {}

    def text(self, name: str) -> str:
        """Return the function."""
        stores = [(slot, self._value(node)) for slot, node in self.kernel.stores]
        for slot, value in stores:
            self._store(slot, value)
        body = "\n".join(f"  {line}" for line in self.body.lines)
        entry = "\n".join(f"  {line}" for line in self.entry.lines)
        return (
            f'define void @{name}(ptr noalias %table, i64 %begin, i64 %end) nounwind "no-builtins" {{\n'
            f"entry:\n{entry}\n"
            f"  br label %body\nbody:\n  %i = phi i64 [ %begin, %entry ], [ %next, %body ]\n{body}\n"
            f"  %next = add i64 %i, {self.step}\n  %more = icmp slt i64 %next, %end\n"
            f"  br i1 %more, label %body, label %done\ndone:\n  ret void\n}}\n"
        )

    def _value(self, node: Node) -> Reg:
        """Compute a node's entry, and what it needs of the same entry, without recursion."""
        inline = self.levels.inline[id(self.kernel)]
        stack = [(node, False)]
        while stack:
            x, ready = stack.pop()
            if id(x) in self._values:
                continue
            refs = self._operands(x)
            if not ready:
                stack.append((x, True))
                stack += [
                    (r.node, False)
                    for r in refs
                    if r.is_whole and id(r.node) in inline and id(r.node) not in self._values
                ]
                continue
            self._values[id(x)] = self._computed(x, [self._read(x, r, inline) for r in refs])
        return self._values[id(node)]

    def _operands(self, node: Node) -> Sequence[Ref]:
        k = self.levels.fused.get(id(node))
        if k is None:
            return node.refs
        product = node.refs[k].node
        return (*product.refs, node.refs[1 - k])

    def _computed(self, node: Node, xs: Sequence[Reg]) -> Reg:
        k = self.levels.fused.get(id(node))
        if k is None:
            return MAPS[node.op](self.body, node, xs)
        x, y, z = xs
        if node.op == "sub":
            x, z = (self.body.neg(x), z) if k == 1 else (x, self.body.neg(z))
        return self.body.fma(x, y, z)

    def _read(self, node: Node, ref: Ref, inline: set[int]) -> Reg:
        source = ref.node
        if ref.is_whole and id(source) in inline and source.n == node.n and id(source) in self._values:
            return self._values[id(source)]
        if source.op == "constant" and source.n == 1 and ref.scalar is not None:
            return self.body.number(source.kind, source.static[0].item())
        key = (id(source), None if ref.table is None else ref.table.tobytes())
        if key not in self._loaded:
            self._loaded[key] = self._load(self.levels.slots[id(source)], ref)
        return self._loaded[key]

    # Memory

    def _pointer(self, number: int) -> str:
        if number not in self._pointers:
            at = self.entry.emit("i64", False, f"getelementptr ptr, ptr %table, i64 {number}")
            self._pointers[number] = self.entry.emit("i64", False, f"load ptr, ptr {at.text}, align 8").text
        return self._pointers[number]

    def _load(self, slot: Slot, ref: Ref) -> Reg:
        if ref.table is not None and (ref.table < 0).all():
            return self.body.number(slot.type, 0)
        pointer = self._pointer(self.numbers.of(slot))
        if ref.scalar is not None:
            return self._from(self.entry, slot, pointer, str(ref.scalar * self._row(slot)), slot.wide)
        table = ref.table
        if table is None:
            return self._from(self.body, slot, pointer, self._scaled(slot, "%i"), slot.wide or self.vector)
        shift = int(table[0])
        if shift >= 0 and np.array_equal(table, np.arange(shift, shift + len(table), dtype=np.int32)):
            at = self.body.emit("i64", False, f"add i64 %i, {shift}")
            return self._from(self.body, slot, pointer, self._scaled(slot, at.text), slot.wide or self.vector)
        return self._through(slot, pointer, table)

    def _row(self, slot: Slot) -> int:
        return self.module.width if slot.wide else 1

    def _scaled(self, slot: Slot, at: str) -> str:
        if not slot.wide:
            return at
        return self.body.emit("i64", False, f"mul i64 {at}, {self.module.width}").text

    def _from(self, block: Block, slot: Slot, pointer: str, at: str, wide: bool) -> Reg:
        """Load an entry, or the lanes of one, or some neighbours; of a narrow slot in a wide kernel one number."""
        wide = wide and (slot.wide or not self.kernel.wide)
        stored = STORED[slot.type]
        type_ = f"<{self.module.width} x {stored}>" if wide else stored
        where = block.emit("i64", False, f"getelementptr {stored}, ptr {pointer}, i64 {at}").text
        value = block.emit(slot.type, wide, f"load {type_}, ptr {where}, align {BYTES[slot.type]}")
        return self._as_bit(block, slot, value)

    def _as_bit(self, block: Block, slot: Slot, value: Reg) -> Reg:
        if slot.type != "i1":
            return value
        zero = "zeroinitializer" if value.wide else "0"
        type_ = f"<{self.module.width} x i8>" if value.wide else "i8"
        return block.emit("i1", value.wide, f"icmp ne {type_} {value.text}, {zero}")

    def _through(self, slot: Slot, pointer: str, table: np.ndarray) -> Reg:
        """Load entries at the places of a table; zero where it says −1."""
        gaps = bool((table < 0).any())
        places = self._pointer(self.numbers.index(np.maximum(table, 0)))
        single = self.kernel.wide or not self.vector
        if single:
            at = self._index(places)
            value = self._from(self.body, slot, pointer, self._scaled(slot, at.text), slot.wide)
        else:
            value = self._gathered(slot, pointer, places)
        if not gaps:
            return value
        mask = self.numbers.index((table >= 0).astype(np.int32))
        if single:
            there = self.body.compare("ne", self._index(self._pointer(mask)), self.body.number("i64", 0))
        else:
            there = self.body.compare("ne", self._neighbours(self._pointer(mask)), self.body.number("i32", 0))
        return self.body.select(there, value, self.body.number(slot.type, 0))

    def _index(self, places: str) -> Reg:
        at = self.body.emit("i64", False, f"getelementptr i32, ptr {places}, i64 %i").text
        short = self.body.emit("i32", False, f"load i32, ptr {at}, align 4")
        return self.body.cast("sext", short, "i64")

    def _neighbours(self, places: str) -> Reg:
        at = self.body.emit("i64", False, f"getelementptr i32, ptr {places}, i64 %i").text
        return self.body.emit("i32", True, f"load <{self.module.width} x i32>, ptr {at}, align 4")

    def _gathered(self, slot: Slot, pointer: str, places: str) -> Reg:
        """Load numbers from several places into one vector."""
        w, stored = self.module.width, STORED[slot.type]
        index = self._neighbours(places)
        at = self.body.emit(
            "i64", True, f"getelementptr {stored}, ptr {pointer}, <{w} x i32> {index.text}"
        ).text
        short = "i8" if slot.type == "i1" else slot.type
        name = f"@llvm.masked.gather.v{w}{short}.v{w}p0"
        type_ = f"<{w} x {stored}>"
        self.module.declared[name] = f"declare {type_} {name}(<{w} x ptr>, <{w} x i1>, {type_})"
        call = (
            f"call {type_} {name}(<{w} x ptr> align {BYTES[slot.type]} {at}, <{w} x i1> splat (i1 true),"
            f" {type_} poison)"
        )
        return self._as_bit(self.body, slot, self.body.emit(slot.type, True, call))

    def _store(self, slot: Slot, value: Reg) -> None:
        b, pointer = self.body, self._pointer(self.numbers.of(slot))
        value = b.splat(value) if self.vector else value
        stored = STORED[slot.type]
        type_ = f"<{self.module.width} x {stored}>" if self.vector else stored
        at = self._scaled(slot, "%i")
        where = b.emit("i64", False, f"getelementptr {stored}, ptr {pointer}, i64 {at}").text
        align = BYTES[slot.type]
        if slot.kind == "acc":
            before = b.emit(slot.type, value.wide, f"load {type_}, ptr {where}, align {align}")
            value = b.binary("fadd", before, value)
        if slot.type == "i1":
            value = b.emit(
                "i1", value.wide, f"zext {b.module.type('i1', value.wide)} {value.text} to {type_}"
            )
        b.lines.append(f"store {type_} {value.text}, ptr {where}, align {align}")
