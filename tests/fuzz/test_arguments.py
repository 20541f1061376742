"""A share of the wrong arguments of `arguments.py`, and that no public name is forgotten."""

import inspect
import os
import subprocess
import sys

import cajax as cx
from cajax import mech

from .good_calls import LEFT_OUT, good_calls


def test_every_public_name_is_called():
    called = {call.name.split(".")[0].split("[")[0] for call in good_calls()}
    names = {
        name
        for module in (cx, mech)
        for name, x in vars(module).items()
        if callable(x) and not inspect.ismodule(x) and not name.startswith("_")
    }
    assert not names - called - LEFT_OUT, "add a good call, or leave the name out with a reason"


def test_good_calls_are_good():
    refused = {"load", "read_morphology"}  # of files that are not there
    for call in good_calls():
        try:
            call.function(call.arguments)
        except cx.CajaxError:
            assert call.name in refused or call.name in ("Cell.paint x", "Cell.paint temperature"), call.name


def test_wrong_arguments_are_refused_in_one_line(root):
    """As a user runs it: here the shapes that the engine declares are checked at every call, which raises first."""
    command = [sys.executable, "-m", "tests.fuzz.arguments", "--calls", "600", "--seed", "9"]
    path = os.pathsep.join([str(root / "src"), str(root)])
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
