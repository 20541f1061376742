"""What NEURON does with the concentrations and the reversal potential of an ion: its `ion_style`, by section."""

from collections.abc import Callable, Sequence
from typing import Any, final

_CINIT, _EINIT, _EADVANCE = 4, 32, 64
"""The bits of `h.ion_style`: concentrations begin at their global values; e is computed at the start, in every step."""


@final
class Styles:
    """The styles of all ions in one NEURON."""

    def __init__(self, h: Any):
        self._h = h
        self._known: dict[tuple[str, Any], int] = {}

    def _style(self, species: str, sec: Any) -> int:
        key = species, sec
        if key not in self._known:
            self._known[key] = int(self._h.ion_style(f"{species}_ion", sec=sec))
        return self._known[key]

    def computes(self, species: str, sec: Any) -> bool:
        """Whether the reversal potential follows from the concentrations, by Nernst's equation."""
        return bool(self._style(species, sec) & (_EINIT | _EADVANCE))

    def follows(self, species: str, sec: Any) -> bool:
        """Whether it follows them in every step."""
        return bool(self._style(species, sec) & _EADVANCE)

    def concentration(self, name: str) -> Callable[[Sequence[Any]], list[float]]:
        """Return what reads a concentration such as "cai" of segments as it is at the start of a run (mM)."""
        species = name[:-1]

        def values(segments: Sequence[Any]) -> list[float]:
            return [
                getattr(self._h, f"{name}0_{species}_ion")
                if self._style(species, seg.sec) & _CINIT
                else getattr(seg, name)
                for seg in segments
            ]

        return values

    def charge(self, species: str) -> int:
        """Return the charge number."""
        return int(self._h.ion_charge(f"{species}_ion"))
