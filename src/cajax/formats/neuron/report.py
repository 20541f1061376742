"""What became of a model on its way to or from NEURON: taken over exactly, approximated and how, left out, not seen."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

from ...base.errors import ParameterError


@final
@dataclass
class Report:
    """Lines of text, each thing once.

    `exact`: what does the same on the other side; `approximated`: what differs, and how; `refused`: what was left out
    because the caller said so; `unseen`: what may be there and cannot be seen from outside.
    """

    exact: list[str] = field(default_factory=list)
    approximated: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def took(self, what: str) -> None:
        """Note what is the same on the other side, once."""
        _note(self.exact, what)

    def approximate(self, what: str) -> None:
        """Note what differs there, and how, once."""
        _note(self.approximated, what)

    def leave_out(self, what: str) -> None:
        """Note what is not in the model that comes out, once."""
        _note(self.refused, what)

    def overlook(self, what: str) -> None:
        """Note what cannot be seen from outside, once."""
        _note(self.unseen, what)

    def require_exact(self, who: str) -> None:
        """Raise `ParameterError` where anything was approximated or left out."""
        if found := [*self.approximated, *self.refused]:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise ParameterError(f"{who}: {found[0]}{more}; call it without strict=True to take that")

    def __str__(self) -> str:
        kinds = ("exact", self.exact), ("approximated", self.approximated), ("refused", self.refused)
        return "\n".join(f"{k}: {x}" for k, lines in (*kinds, ("unseen", self.unseen)) for x in lines)


def _note(lines: list[str], what: str) -> None:
    if what not in lines:
        lines.append(what)


def some(names: Iterable[object], most: int = 3) -> str:
    """Return the first few of some names in words."""
    known = [str(x) for x in names]
    rest = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + rest
