"""Units as files spell them, what they measure, and exact factors."""

import numpy as np
import pytest

from cajax.fitting.recordings import RecordingError
from cajax.fitting.recordings.quantity import converted, factor, measures, spelled
from tests.helpers import raises


@pytest.mark.parametrize(
    ("unit", "short", "quantity"),
    [
        ("volts", "V", "voltage"), ("Volt", "V", "voltage"), ("millivolts", "mV", "voltage"), ("mV", "mV", "voltage"),
        ("amperes", "A", "current"), ("picoamps", "pA", "current"), ("amp", "A", "current"), ("uA", "uA", "current"),
        ("µA", "µA", "current"), ("seconds", "s", "time"), ("msec", "ms", "time"), ("Hz", "Hz", "rate"),
        ("kilohertz", "kHz", "rate"), ("pA\0\0", "pA", "current"), ("", "", ""), ("dF/F", "dF/F", ""),
        ("1", "1", ""), ("?", "?", ""), ("S", "S", ""), ("a.u.", "a.u.", ""),
    ],
)  # fmt: skip
def test_spellings(unit, short, quantity):
    assert spelled(unit) == short and measures(unit) == quantity


def test_factors_are_exact_powers_of_ten():
    assert [factor(u, "current") for u in ("pA", "uA", "A", "nA")] == [1e-3, 1e3, 1e9, 1.0]
    assert [factor(u, "voltage") for u in ("V", "uV", "mV")] == [1e3, 1e-3, 1.0]
    assert factor("Hz", "rate") == 1e-3


def test_conversion_and_its_errors():
    assert np.array_equal(converted([1.0, 2.0], "volts", "voltage", "x", "file"), [1e3, 2e3])
    raises(
        lambda: converted([1.0], "", "voltage", "x", "a.csv"), "a.csv: 'x' has no unit", "units={'x': 'mV'}"
    )
    raises(
        lambda: converted([1.0], "pA", "voltage", "x", "a.csv"),
        "'pA', which is no voltage",
        kind=RecordingError,
    )
