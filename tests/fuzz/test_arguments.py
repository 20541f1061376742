"""A share of the wrong arguments of `arguments.py`, and that no public name is forgotten."""

import inspect

import pytest

import cajax as cx
from cajax import mech

from .arguments import outcomes
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
            assert call.name in refused or call.name == "Cell.paint x", call.name


@pytest.mark.parametrize("block", range(4))
def test_wrong_arguments_are_refused_in_one_line(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faults = [
        f"{said}: {found.kind} {found.note}"
        for _, found, said in outcomes(range(9_000_000 + 150 * block, 9_000_000 + 150 * (block + 1)))
        if found.kind in ("raw error", "hang")
    ]
    assert not faults
