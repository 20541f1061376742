"""Methods that are made, not written: what they take, and the place of what goes wrong in them."""

import inspect
from collections.abc import Callable
from typing import Any

from .faults import AtLine
from .source import Source


def signed(function: Callable[..., Any], *names: str) -> Callable[..., Any]:
    """Return the function with arguments of these names: the surroundings fill them by name."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    taken = [inspect.Parameter(n, kind) for n in dict.fromkeys(names)]
    vars(function)["__signature__"] = inspect.Signature(taken)
    return function


def placed(function: Callable[..., Any], source: Source) -> Callable[..., Any]:
    """Return the function, its faults told with the file and the line."""

    def call(*args: Any, **given: Any) -> Any:
        try:
            return function(*args, **given)
        except AtLine as error:
            raise source.fault(error) from None

    return call
