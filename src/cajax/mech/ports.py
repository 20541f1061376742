"""What a mechanism asks of its surroundings: named by the arguments of its methods, as NEURON's USEION names them."""

import inspect
import re
from typing import Any

from ..base.checks import text

VOLTAGE = "v"
"""The argument that the membrane voltage (mV) is given to."""


def asked(function: Any, skip: int) -> list[str]:
    """Return the names that a method takes by keyword after `self` and `skip` more."""
    taken = list(inspect.signature(function).parameters.values())[1 + skip :]
    return [p.name for p in taken if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def reading(name: str) -> tuple[str, str] | None:
    """Split what a mechanism asks for by an argument's name into (species, "e" | "i" | "o"), None if it is no ion's.

    `eca` is the reversal potential (mV) of "ca", `cai` and `cao` its concentrations inside and outside (mM).
    """
    text(name, "reading")
    if match := re.fullmatch(r"e([a-z][a-z0-9]*)", name):
        return match[1], "e"
    if match := re.fullmatch(r"([a-z][a-z0-9]*)([io])", name):
        return match[1], match[2]
    return None


def is_reading(name: str) -> bool:
    """Whether an argument of this name is filled from the surroundings: an ion's, or `celsius`."""
    return name == "celsius" or reading(name) is not None
