"""What arguments must be, asked in one place: a number, numbers, a count, a flag, a word, a thing of some kind.

Every check names the argument, shows what was given in a few characters, says what to give, and returns the value in
the form that the rest works with.
"""

import math
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from . import units
from .errors import CajaxError, ParameterError
from .types import Array

MOST_STEPS = 2**31 - 1
"""Steps, edges and control volumes are counted in 32 bits."""

K = TypeVar("K")


def shown(x: Any, width: int = 60) -> str:
    """Return what was given, on one line and in at most `width` characters."""
    if isinstance(x, Tracer):
        return "a traced value"
    if isinstance(x, int) and not isinstance(x, bool) and abs(x) >= 10**30:
        return "a whole number above 1e30" if x > 0 else "a whole number below -1e30"
    if isinstance(x, np.ndarray | jax.Array) and np.ndim(x):
        return f"an array of shape {np.shape(x)} and type {x.dtype}"
    try:
        text = " ".join(repr(x).split())
    except Exception:  # the repr of a stranger's object, which may do anything
        text = ""
    return text if 0 < len(text) <= width else f"a {type(x).__name__}"


def reals(
    x: Any,
    unit: str,
    name: str,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    kind: type[CajaxError] = ParameterError,
) -> Any:
    """Return finite real numbers in `unit` as an array of any shape, text such as "3 ms" converted; tracers pass.

    `least` and `most` are inclusive bounds, `above` is an exclusive one. What is no number, not finite (or too large
    for the precision in use) or out of bounds raises an error of this `kind`.
    """
    given = x
    x = units.value(x, unit, name)
    if isinstance(x, Tracer):
        if not _is_real(x.dtype):
            raise kind(f"{name} has type {x.dtype}; give real numbers in {_named(unit)}")
        return x
    value = _array(x)
    if value is None or not _is_real(value.dtype):
        raise kind(f"{name} must be a number in {_named(unit)}, not {shown(given)}")
    if not value.size:
        return value
    low, high = float(value.min()), float(value.max())  # a NaN anywhere comes out of both
    if not max(abs(low), abs(high)) <= float(jnp.finfo(jnp.result_type(float)).max):
        raise kind(f"{name} must be finite, not {shown(given)}")
    end = "" if unit == "1" else f" {unit}"
    if least is not None and low < least:
        raise kind(f"{name} = {low:g}{end} must be at least {least:g}")
    if above is not None and low <= above:
        raise kind(f"{name} = {low:g}{end} must be {'positive' if above == 0 else f'above {above:g}'}")
    if most is not None and high > most:
        raise kind(f"{name} = {high:g}{end} must be at most {most:g}")
    return value


def number(
    x: Any,
    unit: str,
    name: str,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    kind: type[CajaxError] = ParameterError,
) -> float:
    """Return one finite real number in `unit` as a float; bounds and errors as those of `reals`."""
    if isinstance(x, Tracer):
        raise kind(f"{name} is traced, but is needed as a plain number: close over it or make it static")
    value = reals(x, unit, name, least=least, above=above, most=most, kind=kind)
    if value.ndim:
        raise kind(f"{name} must be one number in {_named(unit)}, not {shown(value)}")
    return float(value)


def floats(x: Any, unit: str, name: str, **bounds: Any) -> Array:
    """Return what `reals` returns as a JAX array of a floating type; it keeps its own if it has one already."""
    value = reals(x, unit, name, **bounds)
    keeps = isinstance(x, jax.Array | np.ndarray) and jnp.issubdtype(x.dtype, jnp.floating)
    # Always a strong floating type: a weak one, or a whole number, would compile the run anew.
    return jnp.asarray(x if keeps else value, dtype=x.dtype if isinstance(x, jax.Array) and keeps else float)


def count(
    x: Any,
    name: str,
    *,
    least: int = 1,
    most: int = MOST_STEPS,
    kind: type[CajaxError] = ParameterError,
) -> int:
    """Return a whole number from `least` to `most` as an int; anything else raises an error of this `kind`."""
    is_array = isinstance(x, np.ndarray | np.integer | jax.Array) and not isinstance(x, Tracer)
    is_whole = is_array and x.ndim == 0 and np.dtype(x.dtype).kind in "iu"
    if isinstance(x, bool) or not (isinstance(x, int) or is_whole):
        raise kind(f"{name} must be a whole number, not {shown(x)}")
    whole = int(x)
    if whole < least:
        raise kind(f"{name} = {shown(x)} must be at least {least}")
    if whole > most:
        raise kind(f"{name} = {shown(x)} must be at most {most}")
    return whole


def flag(x: Any, name: str, *, kind: type[CajaxError] = ParameterError) -> bool:
    """Return True or False; anything else raises an error of this `kind`."""
    if not isinstance(x, bool | np.bool_):
        raise kind(f"{name} must be True or False, not {shown(x)}")
    return bool(x)


def word(x: Any, name: str, *, kind: type[CajaxError] = ParameterError) -> str:
    """Return text that is a word of letters, digits and _; anything else raises an error of this `kind`."""
    if not isinstance(x, str) or not x.isidentifier():
        raise kind(f"{name} {shown(x)} must be a word of letters, digits and _")
    return x


def of_kind(
    x: Any,
    wanted: type[K] | tuple[type, ...],
    name: str,
    example: str,
    *,
    kind: type[CajaxError] = ParameterError,
) -> K:
    """Return `x` if it is an instance of what is `wanted`; else the error of this `kind` shows the `example`."""
    if not isinstance(x, wanted):
        given = f"the class {x.__name__}; call it" if isinstance(x, type) else shown(x)
        raise kind(f"{name} must be {example}, not {given}")
    return x  # pyright: ignore[reportReturnType]


def _is_real(dtype: Any) -> bool:
    """Whether an array type is one of whole or floating-point numbers; times are neither."""
    return jnp.issubdtype(dtype, jnp.floating) or (
        jnp.issubdtype(dtype, jnp.integer) and not jnp.issubdtype(dtype, np.timedelta64)
    )


def _array(x: Any) -> np.ndarray | None:
    """Return what NumPy makes of a value, None where it makes nothing; masked entries become NaN."""
    try:
        if isinstance(x, np.ma.MaskedArray):
            return np.asarray(x.astype(float).filled(math.nan))
        return np.asarray(float(x) if isinstance(x, int) and not isinstance(x, bool) else x)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None


def _named(unit: str) -> str:
    return "plain units" if unit == "1" else unit
