"""Units as NMODL writes them: what they are called here, and the constants of nature that a UNITS block takes."""

import re

from ...base import units
from ...base.errors import UnitError
from ...mech import FARADAY

GAS = 8.314462618
_CONSTANTS = {
    "faraday": FARADAY,
    "k-mole": GAS,
    "mole-k": GAS,
    "pi": 3.141592653589793,
    "e": 1.602176634e-19,
    "k": 1.380649e-23,
    "avogadro": 6.02214076e23,
    "c": 299792458.0,
    "h": 6.62607015e-34,
}
_PREFIXES = {
    "giga": 1e9, "mega": 1e6, "kilo": 1e3, "deci": 1e-1, "centi": 1e-2, "milli": 1e-3, "micro": 1e-6, "nano": 1e-9,
    "pico": 1e-12, "femto": 1e-15, "G": 1e9, "M": 1e6, "k": 1e3, "c": 1e-2, "m": 1e-3, "u": 1e-6, "n": 1e-9,
    "p": 1e-12,
}  # fmt: skip
_BASES = {
    "coulomb": 1.0, "coul": 1.0, "joule": 1.0, "degC": 1.0, "degK": 1.0, "K": 1.0, "kelvin": 1.0, "mole": 1.0,
    "mol": 1.0, "volt": 1.0, "V": 1.0, "v": 1.0, "amp": 1.0, "A": 1.0, "ampere": 1.0, "sec": 1.0, "s": 1.0,
    "second": 1.0, "meter": 1.0, "m": 1.0, "micron": 1e-6, "um": 1e-6, "liter": 1e-3, "l": 1e-3, "siemens": 1.0,
    "mho": 1.0, "S": 1.0, "C": 1.0, "J": 1.0, "1": 1.0, "radian": 1.0, "erg": 1e-7, "cm": 1e-2, "mm": 1e-3, "ms": 1e-3,
    "gram": 1e-3, "g": 1e-3, "watt": 1.0, "ohm": 1.0, "hertz": 1.0, "Hz": 1.0, "kilojoule": 1e3, "M": 1e3,
}  # fmt: skip
_WORDS = {
    "millivolt": "mV", "millivolts": "mV", "milliamp": "mA", "nanoamp": "nA", "microamp": "uA",
    "siemens": "S", "mho": "S", "mhos": "S", "umho": "uS", "mmho": "mS", "micron": "um", "microns": "um",
    "microsiemens": "uS", "nanosiemens": "nS", "picosiemens": "pS", "millisecond": "ms", "milliM": "mM",
    "millimolar": "mM", "milli/liter": "mM", "molar": "M", "micromolar": "uM", "uF": "uF",
    "microfarads": "uF", "megohm": "Mohm", "megohms": "Mohm", "sec": "s", "msec": "ms", "volt": "V",
    "amp": "A", "degC": "degC", "mA": "mA", "hz": "Hz", "/": "1", "liter": "1",
}  # fmt: skip


def unit_of(text: str) -> str:
    """Return a unit as it is called here; "1" for one that has no name here."""
    text = text.strip()
    if not text or text in ("1", "none"):
        return "1"
    if text in _WORDS:
        return _WORDS[text]
    top, *under = re.sub(r"\s+", "", text).split("/")
    parts = [_product(top) or "1", *(p for u in under for p in _product(u).split("*"))]
    name = "/".join(parts)
    try:
        units.parse(name)
    except UnitError:
        return "1"
    return name


def _product(text: str) -> str:
    atoms = []
    for atom in filter(None, re.split(r"[-*.]", text)):
        match = re.fullmatch(r"([A-Za-z]+)(\d?)", atom)
        atoms.append(_WORDS.get(match[1], match[1]) + match[2] if match else atom)
    return "*".join(atoms)


def constant(name: str, unit: str) -> float | None:
    """Return a constant of nature in a unit, or what one unit is of another; None where either is unknown."""
    value = _CONSTANTS.get(name.strip())
    value = value if value is not None else _scale(name)
    scale = _scale(unit) if unit.strip() else 1.0
    return None if value is None or scale is None else value / scale


def _scale(text: str) -> float | None:
    """Return a unit in the base units that the constants are in."""
    total, sign = 1.0, 1.0
    for part in re.findall(r"/|[^/\s*-]+(?:[+-]\d+)?", text):
        if part == "/":
            sign = -1.0
            continue
        if re.fullmatch(r"\d+\.?\d*(?:[eE][-+]?\d+)?", part):
            total *= float(part) ** sign
            continue
        match = re.fullmatch(r"([A-Za-z]+)(\d*)", part)
        value = _atom(match[1]) if match else None
        if match is None or value is None:
            return None
        total *= value ** (sign * int(match[2] or 1))
    return total


def _atom(text: str) -> float | None:
    for word in (text, text.removesuffix("s")):
        if word in _BASES:
            return _BASES[word]
        for prefix, factor in _PREFIXES.items():
            if word.startswith(prefix) and word[len(prefix) :] in _BASES:
                return factor * _BASES[word[len(prefix) :]]
    return None
