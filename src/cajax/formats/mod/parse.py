"""From text to the tree of `neuron.nmodl`, NEURON's own parser."""

import contextlib
import io
import os
import re
from collections.abc import Callable
from typing import Any

from ...base.errors import CajaxError
from .faults import ModError
from .source import Source


def parsed(source: Source) -> Any:
    """Return the program of a text as `neuron.nmodl` parses it; raises `ModError` with the line that it stumbles on."""
    driver = _driver()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return driver.parse_string(source.text)
    except (RuntimeError, ValueError, TypeError) as error:
        text = " ".join(str(error).split("\n")[0].split())
        found = re.search(r"\[Location : (\d+)\.", text)
        line = int(found[1]) if found else 1
        reason = re.sub(r"^NMODL Parser Error : |\s*\[Location.*$", "", text)
        raise ModError(f"{source.where(line)}: {reason[:200]}; correct the file") from None


def _driver() -> Any:
    # Without it NEURON says on every import that there is no display.
    os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
    try:
        from neuron.nmodl import NmodlDriver
    except ImportError:
        raise CajaxError(
            "read_mod needs NEURON's parser, which is not installed: pip install 'cajax[neuron]'"
        ) from None
    return NmodlDriver()


def speller() -> Callable[[Any], str]:
    """Return the function that writes a node as text."""
    _driver()
    from neuron.nmodl import to_nmodl

    return to_nmodl
