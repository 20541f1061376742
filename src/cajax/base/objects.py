"""The object rule: a class is abstract or final; a subclass defines abstract methods and overrides optional ones."""

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def optional(method: F) -> F:
    """Mark a method with a default that a subclass may replace; it is never called through `super`."""
    method.__optional__ = True  # pyright: ignore[reportFunctionMemberAccess]
    return method


def is_optional(method: Any) -> bool:
    """Whether a function, property or class method is marked by `optional`."""
    inner = getattr(method, "fget", None) or getattr(method, "__func__", method)
    return getattr(inner, "__optional__", False)
