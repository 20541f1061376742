"""The functions of NMODL on JAX: finite where they are wanted, and never NaN where they are not.

A branch that is not taken is computed all the same, and a NaN of it would come back through the derivative as 0 · NaN.
What can leave the numbers there is therefore given a harmless argument: `mask` says where a branch is taken.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ...mech.gating import trap

Mask = Any


def guarded(x: Any, mask: Mask, safe: float) -> Any:
    """Return `x` where the branch is taken, `safe` elsewhere."""
    return x if mask is None else jnp.where(mask, x, safe)


def like(x: Any, other: Any) -> Any:
    """Return a number or an array in the shape and the precision of another."""
    return jnp.broadcast_to(jnp.asarray(x, other.dtype), jnp.shape(other))


def plain(x: Any) -> Any:
    """Return a truth value as the number that C makes of it."""
    if isinstance(x, bool):
        return float(x)
    return jnp.where(x, 1.0, 0.0) if is_array(x) and x.dtype == bool else x


def is_array(x: Any) -> bool:
    """Whether a value is an array, traced or not."""
    return isinstance(x, jax.Array)


def truth(x: Any) -> Any:
    """Return a number as the truth value that C makes of it."""
    if is_array(x):
        return x if x.dtype == bool else x != 0
    return bool(x)


def exp(x: Any, mask: Mask = None) -> Any:
    """Return the exponential, held where it would overflow: its quotients and their derivatives stay finite."""
    x = jnp.asarray(guarded(x, mask, 0.0), dtype=float) if not is_array(x) else guarded(x, mask, 0.0)
    return jnp.exp(jnp.minimum(x, ceiling(x)))


def ceiling(x: Any) -> float:
    """Return where exponentials are held, in the precision of `x`."""
    return 40.0 if jnp.finfo(jnp.result_type(x, jnp.float32)).bits <= 32 else 300.0


def expm1(x: Any, mask: Mask = None) -> Any:
    """Return exp(x) − 1 without loss of digits near 0."""
    x = jnp.asarray(guarded(x, mask, 1.0), dtype=float) if not is_array(x) else guarded(x, mask, 1.0)
    return jnp.expm1(jnp.minimum(x, ceiling(x)))


def trapped(z: Any) -> Any:
    """Return z/(exp(z) − 1), smooth through z = 0."""
    z = jnp.asarray(z, dtype=float) if not is_array(z) else z
    z = jnp.minimum(z, ceiling(z))
    return trap(z, jnp.exp(z))


def divide(a: Any, b: Any, mask: Mask) -> Any:
    """Return a/b, harmless where the branch is not taken."""
    if isinstance(a, float) and isinstance(b, float) and b != 0.0:
        return a / b
    return jnp.divide(a, b if isinstance(b, float) else guarded(b, mask, 1.0))


def power(a: Any, b: Any, mask: Mask) -> Any:
    """Return a to the power b, by products for small whole numbers."""
    if isinstance(a, float) and isinstance(b, float):
        return _number_power(a, b)
    if isinstance(b, float) and b == int(b) and abs(b) <= 64:
        return _whole(a, int(b), mask)
    return jnp.power(guarded(a, mask, 1.0), b)


def _number_power(a: float, b: float) -> float:
    try:
        found = a**b
    except (ZeroDivisionError, OverflowError):
        return math.inf
    return math.nan if isinstance(found, complex) else found


def _whole(a: Any, n: int, mask: Mask) -> Any:
    if n < 0:
        return 1.0 / _whole(guarded(a, mask, 1.0), -n, None)
    return a**n if n else jnp.ones_like(a)


def _masked(function: Callable[[Any], Any], safe: float) -> Callable[..., Any]:
    return lambda mask, x: function(jnp.asarray(guarded(x, mask, safe), dtype=jnp.result_type(float, x)))


def _floating(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda mask, *args: function(*(jnp.asarray(x, dtype=jnp.result_type(float, x)) for x in args))


FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "exp": (1, lambda mask, x: exp(x, mask)),
    "log": (1, _masked(jnp.log, 1.0)),
    "log10": (1, _masked(lambda x: jnp.log(x) * 0.4342944819032518, 1.0)),
    "sqrt": (1, _masked(jnp.sqrt, 1.0)),
    "pow": (2, lambda mask, a, b: power(a, b, mask)),
    "fabs": (1, _floating(jnp.abs)),
    "abs": (1, _floating(jnp.abs)),
    "sin": (1, _floating(jnp.sin)),
    "cos": (1, _floating(jnp.cos)),
    "tan": (1, _masked(jnp.tan, 0.0)),
    "atan": (1, _floating(jnp.arctan)),
    "asin": (1, _masked(jnp.arcsin, 0.0)),
    "acos": (1, _masked(jnp.arccos, 0.0)),
    "atan2": (2, _floating(jnp.arctan2)),
    "sinh": (1, _masked(jnp.sinh, 0.0)),
    "cosh": (1, _masked(jnp.cosh, 0.0)),
    "tanh": (1, _floating(jnp.tanh)),
    "floor": (1, _floating(jnp.floor)),
    "ceil": (1, _floating(jnp.ceil)),
    "fmod": (2, lambda mask, a, b: jnp.fmod(a, guarded(b, mask, 1.0))),
    "exprelr": (1, lambda mask, x: trapped(x)),
}
"""Name → how many arguments a built-in function takes, and what it is; the first argument of that is the mask."""


BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
