"""Puts the small model of these tests on the path and hands it out."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_model import SmallModel


@pytest.fixture
def model() -> SmallModel:
    return SmallModel.new()
