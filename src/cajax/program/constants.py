"""Equations of constants, computed while a program is read: indices above all, which must be known to be compiled."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

MOST = 1 << 20
"""Entries of a constant that is computed; larger ones are left to JAX."""

_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "max": np.maximum, "min": np.minimum,
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
    "and": operator.and_, "or": operator.or_,
}  # fmt: skip


def folded(equation: Any) -> np.ndarray | None:
    """Return what an equation of constants puts out, None where that is not known here."""
    if len(equation.outs) != 1 or equation.outs[0].size > MOST or any(x.data is None for x in equation.ins):
        return None
    (out,) = equation.outs
    data = [x.data for x in equation.ins]
    found = _found(equation.name, data, equation.params, out)
    return None if found is None else np.ascontiguousarray(np.asarray(found, out.dtype)).reshape(out.shape)


def _found(name: str, data: list[Any], params: Mapping[str, Any], out: Any) -> Any:
    if name in _BINARY:
        with np.errstate(all="ignore"):
            return _BINARY[name](*data)
    match name:
        case "neg":
            return -data[0]
        case "select_n" if len(data) == 3 and data[0].dtype == np.bool_:
            return np.where(data[0], data[2], data[1])
        case "convert_element_type":
            with np.errstate(all="ignore"):
                return data[0].astype(out.dtype)
        case "broadcast_in_dim":
            into = [1] * len(out.shape)
            for d, n in zip(params["broadcast_dimensions"], data[0].shape, strict=True):
                into[d] = n
            return np.broadcast_to(data[0].reshape(into), out.shape)
        case "reshape" | "squeeze" | "expand_dims":
            return data[0]
        case "concatenate":
            return np.concatenate(data, params["dimension"])
        case "iota":
            into = [1] * len(out.shape)
            into[params["dimension"]] = -1
            return np.broadcast_to(np.arange(out.shape[params["dimension"]]).reshape(into), out.shape)
    return None
