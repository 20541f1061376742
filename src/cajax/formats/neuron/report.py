"""What became of a model on its way to NEURON: taken over exactly, or approximated and how."""

from dataclasses import dataclass, field
from typing import final


@final
@dataclass
class Report:
    """`exact` and `approximated` are lines of text; what cannot be written is refused before anything is."""

    exact: list[str] = field(default_factory=list)
    approximated: list[str] = field(default_factory=list)

    def took(self, what: str) -> None:
        """Note what is the same in NEURON, once."""
        if what not in self.exact:
            self.exact.append(what)

    def approximate(self, what: str) -> None:
        """Note what differs in NEURON, and how, once."""
        if what not in self.approximated:
            self.approximated.append(what)

    def __str__(self) -> str:
        lines = [f"exact: {x}" for x in self.exact]
        return "\n".join([*lines, *(f"approximated: {x}" for x in self.approximated)])
