"""Which backend a kernel runs on: one choice for all of them, made while a program is traced."""

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ..base.errors import CajaxError, ParameterError, unknown
from . import native

BACKENDS = ("native", "jax")
BACKEND_VARIABLE = "CAJAX_SOLVE"


def chosen_backend(backend: str | None, dtype: np.dtype) -> str | None:
    """Return the backend that a call shall use: "native" or "jax"; None for native on the CPU and JAX elsewhere.

    The argument counts first, then the environment's `CAJAX_SOLVE`, then what is there: without compiled kernels, or
    for a type that they do not compute in, it is "jax". Raises `UnknownNameError` for another name, and `CajaxError`
    where "native" is asked for and cannot be had.
    """
    name = backend or os.environ.get(BACKEND_VARIABLE) or None
    if name is not None and name not in BACKENDS:
        raise unknown("solve backend", name, BACKENDS, "" if backend else f"the variable {BACKEND_VARIABLE}")
    if name == "native":
        if not native.supports(dtype):
            raise ParameterError(f"solve: the native backend has no {dtype}; use float32 or float64")
        if not native.available():
            raise CajaxError(f"solve: the native backend is missing; {native.CURE}")
        return name
    if name == "jax" or not native.supports(dtype) or not native.available():
        return "jax"
    return None


def run_on(
    backend: str | None, compiled: Callable[..., Any], plain: Callable[..., Any], *operands: Any
) -> Any:
    """Return `compiled(*operands)` or `plain(*operands)`, by what `chosen_backend` returned."""
    if backend is None:
        return jax.lax.platform_dependent(*operands, cpu=compiled, default=plain)
    return (compiled if backend == "native" else plain)(*operands)
