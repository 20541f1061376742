"""Functions of scalars as statements of NMODL: traced by JAX, one statement for every value that is used twice."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from ...base.errors import ParameterError
from ...mech.gating import trap
from ...mech.implicit import eliminated

TRAP = """FUNCTION trap(z, exp_z) {
    : z/(exp(z) - 1), smooth through 0/0
    if (fabs(z) < 1e-4) { trap = 1 - z / 2 + z * z / 12 } else { trap = z / (exp_z - 1) }
}"""
"""What `cajax.mech.trap` is called in a .mod file that uses it."""

_SUM, _PRODUCT, _POWER, _ATOM = 1, 2, 4, 5
_LONGEST = 70
"""Characters of an expression above which it becomes a statement of its own."""

_CALLS = (
    "pjit",
    "jit",
    "closed_call",
    "core_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "remat",
    "checkpoint",
)
_SAME = ("convert_element_type", "copy", "copy_p", "stop_gradient", "broadcast_in_dim", "reshape", "squeeze",
         "expand_dims", "optimization_barrier", "reduce_precision")  # fmt: skip
_FUNCTIONS = {"exp": "exp", "log": "log", "sqrt": "sqrt", "tanh": "tanh", "sinh": "sinh", "cosh": "cosh",
              "sin": "sin", "cos": "cos", "tan": "tan", "abs": "fabs", "floor": "floor", "ceil": "ceil",
              "atan": "atan", "asin": "asin", "acos": "acos", "atan2": "atan2", "rem": "fmod",
              "trap": "trap"}  # fmt: skip
_FORMS = {
    "logistic": "1 / (1 + exp(-({0})))",
    "expm1": "exp({0}) - 1",
    "log1p": "log(1 + ({0}))",
    "square": "({0}) * ({0})",
    "rsqrt": "1 / sqrt({0})",
    "exp2": "exp(0.6931471805599453 * ({0}))",
}
_FORM_LEVELS = {"logistic": _PRODUCT, "expm1": _SUM, "log1p": _ATOM, "square": _PRODUCT, "rsqrt": _PRODUCT}
_COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_LOGIC = {"and": "&&", "or": "||"}


@final
@dataclass
class Statements:
    """Lines of NMODL, the LOCAL variables that they need, and the expression of every result by name."""

    lines: list[str] = field(default_factory=list)
    locals: list[str] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)

    @property
    def traps(self) -> bool:
        """Whether they call the function `trap`."""
        return any("trap(" in x for x in (*self.lines, *self.results.values()))


@final
@dataclass(frozen=True)
class _Text:
    """An expression and how tightly its outermost operator binds; `known` is its value where it is a number."""

    text: str
    level: int
    known: float | None = None

    def at(self, level: int) -> str:
        """Return the text, in parentheses unless it binds at least as tightly as `level`."""
        return self.text if self.level >= level else f"({self.text})"


@final
@dataclass(frozen=True, eq=False)
class _Step:
    """One primitive applied to values; all are scalars."""

    name: str
    params: Mapping[str, Any]
    taken: tuple[Any, ...]
    given: Any


def number(x: float) -> str:
    """Return a number as NMODL reads it back to the same bits."""
    if not math.isfinite(x):
        return "1e300" if x > 0 else "-1e300"
    return str(int(x)) if x == int(x) and abs(x) < 1e6 else repr(float(x))


def statements(
    function: Callable[[dict[str, Any]], Mapping[str, Any]],
    names: Mapping[str, str],
    who: str,
    prefix: str = "x",
) -> Statements:
    """Return `function` of a dictionary of scalars as NMODL.

    `names` says what each of its arguments is called there, `prefix` what LOCAL variables begin with; `who` names it in
    errors. Raises `ParameterError` where it does what NMODL has no words for, such as loops and arrays.
    """
    scalar = jax.ShapeDtypeStruct((), jnp.float64)
    with jax.enable_x64(True):
        shapes = dict.fromkeys(names, scalar)
        closed, out = jax.make_jaxpr(
            lambda given: {k: jnp.asarray(x, float) for k, x in function(given).items()}, return_shape=True
        )(shapes)
    order = sorted(names)  # as JAX flattens a dictionary
    return _Writer(who, prefix).written(closed, [names[k] for k in order], sorted(out))


def euler(
    rates: Callable[[dict[str, Any]], Mapping[str, Any]], now: Mapping[str, Any], dt: Any
) -> dict[str, Any]:
    """Return scalars after one linearly implicit step of `implicit_step`, by operations on scalars alone."""
    names = list(now)
    values = tuple(jnp.asarray(now[n], float) for n in names)

    def change(*x: Any) -> tuple[Any, ...]:
        found = rates(dict(zip(names, x, strict=True)))
        return tuple(jnp.asarray(found[n], float) for n in names)

    size = range(len(names))
    units = [tuple(jnp.asarray(float(i == j)) for i in size) for j in size]
    columns = [jax.jvp(change, values, unit)[1] for unit in units]
    matrix: list[list[Any]] = [[float(i == j) - dt * columns[j][i] for j in size] for i in size]
    slopes = eliminated(matrix, list(change(*values)))
    return {n: x + dt * k for n, x, k in zip(names, values, slopes, strict=True)}


@final
class _Writer:
    """Flattens a jaxpr, drops what no result needs, and writes the rest."""

    def __init__(self, who: str, prefix: str):
        self.who, self.prefix = who, prefix
        self.steps: list[_Step] = []
        self.texts: dict[Any, _Text] = {}
        self.out = Statements()

    def written(self, closed: ClosedJaxpr, names: Sequence[str], results: Sequence[str]) -> Statements:
        inputs = [_Text(name, _ATOM) for name in names]
        found = self._flat(closed, inputs)
        needed = self._uses(found)
        for step in self.steps:
            if uses := needed.get(step.given, 0):
                self._write(step, uses)
        for name, x in zip(results, found, strict=True):
            self.out.results[name] = self._text(x).text
        return self.out

    def _flat(self, closed: ClosedJaxpr, given: Sequence[Any]) -> list[Any]:
        """Append the steps of a jaxpr to `steps`; return what its results are: texts, or keys of steps."""
        jaxpr = closed.jaxpr
        known: dict[Any, Any] = dict(zip(jaxpr.invars, given, strict=True))
        known |= {var: self._constant(x) for var, x in zip(jaxpr.constvars, closed.consts, strict=True)}

        def value(atom: Any) -> Any:
            return self._constant(atom.val) if isinstance(atom, Literal) else known[atom]

        for eqn in jaxpr.eqns:
            name, taken = eqn.primitive.name, [value(x) for x in eqn.invars]
            inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr", eqn.params.get("fun_jaxpr")))
            if name in _CALLS and inner is not None:
                inner = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
                if name == "custom_jvp_call" and str(inner.jaxpr) == _trap():
                    known[eqn.outvars[0]] = self._step("trap", {}, taken)
                    continue
                for var, x in zip(eqn.outvars, self._flat(inner, taken), strict=True):
                    known[var] = x
                continue
            for var, x in zip(
                eqn.outvars, taken if name == "optimization_barrier" else [None] * 9, strict=False
            ):
                self._check(var.aval.shape)
                known[var] = x if x is not None else self._step(name, eqn.params, taken)
        return [value(x) for x in jaxpr.outvars]

    def _step(self, name: str, params: Mapping[str, Any], taken: list[Any]) -> Any:
        if name in _SAME:
            return taken[0]
        key = object()
        self.steps.append(_Step(name, params, tuple(taken), key))
        return key

    def _constant(self, x: Any) -> _Text:
        array = np.asarray(x)
        self._check(array.shape)
        value = float(array.reshape(()))
        return _Text(number(value), _ATOM if value >= 0 else 0, value)

    def _check(self, shape: tuple[int, ...]) -> None:
        if math.prod(shape) != 1:
            raise ParameterError(
                f"{self.who} computes with an array of shape {shape}, which a .mod file has no words for; write it with"
                " one value per state"
            )

    def _uses(self, results: Sequence[Any]) -> dict[Any, int]:
        uses: dict[Any, int] = {}
        for x in results:
            uses[x] = uses.get(x, 0) + 1
        for step in reversed(self.steps):
            if step.given in uses:
                # A predicate is repeated where it is asked; what it compares must have a name.
                weight = 2 if step.name in ("max", "min", "clamp", "select_n", "square", "sign") else 1
                for x in step.taken:
                    uses[x] = uses.get(x, 0) + weight
        return uses

    def _text(self, x: Any) -> _Text:
        return x if isinstance(x, _Text) else self.texts[x]

    def _write(self, step: _Step, uses: int) -> None:
        taken = [self._text(x) for x in step.taken]
        if step.name in ("select_n", "max", "min", "clamp", "sign"):
            self.texts[step.given] = self._branched(step.name, taken)
            return
        text = self._expression(step, taken)
        logical = step.name in _COMPARISONS or step.name in (*_LOGIC, "not")
        if not logical and text.known is None and (uses > 1 or len(text.text) > _LONGEST):
            text = self._named(text.text)
        self.texts[step.given] = text

    def _named(self, text: str) -> _Text:
        name = self._local()
        self.out.lines.append(f"{name} = {text}")
        return _Text(name, _ATOM)

    def _local(self) -> str:
        name = f"{self.prefix}{len(self.out.locals) + 1}"
        self.out.locals.append(name)
        return name

    def _branched(self, kind: str, taken: list[_Text]) -> _Text:
        """Write a value that depends on a condition."""
        if kind == "clamp":
            low, x, high = taken
            return self._branched("min", [self._branched("max", [x, low]), high])
        if kind == "sign":
            above = self._branched(
                "select_n", [_Text(f"{taken[0].at(2)} > 0", 0), _Text("0", _ATOM), _Text("1", _ATOM)]
            )
            return self._branched("select_n", [_Text(f"{taken[0].at(2)} < 0", 0), above, _Text("-1", 0)])
        if kind == "select_n":
            if len(taken) != 3:
                raise self._refused("chooses among more than two values")
            condition, other, one = taken
            if condition.known is not None:
                return one if condition.known else other
            test = condition.text
        else:
            one, other = taken
            test = f"{one.at(2)} {'>' if kind == 'max' else '<'} {other.at(2)}"
        name = self._local()
        self.out.lines.append(f"if ({test}) {{ {name} = {one.text} }} else {{ {name} = {other.text} }}")
        return _Text(name, _ATOM)

    def _expression(self, step: _Step, taken: list[_Text]) -> _Text:
        name, a = step.name, taken[0]
        if all(x.known is not None for x in taken) and name not in _COMPARISONS:
            known = _evaluated(step, [x.known for x in taken])
            if known is not None:
                return _Text(number(known), _ATOM if known >= 0 else 0, known)
        if name in ("add", "add_any", "sub", "mul", "div", "pow"):
            return _binary(name, a, taken[1])
        if name == "neg":
            return _Text(f"-{a.at(_ATOM)}", _SUM - 1)  # in NMODL the sign binds more tightly than ^
        if name == "integer_pow":
            y = step.params["y"]
            power = _Text(f"{a.at(_ATOM)}^{abs(y)}", _POWER)
            return power if y > 0 else _Text(f"1 / {power.text}", _PRODUCT)
        if name in _FUNCTIONS:
            return _Text(f"{_FUNCTIONS[name]}({', '.join(x.text for x in taken)})", _ATOM)
        if name in _FORMS:
            return _Text(_FORMS[name].format(a.text), _FORM_LEVELS.get(name, _ATOM))
        if name in _COMPARISONS:
            return _Text(f"{a.at(2)} {_COMPARISONS[name]} {taken[1].at(2)}", 0)
        if name in _LOGIC:
            return _Text(f"({a.text}) {_LOGIC[name]} ({taken[1].text})", 0)
        if name == "not":
            return _Text(f"!({a.text})", 0)
        raise self._refused(f"uses {name}")

    def _refused(self, what: str) -> ParameterError:
        return ParameterError(
            f"{self.who} {what}, which a .mod file has no words for; write it with arithmetic, exp, log, powers, where"
        )


@cache
def _trap() -> str:
    """Return the text of the jaxpr of `trap` of scalars."""
    with jax.enable_x64(True):
        closed = jax.make_jaxpr(trap)(*2 * [jax.ShapeDtypeStruct((), jnp.float64)])
    return str(closed.jaxpr.eqns[0].params["call_jaxpr"].jaxpr)


def _binary(name: str, a: _Text, b: _Text) -> _Text:
    """Return an expression of two operands."""
    if name in ("add", "add_any"):
        if 0.0 in (a.known, b.known):
            return b if a.known == 0.0 else a
        return _Text(f"{a.at(_SUM)} + {b.at(_SUM)}", _SUM)
    if name == "sub":
        return _Text(f"{a.at(_SUM)} - {b.at(_PRODUCT)}", _SUM)
    if name == "mul":
        if 0.0 in (a.known, b.known):
            return _Text("0", _ATOM, 0.0)
        if 1.0 in (a.known, b.known):
            return b if a.known == 1.0 else a
        return _Text(f"{a.at(_PRODUCT)} * {b.at(_PRODUCT)}", _PRODUCT)
    if name == "div":
        if b.known == 1.0:
            return a
        return _Text(f"{a.at(_PRODUCT)} / {b.at(_POWER)}", _PRODUCT)
    if a.known == 1.0:
        return a
    return _Text(f"{a.at(_ATOM)}^{b.at(_ATOM)}", _POWER)


def _evaluated(step: _Step, values: Sequence[Any]) -> float | None:
    """Return the value of a step of numbers, None where it has none that can be written."""
    known: dict[str, Callable[..., float]] = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "pow": lambda a, b: a**b,
        "neg": lambda a: -a,
        "exp": math.exp,
        "log": math.log,
        "sqrt": math.sqrt,
        "integer_pow": lambda a: a ** step.params.get("y", 1),
    }
    try:
        value = known[step.name](*values)
    except (KeyError, ArithmeticError, ValueError):
        return None
    return value if isinstance(value, float) and math.isfinite(value) else None
