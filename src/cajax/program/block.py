"""LLVM's language as text: a basic block that instructions are appended to, for scalars and for vectors alike.

Registers know their kind and whether they are a vector. Nothing here sets a fast-math flag: every operation rounds
once, in the order written, so that the bits depend neither on the width nor on the processor.
"""

import struct
from typing import NamedTuple, final

import numpy as np

KINDS = {"f32": "float", "f64": "double", "i1": "i1", "i32": "i32", "i64": "i64"}


@final
class Reg(NamedTuple):
    """A register or a constant: its text, its kind (a key of `KINDS`), and whether it is a vector."""

    text: str
    kind: str
    wide: bool


@final
class Module:
    """What the functions of one module share: the width of their vectors and the intrinsics they call."""

    def __init__(self, width: int):
        self.width = width
        self.declared: dict[str, str] = {}
        self._count = 0

    def fresh(self) -> str:
        """Return a name that no other register has."""
        self._count += 1
        return f"%r{self._count}"

    def type(self, kind: str, wide: bool) -> str:
        """Return LLVM's name of a type."""
        return f"<{self.width} x {KINDS[kind]}>" if wide else KINDS[kind]


@final
class Block:
    """A basic block. Operands of one operation may mix scalars and vectors: scalars are spread over the vector."""

    def __init__(self, module: Module):
        self.module = module
        self.lines: list[str] = []
        self._splats: dict[str, Reg] = {}

    def emit(self, kind: str, wide: bool, text: str) -> Reg:
        """Append `text` as the value of a new register."""
        name = self.module.fresh()
        self.lines.append(f"{name} = {text}")
        return Reg(name, kind, wide)

    def number(self, kind: str, value: float | int) -> Reg:
        """Return a constant."""
        return Reg(literal(kind, value), kind, False)

    def splat(self, x: Reg) -> Reg:
        """Return `x` in every entry of a vector."""
        if x.wide:
            return x
        if not x.text.startswith("%"):
            return Reg(f"splat ({KINDS[x.kind]} {x.text})", x.kind, True)
        if x.text not in self._splats:
            scalar, vector = KINDS[x.kind], self.module.type(x.kind, True)
            one = self.emit(x.kind, True, f"insertelement {vector} poison, {scalar} {x.text}, i64 0")
            zeros = f"<{self.module.width} x i32> zeroinitializer"
            self._splats[x.text] = self.emit(
                x.kind, True, f"shufflevector {vector} {one.text}, {vector} poison, {zeros}"
            )
        return self._splats[x.text]

    def alike(self, *xs: Reg) -> list[Reg]:
        """Return all as vectors where one of them is a vector."""
        return [self.splat(x) for x in xs] if any(x.wide for x in xs) else list(xs)

    def binary(self, name: str, x: Reg, y: Reg) -> Reg:
        """Append a binary instruction such as "fadd", "shl", "and"."""
        x, y = self.alike(x, y)
        return self.emit(x.kind, x.wide, f"{name} {self._type(x)} {x.text}, {y.text}")

    def neg(self, x: Reg) -> Reg:
        """Append the negative of a float."""
        return self.emit(x.kind, x.wide, f"fneg {self._type(x)} {x.text}")

    def fma(self, x: Reg, y: Reg, z: Reg) -> Reg:
        """Append x · y + z, rounded once."""
        return self.call("fma", x, y, z)

    def call(self, name: str, *xs: Reg) -> Reg:
        """Append a call of an intrinsic `llvm.name` whose operands and result have one type."""
        xs = tuple(self.alike(*xs))
        suffix = (f"v{self.module.width}" if xs[0].wide else "") + xs[0].kind
        full, type_ = f"@llvm.{name}.{suffix}", self._type(xs[0])
        self.module.declared[full] = f"declare {type_} {full}({', '.join([type_] * len(xs))})"
        arguments = ", ".join(f"{type_} {x.text}" for x in xs)
        return self.emit(xs[0].kind, xs[0].wide, f"call {type_} {full}({arguments})")

    def compare(self, test: str, x: Reg, y: Reg) -> Reg:
        """Append a comparison: "olt", "oeq", "une", … of floats, "slt", "eq", "ult", … of whole numbers."""
        x, y = self.alike(x, y)
        name = "fcmp" if x.kind in ("f32", "f64") else "icmp"
        return self.emit("i1", x.wide, f"{name} {test} {self._type(x)} {x.text}, {y.text}")

    def select(self, condition: Reg, yes: Reg, no: Reg) -> Reg:
        """Append `yes` where the condition holds and `no` elsewhere."""
        if condition.wide or yes.wide or no.wide:
            condition, yes, no = (self.splat(x) for x in (condition, yes, no))
        text = f"{self._type(condition)} {condition.text}, {self._type(yes)} {yes.text}, {self._type(no)} {no.text}"
        return self.emit(yes.kind, yes.wide, f"select {text}")

    def cast(self, name: str, x: Reg, kind: str) -> Reg:
        """Append a conversion: "sitofp", "fptosi", "bitcast", "zext", "fpext", …"""
        to = self.module.type(kind, x.wide)
        return self.emit(kind, x.wide, f"{name} {self._type(x)} {x.text} to {to}")

    def _type(self, x: Reg) -> str:
        return self.module.type(x.kind, x.wide)


def literal(kind: str, value: float | int) -> str:
    """Return a constant as LLVM writes it; floats by their bits, since decimal digits may round."""
    if kind == "i1":
        return "true" if value else "false"
    if kind in ("i32", "i64"):
        return str(int(value))
    rounded = float(np.float32(value)) if kind == "f32" else float(value)
    return f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"
