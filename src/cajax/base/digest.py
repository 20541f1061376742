"""Structures compared and hashed by content, so that equal models share compiled code."""

import dataclasses
import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np

from .errors import StoreError


def _feed(hasher: Any, x: Any) -> None:
    """Hash nested data by content; functions and classes by identity, since their content cannot be compared."""
    if isinstance(x, np.ndarray):
        hasher.update(f"{x.dtype}{x.shape}".encode())
        hasher.update(
            np.ascontiguousarray(x).view(np.uint8).data if x.dtype.kind != "U" else str(x.tolist()).encode()
        )
    elif dataclasses.is_dataclass(x) and not isinstance(x, type):
        hasher.update(f"{type(x).__qualname__}@{id(type(x))}".encode())
        for field in dataclasses.fields(x):
            _feed(hasher, getattr(x, field.name))
    elif isinstance(x, Mapping):
        for key in sorted(x):
            hasher.update(str(key).encode())
            _feed(hasher, x[key])
    elif isinstance(x, tuple | list):
        hasher.update(f"({len(x)}".encode())
        for item in x:
            _feed(hasher, item)
    elif callable(x):
        hasher.update(f"{getattr(x, '__module__', '')}.{getattr(x, '__qualname__', '')}@{id(x)}".encode())
    else:
        hasher.update(f"{type(x).__name__}:{x!r};".encode())


class Static:
    """Base of structures compared and hashed by content, so that equal models share compiled code."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls is Static:
            raise TypeError("Static is abstract; subclass it as a frozen dataclass")
        return super().__new__(cls)

    @cached_property
    def digest(self) -> str:
        hasher = hashlib.sha256()
        _feed(hasher, self)
        return hasher.hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        # Identities, and so the digest, hold within one process only.
        return {k: v for k, v in self.__dict__.items() if k != "digest"}

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.digest == other.digest  # pyright: ignore[reportAttributeAccessIssue]


def data_hash(*arrays: Any) -> str:
    """Return "sha256:…" over the types, shapes and bytes of arrays: equal data, equal hash, on any machine."""
    digest = hashlib.sha256()
    for array in arrays:
        array = np.asarray(array)
        if array.dtype.hasobject:
            raise StoreError(
                "data_hash takes arrays of numbers or text, not of Python objects; convert them first"
            )
        array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(
            array.shape
        )
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return f"sha256:{digest.hexdigest()}"
