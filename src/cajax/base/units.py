"""The units Cajax speaks, and the conversion of text such as "80 mS/cm2" into them at the edge."""

import re
from typing import Any

from .errors import UnitError

# Exponents of (metre, second, ampere, volt, mole, kelvin); everything electrical is a product of these.
_BASE: dict[str, tuple[float, tuple[int, ...]]] = {
    "m": (1.0, (1, 0, 0, 0, 0, 0)),
    "s": (1.0, (0, 1, 0, 0, 0, 0)),
    "A": (1.0, (0, 0, 1, 0, 0, 0)),
    "V": (1.0, (0, 0, 0, 1, 0, 0)),
    "S": (1.0, (0, 0, 1, -1, 0, 0)),
    "F": (1.0, (0, 1, 1, -1, 0, 0)),
    "Ω": (1.0, (0, 0, -1, 1, 0, 0)),
    "Hz": (1.0, (0, -1, 0, 0, 0, 0)),
    "M": (1e3, (-3, 0, 0, 0, 1, 0)),
    "mol": (1.0, (0, 0, 0, 0, 1, 0)),
    "C": (1.0, (0, 0, 0, 0, 0, 1)),  # degrees Celsius: an interval scale, never multiplied
    "1": (1.0, (0, 0, 0, 0, 0, 0)),
}
_PREFIX = {
    "": 1.0,
    "G": 1e9,
    "M": 1e6,
    "k": 1e3,
    "d": 1e-1,
    "c": 1e-2,
    "m": 1e-3,
    "u": 1e-6,
    "n": 1e-9,
    "p": 1e-12,
}
_SPELLING = {
    "µ": "u",
    "μ": "u",
    "ohm": "Ω",
    "Ohm": "Ω",
    "Ω": "Ω",
    "°C": "C",
    "degC": "C",
    "²": "2",
    "³": "3",
    "·": "*",
}

TABLE: dict[str, str] = {
    "time": "ms",
    "rate": "1/ms",
    "voltage": "mV",
    "length": "um",
    "current": "nA",
    "current density": "mA/cm2",
    "conductance": "uS",
    "conductance density": "S/cm2",
    "capacitance density": "uF/cm2",
    "axial resistivity": "ohm*cm",
    "resistance": "Mohm",
    "concentration": "mM",
    "temperature": "degC",
    "number": "1",
}
"""Quantity → the unit Cajax uses for it, everywhere."""


def _atom(text: str, whole: str) -> tuple[float, tuple[int, ...]]:
    match = re.fullmatch(r"([^0-9]+|1)(-?[0-9])?", text)
    if not match:
        raise UnitError(f"unknown unit '{whole}'; units are written like {', '.join(TABLE.values())}")
    symbol, power = match[1], int(match[2] or 1)
    if symbol in _BASE:
        scale, dim = _BASE[symbol]
    elif symbol[:1] in _PREFIX and symbol[1:] in _BASE:
        scale, dim = _BASE[symbol[1:]]
        scale *= _PREFIX[symbol[0]]
    else:
        raise UnitError(f"unknown unit '{whole}'; units are written like {', '.join(TABLE.values())}")
    return scale**power, tuple(d * power for d in dim)


def parse(unit: str) -> tuple[float, tuple[int, ...]]:
    """Return (scale to SI, dimension exponents) of a unit such as "mS/cm2".

    Raises `UnitError` for a unit that does not exist.
    """
    if not isinstance(unit, str) or len(unit) > 60:
        raise UnitError(
            f"a unit is short text such as {', '.join(TABLE.values())}, not a {type(unit).__name__}"
        )
    text = unit.strip()
    for old, new in _SPELLING.items():
        text = text.replace(old, new)
    text = text.replace(" ", "*").replace("^", "")
    scale, dim = 1.0, (0,) * 6
    for i, part in enumerate(text.split("/")):
        for atom in part.split("*"):
            s, d = _atom(atom, unit)
            sign = -1 if i else 1
            scale *= s**sign
            dim = tuple(a + sign * b for a, b in zip(dim, d, strict=True))
    return scale, dim


def factor(source: str, target: str) -> float:
    """Return the number that turns a value in `source` units into `target` units; `UnitError` if they do not fit."""
    (a, da), (b, db) = parse(source), parse(target)
    if da != db:
        raise UnitError(f"'{source}' is not a unit of the kind needed here; give the value in {target}")
    return a / b


def value(x: Any, unit: str, name: str) -> Any:
    """Return `x` in `unit`: numbers and arrays pass unchanged, text such as "50 pA" is converted.

    Raises `UnitError` when the text is not a number with a fitting unit.
    """
    if not isinstance(x, str):
        return x
    match = re.fullmatch(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*(\S.*)?", x)
    if not match:
        raise UnitError(f"{name} = '{x:.60}' is not a number with a unit; write for example '1 {unit}'")
    number, given = float(match[1]), (match[2] or unit).strip()
    try:
        return number * factor(given, unit)
    except UnitError as error:
        raise UnitError(f"{name} = '{x}': {error}") from None


def written(unit: str) -> str:
    """Return a unit as it is printed: "ohm*cm" as "Ω·cm", "uF/cm2" as "µF/cm²", "degC" as "°C", "1" as nothing."""
    if unit == "1":
        return ""
    text = re.sub(r"(?<=[A-Za-z])([23])\b", lambda m: "²³"[int(m[1]) - 2], unit)
    text = re.sub(r"\bdegC\b", "°C", re.sub(r"([Mk]?)[oO]hm\b", r"\1Ω", text))
    return re.sub(r"\bu(?=[A-Za-z])", "µ", text).replace("*", "·")
