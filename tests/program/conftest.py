"""Puts the random forests of the solve's tests on the path, and hands out the library."""

import ctypes
import sys
from pathlib import Path

import pytest

from cajax.solve import native

sys.path.insert(0, str(Path(__file__).parents[1] / "solve"))
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def library() -> ctypes.CDLL:
    """The compiled core, whose functions `cajax_op_*` are under test."""
    path = native._library()
    if path is None:
        pytest.skip("the native core is not built")
    return ctypes.CDLL(path)
