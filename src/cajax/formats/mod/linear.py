"""A rate as a + b x: where it is linear in its state, the step is exact."""

from typing import Any

import jax
import jax.numpy as jnp

from . import maths
from . import tree as t
from .evaluate import Machine, Scope
from .maths import Mask
from .patterns import names, relaxing


def split(machine: Machine, expr: t.Expr, x: str, scope: Scope, mask: Mask) -> tuple[Any, Any] | None:
    """Return (a, b) of an expression a + b x, b None where it does not mention x; None for another form."""
    if not mentions(expr, x):
        return machine.number(expr, scope, mask), None
    match expr:
        case t.Name(index=None):
            return 0.0, 1.0
        case t.Unary(op="-"):
            inner = split(machine, expr.x, x, scope, mask)
            return inner and (-inner[0], None if inner[1] is None else -inner[1])
        case t.Binary(op="+" | "-" | "*" | "/"):
            left, right = (split(machine, e, x, scope, mask) for e in (expr.a, expr.b))
            return None if left is None or right is None else _joined(expr.op, left, right, mask)
    return None


def mentions(expr: t.Expr, x: str) -> bool:
    """Whether an expression itself mentions a variable."""
    return x in names(expr)


def _joined(op: str, left: tuple[Any, Any], right: tuple[Any, Any], mask: Mask) -> tuple[Any, Any] | None:
    (a, b), (c, d) = left, right
    match op:
        case "+":
            return a + c, d if b is None else b if d is None else b + d
        case "-":
            return a - c, b if d is None else -d if b is None else b - d
        case "*" if d is None:
            return a * c, b * c
        case "*" if b is None:
            return a * c, a * d
        case "/" if d is None:
            return maths.divide(a, c, mask), maths.divide(b, c, mask)
    return None


def gate(machine: Machine, s: t.Rate, scope: Scope, mask: Mask) -> tuple[Any, Any] | None:
    """Return (steady state, rate) of x' = rate · (steady state − x), None where the equation is no such one."""
    x = s.state.id
    if s.state.index is not None:
        return None
    if form := relaxing(s.value, x):
        end, tau = (machine.number(e, scope, mask) for e in form)
        return end, maths.divide(1.0, tau, mask)
    found = split(machine, s.value, x, scope, mask)
    if found is None or found[1] is None:
        return None
    rate = -found[1]
    return maths.divide(found[0], rate, mask), rate


def exponential(machine: Machine, s: t.Rate, x: Any, scope: Scope, mask: Mask, dt: Any) -> Any:
    """Return the state `dt` ms after it was `x`: exact where its rate is linear in it.

    x + rate · (exp(b dt) − 1)/b with the slope b of the rate: NEURON's cnexp, and exponential Euler for other rates.
    """
    found = gate(machine, s, scope, mask)
    if found is not None and not isinstance(found[1], float):
        end, rate = found
        return end + (x - end) * jnp.exp(-dt * rate)

    def rate_at(value: Any) -> Any:
        there = scope.copy()
        machine.assign(s.state, value, there, mask)
        return jnp.broadcast_to(jnp.asarray(machine.number(s.value, there, mask), value.dtype), value.shape)

    x = jnp.asarray(x, dtype=jnp.result_type(float, x))
    f, b = jax.jvp(rate_at, (x,), (jnp.ones_like(x),))
    return x + f * dt * grown(b * dt)


def grown(z: Any) -> Any:
    """Return (exp(z) − 1)/z, smooth through z = 0."""
    near = jnp.abs(z) < 1e-4
    far = jnp.where(near, 1.0, z)
    return jnp.where(near, 1.0 + z * (0.5 + z / 6.0), jnp.expm1(jnp.minimum(far, maths.ceiling(far))) / far)
