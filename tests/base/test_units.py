import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base import units
from cajax.base.errors import UnitError

from ..helpers import raises


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("50 pA", "nA", 0.05),
        ("80 mS/cm2", "S/cm2", 0.08),
        ("80mS/cm²", "S/cm2", 0.08),
        ("1 pS/um2", "S/cm2", 1e-4),
        ("-0.07 V", "mV", -70.0),
        ("1.5e-3 s", "ms", 1.5),
        ("35 Ohm cm", "ohm*cm", 35.0),
        ("0.3 kΩ·cm", "ohm*cm", 300.0),
        ("2 nS", "uS", 2e-3),
        ("0.01 F/m2", "uF/cm2", 1.0),
        ("37 °C", "degC", 37.0),
        ("5", "mV", 5.0),
        ("1 kHz", "1/ms", 1.0),
        (".5 mm", "um", 500.0),
    ],
)
def test_text_is_converted(text, unit, number):
    assert units.value(text, unit, "x") == pytest.approx(number, rel=1e-12)


def test_what_is_no_text_passes_unchanged():
    x = np.arange(3.0)
    assert units.value(x, "mV", "x") is x
    assert units.value(None, "mV", "x") is None


@pytest.mark.parametrize("unit", units.TABLE.values())
def test_every_unit_of_the_table_is_its_own(unit):
    assert units.factor(unit, unit) == 1.0
    assert units.value(f"2 {unit}", unit, "x") == 2.0


@given(st.sampled_from(list(units.TABLE.values())), st.sampled_from(["m", "u", "n", "k"]))
def test_prefixes_scale_both_ways(unit, prefix):
    symbol = {"ms": "s", "mV": "V", "nA": "A", "uS": "S"}.get(unit)
    if symbol:
        there, back = units.factor(prefix + symbol, unit), units.factor(unit, prefix + symbol)
        assert math.isclose(there * back, 1.0, rel_tol=1e-12)


@pytest.mark.parametrize(
    ("text", "unit", "said"),
    [
        ("3 mV", "nA", "nA"),
        ("3 furlong", "um", "furlong"),
        ("abc", "mV", "1 mV"),
        ("3 S", "S/cm2", "S/cm2"),
        ("1 2 mV", "mV", "x"),
        ("", "mV", "1 mV"),
        ("nan mV", "mV", "1 mV"),
    ],
)
def test_wrong_text_is_refused(text, unit, said):
    raises(lambda: units.value(text, unit, "x"), "x = ", said, kind=UnitError)


def test_parse_gives_scale_and_dimension():
    assert units.parse("S/cm2") == (pytest.approx(1e4), units.parse("S/m2")[1])
    assert units.parse("1/ms")[1] == units.parse("Hz")[1]


def test_units_are_written_as_in_print():
    said = [
        units.written(unit) for unit in ("ohm*cm", "uF/cm2", "S/cm2", "uS", "degC", "Mohm", "1", "mV", "1/ms")
    ]
    assert said == ["Ω·cm", "µF/cm²", "S/cm²", "µS", "°C", "MΩ", "", "mV", "1/ms"]
