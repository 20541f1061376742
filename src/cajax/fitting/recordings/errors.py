"""What is wrong with a recording, and how the optional libraries that read its formats are imported."""

import importlib
import sys
import warnings
from typing import Any

from ...base.errors import CajaxError


class RecordingError(CajaxError):
    """A recording that cannot be read, or that lacks what a simulation or a fit needs."""


class UnnamedUnitError(RecordingError):
    """A signal whose unit only the user can name."""


def library(name: str, reads: str) -> Any:
    """Return the library `name`, imported only now; `RecordingError` says which extra brings it."""
    folders = list(sys.path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        said = (
            "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be imported ({error})"
        )
        raise RecordingError(
            f"reading {reads} needs the package {name.split('.')[0]}, which {said}; pip install 'cajax[data]'"
        ) from None
    finally:
        sys.path[:] = folders  # pyabf puts folders of its own in front


def line(error: BaseException, most: int = 120) -> str:
    """Return what a library said, on one short line."""
    said = " ".join(str(error).split())[:most]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
