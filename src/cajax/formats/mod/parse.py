"""From text to the tree of `neuron.nmodl`, NEURON's own parser."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ...base.errors import CajaxError
from .faults import ModError
from .source import Source

_COMMENT = re.compile(r"^[ \t]*COMMENT\b.*?^[ \t]*ENDCOMMENT\b", re.MULTILINE | re.DOTALL)


def _blank(m: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", m[0])


def parsed(source: Source) -> Any:
    """Return the program of a text as `neuron.nmodl` parses it; raises `ModError` with the line that it stumbles on."""
    driver = _driver()
    try:
        with _silent():
            # NMODL's parser stumbles over VERBATIM in a COMMENT.
            return driver.parse_string(_COMMENT.sub(_blank, source.text))
    except (RuntimeError, ValueError, TypeError) as error:
        text = " ".join(str(error).split("\n")[0].split())
        found = re.search(r"\[Location : (\d+)\.", text)
        line = int(found[1]) if found else 1
        reason = re.sub(r"^NMODL Parser Error : |\s*\[Location.*$", "", text)
        raise ModError(f"{source.where(line)}: {reason[:200]}; correct the file") from None


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Let the parser, which is C++, write nothing of its own: what it stumbles on is told by the error."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [(number, os.dup(number)) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number, _ in kept:
            os.dup2(nowhere, number)
        yield
    finally:
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


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
