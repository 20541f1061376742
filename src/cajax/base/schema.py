"""What a file may hold, said by types, and the one reader that checks it: a misfit is named by its key.

Types are those of annotations: `int`, `list[float]`, `dict[str, Any]`, `X | None`, `Literal`, TypedDicts; dataclasses
and NamedTuples, as dictionaries of their fields or made already; any other class. `Annotated[float, Within(0, 1)]` has
bounds.
"""

import dataclasses
import math
import types
from collections.abc import Mapping
from functools import lru_cache
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    final,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import numpy as np

from .errors import StoreError


@final
@dataclasses.dataclass(frozen=True)
class Within:
    """Bounds of a number, inclusive; NaN lies in none, infinity in none either."""

    lo: float = -math.inf
    hi: float = math.inf

    def __contains__(self, x: Any) -> bool:
        return math.isfinite(x) and self.lo <= x <= self.hi

    def __str__(self) -> str:
        if math.isinf(self.lo) and math.isinf(self.hi):
            return "finite"
        return f"at least {self.lo:,g}" if math.isinf(self.hi) else f"between {self.lo:,g} and {self.hi:,g}"


Finite = Annotated[float, Within(-1e100, 1e100)]
"""A number that can be drawn."""
Share = Annotated[float, Within(0.0, 1.0)]
Seconds = Annotated[float, Within(0.0)]
Count = Annotated[int, Within(0, 2**53)]


def conformed(x: Any, kind: Any, where: str) -> Any:
    """Return `x` as the type `kind` has it; `StoreError` names the place (`where`, a key) that does not fit.

    Lists become tuples where tuples are wanted, dictionaries dataclasses; nothing else is converted.
    """
    origin = get_origin(kind)
    if kind is Any:
        return x
    if origin is Annotated:
        return _bounded(x, *get_args(kind), where=where)
    if origin in (Required, NotRequired):
        return conformed(x, get_args(kind)[0], where)
    if origin in (Union, types.UnionType):
        return _any_of(x, kind, where)
    if origin is Literal:
        if any(type(x) is type(word) and x == word for word in get_args(kind)):
            return x
        raise misfit(where, x, kind)
    if is_typeddict(kind):
        return _entries(x, kind, where)
    if origin in (list, tuple, dict, Mapping) or kind in (list, dict):
        return _items(x, origin or kind, get_args(kind), where)
    if isinstance(x, dict) and (dataclasses.is_dataclass(kind) or is_named_tuple(kind)):
        make: Any = kind
        return make(**fields_of(x, kind, where))
    return _plain(x, types.NoneType if kind is None else origin or kind, where)


def _plain(x: Any, kind: Any, where: str) -> Any:
    if kind is float and isinstance(x, int) and not isinstance(x, bool):
        return float(x)
    good = isinstance(kind, type) and isinstance(x, kind)
    if not good or (isinstance(x, bool) and kind is not bool):
        raise misfit(where, x, kind)
    return x


def _bounded(x: Any, kind: Any, *limits: Any, where: str) -> Any:
    x = conformed(x, kind, where)
    for limit in limits:
        if isinstance(limit, Within) and x not in limit:
            raise StoreError(f"{where} is {_shown(x)}, which is not {limit}")
    return x


def _any_of(x: Any, kind: Any, where: str) -> Any:
    options = get_args(kind)
    if len(options) == 2 and types.NoneType in options:  # then the other one says what is wrong, however deep
        return None if x is None else conformed(x, next(k for k in options if k is not types.NoneType), where)
    for option in options:
        try:
            return conformed(x, option, where)
        except StoreError:
            continue
    raise misfit(where, x, kind)


def _items(x: Any, origin: Any, inner: tuple[Any, ...], where: str) -> Any:
    if origin in (dict, Mapping):
        if not isinstance(x, dict) or not all(isinstance(key, str) for key in x):
            raise misfit(where, x, dict)
        return {k: conformed(v, inner[1], under(where, k)) for k, v in x.items()} if inner else x
    if not isinstance(x, list | tuple):
        raise misfit(where, x, origin)
    if origin is tuple and inner[-1] is not ...:
        if len(x) != len(inner):
            raise StoreError(f"{where} has {len(x)} entries, not {len(inner)}")
        kinds = inner
    else:
        kinds = (inner[0] if inner else Any,) * len(x)
    found = [
        conformed(item, kind, f"{where}[{k}]") for k, (item, kind) in enumerate(zip(x, kinds, strict=True))
    ]
    return tuple(found) if origin is tuple else found


def _entries(x: Any, kind: Any, where: str) -> dict[str, Any]:
    """Return a dictionary whose declared keys fit; further keys pass as they are."""
    if not isinstance(x, dict):
        raise misfit(where, x, dict)
    hints, found = hints_of(kind), dict(x)
    for key in kind.__required_keys__:
        if key not in x:
            raise StoreError(f"{under(where, key)} is missing")
    for key, inner in hints.items():
        if key in x:
            found[key] = conformed(x[key], inner, under(where, key))
    return found


def is_named_tuple(kind: Any) -> bool:
    """Whether a class is a NamedTuple."""
    return isinstance(kind, type) and issubclass(kind, tuple) and bool(vars(kind).get("_fields"))


def _defaults(kind: Any) -> dict[str, bool]:
    """Return the fields of a dataclass or NamedTuple, and whether each has a default."""
    if is_named_tuple(kind):
        return {name: name in kind._field_defaults for name in kind._fields}
    missing = dataclasses.MISSING
    return {
        field.name: field.default is not missing or field.default_factory is not missing
        for field in dataclasses.fields(kind)
        if field.init
    }


def fields_of(x: Mapping[str, Any], kind: Any, where: str, some: bool = False) -> dict[str, Any]:
    """Return the fields of a dataclass, as annotated: none too many, none missing unless `some`."""
    fields = _defaults(kind)
    for key in x:
        if key not in fields:
            raise StoreError(f"{under(where, key)} is not known here")
    for name, given in fields.items():
        if name not in x and not given and not some:
            raise StoreError(f"{under(where, name)} is missing")
    hints = hints_of(kind)
    return {key: conformed(value, hints[key], under(where, key)) for key, value in x.items()}


@lru_cache(maxsize=256)
def hints_of(kind: Any) -> dict[str, Any]:
    """Return the annotations of a class, resolved; those of a user's class may name what is not to be found."""
    try:
        return get_type_hints(kind, include_extras=True)
    except NameError:
        return {field.name: Any for field in dataclasses.fields(kind)}


def is_json(kind: Any) -> bool:
    """Whether JSON can hold values of a type as they are: numbers, text, and lists and dictionaries of them."""
    if get_origin(kind) in (Literal, Annotated):
        return True
    inner = get_args(kind)
    if inner:
        return all(map(is_json, inner))
    return kind in (int, float, str, bool, None, types.NoneType, Any, ..., list, tuple, dict)


def salvaged(x: Any, kind: Any, where: str, faults: list[str]) -> dict[str, Any]:
    """Return those entries of a TypedDict that fit, and add to `faults` what is wrong with the others."""
    if not isinstance(x, dict):
        faults.append(str(misfit(where, x, dict)))
        return {}
    found = dict(x)
    for key, inner in hints_of(kind).items():
        try:
            if key in x:
                found[key] = conformed(x[key], inner, under(where, key))
            elif key in kind.__required_keys__:
                raise StoreError(f"{under(where, key)} is missing")
        except StoreError as error:
            faults.append(str(error))
            found.pop(key, None)
    return found


def under(where: str, key: Any) -> str:
    """Return the name of an entry: "run.json: settings.seed" under "run.json: settings"."""
    key = str(key)
    key = key if len(key) <= 40 and key.isprintable() else ascii(key[:40])
    return f"{where}{key}" if not where or where.endswith(": ") else f"{where}.{key}"


def misfit(where: str, x: Any, kind: Any) -> StoreError:
    """Return the error for a value of another type than the file should hold there."""
    return StoreError(f"{where.removesuffix(': ')} is {_shown(x)}, not {_named(kind)}")


def _shown(x: Any) -> str:
    if isinstance(x, dict):
        return f"a dictionary of {len(x)}"
    if isinstance(x, list | tuple):
        return f"a list of {len(x)}"
    if x is None or isinstance(x, bool | int | float | str):
        text = ascii(x) if isinstance(x, str) and not x.isprintable() else repr(x)
        return text if len(text) <= 40 else f"{text[:40]}…"
    if isinstance(x, np.ndarray):
        return f"an array {x.dtype}{list(x.shape)}"
    return f"a {type(x).__name__}"


_NAMES: dict[Any, str] = {
    int: "a whole number", float: "a number", str: "text", bool: "true or false", dict: "a dictionary",
    list: "a list", tuple: "a list", Mapping: "a dictionary", types.NoneType: "null", np.ndarray: "an array",
}  # fmt: skip


def _named(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Annotated:
        return _named(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return " or ".join(map(_named, get_args(kind)))
    if origin is Literal:
        return "one of " + ", ".join(map(repr, get_args(kind)))
    kind = origin or kind
    return _NAMES.get(kind) or f"a {getattr(kind, '__name__', kind)}"
