"""What arguments must be, asked in one place: a number, numbers, a count, a flag, a word, a thing of some kind.

Every check names the argument, shows what was given in a few characters, says what to give, and returns the value in
the form that the rest works with.
"""

import math
import os
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from . import units
from .errors import CajaxError, ParameterError
from .types import Array

MOST = 2**31 - 1
"""Steps, edges and control volumes are counted in 32 bits."""

K = TypeVar("K")

_ARRAYS = (jax.ShapeDtypeStruct, np.ndarray, np.generic, jax.Array)
_ODD: tuple[type, ...] = (np.float16, np.ma.MaskedArray)


def shown(x: Any, width: int = 60) -> str:
    """Return what was given, on one line and in at most `width` characters."""
    if isinstance(x, Tracer):
        return "a traced value"
    if isinstance(x, int) and not isinstance(x, bool) and abs(x) >= 10**30:
        return f"a whole number {'above 1e30' if x > 0 else 'below -1e30'}"
    if isinstance(x, np.ndarray | jax.Array) and np.ndim(x):
        return f"an array of shape {np.shape(x)} and type {x.dtype}"
    try:
        text = " ".join(repr(x).split())
    except Exception:  # the repr of a stranger's object may do anything
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
    given, x = x, units.value(x, unit, name)
    value = x if isinstance(x, Tracer) else array_of(x)
    if value is None or not is_real(value.dtype):
        raise kind(f"{name} must be a number{_in(unit)}, not {shown(given)}")
    if isinstance(value, Tracer) or not value.size:
        return value
    low, high = float(value.min()), float(value.max())  # a NaN anywhere comes out of both
    if not is_finite(low) or not is_finite(high):
        raise kind(f"{name} = {shown(given)} must be finite")
    end = "" if unit == "1" else f" {unit}"
    if least is not None and low < least:
        raise kind(f"{name} = {low:g}{end} {'is negative' if least == 0 else f'must be at least {least:g}'}")
    if above is not None and low <= above:
        raise kind(f"{name} = {low:g}{end} must be {'positive' if above == 0 else f'above {above:g}'}")
    if most is not None and high > most:
        raise kind(f"{name} = {high:g}{end} must be at most {most:g}")
    return value


def numeric(x: Any, name: str) -> Any:
    """Return what traced code may compute with, whatever its value: numbers and arrays of them, or their shapes."""
    if isinstance(x, int | float) and not isinstance(x, bool | np.generic):
        if isinstance(x, float) or abs(x) <= MOST:
            return x
    elif isinstance(x, _ARRAYS) and is_real(x.dtype) and not isinstance(x, _ODD):
        return x
    raise ParameterError(f"{name} must be a number or an array of numbers, not {shown(x)}")


def broadcast(function: str, **values: Any) -> None:
    """Raise `ParameterError` unless all values are `numeric` and their shapes broadcast; `function` names who asks."""
    for name, x in values.items():
        numeric(x, f"{function} {name}")
    try:
        np.broadcast_shapes(*(np.shape(x) for x in values.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {np.shape(x)}" for name, x in values.items() if np.ndim(x))
        raise ParameterError(f"{function}: the shapes do not fit one another: {shapes}") from None


def divides(x: Any, name: str) -> Any:
    """Return what something is divided by; `ParameterError` where it is known to be zero before anything is traced."""
    if isinstance(x, int | float | np.ndarray | np.generic) and not np.all(x):
        raise ParameterError(f"{name} = 0 cannot be: something is divided by it")
    return x


def number(x: Any, unit: str, name: str, *, kind: type[CajaxError] = ParameterError, **bounds: Any) -> float:
    """Return one finite real number in `unit` as a float; bounds and errors are those of `reals`."""
    if isinstance(x, Tracer):
        raise kind(f"{name} is traced; it is needed as a plain number: close over it or make it static")
    value = reals(x, unit, name, kind=kind, **bounds)
    if value.ndim:
        raise kind(f"{name} must be one number{_in(unit)}, not {shown(value)}")
    return float(value)


def floats(x: Any, unit: str, name: str, **bounds: Any) -> Array:
    """Return what `reals` returns as a JAX array of a floating type: its own, if it is such an array already."""
    value = reals(x, unit, name, **bounds)
    own = isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jnp.floating)
    # Always a strong floating type: a weak one, or a whole number, would compile the run anew.
    return jnp.asarray(x if own else value, dtype=x.dtype if own else float)


def count(
    x: Any, name: str, *, least: int = 1, most: int = MOST, kind: type[CajaxError] = ParameterError
) -> int:
    """Return a whole number from `least` to `most` as an int; anything else raises an error of this `kind`."""
    is_array = isinstance(x, np.ndarray | np.integer | jax.Array) and not isinstance(x, Tracer)
    is_whole = is_array and x.ndim == 0 and jnp.issubdtype(x.dtype, jnp.integer)
    if isinstance(x, bool) or not (isinstance(x, int) or is_whole) or not least <= int(x) <= most:
        bounds = f"of at least {least}" if most >= MOST else f"from {least} to {most}"
        raise kind(f"{name} = {shown(x)} must be a whole number {bounds}")
    return int(x)


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


def text(x: Any, name: str, *, kind: type[CajaxError] = ParameterError) -> str:
    """Return text that is not empty; anything else raises an error of this `kind`."""
    if not isinstance(x, str) or not x:
        raise kind(f"{name} must be text, not {shown(x)}")
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
        given = f"the class {x.__name__} (call it)" if isinstance(x, type) else shown(x)
        raise kind(f"{name} must be {example}, not {given}")
    return x  # pyright: ignore[reportReturnType]


def function(x: Any, name: str, example: str, *, kind: type[CajaxError] = ParameterError) -> Any:
    """Return `x` if it can be called; else the error of this `kind` shows the `example`."""
    if not callable(x):
        raise kind(f"{name} is a {type(x).__name__}, not a function; {example}")
    return x


def path(x: Any, name: str, *, kind: type[CajaxError] = ParameterError) -> Path:
    """Return a path that a file system may take; anything else raises an error of this `kind`."""
    if not isinstance(x, str | os.PathLike) or not (text := os.fspath(x)) or not isinstance(text, str):
        raise kind(f"{name} must be the path of a file or folder, not {shown(x)}")
    if "\0" in text:
        raise kind(f"{name} holds a zero character, which no path may")
    return Path(text)


def is_real(dtype: Any) -> bool:
    """Whether a type of arrays is one of whole or floating-point numbers; spans of time are neither."""
    whole = jnp.issubdtype(dtype, jnp.integer) and not jnp.issubdtype(dtype, np.timedelta64)
    return whole or jnp.issubdtype(dtype, jnp.floating)


def is_finite(x: float) -> bool:
    """Whether a number is finite in the precision in use."""
    return abs(x) <= float(jnp.finfo(jnp.result_type(float)).max)


def array_of(x: Any) -> np.ndarray | None:
    """Return what NumPy makes of a value, None where it makes nothing; masked entries become NaN."""
    try:
        if isinstance(x, np.ma.MaskedArray):
            return np.ma.filled(x.astype(float), math.nan)
        return np.asarray(float(x) if isinstance(x, int) and not isinstance(x, bool) else x)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None


def _in(unit: str) -> str:
    return "" if unit == "1" else f" in {unit}"
