"""What a mechanism asks of its surroundings: named by the arguments of its methods, as NEURON's USEION names them."""

import inspect
import re
from typing import Any

from ..base.checks import text

VOLTAGE = "v"
"""The argument that the membrane voltage (mV) is given to."""
CHANCE = "chance"
"""The argument that a number from chance is given to: 32 bits, others for every place and every moment of a run."""
PLACE = {"celsius": "°C", "t": "ms", "dt": "ms", "diam": "um", "area": "um2", CHANCE: "1"}
"""What the place and the moment give, with units: temperature, time, time step, diameter and area of the volume."""


def asked(function: Any, skip: int) -> list[str]:
    """Return the names that a method takes by keyword after `self` and `skip` more."""
    taken = list(inspect.signature(function).parameters.values())[1 + skip :]
    return [p.name for p in taken if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def reading(name: str) -> tuple[str, str] | None:
    """Split what a mechanism asks for by an argument's name into (species, kind), None if it is no ion's.

    `eca` is the reversal potential (mV) of "ca", kind "e"; `cai` and `cao` its concentrations inside and outside (mM),
    "i" and "o"; `ica` the current (mA/cm²) that it carries, "current".
    """
    text(name, "reading")
    if name in PLACE:
        return None
    if match := re.fullmatch(r"e([a-z][a-z0-9]*)", name):
        return match[1], "e"
    if match := re.fullmatch(r"([a-z][a-z0-9]*)([io])", name):
        return match[1], match[2]
    if match := re.fullmatch(r"i([a-z][a-z0-9]*)", name):
        return match[1], "current"
    return None


def is_reading(name: str) -> bool:
    """Whether an argument of this name is filled from the surroundings: an ion's, or one of `PLACE`."""
    return name in PLACE or reading(name) is not None
