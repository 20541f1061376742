"""What is recognised in an expression: quotients that are 0/0 at one point, and rates that relax to an end."""

import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

from . import tree as t

_PURE: Mapping[str, Any] = {
    "exp": math.exp,
    "log": math.log,
    "fabs": abs,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    "pow": pow,
}


def names(expr: t.Expr) -> Iterator[str]:
    """Yield the variables that an expression mentions; those of called functions are not looked into."""
    return (x.id for x in t.walk(expr) if isinstance(x, t.Name))


def value(expr: t.Expr, of: Mapping[str, float]) -> float:
    """Return the value of an expression of plain names and functions; raises `ValueError` for any other."""
    match expr:
        case t.Number():
            return expr.value
        case t.Name() if expr.index is None:
            return of[expr.id]
        case t.Unary(op="-"):
            return -value(expr.x, of)
        case t.Binary() if expr.op in "+-*/^":
            a, b = value(expr.a, of), value(expr.b, of)
            ops = {"+": a + b, "-": a - b, "*": a * b}
            if expr.op in ops:
                return ops[expr.op]
            found = a / b if expr.op == "/" else a**b
            if isinstance(found, complex):
                raise ValueError
            return found
        case t.Call() if expr.name in _PURE:
            return _PURE[expr.name](*(value(x, of) for x in expr.args))
    raise ValueError


def exponent(expr: t.Expr) -> tuple[float, t.Expr] | None:
    """Return (sign, z) of sign · (exp(z) − 1), None for anything else."""
    match expr:
        case t.Unary(op="-", x=x):
            found = exponent(x)
            return found and (-found[0], found[1])
        case t.Binary(op="-", a=t.Call(name="exp", args=(z,)), b=t.Number(value=1.0)):
            return 1.0, z
        case t.Binary(op="-", a=t.Number(value=1.0), b=t.Call(name="exp", args=(z,))):
            return -1.0, z
        case t.Binary(op="+", a=t.Call(name="exp", args=(z,)), b=t.Unary(op="-", x=t.Number(value=1.0))):
            return 1.0, z
        case t.Binary(op="+", a=t.Unary(op="-", x=t.Number(value=1.0)), b=t.Call(name="exp", args=(z,))):
            return 1.0, z
        case t.Binary(op="+", a=t.Number(value=1.0), b=t.Unary(op="-", x=t.Call(name="exp", args=(z,)))):
            return -1.0, z
    return None


def common_zero(a: t.Expr, z: t.Expr) -> str | None:
    """Return the variable in which `a` and `z` are both linear with the same zero, so that a/z does not depend on it.

    Decided by values at random points, which no two different expressions share.
    """
    mentioned = sorted(set(names(a)) | set(names(z)))
    draw = random.Random(7)
    points = [{n: draw.uniform(0.3, 3.0) for n in mentioned} for _ in range(3)]
    for w in sorted(set(names(a)) & set(names(z))):
        try:
            if all(_proportional(a, z, w, p) for p in points):
                return w
        except (ValueError, KeyError, OverflowError, ZeroDivisionError, TypeError):
            continue
    return None


def _proportional(a: t.Expr, z: t.Expr, w: str, point: dict[str, float]) -> bool:
    def at(expr: t.Expr, x: float) -> float:
        return value(expr, {**point, w: x})

    xs = (-3.7, 0.9, 5.3)
    top, under = [at(a, x) for x in xs], [at(z, x) for x in xs]
    scale = max(map(abs, top)) * max(map(abs, under))
    if not 0.0 < scale < math.inf:
        return False
    straight = all(
        abs((f[1] - f[0]) * (xs[2] - xs[1]) - (f[2] - f[1]) * (xs[1] - xs[0])) < 1e-9 * max(map(abs, f))
        for f in (top, under)
    )
    return straight and all(
        abs(top[i] * under[j] - top[j] * under[i]) < 1e-9 * scale for i, j in ((0, 1), (1, 2))
    )


def relaxing(expr: t.Expr, x: str) -> tuple[t.Expr, t.Expr] | None:
    """Return (end, tau) of (end − x)/tau where neither mentions x; None for another form."""
    match expr:
        case t.Binary(op="/", a=t.Binary(op="-", a=end, b=t.Name(id=state, index=None)), b=tau) if state == x:
            if x not in {*names(end), *names(tau)}:
                return end, tau
    return None


def removable(s: t.If) -> bool:
    """Whether a condition only guards a quotient at its 0/0.

    `if (fabs(e) < 1e-6) {f = limit} else {f = a/(exp(z) - 1)}`, where e, a and z vanish together: the quotient has that
    limit there anyway, and needs no branch.
    """
    match s:
        case t.If(
            branches=(
                (
                    t.Binary(op="<" | "<=", a=t.Call(name="fabs", args=(e,)), b=t.Number(value=small)),
                    (t.Assign(target=t.Name(id=near, index=None), value=limit),),
                ),
            ),
            otherwise=(t.Assign(target=t.Name(id=far, index=None), value=t.Binary(op="/", a=a, b=b)),),
        ) if near == far and small <= 1e-3:
            found = exponent(b)
            return found is not None and _has_limit(e, a, found[0], found[1], limit)
    return False


def _has_limit(e: t.Expr, a: t.Expr, sign: float, z: t.Expr, limit: t.Expr) -> bool:
    w = common_zero(a, z)
    if w is None or common_zero(e, z) != w:
        return False
    draw = random.Random(11)
    for _ in range(3):
        point = {n: draw.uniform(0.3, 3.0) for x in (e, a, z, limit) for n in sorted(set(names(x)))}
        try:
            (z0, z1), (a0, a1) = ([value(x, {**point, w: at}) for at in (0.0, 1.0)] for x in (z, a))
            there = value(limit, {**point, w: -z0 / (z1 - z0)})
        except (ValueError, KeyError, OverflowError, ZeroDivisionError, TypeError):
            return False
        if abs(there - sign * (a1 - a0) / (z1 - z0)) > 1e-9 * abs(there):
            return False
    return True
