"""Elementwise operations: what instruction, or sequence of them, each becomes."""

from collections.abc import Callable, Sequence

import numpy as np

from . import maths
from .block import Block, Reg
from .nodes import KIND_OF, Node

Emit = Callable[[Block, Node, Sequence[Reg]], Reg]

EXPENSIVE = frozenset(
    (
        "exp", "exp2", "expm1", "log", "log1p", "tanh", "logistic", "pow", "sqrt", "rsqrt", "cbrt", "sin", "cos", "tan",
        "asin", "acos", "atan", "atan2", "sinh", "cosh", "erf", "erfc", "erf_inv", "div", "recip", "rem",
    )
)  # fmt: skip
"""What is worth keeping rather than computing again."""


def is_float(node: Node) -> bool:
    """Whether the entries are floating-point numbers."""
    return node.kind in ("f32", "f64")


def _operand(node: Node) -> np.dtype:
    return node.refs[0].node.dtype


def _by_type(floats: str, signed: str, unsigned: str | None = None) -> Emit:
    """One instruction by the type of the operands."""

    def emit(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
        kind = _operand(node).kind
        return b.binary(floats if kind == "f" else signed if kind == "i" else unsigned or signed, *xs)

    return emit


def _divided(remainder: bool) -> Emit:
    """Whole numbers divide as in JAX: by zero gives −1 and leaves x, the smallest by −1 is itself and leaves 0."""

    def emit(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
        if is_float(node):
            return maths.rem(b, *xs) if remainder else b.binary("fdiv", *xs)
        x, y = xs
        sign = "s" if node.dtype.kind == "i" else "u"
        name = sign + ("rem" if remainder else "div")
        by = node.refs[1].node
        if by.op == "constant" and not np.isin(by.static.astype(np.int64), (0, -1)).any():
            return b.binary(name, x, y)
        zero, one, minus = (b.number(y.kind, i) for i in (0, 1, -1))
        none = b.compare("eq", y, zero)
        spoilt = none
        if sign == "s":
            least = b.number(x.kind, np.iinfo(node.dtype).min)
            over = b.binary("and", b.compare("eq", y, minus), b.compare("eq", x, least))
            spoilt = b.binary("or", none, over)
        found = b.binary(name, x, b.select(spoilt, one, y))
        return b.select(none, x if remainder else minus, found)

    return emit


def _compared(floats: str, signed: str, unsigned: str) -> Emit:
    def emit(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
        kind = _operand(node).kind
        return b.compare(floats if kind == "f" else signed if kind == "i" else unsigned, *xs)

    return emit


def _negative(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
    return b.neg(xs[0]) if is_float(node) else b.binary("sub", b.number(xs[0].kind, 0), xs[0])


def _extreme(greater: bool) -> Emit:
    """NaN where an operand is NaN, as JAX has it."""

    def emit(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
        x, y = xs
        if not is_float(node):
            test = ("s" if _operand(node).kind == "i" else "u") + ("gt" if greater else "lt")
            return b.select(b.compare(test, x, y), x, y)
        # Where the comparison fails the second is taken: a constant, if there is one, must not hide a NaN.
        if node.refs[1].node.op == "constant":
            x, y = y, x
        found = b.select(b.compare("ogt" if greater else "olt", x, y), x, y)
        if "constant" in (node.refs[0].node.op, node.refs[1].node.op):
            return found
        return b.select(b.compare("uno", x, x), x, found)

    return emit


def _clamp(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
    low, x, high = xs
    kind = node.dtype.kind
    less, more = ("olt", "ogt") if kind == "f" else ("slt", "sgt") if kind == "i" else ("ult", "ugt")
    raised = b.select(b.compare(less, x, low), low, x)
    return b.select(b.compare(more, raised, high), high, raised)


def _select(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
    condition, no, yes = xs
    return b.select(condition, yes, no)


def _inverted(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
    ones = b.number(xs[0].kind, 1 if xs[0].kind == "i1" else -1)
    return b.binary("xor", xs[0], ones)


def _absolute(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
    if is_float(node):
        return b.call("fabs", xs[0])
    minus = b.binary("sub", b.number(xs[0].kind, 0), xs[0])
    return b.select(b.compare("slt", xs[0], b.number(xs[0].kind, 0)), minus, xs[0])


def _sign(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
    (x,) = xs
    zero, one = b.number(x.kind, 0), b.number(x.kind, 1)
    minus = b.number(x.kind, -1)
    less, more = ("olt", "ogt") if is_float(node) else ("slt", "sgt")
    if node.dtype.kind == "u":
        return b.select(b.compare("eq", x, zero), x, one)
    return b.select(b.compare(more, x, zero), one, b.select(b.compare(less, x, zero), minus, x))


def _integer_pow(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
    if is_float(node):
        return power(b, xs[0], node.static)
    return _multiplied(b, xs[0], node.static)


def power(b: Block, x: Reg, n: int) -> Reg:
    """Return x to a whole power, by repeated squaring."""
    if n == 0:
        return b.splat(b.number(x.kind, 1.0)) if x.wide else b.number(x.kind, 1.0)
    found = _multiplied(b, x, abs(n))
    return found if n > 0 else b.binary("fdiv", b.number(x.kind, 1.0), found)


def _multiplied(b: Block, x: Reg, n: int) -> Reg:
    name = "fmul" if x.kind in ("f32", "f64") else "mul"
    found: Reg | None = None
    while n:
        if n & 1:
            found = x if found is None else b.binary(name, found, x)
        n >>= 1
        if n:
            x = b.binary(name, x, x)
    return b.number(x.kind, 1) if found is None else found


def _whole(b: Block, x: Reg, kind: str, signed: bool) -> Reg:
    """Cut a float to a whole number, as JAX has it: the nearest there is, and 0 of NaN."""
    wide = f"v{b.module.width}" if x.wide else ""
    name = f"@llvm.fpto{'s' if signed else 'u'}i.sat.{wide}{kind}.{wide}{x.kind}"
    to, type_ = b.module.type(kind, x.wide), b.module.type(x.kind, x.wide)
    b.module.declared[name] = f"declare {to} {name}({type_})"
    return b.emit(kind, x.wide, f"call {to} {name}({type_} {x.text})")


def _convert(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
    (x,) = xs
    before, after = (np.dtype(name) for name in node.static)
    kind = KIND_OF[after.name]
    if after.kind == "b":
        zero = b.number(x.kind, 0)
        return b.compare("une" if before.kind == "f" else "ne", x, zero)
    if before.kind == "f" and after.kind == "f":
        return x if x.kind == kind else b.cast("fpext" if kind == "f64" else "fptrunc", x, kind)
    if before.kind == "f":
        return _whole(b, x, kind, after.kind == "i")
    if after.kind == "f":
        return b.cast("sitofp" if before.kind == "i" else "uitofp", x, kind)
    if x.kind == kind:
        return x
    if before.itemsize > after.itemsize:
        return b.cast("trunc", x, kind)
    return b.cast("sext" if before.kind == "i" else "zext", x, kind)


def _shift(name: str) -> Emit:
    """Shifts by the width of the type or more give zero (or the sign), as JAX has it; LLVM leaves them undefined."""

    def emit(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
        x, by = xs
        bits = node.dtype.itemsize * 8
        beyond = b.compare("uge", by, b.number(by.kind, bits))
        shifted = b.binary(name, x, b.select(beyond, b.number(by.kind, bits - 1), by))
        return shifted if name == "ashr" else b.select(beyond, b.number(x.kind, 0), shifted)

    return emit


def _math(name: str) -> Emit:
    def emit(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
        return getattr(maths, name)(b, *xs)

    return emit


def _bitcast(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
    return xs[0] if xs[0].kind == node.kind else b.cast("bitcast", xs[0], node.kind)


def _recip(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
    return b.binary("fdiv", b.number(xs[0].kind, 1.0), xs[0])


def _finite(b: Block, node: Node, xs: Sequence[Reg]) -> Reg:
    (x,) = xs
    return b.compare("olt", b.call("fabs", x), b.number(x.kind, float("inf")))


MAPS: dict[str, Emit] = {
    "add": _by_type("fadd", "add"),
    "add_any": _by_type("fadd", "add"),
    "sub": _by_type("fsub", "sub"),
    "mul": _by_type("fmul", "mul"),
    "div": _divided(False),
    "recip": _recip,
    "neg": _negative,
    "max": _extreme(True),
    "min": _extreme(False),
    "abs": _absolute,
    "sign": _sign,
    "clamp": _clamp,
    "select_n": _select,
    "integer_pow": _integer_pow,
    "convert": _convert,
    "copy": lambda b, node, xs: xs[0],
    "lt": _compared("olt", "slt", "ult"),
    "le": _compared("ole", "sle", "ule"),
    "gt": _compared("ogt", "sgt", "ugt"),
    "ge": _compared("oge", "sge", "uge"),
    "eq": _compared("oeq", "eq", "eq"),
    "ne": _compared("une", "ne", "ne"),
    "and": _by_type("and", "and"),
    "or": _by_type("or", "or"),
    "xor": _by_type("xor", "xor"),
    "not": _inverted,
    "shift_left": _shift("shl"),
    "shift_right_logical": _shift("lshr"),
    "shift_right_arithmetic": _shift("ashr"),
    "bitcast_convert_type": _bitcast,
    "is_finite": _finite,
    "round_even": _math("round_half_even"),
    "round_away": _math("round_half_away"),
    "rem": _divided(True),
} | {
    name: _math(name)
    for name in (
        "exp", "exp2", "expm1", "log", "log1p", "sqrt", "rsqrt", "cbrt", "pow", "tanh", "sinh", "cosh",
        "logistic", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "erf", "erfc", "erf_inv", "floor", "ceil",
    )
}  # fmt: skip
