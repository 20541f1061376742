"""Units of signals: how files spell them, what they measure, and their conversion to mV, nA and ms."""

from typing import Any

import numpy as np

from ...base import units
from ...base.errors import UnitError
from .errors import UnnamedUnitError

OURS = {"voltage": "mV", "current": "nA", "time": "ms", "rate": "1/ms"}
"""Quantity → the unit in which recordings are kept."""

_LONG = {"volt": "V", "ampere": "A", "amp": "A", "second": "s", "sec": "s", "hertz": "Hz"}
_PREFIXES = {"milli": "m", "micro": "u", "nano": "n", "pico": "p", "kilo": "k", "m": "m"}


def spelled(unit: Any) -> str:
    """Return a unit in short form: "volts" as "V", "picoamperes" as "pA", "msec" as "ms"; others as they are."""
    text = str(unit).strip().strip("\0")
    low = text.lower()
    for ending in (low, low.removesuffix("s")):
        for long, short in _LONG.items():
            if ending.endswith(long) and (prefix := ending.removesuffix(long)) in ("", *_PREFIXES):
                return _PREFIXES.get(prefix, "") + short
    return text


def measures(unit: Any) -> str:
    """Return what a unit measures, "voltage", "current", "time" or "rate"; "" for any other and for none."""
    short = spelled(unit)
    for quantity, ours in OURS.items():
        try:
            units.factor(short, ours)
        except UnitError:
            continue
        return quantity if short and short != "1" else ""
    return ""


def factor(unit: Any, quantity: str) -> float:
    """Return what turns numbers in `unit` into ours; `UnitError` where it does not measure the quantity."""
    return float(
        f"{units.factor(spelled(unit), OURS[quantity]):.12g}"
    )  # powers of ten, without rounding errors


def converted(values: Any, unit: str, quantity: str, name: str, where: str) -> np.ndarray:
    """Return values as float64 in our unit; `UnnamedUnitError` for a unit that is missing or measures something else.

    `name` is that of the signal, as `units=` takes it, and `where` its file or sweep.
    """
    if measures(unit) != quantity:
        said = f"has the unit '{unit:.20}', which is no {quantity}" if unit else "has no unit"
        raise UnnamedUnitError(
            f"{where}: '{name}' {said}; name it, such as units={{'{name}': '{OURS[quantity]}'}}"
        )
    return np.asarray(values, float) * factor(unit, quantity)
