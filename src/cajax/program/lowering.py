"""From the equations of a flat program to nodes: one rule per primitive of JAX; `own` has those of Cajax."""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from jax import lax

from . import indexing
from .elementwise import MAPS
from .flat import Equation, Flat, Value, inlined
from .grouped import added_up, offsets
from .nodes import Node, Ref, UnsupportedError, constant, joined, mapped
from .own import OWN

Rule = Callable[["Lowering", Equation], Sequence[Ref]]
RULES: dict[str, Rule] = {}


@final
class Lowering:
    """The arrays of a program's values as they are lowered, one equation after the other."""

    def __init__(self, inputs: Sequence[Value], refs: Sequence[Ref]):
        self._reciprocals: dict[int, Ref] = {}
        self._refs: dict[int, Ref] = {id(v): r for v, r in zip(inputs, refs, strict=True)}

    def ref(self, value: Value) -> Ref:
        """Return the array of a value."""
        if id(value) not in self._refs:
            if value.data is None:
                raise UnsupportedError("a value without an origin")
            self._refs[id(value)] = constant(value.data, value.key)
        return self._refs[id(value)]

    def add(self, equation: Equation) -> None:
        """Lower one equation."""
        name = equation.name
        if name in RULES:
            found = RULES[name](self, equation)
        elif name in OWN:
            found = OWN[name](self.ref, equation)
        elif name in MAPS:
            found = [self.mapped(name, equation)]
        elif name in indexing.MOVES:
            found = [self._moved(equation)]
        else:
            raise UnsupportedError(f"the operation '{name}'")
        for value, ref in zip(equation.outs, found, strict=True):
            if ref.n != value.size:
                raise UnsupportedError(f"'{name}' of shapes {[x.shape for x in equation.ins]}")
            self._refs[id(value)] = ref

    def mapped(self, op: str, equation: Equation, static: Any = None) -> Ref:
        """Return an elementwise operation of the equation's operands."""
        (out,) = equation.outs
        refs = [self._spread(x, out.shape) for x in equation.ins]
        if out.size == 0:
            raise UnsupportedError("empty arrays")
        return mapped(op, refs, out.dtype, out.key, static)

    def reciprocal(self, value: Value) -> Ref:
        """Return one over a value, the same for all that ask."""
        if id(value) not in self._reciprocals:
            number, ref = value.number, self.ref(value)
            if number is not None and number != 0:
                found = constant(np.full(ref.n, 1 / value.data.dtype.type(number)), ("recip", value.key))  # pyright: ignore
            else:
                found = _of_choice(ref, value) or mapped("recip", [ref], value.dtype, ("recip", value.key))
            self._reciprocals[id(value)] = found
        return self._reciprocals[id(value)]

    def times(self, x: Value, inverse: Value, out: Value) -> Ref:
        """Return a value times the reciprocal of another."""
        over = self.reciprocal(inverse)
        if inverse.shape != out.shape:
            over = over.at(np.broadcast_to(indexing.numbers(inverse.shape), out.shape))
        return (
            over if x.number == 1 else mapped("mul", [self._spread(x, out.shape), over], out.dtype, out.key)
        )

    def _spread(self, x: Value, shape: tuple[int, ...]) -> Ref:
        """Return an operand in the shape of the result: axes of length 1, or none at all, are repeated."""
        if x.shape == shape:
            return self.ref(x)
        return self.ref(x).at(np.broadcast_to(indexing.numbers(x.shape), shape))

    def _moved(self, equation: Equation) -> Ref:
        """An operation that only moves entries, told by what it does to their numbers."""
        x, *rest = equation.ins
        if any(r.data is None for r in rest):
            raise UnsupportedError(f"'{equation.name}' at places that change")
        return self.ref(x).at(indexing.moved(equation, indexing.numbers(x.shape), [r.data for r in rest]))


def _of_choice(ref: Ref, value: Value) -> Ref | None:
    """Return one over a choice between two known numbers, as in the derivatives of `max` and `min`; None for others."""
    if not ref.is_whole or ref.node.op != "select_n":
        return None
    which, *cases = ref.node.refs
    inverses = []
    for case in cases:
        if case.node.op != "constant" or case.scalar is None or not (number := case.node.static[case.scalar]):
            return None
        inverses.append(constant(np.full(case.n, value.dtype.type(1) / number), ("recip", case.node.key)))
    return mapped("select_n", [which, *inverses], value.dtype, ("recip", value.key))


def lowered(program: Flat, refs: Sequence[Ref]) -> list[Ref]:
    """Return the outputs of a program whose inputs are `refs`; raises `UnsupportedError`."""
    program = inlined(program)
    found = Lowering(program.inputs, refs)
    for equation in program.equations:
        found.add(equation)
    return [found.ref(x) for x in program.outputs]


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register the rule of some primitives."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


@rule("convert_element_type")
def _converted(at: Lowering, e: Equation) -> list[Ref]:
    (x,), (out,) = e.ins, e.outs
    same = x.dtype == out.dtype
    return [at.ref(x) if same else at.mapped("convert", e, (x.dtype.name, out.dtype.name))]


@rule("div")
def _div(at: Lowering, e: Equation) -> list[Ref]:
    """Multiply arrays by the reciprocal, which all quotients of one divisor share: a division takes ten times as long.

    Single numbers are divided, so that steps and samples that are counted by quotients stay exact.
    """
    (x, y), (out,) = e.ins, e.outs
    if out.size == 1 or not np.issubdtype(out.dtype, np.floating):
        return [at.mapped("div", e)]
    return [at.times(x, y, out)]


@rule("mul")
def _mul(at: Lowering, e: Equation) -> list[Ref]:
    for x, y in (e.ins, e.ins[::-1]):
        if x.number == 1 and y.size == e.outs[0].size:
            return [at.ref(y)]
    return [at.mapped("mul", e)]


@rule("add", "add_any")
def _add(at: Lowering, e: Equation) -> list[Ref]:
    for x, y in (e.ins, e.ins[::-1]):
        if x.number == 0 and y.size == e.outs[0].size:
            return [at.ref(y)]
    return [at.mapped("add", e)]


@rule("integer_pow")
def _integer_pow(at: Lowering, e: Equation) -> list[Ref]:
    (x,), (out,) = e.ins, e.outs
    power = int(e.params["y"])
    if power < 0 and out.size > 1 and np.issubdtype(out.dtype, np.floating):
        inverse = at.reciprocal(x)
        if power == -1:
            return [inverse]
        return [mapped("integer_pow", [inverse], out.dtype, out.key, -power)]
    return [at.mapped("integer_pow", e, power)]


@rule("square")
def _square(at: Lowering, e: Equation) -> list[Ref]:
    return [at.mapped("integer_pow", e, 2)]


@rule("select_n")
def _select(at: Lowering, e: Equation) -> list[Ref]:
    which, *cases = e.ins
    if len(cases) != 2 or which.dtype != np.bool_:
        raise UnsupportedError("a choice among more than two")
    return [at.mapped("select_n", e)]


@rule("bitcast_convert_type")
def _bits(at: Lowering, e: Equation) -> list[Ref]:
    if e.ins[0].shape != e.outs[0].shape:
        raise UnsupportedError("bits taken as numbers of another size")
    return [at.mapped("bitcast_convert_type", e)]


@rule("clamp")
def _clamp(at: Lowering, e: Equation) -> list[Ref]:
    return [at.mapped("clamp", e)]


@rule("round")
def _round(at: Lowering, e: Equation) -> list[Ref]:
    mode = e.params["rounding_method"]
    return [at.mapped("round_even" if mode == lax.RoundingMethod.TO_NEAREST_EVEN else "round_away", e)]


@rule("iota")
def _iota(at: Lowering, e: Equation) -> list[Ref]:
    (out,) = e.outs
    shape = [1] * len(out.shape)
    shape[e.params["dimension"]] = -1
    line = np.arange(out.shape[e.params["dimension"]]).reshape(shape)
    return [constant(np.broadcast_to(line, out.shape).astype(out.dtype), out.key)]


@rule("concatenate")
def _concatenate(at: Lowering, e: Equation) -> list[Ref]:
    (out,) = e.outs
    sizes = [x.size for x in e.ins]
    parts = [
        np.arange(n).reshape(x.shape) + start
        for x, n, start in zip(e.ins, sizes, np.cumsum([0, *sizes[:-1]]), strict=True)
    ]
    table = np.concatenate(parts, e.params["dimension"])
    return [joined([at.ref(x) for x in e.ins], out.key).at(table)]


@rule("stack")
def _stack(at: Lowering, e: Equation) -> list[Ref]:
    (out,) = e.outs
    size = e.ins[0].size
    parts = [np.arange(size).reshape(x.shape) + k * size for k, x in enumerate(e.ins)]
    table = np.stack(parts, next(v for k, v in e.params.items() if k in ("axis", "dimension")))
    return [joined([at.ref(x) for x in e.ins], out.key).at(table)]


@rule("unstack", "split")
def _several(at: Lowering, e: Equation) -> list[Ref]:
    (x,) = e.ins
    return [at.ref(x).at(part) for part in indexing.parted(e, indexing.numbers(x.shape))]


@rule("pad")
def _pad(at: Lowering, e: Equation) -> list[Ref]:
    x, fill = e.ins
    (out,) = e.outs
    table = indexing.padded(e, indexing.numbers(x.shape))
    moved = at.ref(x).at(table)
    if fill.number == 0:
        return [moved]
    here = constant(table >= 0, ("pad", out.key))
    filling = at.ref(fill).at(np.zeros(out.size, np.int32))
    return [mapped("select_n", [here, filling, moved], out.dtype, out.key)]


@rule("gather", "dynamic_slice")
def _gather(at: Lowering, e: Equation) -> list[Ref]:
    x, *starts = e.ins
    if all(s.data is not None for s in starts):
        return [at.ref(x).at(indexing.moved(e, indexing.numbers(x.shape), [s.data for s in starts]))]
    (out,) = e.outs
    index = indexing.flat_index(at.ref, e)
    return [Ref(Node("gather", [at.ref(x), index], out.size, out.dtype, out.key))]


@rule("scatter-add", "scatter_add")
def _scatter_add(at: Lowering, e: Equation) -> list[Ref]:
    base, index, updates = e.ins
    (out,) = e.outs
    if index.data is None:
        _no_bits(out)
        where = indexing.flat_scatter_index(at.ref, e)
        return [Ref(Node("scatter", [at.ref(base), where, at.ref(updates)], out.size, out.dtype, out.key))]
    table = indexing.scattered(e, base.shape, index.data, updates.shape)
    added = added_up(at.ref(updates), table, out.size, ("scattered", out.key))
    if base.number == 0:
        return [added]
    return [mapped("add", [at.ref(base), added], out.dtype, out.key)]


@rule("scatter", "dynamic_update_slice")
def _scatter(at: Lowering, e: Equation) -> list[Ref]:
    (out,) = e.outs
    if e.name == "scatter":
        base, index, updates = e.ins
        if index.data is None:
            raise UnsupportedError("writing at places that change")
        table = indexing.scattered(e, base.shape, index.data, updates.shape)
    else:
        base, updates, *starts = e.ins
        if any(s.data is None for s in starts):
            if base.number != 0:
                raise UnsupportedError("writing at places that change")
            _no_bits(out)
            where = indexing.flat_update_index(at.ref, e)
            refs = [at.ref(base), where, at.ref(updates)]
            return [Ref(Node("scatter", refs, out.size, out.dtype, out.key))]
        where = indexing.updated(base.shape, updates.shape, [s.data for s in starts])
        return [_written(at, base, updates, where, out)]
    source = np.full(out.size, -1, np.int32)
    inside = table >= 0
    source[table[inside]] = np.flatnonzero(inside)
    return [_written(at, base, updates, source, out)]


def _written(at: Lowering, base: Value, updates: Value, source: np.ndarray, out: Value) -> Ref:
    """Return `base` with entry i replaced by entry source[i] of the updates where that is not −1."""
    if base.number == 0:
        return at.ref(updates).at(source)
    pair = joined([at.ref(base), at.ref(updates)], out.key)
    return pair.at(np.where(source < 0, np.arange(out.size), base.size + source))


def _no_bits(x: Value) -> None:
    """Refuse what the machine cannot do with bits."""
    if x.dtype == np.bool_:
        raise UnsupportedError("bits written at places that change")


@rule("reduce_sum", "reduce_max", "reduce_min", "reduce_or", "reduce_and")
def _reduce(at: Lowering, e: Equation) -> list[Ref]:
    (x,), (out,) = e.ins, e.outs
    axes = e.params["axes"]
    kept = [i for i in range(len(x.shape)) if i not in axes]
    table = np.arange(x.size, dtype=np.int32).reshape(x.shape).transpose(*kept, *axes).ravel()
    each = x.size // max(1, out.size)
    if each == 1:
        return [at.ref(x).at(table)]
    op = {"sum": "add", "max": "max", "min": "min", "or": "or", "and": "and"}[e.name.split("_")[1]]
    static = op, offsets(np.full(out.size, each)), table
    if x.dtype.kind != "u" or op not in ("max", "min"):
        return [Ref(Node("sums", [at.ref(x)], out.size, out.dtype, out.key, static))]
    # With the highest bit turned over, the order is that of signed numbers.
    flipped = _turned(at.ref(x), x.dtype, ("turned", x.key))
    extreme = Ref(Node("sums", [flipped], out.size, out.dtype, ("turned", out.key), static))
    return [_turned(extreme, out.dtype, out.key)]


def _turned(x: Ref, dtype: np.dtype, key: Any) -> Ref:
    bit = np.full(x.n, dtype.type(1) << dtype.type(8 * dtype.itemsize - 1))
    return mapped("xor", [x, constant(bit, ("highest", dtype.name, x.n))], dtype, key)


@rule("dot_general")
def _dot(at: Lowering, e: Equation) -> list[Ref]:
    x, y = e.ins
    (out,) = e.outs
    if out.dtype.kind != "f":
        raise UnsupportedError("a product of matrices of whole numbers")
    (cx, cy), (bx, by) = e.params["dimension_numbers"]
    free_x = [i for i in range(len(x.shape)) if i not in (*cx, *bx)]
    free_y = [i for i in range(len(y.shape)) if i not in (*cy, *by)]
    size = {k: int(np.prod([s[i] for i in v])) for k, s, v in
            (("b", x.shape, bx), ("x", x.shape, free_x), ("y", y.shape, free_y), ("k", x.shape, cx))}  # fmt: skip
    left = (
        np.arange(x.size).reshape(x.shape).transpose(*bx, *free_x, *cx).reshape(size["b"], size["x"], 1, -1)
    )
    right = (
        np.arange(y.size).reshape(y.shape).transpose(*by, *free_y, *cy).reshape(size["b"], 1, size["y"], -1)
    )
    full = (size["b"], size["x"], size["y"], size["k"])
    a, b = (np.broadcast_to(t, full).astype(np.int32).ravel() for t in (left, right))
    if size["k"] == 1:
        return [mapped("mul", [at.ref(x).at(a), at.ref(y).at(b)], out.dtype, out.key)]
    groups = offsets(np.full(out.size, size["k"]))
    return [Ref(Node("products", [at.ref(x), at.ref(y)], out.size, out.dtype, out.key, (groups, a, b)))]
