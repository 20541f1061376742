"""The error of a .mod file: one line with the file, the line in it, and what to do."""

from typing import final

from ...base.errors import CajaxError


@final
class ModError(CajaxError):
    """A .mod file that cannot be read, or says what is not taken over."""


@final
class AtLine(Exception):
    """A fault on a line of the flattened file, before the file is known; `where` turns it into a `ModError`."""

    def __init__(self, line: int, text: str):
        super().__init__(text)
        self.line, self.text = line, text
