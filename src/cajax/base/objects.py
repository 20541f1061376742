"""The object rule: a class is abstract or final, and only abstract or optional methods are replaced."""

from typing import Any, TypeVar

_Method = TypeVar("_Method")


def optional(method: _Method) -> _Method:
    """Mark a method with a default that a subclass may replace; it never calls the default through `super`."""
    method.__optional__ = True  # pyright: ignore[reportAttributeAccessIssue]
    return method


def is_optional(method: Any) -> bool:
    """Whether a function, property or class method is marked by `optional`."""
    inner = getattr(method, "fget", None) or getattr(method, "__func__", method)
    return getattr(inner, "__optional__", False)
