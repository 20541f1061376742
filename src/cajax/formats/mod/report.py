"""What became of a file: taken over exactly, approximated, refused."""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Report:
    """What a reader did with a file, each line with its place.

    `exact`: what does the same as in NEURON; `approximated`: what differs, and how; `refused`: what was left out.
    """

    exact: tuple[str, ...]
    approximated: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = (("exact", self.exact), ("approximated", self.approximated), ("refused", self.refused))
        return "\n".join(f"{name:<13}{line}" for name, lines in parts for line in lines)
