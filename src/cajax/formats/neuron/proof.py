"""The proof: the folder is compiled and run in a NEURON of its own process, and the difference read back."""

import contextlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ...base.disk import read_json
from ...base.errors import StoreError

_LONGEST = 1800.0
"""Seconds that compiling, and the run, may take."""


def proven(folder: Path, python: str | Path | None) -> tuple[float | None, str]:
    """Run an exported folder in NEURON and leave `proof.json` there; return the largest difference (mV), or why not.

    Raises `StoreError` where `python` was asked for and cannot run it.
    """
    interpreter = python
    if interpreter is None:
        if importlib.util.find_spec("neuron") is None:
            return (
                None,
                "no NEURON here; pip install 'cajax[neuron]', or say python=…, or run the script where it is",
            )
        interpreter = sys.executable
    try:
        return _difference(folder, Path(interpreter)), ""
    except StoreError as error:
        if python is not None:
            raise
        return None, str(error)


def _difference(folder: Path, python: Path) -> float:
    # The binaries stay out of the folder: they are of this machine.
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "model"
        shutil.copytree(folder, copy)
        if any((copy / "mod").iterdir()):
            tool = python.with_name("nrnivmodl")
            _call([str(tool) if tool.exists() else "nrnivmodl", "mod"], copy, "compile the mechanisms")
        _call([str(python), "run.py"], copy, "run the model")
        result = copy / "proof.json"
        found: Any = read_json(result)
        difference = found.get("difference_mV") if isinstance(found, dict) else None
        if not isinstance(difference, float | int):
            raise StoreError(
                f"{python} run.py wrote no difference into proof.json; run it by hand in the folder"
            )
        with contextlib.suppress(OSError):
            shutil.copy(result, folder / "proof.json")
        return float(difference)


def _call(command: list[str], folder: Path, what: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_LONGEST, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"cannot {what} with {command[0]}: {error}; give python= that has NEURON") from error
    if done.returncode:
        lines = [x for x in (done.stdout + done.stderr).splitlines() if x.strip()]
        errors = [x for x in lines if "rror" in x] or lines
        said = errors[-1] if errors else "it said nothing"
        raise StoreError(f"cannot {what} with {command[0]}: {said.strip()}; run the folder by hand")
