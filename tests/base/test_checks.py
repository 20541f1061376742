"""What arguments must be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.checks import count, floats, number, numeric, reals, shown, word
from cajax.base.errors import ProtocolError, UnitError
from cajax.mech import Leak

from ..helpers import raises


@pytest.mark.parametrize(
    "wrong", [None, True, 1j, "x" * 3, b"1", [1.0, "a"], [[1.0], [1.0, 2.0]], {}, np.array([None]), 10**400,
              object(), np.nan, np.inf, np.ma.array([1.0], mask=[True]), np.timedelta64(3), jax.random.key(0), [True]],
)  # fmt: skip
def test_what_is_no_finite_number_is_refused(wrong):
    raises(lambda: reals(wrong, "mV", "x"), "x")
    raises(lambda: number(wrong, "mV", "x"), "x")


def test_numbers_are_converted_and_bounded():
    assert number("3 V", "mV", "x") == 3000.0 and number(jnp.int32(3), "1", "x") == 3.0
    raises(lambda: number("3 ms", "mV", "x"), "x", kind=UnitError)
    raises(lambda: number(-1.0, "ms", "x", least=0.0), "negative")
    raises(lambda: number(0, "ms", "x", above=0.0), "positive")
    raises(lambda: number([1.0, 2.0], "ms", "x"), "one number")
    raises(lambda: number(2.0, "1", "x", most=1.0, kind=ProtocolError), "at most 1", kind=ProtocolError)
    assert floats(3, "ms", "x").dtype == float and not floats(3, "ms", "x").weak_type
    assert jax.jit(lambda x: floats(x, "ms", "x"))(1.0) == 1.0


def test_counts_and_words():
    assert [count(x, "n") for x in (3, np.int64(3), jnp.int32(3))] == [3, 3, 3]
    for wrong in (0, True, 1.0, "1", None, 10**12, 10**400, np.array([1])):
        raises(lambda wrong=wrong: count(wrong, "n"), "whole number")
    for wrong in ("", "a b", "a.b", 3, None):
        raises(lambda wrong=wrong: word(wrong, "name of it"), "word")
    for wrong in (True, "1", None, 2**40, np.float16(1), np.array(["a"])):
        raises(lambda wrong=wrong: numeric(wrong, "x of it"), "number")


def test_what_is_shown_is_short():
    assert shown(10**5000) == "a whole number above 1e30"
    assert len(shown("x" * 1000)) < 60 and "\n" not in shown(np.zeros((30, 30)))


def test_a_run_that_asks_for_everything_is_refused_with_its_count():
    model = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak()).discretize(cx.PerBranch(1))
    raises(lambda: cx.simulate(model, 1e30), "4e+31 steps", "larger dt", kind=ProtocolError)
    raises(lambda: cx.simulate(model, 10.0, 1e-12), "10,000,000,000,000 steps", kind=ProtocolError)
    many = {f"v{k}": "soma" for k in range(1000)}
    raises(lambda: cx.simulate(model, 1e9, 1.0, record=many), "bytes", "every=", kind=ProtocolError)
    cell = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak())
    raises(lambda: cx.Network().add("a", cell, 10**12), "1,000,000,000,000 members")


def test_a_single_model_in_double_precision_goes_on_and_the_other_way_is_said():
    cell = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", leak=Leak())
    double = cell.discretize(cx.PerBranch(1))
    single = jax.tree.map(lambda x: x.astype(jnp.float32), double)
    half = cx.simulate(single, 1.0)
    assert cx.simulate(single, 1.0, state=half.state)["v"].dtype == jnp.float32
    with jax.enable_x64(False):
        raises(lambda: cx.simulate(double, 1.0), "jax_enable_x64", kind=ProtocolError)
