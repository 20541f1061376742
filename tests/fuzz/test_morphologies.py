"""A share of the fuzzing of morphologies, in seconds; the whole is a script."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("morphologies.py")


def test_spoiled_files_are_read_or_refused_in_one_line():
    command = [sys.executable, str(SCRIPT), "--count", "200", "--seconds", "60", "--children", "1"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
