"""From planned levels to LLVM text: one function per kernel, a loop over the entries of its domain.

    void kernel(ptr table, i64 begin, i64 end)

`table` holds the address of every slot. Wide kernels take one entry, all its lanes, at a time; narrow ones as many
entries as a vector holds, or, of a single entry, one. So the rows of wide arrays and the length of narrow ones are
padded to whole vectors.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np

from .block import Block, Module, Reg
from .elementwise import MAPS
from .levels import Kernel, Levels, Slot
from .nodes import Node, Ref
from .phases import in_order, phases
from .runs import Runs, runs_of

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
    declared = ["declare i64 @llvm.smin.i64(i64, i64)", *module.declared.values()]
    return "\n".join([*functions, *dict.fromkeys(declared)]) + "\n"


STRIP = 12
"""Rounds, at most, of a phase's loop before the next phase takes the same entries: what one hands on stays near."""


@final
class _Function:
    """A kernel: a loop over its entries, or if it is long, strips of entries that its phases take in turn."""

    def __init__(self, module: Module, levels: Levels, kernel: Kernel, numbers: Numbers):
        self.module, self.levels, self.kernel, self.numbers = module, levels, kernel, numbers
        self.entry = Block(module)
        self.vector = kernel.wide or kernel.n > 1
        self.step = 1 if kernel.wide or kernel.n == 1 else module.width
        self.inline = levels.inline[id(kernel)]
        rounds = -(-kernel.n // self.step)
        self.strip = -(-rounds // -(-rounds // STRIP))
        self._pointers: dict[int, str] = {}

    def text(self, name: str) -> str:
        """Return the function."""
        bodies = self._bodies()
        entry = "\n".join(f"  {line}" for line in self.entry.lines)
        loops = "".join(
            f"body{k}:\n  %i{k} = phi i64 [ %from, %{f'body{k - 1}' if k else 'strip'} ], [ %next{k}, %body{k} ]\n"
            + "".join(f"  {line}\n" for line in body.block.lines)
            + f"  %next{k} = add i64 %i{k}, {self.step}\n  %more{k} = icmp slt i64 %next{k}, %stop\n"
            f"  br i1 %more{k}, label %body{k}, label %{f'body{k + 1}' if k + 1 < len(bodies) else 'rest'}\n"
            for k, body in enumerate(bodies)
        )
        length = self.strip * self.step if len(bodies) > 1 else 1 << 40
        return (
            f'define void @{name}(ptr noalias %table, i64 %begin, i64 %end) nounwind "no-builtins" {{\n'
            f"entry:\n{entry}\n  br label %strip\n"
            f"strip:\n  %from = phi i64 [ %begin, %entry ], [ %stop, %rest ]\n"
            f"  %far = add i64 %from, {length}\n  %stop = call i64 @llvm.smin.i64(i64 %far, i64 %end)\n"
            f"  br label %body0\n{loops}"
            f"rest:\n  %more = icmp slt i64 %stop, %end\n  br i1 %more, label %strip, label %done\n"
            f"done:\n  ret void\n}}\n"
        )

    def pointer(self, number: int) -> str:
        """Return the register that holds the address of a slot."""
        if number not in self._pointers:
            at = self.entry.emit("i64", False, f"getelementptr ptr, ptr %table, i64 {number}")
            self._pointers[number] = self.entry.emit("i64", False, f"load ptr, ptr {at.text}, align 8").text
        return self._pointers[number]

    def _bodies(self) -> "list[_Body]":
        """Return the loop bodies of all phases."""
        whole = _Body(self, "%i0", {})
        for _, node in self.kernel.stores:
            whole.value(node)
        steps, place = [*whole.steps.values()], {key: k for k, key in enumerate(whole.steps)}
        order = in_order([[place[id(x)] for x in step.taken] for step in steps])
        nodes = [steps[k].node for k in order]
        place = {id(node): k for k, node in enumerate(nodes)}
        taken = [[place[id(x)] for x in whole.steps[id(node)].taken] for node in nodes]
        lengths = [whole.steps[id(node)].length for node in nodes]
        cuts = phases(lengths, taken) if self.vector else []
        if len(cuts) <= 1:
            return [self._phase("%i0", nodes, {})]
        phase = [k for k, cut in enumerate(cuts) for _ in cut]
        across = {i for at, steps in enumerate(taken) for i in steps if phase[i] < phase[at]}
        strips = {id(nodes[i]): self._strip(nodes[i], str(k)) for k, i in enumerate(sorted(across))}
        return [self._phase(f"%i{k}", [nodes[i] for i in cut], strips) for k, cut in enumerate(cuts)]

    def _phase(self, at: str, nodes: Sequence[Node], strips: "Mapping[int, tuple[Slot, str]]") -> "_Body":
        own = {id(x) for x in nodes}
        body = _Body(self, at, {key: strip for key, strip in strips.items() if key not in own})
        for node in nodes:
            body.value(node)
            if id(node) in strips:
                body.hand(node, *strips[id(node)])
        for slot, node in self.kernel.stores:
            if id(node) in own:
                body.store(slot, node)
        return body

    def _strip(self, node: Node, index: str) -> "tuple[Slot, str]":
        """Return memory of the function's own for a value that one phase hands to others."""
        slot = Slot("strip", index, node.n, node.kind, self.kernel.wide)
        type_ = f"[{self.strip * self.module.width} x {STORED[slot.type]}]"
        return slot, self.entry.emit("i64", False, f"alloca {type_}, align 64").text


@final
class _Step(NamedTuple):
    """A value as it was computed: of how many instructions, and which values of the same entry it takes."""

    node: Node
    length: int
    taken: list[Node]


@final
class _Body:
    """A loop body: values of the entry, or the entries, at the register `at`; `strips` holds those of phases before."""

    def __init__(self, function: _Function, at: str, strips: "Mapping[int, tuple[Slot, str]]"):
        self.function, self.at, self.strips = function, at, strips
        self.module, self.kernel, self.levels = function.module, function.kernel, function.levels
        self.vector, self.numbers, self.inline = function.vector, function.numbers, function.inline
        self.block = Block(function.module)
        self.steps: dict[int, _Step] = {}
        self._values: dict[int, Reg] = {}
        self._loaded: dict[Any, Reg] = {}

    def value(self, node: Node) -> Reg:
        """Compute a node's entry, and what it needs of the same entry, without recursion."""
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
                    if self._is_own(x, r) and id(r.node) not in self._values and id(r.node) not in self.strips
                ]
                continue
            before = len(self.block.lines)
            self._values[id(x)] = self._computed(x, [self._read(x, r) for r in refs])
            taken = [r.node for r in refs if self._is_own(x, r)]
            self.steps[id(x)] = _Step(x, len(self.block.lines) - before, taken)
        return self._values[id(node)]

    def _is_own(self, node: Node, ref: Ref) -> bool:
        """Whether the kernel computes what a node reads there, of the same entry."""
        return ref.is_whole and id(ref.node) in self.inline and ref.node.n == node.n

    def _operands(self, node: Node) -> Sequence[Ref]:
        k = self.levels.fused.get(id(node))
        if k is None:
            return node.refs
        product = node.refs[k].node
        return (*product.refs, node.refs[1 - k])

    def _computed(self, node: Node, xs: Sequence[Reg]) -> Reg:
        k = self.levels.fused.get(id(node))
        if k is None:
            return MAPS[node.op](self.block, node, xs)
        x, y, z = xs
        if node.op == "sub":
            x, z = (self.block.neg(x), z) if k == 1 else (x, self.block.neg(z))
        return self.block.fma(x, y, z)

    def _read(self, node: Node, ref: Ref) -> Reg:
        source = ref.node
        if self._is_own(node, ref):
            if id(source) in self.strips:
                self._values[id(source)] = self._handed(*self.strips[id(source)])
            return self._values[id(source)]
        if source.op == "constant" and source.n == 1 and ref.scalar is not None:
            return self.block.number(source.kind, source.static[0].item())
        key = (id(source), None if ref.table is None else ref.table.tobytes())
        if key not in self._loaded:
            self._loaded[key] = self._load(self.levels.slots[id(source)], ref)
        return self._loaded[key]

    # Memory

    def _load(self, slot: Slot, ref: Ref) -> Reg:
        if ref.table is not None and (ref.table < 0).all():
            return self.block.number(slot.type, 0)
        pointer = self.function.pointer(self.numbers.of(slot))
        if ref.scalar is not None:
            at = str(ref.scalar * (self.module.width if slot.wide else 1))
            return self._from(self.function.entry, slot, pointer, at, slot.wide)
        table = ref.table
        if table is None:
            return self._from(
                self.block, slot, pointer, self._scaled(slot, self.at), slot.wide or self.vector
            )
        shift = int(table[0])
        if shift >= 0 and np.array_equal(table, np.arange(shift, shift + len(table), dtype=np.int32)):
            at = self.block.emit("i64", False, f"add i64 {self.at}, {shift}").text
            return self._from(self.block, slot, pointer, self._scaled(slot, at), slot.wide or self.vector)
        return self._through(slot, pointer, table)

    def _scaled(self, slot: Slot, at: str) -> str:
        if not slot.wide:
            return at
        return self.block.emit("i64", False, f"mul i64 {at}, {self.module.width}").text

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
        single = self.kernel.wide or not self.vector
        if slot.n == 1:
            value = self._from(self.function.entry, slot, pointer, "0", slot.wide)
            return self._where(table, value, single) if gaps else value
        if not single and slot.type != "i1" and (runs := runs_of(table, self.module.width)) is not None:
            return self._by_runs(slot, pointer, runs)
        places = self.function.pointer(self.numbers.index(np.maximum(table, 0)))
        if single:
            at = self._index(places)
            value = self._from(self.block, slot, pointer, self._scaled(slot, at.text), slot.wide)
        else:
            value = self._gathered(slot, pointer, places)
        return self._where(table, value, single) if gaps else value

    def _where(self, table: np.ndarray, value: Reg, single: bool) -> Reg:
        """Return zero where a table says −1."""
        mask = self.function.pointer(self.numbers.index((table >= 0).astype(np.int32)))
        if single:
            there = self.block.compare("ne", self._index(mask), self.block.number("i64", 0))
        else:
            there = self.block.compare("ne", self._neighbours(mask), self.block.number("i32", 0))
        return self.block.select(there, value, self.block.number(value.kind, 0))

    def _by_runs(self, slot: Slot, pointer: str, runs: Runs) -> Reg:
        """Load what lies together as it lies: a gather takes as long as ten such loads."""
        b, w, stored = self.block, self.module.width, STORED[slot.type]
        value, type_ = b.splat(b.number(slot.type, 0)), f"<{w} x {stored}>"
        name = f"@llvm.masked.load.v{w}{slot.type}.p0"
        self.module.declared[name] = f"declare {type_} {name}(ptr, <{w} x i1>, {type_})"
        vector = b.emit("i64", False, f"udiv i64 {self.at}, {w}").text
        which = self._neighbours(self.function.pointer(self.numbers.index(runs.which)))
        for k, shifts in enumerate(runs.shifts, 1):
            table = self.function.pointer(self.numbers.index(shifts))
            at = b.emit("i64", False, f"getelementptr i32, ptr {table}, i64 {vector}").text
            shift = b.cast("sext", b.emit("i32", False, f"load i32, ptr {at}, align 4"), "i64").text
            first = b.emit("i64", False, f"add i64 {self.at}, {shift}").text
            where = b.emit("i64", False, f"getelementptr {stored}, ptr {pointer}, i64 {first}").text
            there = b.compare("eq", which, b.number("i32", k)).text
            given = f"ptr align {BYTES[slot.type]} {where}, <{w} x i1> {there}, {type_} {value.text}"
            value = b.emit(slot.type, True, f"call {type_} {name}({given})")
        return value

    def _index(self, places: str) -> Reg:
        at = self.block.emit("i64", False, f"getelementptr i32, ptr {places}, i64 {self.at}").text
        short = self.block.emit("i32", False, f"load i32, ptr {at}, align 4")
        return self.block.cast("sext", short, "i64")

    def _neighbours(self, places: str) -> Reg:
        at = self.block.emit("i64", False, f"getelementptr i32, ptr {places}, i64 {self.at}").text
        return self.block.emit("i32", True, f"load <{self.module.width} x i32>, ptr {at}, align 4")

    def _gathered(self, slot: Slot, pointer: str, places: str) -> Reg:
        """Load numbers from several places into one vector."""
        w, stored = self.module.width, STORED[slot.type]
        index = self._neighbours(places)
        at = self.block.emit(
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
        return self._as_bit(self.block, slot, self.block.emit(slot.type, True, call))

    def store(self, slot: Slot, node: Node) -> None:
        """Write a value to its slot; a sum grows by it."""
        self._put(slot, self.function.pointer(self.numbers.of(slot)), self._scaled(slot, self.at), node)

    def hand(self, node: Node, strip: Slot, pointer: str) -> None:
        """Keep a value for later phases."""
        self._put(strip, pointer, self._of_strip(strip), node)

    def _handed(self, strip: Slot, pointer: str) -> Reg:
        return self._from(self.block, strip, pointer, self._of_strip(strip), True)

    def _of_strip(self, strip: Slot) -> str:
        return self._scaled(strip, self.block.emit("i64", False, f"sub i64 {self.at}, %from").text)

    def _put(self, slot: Slot, pointer: str, at: str, node: Node) -> None:
        b, value = self.block, self._values[id(node)]
        value = b.splat(value) if self.vector else value
        stored = STORED[slot.type]
        type_ = f"<{self.module.width} x {stored}>" if self.vector else stored
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
