"""Lets the tests of tasks share `tiny`, the smallest task there is."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
