"""Moves of entries: which entry goes where, found by doing to numbers of entries what a primitive does to entries."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .flat import Equation, Value
from .nodes import Ref, UnsupportedError, constant, mapped

Reading = Callable[[Value], Ref]
"""From a value to its array."""

MOVES = {"broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "slice", "rev"}


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    """Return the numbers of the entries of an array."""
    return np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)


def moved(equation: Equation, x: np.ndarray, rest: Sequence[Any] = ()) -> np.ndarray:
    """Return what a primitive that only moves entries does to an array of numbers; −1 where nothing moves to."""
    params = equation.params
    shape = equation.outs[0].shape
    match equation.name:
        case "broadcast_in_dim":
            into = [1] * len(shape)
            for d, n in zip(params["broadcast_dimensions"], x.shape, strict=True):
                into[d] = n
            return np.broadcast_to(x.reshape(into), shape)
        case "reshape" | "squeeze" | "expand_dims":
            return x.reshape(shape)
        case "transpose":
            return x.transpose(params["permutation"])
        case "rev":
            return np.flip(x, params["dimensions"])
        case "slice":
            steps = params["strides"] or (1,) * x.ndim
            cut = zip(params["start_indices"], params["limit_indices"], steps, strict=True)
            return x[tuple(slice(*c) for c in cut)]
        case "dynamic_slice":
            return x[_window(x.shape, shape, rest)]
        case "gather":
            return _gathered(equation, x, rest[0])
    raise UnsupportedError(f"the move '{equation.name}'")


def _window(shape: tuple[int, ...], window: tuple[int, ...], starts: Sequence[Any]) -> tuple[slice, ...]:
    """Return where a dynamic slice of known starts is; like JAX, moved into the array where it sticks out."""
    found = []
    for n, w, s in zip(shape, window, starts, strict=True):
        begin = min(max(int(s), 0), n - w)
        found.append(slice(begin, begin + w))
    return tuple(found)


def padded(equation: Equation, x: np.ndarray) -> np.ndarray:
    """Return an array of numbers with −1 in the padding; negative padding cuts."""
    out = np.full(equation.outs[0].shape, -1, np.int32)
    source, target = [], []
    for n, m, (low, _, inside) in zip(x.shape, out.shape, equation.params["padding_config"], strict=True):
        at = low + (inside + 1) * np.arange(n)
        kept = (at >= 0) & (at < m)
        source.append(np.flatnonzero(kept))
        target.append(at[kept])
    out[np.ix_(*target)] = x[np.ix_(*source)]
    return out


def parted(equation: Equation, x: np.ndarray) -> list[np.ndarray]:
    """Return the parts of an array of numbers."""
    axis = equation.params["axis"]
    if equation.name == "split":
        return np.split(x, np.cumsum(equation.params["sizes"])[:-1], axis)
    return [np.take(x, i, axis) for i in range(x.shape[axis])]


def updated(base: tuple[int, ...], updates: tuple[int, ...], starts: Sequence[Any]) -> np.ndarray:
    """Return for every entry after a dynamic update the entry of the updates it comes from, −1 for none."""
    found = np.full(base, -1, np.int32)
    found[_window(base, updates, starts)] = numbers(updates)
    return found.ravel()


def _gathered(equation: Equation, x: np.ndarray, index: np.ndarray) -> np.ndarray:
    place, terms = _gather_terms(equation, x.shape, index.shape)
    fills = "FILL" in str(equation.params["mode"])
    outside = np.zeros(len(place), bool)
    for row, most, stride in terms:
        start = index.reshape(-1)[row]
        outside |= (start < 0) | (start > most)
        place = place + stride * np.clip(start, 0, most)
    found = x.reshape(-1)[place]
    if fills and outside.any():
        if equation.params.get("fill_value") not in (None, 0, 0.0) or equation.outs[0].dtype.kind == "f":
            raise UnsupportedError("a gather out of bounds")
        found = np.where(outside, -1, found)
    return found.reshape(equation.outs[0].shape)


def _gather_terms(
    equation: Equation, shape: tuple[int, ...], index: tuple[int, ...]
) -> tuple[np.ndarray, list[tuple[np.ndarray, int, int]]]:
    """Return the places within the window, and for every indexed axis: which index, the last start, the stride."""
    out = equation.outs[0].shape
    d, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    if d.operand_batching_dims:
        raise UnsupportedError("a gather of that form")
    coordinates = np.indices(out).reshape(len(out), int(np.prod(out))).T
    kept = [i for i in range(len(shape)) if i not in d.collapsed_slice_dims]
    batch = [i for i in range(len(out)) if i not in d.offset_dims]
    row = np.zeros(len(coordinates), np.int64)
    for i in batch:
        row = row * out[i] + coordinates[:, i]
    place = np.zeros(len(coordinates), np.int64)
    for dim, o in zip(kept, d.offset_dims, strict=True):
        place += int(np.prod(shape[dim + 1 :])) * coordinates[:, o]
    terms = [
        (row * index[-1] + k, shape[dim] - sizes[dim], int(np.prod(shape[dim + 1 :])))
        for k, dim in enumerate(d.start_index_map)
    ]
    return place, terms


def scattered(
    equation: Equation, shape: tuple[int, ...], index: np.ndarray, updates: tuple[int, ...]
) -> np.ndarray:
    """Return for every entry of the updates of a scatter where it goes; −1 where it is dropped."""
    size, count = int(np.prod(shape)), int(np.prod(updates))
    spread = _by_rows(equation, index, updates)
    if spread is None:
        raise UnsupportedError("a scatter of that form")
    window, starts, dims = spread
    strides = np.array([int(np.prod(shape[d + 1 :])) for d in range(len(shape))])
    place = np.zeros(count, np.int64)
    inside = np.ones(count, bool)
    for k, d in enumerate(dims):
        inside &= (starts[:, k] >= 0) & (starts[:, k] + (window[:, d].max(initial=0)) < shape[d])
        place += strides[d] * starts[:, k]
    place += window @ strides
    if "CLIP" in str(equation.params["mode"]) and not inside.all():
        raise UnsupportedError("a scatter that is moved into bounds")
    return np.where(inside & (place < size), place, -1).astype(np.int32)


def _by_rows(equation: Equation, index: np.ndarray, updates: tuple[int, ...]) -> Any:
    """Return per entry of the updates: its offset within the window [entry, dim], the start of its window, its dims."""
    d = equation.params["dimension_numbers"]
    if d.operand_batching_dims or d.scatter_indices_batching_dims:
        return None
    rank = len(d.update_window_dims) + len(d.inserted_window_dims)
    coordinates = np.indices(updates).reshape(len(updates), int(np.prod(updates))).T
    window = np.zeros((len(coordinates), rank), np.int64)
    kept = [i for i in range(rank) if i not in d.inserted_window_dims]
    window[:, kept] = coordinates[:, list(d.update_window_dims)]
    batch = [i for i in range(len(updates)) if i not in d.update_window_dims]
    rows = index.reshape(int(np.prod(index.shape[:-1])), index.shape[-1])
    row = np.zeros(len(coordinates), np.int64)
    for i in batch:
        row = row * updates[i] + coordinates[:, i]
    return window, rows[row], d.scatter_dims_to_operand_dims


def flat_index(ref: Reading, equation: Equation) -> Ref:
    """Return for every entry of the result of a gather, or dynamic slice, the entry it reads; clipped to the array."""
    x, *rest = equation.ins
    (out,) = equation.outs
    if equation.name == "dynamic_slice":
        return _sliced(ref, equation, x.shape, out.shape, rest)
    if "FILL" in str(equation.params["mode"]):
        raise UnsupportedError("a gather that may be out of bounds")
    (index,) = rest
    place, terms = _gather_terms(equation, x.shape, index.shape)
    return _flat([(ref(index).at(row), most, stride) for row, most, stride in terms], place, out.key)


def _sliced(
    ref: Reading, e: Equation, shape: tuple[int, ...], window: tuple[int, ...], starts: Sequence[Any]
) -> Ref:
    places = numbers(shape)[tuple(slice(0, w) for w in window)].ravel()
    terms = [
        (ref(s).at(np.zeros(len(places), np.int32)), n - w, int(np.prod(shape[d + 1 :])))
        for d, (s, n, w) in enumerate(zip(starts, shape, window, strict=True))
        if n > w
    ]
    return _flat(terms, places, e.outs[0].key)


def flat_update_index(ref: Reading, equation: Equation) -> Ref:
    """Return for every entry of what a dynamic update writes where it is written."""
    x, updates, *starts = equation.ins
    return _sliced(ref, equation, x.shape, updates.shape, starts)


def flat_scatter_index(ref: Reading, equation: Equation) -> Ref:
    """Return for every entry of the updates of a scatter where it goes; places must be in bounds."""
    x, index, updates = equation.ins
    found = _by_rows(equation, numbers(index.shape), updates.shape)
    if found is None or "FILL" in str(equation.params["mode"]):
        raise UnsupportedError("a scatter of that form")
    window, rows, dims = found
    strides = np.array([int(np.prod(x.shape[d + 1 :])) for d in range(len(x.shape))])
    terms = [
        (ref(index).at(rows[:, k]), x.shape[d] - 1 - int(window[:, d].max(initial=0)), int(strides[d]))
        for k, d in enumerate(dims)
    ]
    return _flat(terms, window @ strides, equation.outs[0].key)


def _flat(terms: Sequence[tuple[Ref, int, int]], place: np.ndarray, key: Any) -> Ref:
    """Return place + Σ stride · clip(start, 0, most)."""
    n = len(place)
    total = constant(place.astype(np.int32), ("place", key))
    for i, (start, most, stride) in enumerate(terms):
        if start.node.kind != "i32":
            start = mapped("convert", [start], np.int32, ("i32", i, key), (start.node.dtype.name, "int32"))
        bounds = [constant(np.full(n, v, np.int32), ("bound", i, v, key)) for v in (0, most, stride)]
        clipped = mapped("clamp", [bounds[0], start, bounds[1]], np.int32, ("clipped", i, key))
        scaled = mapped("mul", [clipped, bounds[2]], np.int32, ("scaled", i, key))
        total = mapped("add", [total, scaled], np.int32, ("index", i, key))
    return total
