"""Flat programs: a jaxpr as a list of equations without calls, each value computed once.

Values are numbered by their content: two values of equal number are computed alike from equal inputs, also in two
programs that share a `Numbering`. So a reverse program knows which of its values the forward program has too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import jax
import numpy as np
from jax.extend import core

from . import keys as random_keys
from .constants import folded

INLINED = {
    "jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr",
    "remat", "remat2", "checkpoint", "custom_lin",
}  # fmt: skip
ALIKE = {
    "copy", "copy_p", "stop_gradient", "optimization_barrier", "convert_element_type_same", "reshard", "pvary", "pcast",
    "sharding_constraint", *random_keys.SAME,
}  # fmt: skip
RULED = {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", "stop_gradient"}
"""What has a derivative of its own: one equation of a program that may still be differentiated, inlined after that."""
ENTERED = INLINED | RULED | ALIKE | {"cond"}
"""What is looked into, or passed, whatever its operands are."""


@final
class Value:
    """A value: an input, a constant (`data`), or what an equation puts out. Compared by identity."""

    __slots__ = ("data", "dtype", "equation", "key", "shape")

    def __init__(self, shape: Sequence[int], dtype: Any, key: int, data: np.ndarray | None = None):
        self.shape: tuple[int, ...] = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.key = key
        self.data = data
        self.equation: Equation | None = None

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape))

    @property
    def number(self) -> float | int | bool | None:
        """The number, of a constant whose entries are all equal; None of anything else."""
        if self.data is None or not self.data.size:
            return None
        first = self.data.flat[0]
        return first.item() if self.data.size == 1 or (self.data == first).all() else None

    def __repr__(self) -> str:
        return f"Value({self.dtype.name}{list(self.shape)}, {self.key})"


@final
@dataclass(frozen=True, eq=False)
class Equation:
    """`outs` = primitive(`ins`); `primitive` and `params` are JAX's."""

    primitive: Any
    ins: tuple[Value, ...]
    outs: tuple[Value, ...]
    params: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The primitive's name."""
        return self.primitive.name


@final
@dataclass
class Numbering:
    """Numbers for contents, shared by programs whose values are compared."""

    known: dict[Any, int] = field(default_factory=dict)

    def of(self, content: Any) -> int:
        """Return the number of a hashable content; a new one where it is not hashable."""
        try:
            return self.known.setdefault(content, len(self.known))
        except TypeError:
            return self.new()

    def new(self) -> int:
        """Return a number that no content has."""
        return self.known.setdefault(object(), len(self.known))


@final
@dataclass(frozen=True, eq=False)
class Flat:
    """A program: `inputs` → `outputs` by `equations`, in an order in which they can be computed."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    equations: tuple[Equation, ...]
    numbering: Numbering


def flatten(
    closed: core.ClosedJaxpr, numbering: Numbering | None = None, keys: Sequence[int | None] = ()
) -> Flat:
    """Return the flat program of a jaxpr; its constants must be known numbers.

    `keys` are those of the first inputs, where they are inputs of another program of the same numbering.
    """
    numbering = numbering or Numbering()
    given = [*keys, *[None] * (len(closed.jaxpr.invars) - len(keys))]
    inputs = tuple(
        Value(*random_keys.words_of(v.aval), numbering.new() if key is None else key)
        for v, key in zip(closed.jaxpr.invars, given, strict=True)
    )
    found = _Flattening(numbering)
    consts = [found.constant(x) for x in closed.consts]
    outputs = tuple(found.run(closed.jaxpr, consts, inputs))
    return pruned(Flat(inputs, outputs, tuple(found.equations), numbering))


def inlined(program: Flat) -> Flat:
    """Return the program without equations that have derivatives of their own: its values alone count from here on."""
    if not any(e.name in RULED for e in program.equations):
        return program
    found = _Flattening(program.numbering, whole=True)
    values = {id(v): v for v in program.inputs}

    def read(v: Value) -> Value:
        return found.constant(v.data) if v.data is not None else values[id(v)]

    for e in program.equations:
        outs = found.value_of(e.primitive, tuple(map(read, e.ins)), e.params, e.outs)
        values.update((id(v), x) for v, x in zip(e.outs, outs, strict=True))
    outputs = tuple(map(read, program.outputs))
    return pruned(Flat(program.inputs, outputs, tuple(found.equations), program.numbering))


def pruned(program: Flat) -> Flat:
    """Return the program without the equations that nothing needs."""
    return Flat(
        program.inputs, program.outputs, _needed(program.equations, program.outputs), program.numbering
    )


def _needed(equations: Iterable[Equation], outputs: Iterable[Value]) -> tuple[Equation, ...]:
    needed, kept = {id(x) for x in outputs}, []
    for equation in reversed(list(equations)):
        if any(id(x) in needed for x in equation.outs):
            kept.append(equation)
            needed |= {id(x) for x in equation.ins}
    return tuple(reversed(kept))


@final
class _Flattening:
    def __init__(self, numbering: Numbering, whole: bool = False):
        self.numbering = numbering
        self.whole = whole
        self.equations: list[Equation] = []
        self._known: dict[int, tuple[Value, ...]] = {}
        self._constants: dict[int, Value] = {}

    def constant(self, x: Any) -> Value:
        data = np.asarray(random_keys.data(x))
        key = self.numbering.of(("constant", data.dtype.name, data.shape, data.tobytes()))
        return self._constants.setdefault(key, Value(data.shape, data.dtype, key, data))

    def run(self, jaxpr: Any, consts: Sequence[Value], args: Sequence[Value]) -> list[Value]:
        values: dict[Any, Value] = {}

        def read(x: Any) -> Value:
            if not isinstance(x, core.Literal):
                return values[x]
            aval: Any = x.aval
            return self.constant(np.asarray(x.val, aval.dtype))

        values.update(zip(jaxpr.constvars, consts, strict=True))
        values.update(zip(jaxpr.invars, args, strict=True))
        for equation in jaxpr.eqns:
            ins = tuple(read(x) for x in equation.invars)
            values.update(zip(equation.outvars, self._equation(equation, ins), strict=True))
        return [read(x) for x in jaxpr.outvars]

    def _equation(self, equation: Any, ins: tuple[Value, ...]) -> Sequence[Value]:
        name, params = equation.primitive.name, equation.params
        if name in RULED and any(random_keys.is_key(v.aval) for v in equation.invars):
            inner = _inner(params)
            return self.run(inner.jaxpr, [self.constant(x) for x in inner.consts], ins)
        if name not in ENTERED and (written := random_keys.written_out(equation)) is not None:
            return self.applied(written, *ins)
        return self.value_of(equation.primitive, ins, params, [v.aval for v in equation.outvars])

    def value_of(
        self, primitive: Any, ins: tuple[Value, ...], params: Mapping[str, Any], outs: Sequence[Any]
    ) -> Sequence[Value]:
        """Return what an equation puts out, of the shapes and types of `outs`."""
        name = primitive.name
        if name in RULED and not self.whole:
            return self.add(primitive, ins, params, outs)
        if name in INLINED and (inner := _inner(params)) is not None:
            return self.run(inner.jaxpr, [self.constant(x) for x in inner.consts], ins)
        if name in ALIKE:
            return ins
        if name == "cond":
            return self._both(params["branches"], ins)
        return self.add(primitive, ins, params, outs)

    def _both(self, branches: Sequence[Any], ins: tuple[Value, ...]) -> Sequence[Value]:
        """Compute every branch and choose: branches have no effects and no cost that would matter."""
        which, *args = ins
        found = [self.run(b.jaxpr, [self.constant(x) for x in b.consts], args) for b in branches]
        if len(branches) == 2 and which.dtype != np.bool_:
            which = self.apply(lambda x: x != 0, which)
        return [
            xs[0] if all(x is xs[0] for x in xs) else self.apply(jax.lax.select_n, which, *xs)
            for xs in zip(*found, strict=True)
        ]

    def apply(self, function: Callable[..., Any], *ins: Value) -> Value:
        """Return a function of values that has one result."""
        return self.applied(function, *ins)[0]

    def applied(self, function: Callable[..., Any], *ins: Value) -> list[Value]:
        """Return the results of a function of values."""
        avals = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in ins]
        closed = jax.make_jaxpr(function)(*avals)
        return self.run(closed.jaxpr, [self.constant(x) for x in closed.consts], ins)

    def add(
        self, primitive: Any, ins: tuple[Value, ...], params: Mapping[str, Any], avals: Sequence[Any]
    ) -> Sequence[Value]:
        """Append an equation, or return what it puts out where that is known already."""
        content = (primitive.name, tuple(x.key for x in ins), _static(params))
        key = self.numbering.of(content)
        if key in self._known:
            return self._known[key]
        outs = tuple(Value(a.shape, a.dtype, self.numbering.of(("out", key, i))) for i, a in enumerate(avals))
        equation = Equation(primitive, ins, outs, params)
        if (known := folded(equation)) is not None:
            outs = self._known[key] = (self.constant(known),)
            return outs
        for x in outs:
            x.equation = equation
        self.equations.append(equation)
        self._known[key] = outs
        return outs


def _inner(params: Mapping[str, Any]) -> Any:
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if (found := params.get(name)) is not None:
            return found if isinstance(found, core.ClosedJaxpr) else core.ClosedJaxpr(found, [])
    return None


def _static(params: Mapping[str, Any]) -> Any:
    """Return the parameters of a primitive as a content that can be compared."""
    return tuple((k, _hashable(v)) for k, v in sorted(params.items()) if k not in ("sharding", "backend"))


def _hashable(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype.str, x.tobytes()
    if isinstance(x, list):
        return tuple(map(_hashable, x))
    return x
