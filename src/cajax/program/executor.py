"""Who runs a loop on the CPU, decided in one place; and the call that hands a loop to the native machine."""

import os
import warnings
from functools import cache, lru_cache
from typing import Any, NamedTuple, final

import jax
import numpy as np

from ..base.checks import count
from ..base.errors import CajaxError, ParameterError, unknown
from ..solve import native
from . import compiled
from .build import FORWARD, Building, Built
from .loop import Loop
from .nodes import UnsupportedError

BACKENDS = ("auto", "native", "xla")
BACKEND_VARIABLE = "CAJAX_BACKEND"
THREADS_VARIABLE = "CAJAX_THREADS"
MOST_THREADS = 1024


@final
class Backend(NamedTuple):
    """Who shall run a loop: "auto", "native" or "xla", and on how many threads; None: as many as there are for it."""

    name: str = "auto"
    threads: int | None = None


def chosen_backend(backend: str, threads: int | None = None) -> Backend:
    """Return the backend that a run shall use; the arguments count first, then the environment's `CAJAX_BACKEND`.

    Raises `UnknownNameError` for another name, `ParameterError` for a wrong number of threads, and `CajaxError` where
    "native" is asked for and cannot be had.
    """
    if threads is not None:
        threads = count(threads, "threads", most=MOST_THREADS)
    name, where = backend, ""
    if backend == "auto" and (given := os.environ.get(BACKEND_VARIABLE)):
        name, where = given, f"the variable {BACKEND_VARIABLE}"
    if name not in BACKENDS:
        raise unknown("backend", str(name), BACKENDS, where)
    if name == "native" and (why := missing()) is not None:
        raise CajaxError(f"simulate: backend 'native' cannot be had: {why}")
    return Backend(name, threads)


@cache
def missing() -> str | None:
    """Return why nothing can be compiled here, None where it can."""
    if not native.available():
        return f"the native library is missing; {native.CURE}"
    if not compiled.available():
        return "llvmlite is not installed; pip install 'cajax[native]'"
    return None


@cache
def said_missing() -> None:
    """Say once that runs take the slower way."""
    if (why := missing()) is not None and native.available():
        warnings.warn(f"cajax runs without compiled programs ({why})", RuntimeWarning, stacklevel=2)


def threads() -> int:
    """Return how many threads take a loop where it is not said: the environment's `CAJAX_THREADS`, else all cores."""
    if given := os.environ.get(THREADS_VARIABLE):
        if not given.isdecimal() or not 1 <= int(given) <= MOST_THREADS:
            raise ParameterError(
                f"{THREADS_VARIABLE} is {given!r}; give a number of threads from 1 to {MOST_THREADS}"
            )
        return int(given)
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    # JAX may be several devices, each with a share of the batch.
    return max(1, cores // jax.local_device_count("cpu"))


@lru_cache(maxsize=512)
def program(
    loop: Loop, lanes: int | None, flags: tuple[bool, ...], mode: int,
    nonzero: tuple[bool, ...] = (), per_lane: bool = False,
) -> int | None:  # fmt: skip
    """Return the number that the native library knows a compiled run by; None for what cannot be compiled."""
    if missing() is not None:
        return None
    found = _building(loop, lanes, flags, None if mode == FORWARD else nonzero)
    return None if isinstance(found, str) else _registered(found.built(mode, per_lane))


@lru_cache(maxsize=64)
def _building(
    loop: Loop, lanes: int | None, flags: tuple[bool, ...], nonzero: tuple[bool, ...] | None
) -> Building | str:
    """Return a loop planned for certain lanes, or why it cannot be compiled."""
    try:
        return Building(loop, lanes, flags, nonzero)
    except UnsupportedError as error:
        return str(error)


def _registered(found: Built) -> int:
    kernels = [x for text, names in found.modules for x in compiled.addresses(text, names)]
    constants = [np.ascontiguousarray(x) for x in found.constants]
    pointers = [*kernels, *(n for x in constants for n in (x.ctypes.data, x.nbytes))]
    return compiled.register(found, constants, pointers)


def unsupported(loop: Loop) -> str | None:
    """Return why a loop cannot be compiled, None where it can."""
    if (why := missing()) is not None:
        return why
    found = _building(loop, None, (False,) * (loop.n_theta + loop.n_state), None)
    return found if isinstance(found, str) else None


def call(context: Any, operands: Any, number: int, loop: Loop) -> Any:
    """Return the results of the native machine, within a lowering."""
    lowering = jax.ffi.ffi_lowering(native.LOOP)
    many = threads() if loop.threads is None else loop.threads
    return lowering(context, *operands, digest=np.int64(number), threads=np.int64(many))
