"""The compiled kernels: finds the library beside this package, registers its XLA FFI targets and calls them."""

import ctypes
import importlib.util
import warnings
from functools import cache, lru_cache

import jax
import numpy as np
from numpy.typing import NDArray

from cajax._types import Array, Float
from cajax.solve.tree import Forest, level_order

DTYPES = {"float32": "f32", "float64": "f64"}
TARGETS = ("cajax_tree_solve", "cajax_spread")

CURE = "reinstall where a C++17 compiler is present: pip install --force-reinstall --no-deps cajax"


@cache
def available() -> bool:
    """Whether the compiled solve can be used; warns once, with the cure, when it cannot."""
    path = _library()
    try:
        if path is None:
            raise OSError("it was not built")
        library = ctypes.CDLL(path)
        names = [f"{target}_{short}" for target in TARGETS for short in DTYPES.values()]
        targets = {name: jax.ffi.pycapsule(getattr(library, name)) for name in names}
    except (OSError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        warnings.warn(
            f"cajax runs without its native tree solve ({reason}), many times slower on the CPU; {CURE}",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    for name, target in targets.items():
        jax.ffi.register_ffi_target(name, target, platform="cpu")
    return True


def supports(dtype: np.dtype) -> bool:
    """Whether the compiled solve computes in `dtype`."""
    return np.dtype(dtype).name in DTYPES


def solve(
    forest: Forest, a: Float[Array, " cv"], g: Float[Array, " edge"], b: Float[Array, " cv"]
) -> Float[Array, " cv"]:
    """Solve the whole forest in one call on the CPU; arguments as in `cajax.solve.solve`, of one dtype.

    Batches come from `vmap`: an operand without the batch axis gets a length of 1 there and is not copied.
    """
    call = jax.ffi.ffi_call(
        _target("cajax_tree_solve", b.dtype),
        jax.ShapeDtypeStruct(b.shape, b.dtype),
        vmap_method="expand_dims",
    )
    return call(a, g, b, **_attributes(forest))


def spread(x: Float[Array, "... site"], index: NDArray[np.int32], size: int) -> Float[Array, "... cv"]:
    """Return zeros `[..., size]` with the entries of `x` added at `index`, in one call on the CPU."""
    shape = jax.ShapeDtypeStruct((*x.shape[:-1], size), x.dtype)
    return jax.ffi.ffi_call(_target("cajax_spread", x.dtype), shape)(x, index=index)


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
        "order": np.concatenate([level_order(tree) for tree in forest]),
        "slot": np.concatenate([np.argsort(tree.cv)[-tree.n_cv :].astype(np.int32) for tree in forest]),
        "nodes": np.array([tree.n_nodes for tree in forest], np.int32),
        "lanes": np.array([tree.lanes for tree in forest], np.int32),
    }
