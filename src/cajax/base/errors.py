"""The one error family: every mistake a user can make is a `CajaxError` that fits on one line and names its cure."""

import difflib
from collections.abc import Iterable
from typing import Any

LONGEST = 480
"""Characters of a message; of a longer one the middle is left out."""


class CajaxError(Exception):
    """Base of all errors that Cajax raises on purpose; the text is one line, whatever it quotes."""

    def __init__(self, text: str = "") -> None:
        line = " ".join(str(text).split())
        super().__init__(
            line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 3 :]}"
        )


class CajaxWarning(UserWarning):
    """Something was accepted that may not mean what its author meant."""


class MorphologyError(CajaxError):
    """A morphology file or a geometry that cannot be read or is not a tree."""


class UnknownNameError(CajaxError):
    """A region, mechanism, parameter or site that does not exist."""


class RegionError(CajaxError):
    """A region or location that is empty or ill-formed."""


class ParameterError(CajaxError):
    """A parameter value outside its range or of the wrong shape."""


class UnitError(ParameterError):
    """A parameter given in a unit that is unknown or does not fit the quantity."""


class ProtocolError(CajaxError):
    """An input, a recording or a run time that makes no sense for this model."""


class NonFiniteError(CajaxError):
    """A voltage, loss or gradient that became NaN or infinite."""


class StoreError(CajaxError):
    """A run folder, checkpoint or data file that is missing, damaged or of another version."""


class Interrupted(CajaxError):
    """A training that the user stopped; its folder holds everything needed to go on."""


def unknown(kind: str, name: Any, known: Iterable[str], where: str = "") -> UnknownNameError:
    """Build the error for a name that matches nothing, with the nearest candidates."""
    known = sorted(set(known))
    if not isinstance(name, str):
        example = next(iter(known), "name")
        return UnknownNameError(
            f"a {kind} is named by text such as '{example}', not by a {type(name).__name__}"
        )
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known[:8]
    place = f" in {where}" if where else ""
    hint = f"; did you mean {', '.join(repr(n) for n in near)}?" if near else "; there are none"
    return UnknownNameError(f"no {kind} '{name}'{place}{hint}")
