"""The compiled kernels: finds the library beside this package, registers its XLA FFI targets and calls them."""

import ctypes
import importlib.util
import warnings
from functools import cache, lru_cache
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from ..base.types import Array, Float
from .tree import Forest

DTYPES = {"float32": "f32", "float64": "f64"}
LOOP = "cajax_loop"
"""The target that runs compiled programs, whatever their types."""
TARGETS = ("cajax_tree_solve", "cajax_spread", "cajax_sparse", "cajax_due")
# These prepare their tables once, when XLA makes a program ready, and find them as the state of every call.
PREPARED = ("cajax_tree_solve", "cajax_sparse")

CURE = "reinstall where a C++17 compiler is present: pip install --force-reinstall --no-deps cajax"


@cache
def available() -> bool:
    """Whether the compiled solve can be used; warns once, with the cure, when it cannot."""
    path = _library()
    try:
        if path is None:
            raise OSError("it was not built")
        library = ctypes.CDLL(path)
        handlers = {target: _handlers(library, target) for target in TARGETS}
    except (OSError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        warnings.warn(
            f"cajax runs without its native kernels ({reason}), many times slower on the CPU; {CURE}",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    jax.ffi.register_ffi_target(LOOP, jax.ffi.pycapsule(library.cajax_loop), platform="cpu")
    for target, stages in handlers.items():
        for short in DTYPES.values():
            jax.ffi.register_ffi_target(f"{target}_{short}", stages[short], platform="cpu")
    return True


@cache
def library() -> ctypes.CDLL:
    """Return the library; only where it is `available`."""
    return ctypes.CDLL(_library())


def _handlers(library: ctypes.CDLL, target: str) -> dict[str, Any]:
    """Return the handlers of a target by dtype: one for the call, or one for each stage."""
    handlers: dict[str, Any] = {}
    for short in DTYPES.values():
        handlers[short] = jax.ffi.pycapsule(getattr(library, f"{target}_{short}"))
        if target in PREPARED:
            instantiate = jax.ffi.pycapsule(getattr(library, f"{target}_instantiate"))
            handlers[short] = {"instantiate": instantiate, "execute": handlers[short]}
    return handlers


def supports(dtype: np.dtype) -> bool:
    """Whether the compiled solve computes in `dtype`."""
    return np.dtype(dtype).name in DTYPES


def solve(
    forest: Forest, a: Float[Array, "... cv"], g: Float[Array, "... edge"], b: Float[Array, "... cv"]
) -> Float[Array, "... cv"]:
    """Solve the whole forest in one call on the CPU; arguments as in `cajax.solve.solve`, of one dtype.

    All have the axes of the batch; where an operand has a length of 1 there it is shared, and not copied.
    """
    lead = np.broadcast_shapes(*(x.shape[:-1] for x in (a, g, b)))
    shape = jax.ShapeDtypeStruct((*lead, b.shape[-1]), b.dtype)
    call = jax.ffi.ffi_call(_target("cajax_tree_solve", b.dtype), shape)
    return call(a, g, b, **_attributes(forest))


def spread(x: Float[Array, "... site"], index: NDArray[np.int32], size: int) -> Float[Array, "... cv"]:
    """Return zeros `[..., size]` with the entries of `x` added at `index`, in one call on the CPU."""
    shape = jax.ShapeDtypeStruct((*x.shape[:-1], size), x.dtype)
    return jax.ffi.ffi_call(_target("cajax_spread", x.dtype), shape)(x, index=index)


def product(
    x: Float[Array, "..."],
    y: Float[Array, "..."],
    shape: tuple[int, ...],
    offset: NDArray[np.int32],
    pre: NDArray[np.int32],
    pres: int,
    out: int,
) -> Float[Array, "..."]:
    """Return one of the three products of a graph in one call on the CPU; see `cajax.solve.sparse`.

    `out` says which operand `[..., entries]` is the result: 0 that of the edges, 1 of `pre`, 2 of the sites. `x` and
    `y` are the other two, in this order; a leading axis of length 1 is shared, or summed over in the result.
    """
    call = jax.ffi.ffi_call(_target("cajax_sparse", x.dtype), jax.ShapeDtypeStruct(shape, x.dtype))
    return call(x, y, offset=offset, pre=pre, pres=np.int64(pres), out=np.int64(out))


def due(
    age: Float[Array, "slot cell"],
    before: Float[Array, "slot cell"],
    filled: Array,
    delay: Float[Array, " edge"],
    dt: Array,
    pre: NDArray[np.int32],
) -> tuple[Array, Array]:
    """Return which slots fall due at each edge in one call on the CPU; see `cajax.solve.due`."""
    shape = jax.ShapeDtypeStruct(delay.shape, np.int32)
    call = jax.ffi.ffi_call(_target("cajax_due", age.dtype), (shape, shape), vmap_method="broadcast_all")
    first, second = call(age, before, filled, delay, dt, pre=pre)
    return first, second


def _target(name: str, dtype: np.dtype) -> str:
    return f"{name}_{DTYPES[np.dtype(dtype).name]}"


@cache
def _library() -> str | None:
    # Not imported as a module: the import system only knows where it lies, also in an editable install.
    spec = importlib.util.find_spec("cajax.solve._native")
    return None if spec is None else spec.origin


@lru_cache(maxsize=64)
def _attributes(forest: Forest) -> dict[str, NDArray[np.int32]]:
    return {
        "parent": np.concatenate([tree.parent for tree in forest]),
        "cv": np.concatenate([tree.cv for tree in forest]),
        "nodes": np.array([tree.n_nodes for tree in forest], np.int32),
        "lanes": np.array([tree.lanes for tree in forest], np.int32),
    }
