"""Optional packages, imported where they are needed."""

import importlib
from typing import Any

from ...base.errors import ParameterError


def needed(name: str, purpose: str) -> Any:
    """Return a package of the extra `fit`; `ParameterError` says how to install it where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ParameterError(
            f"{purpose} needs the package {name.partition('.')[0]} ({error}); pip install 'cajax[fit]'"
        ) from None
