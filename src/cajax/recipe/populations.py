"""Which cells there are: populations of equal or different shapes, and sources of spikes."""

from dataclasses import dataclass
from typing import final

from ..morph import Morphology
from .paints import Decor


@final
@dataclass(frozen=True, eq=False)
class Population:
    """`count[i]` copies of each shape `shapes[i]`, all painted alike. The lone cell of a cell model has name "".

    Spike sources have no shapes: `counts` then holds how many there are.
    """

    name: str
    shapes: tuple[Morphology, ...]
    counts: tuple[int, ...]
    decor: Decor

    @property
    def size(self) -> int:
        return sum(self.counts)


@final
@dataclass(frozen=True)
class SpikeSource:
    """A member of a population without membranes, which spikes when a `Spikes` or `Poisson` input says so."""
