"""Small models that many tests share, and the shape that every error of a user has."""

from functools import cache
from typing import Any

import pytest

import cajax as cx
from cajax.mech import Graded, Kd, Leak


def one_line(excinfo: pytest.ExceptionInfo[Any]) -> str:
    """Return the message of a `CajaxError`, which is one line that says something."""
    assert isinstance(excinfo.value, cx.CajaxError), f"{type(excinfo.value).__name__} is not a CajaxError"
    text = str(excinfo.value)
    assert len(text) > 15 and "\n" not in text
    return text


def raises(function: Any, *parts: str, kind: type[Exception] = cx.CajaxError) -> None:
    """Check that a call raises a `CajaxError` of this kind, on one line that holds all `parts`."""
    with pytest.raises(kind) as excinfo:
        function()
    text = one_line(excinfo)
    missing = [part for part in parts if part not in text]
    assert not missing, f"{text!r} does not say {missing}"


@cache
def passive() -> cx.Cell:
    """A soma and a dendrite with a leak: branch 0 and 1."""
    return cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak())


@cache
def active() -> cx.Model:
    """The same with potassium at the soma, two CVs a branch."""
    return passive().paint("soma", kd=Kd()).discretize(cx.PerBranch(2))


@cache
def pair() -> cx.Network:
    """Two single cylinders "a" and three ball-and-sticks "b"."""
    point = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak())
    return cx.Network().add("a", point, 2).add("b", passive(), 3)


@cache
def joined() -> cx.Model:
    """`pair` with a graded synapse from every "a" to every "b"."""
    return pair().connect("a", "b", Graded()).discretize(cx.PerBranch(2))
