"""Registers with the operators of arithmetic, so that a function reads as its formula."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple, final

from cajax.program.block import Block, Reg


@final
class Format(NamedTuple):
    """How a kind of float is laid out: the kind of its bits, its stored mantissa bits, its exponent's bias."""

    whole: str
    mantissa: int
    bias: int

    @property
    def tiny(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (1 - self.bias)

    @property
    def magic(self) -> float:
        """A number whose unit in the last place is 1: adding it rounds to a whole number, kept in the low bits."""
        return 1.5 * 2.0**self.mantissa

    @property
    def sign(self) -> int:
        """The bits of −0."""
        return -(1 << (31 if self.whole == "i32" else 63))

    def bits(self, value: float) -> int:
        """Return the bits of a constant."""
        return struct.unpack("<i" if self.whole == "i32" else "<q", self._packed(value))[0]

    def _packed(self, value: float) -> bytes:
        return struct.pack("<f" if self.whole == "i32" else "<d", value)


FORMATS = {"f32": Format("i32", 23, 127), "f64": Format("i64", 52, 1023)}
REALS = {"i32": "f32", "i64": "f64"}


@final
class Number:
    """A register of one block. A plain number next to it is a constant of its kind; operators append instructions."""

    def __init__(self, block: Block, reg: Reg):
        self.block = block
        self.reg = reg

    @property
    def format(self) -> Format:
        """The layout of this kind of float."""
        return FORMATS[self.reg.kind]

    def of(self, value: Number | float) -> Number:
        """Return a constant of this kind."""
        return value if isinstance(value, Number) else self._new(self.block.number(self.reg.kind, value))

    def __add__(self, other: Number | float) -> Number:
        return self._binary("add", other)

    def __radd__(self, other: float) -> Number:
        return self.of(other) + self

    def __sub__(self, other: Number | float) -> Number:
        return self._binary("sub", other)

    def __rsub__(self, other: float) -> Number:
        return self.of(other) - self

    def __mul__(self, other: Number | float) -> Number:
        return self._binary("mul", other)

    def __rmul__(self, other: float) -> Number:
        return self.of(other) * self

    def __truediv__(self, other: Number | float) -> Number:
        return self._binary("div", other)

    def __rtruediv__(self, other: float) -> Number:
        return self.of(other) / self

    def __neg__(self) -> Number:
        return self._new(self.block.neg(self.reg))

    def __abs__(self) -> Number:
        return self.call("fabs")

    def __lshift__(self, count: int) -> Number:
        return self._new(self.block.binary("shl", self.reg, self.of(count).reg))

    def __rshift__(self, count: int) -> Number:
        """Shift zeros in from the left."""
        return self._new(self.block.binary("lshr", self.reg, self.of(count).reg))

    def __and__(self, other: Number | int) -> Number:
        return self._new(self.block.binary("and", self.reg, self.of(other).reg))

    def __or__(self, other: Number | int) -> Number:
        return self._new(self.block.binary("or", self.reg, self.of(other).reg))

    def __xor__(self, other: Number | int) -> Number:
        return self._new(self.block.binary("xor", self.reg, self.of(other).reg))

    def __lt__(self, other: Number | float) -> Number:
        return self._compare("lt", other)

    def __le__(self, other: Number | float) -> Number:
        return self._compare("le", other)

    def __gt__(self, other: Number | float) -> Number:
        return self._compare("gt", other)

    def __ge__(self, other: Number | float) -> Number:
        return self._compare("ge", other)

    def equals(self, other: Number | float) -> Number:
        """Compare floats: false where one is NaN."""
        return self._new(self.block.compare("oeq", self.reg, self.of(other).reg))

    def is_nan(self) -> Number:
        """Compare with itself."""
        return self._new(self.block.compare("uno", self.reg, self.reg))

    def call(self, name: str, *others: Number | float) -> Number:
        """Append an intrinsic of LLVM: "sqrt", "copysign", …"""
        return self._new(self.block.call(name, self.reg, *(self.of(x).reg for x in others)))

    def bits(self) -> Number:
        """Return the bits of a float."""
        return self._new(self.block.cast("bitcast", self.reg, self.format.whole))

    def real(self) -> Number:
        """Return the float that has these bits."""
        return self._new(self.block.cast("bitcast", self.reg, REALS[self.reg.kind]))

    def where(self, yes: Number | float, no: Number | float) -> Number:
        """Return `yes` where this condition holds; at least one of the two is no plain number."""
        like = yes if isinstance(yes, Number) else no
        if not isinstance(like, Number):
            raise TypeError("where() needs a Number to know the kind")
        return self._new(self.block.select(self.reg, like.of(yes).reg, like.of(no).reg))

    def _binary(self, name: str, other: Number | float) -> Number:
        prefix = "f" if self.reg.kind in FORMATS else ""
        return self._new(self.block.binary(prefix + name, self.reg, self.of(other).reg))

    def _compare(self, name: str, other: Number | float) -> Number:
        prefix = "o" if self.reg.kind in FORMATS else "s"
        return self._new(self.block.compare(prefix + name, self.reg, self.of(other).reg))

    def _new(self, reg: Reg) -> Number:
        return Number(self.block, reg)


def fma(x: Number, y: Number | float, z: Number | float) -> Number:
    """Return x · y + z, rounded once."""
    return x.call("fma", y, z)


def polynomial(x: Number, coefficients: Sequence[Number | float]) -> Number:
    """Return c₀ + c₁ x + c₂ x² + …: pairs first, which do not wait for one another, then Horner's rule in x²."""
    square = x * x if len(coefficients) > 2 else x
    pairs = [coefficients[i : i + 2] for i in range(0, len(coefficients), 2)]
    terms = [fma(x, pair[1], pair[0]) if len(pair) == 2 else x.of(pair[0]) for pair in pairs]
    result = terms.pop()
    while terms:
        result = fma(square, result, terms.pop())
    return result


def at_most(x: Number, bound: float) -> Number:
    """Return the smaller; NaN stays NaN. One instruction: the order of operands is that of `minps`."""
    return (x.of(bound) < x).where(bound, x)


def at_least(x: Number, bound: float) -> Number:
    """Return the larger; NaN stays NaN."""
    return (x.of(bound) > x).where(bound, x)
