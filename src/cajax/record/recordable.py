"""What a recordable is: a quantity that is read off every moment of a run."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, final

import numpy as np

from ..base.checks import count
from ..base.errors import ProtocolError
from ..base.objects import optional
from ..base.types import Array, Float
from ..engine.moment import Moment
from ..engine.physics import Physics
from ..engine.sites import Sites
from ..model.structure import Structure

Reader = Callable[[Moment], Any]
"""From a moment to one sample: a pytree of arrays."""


@final
class Bound(NamedTuple):
    """What names are resolved against: the structure of a model and its physics."""

    structure: Structure
    physics: Physics

    def sites(self, at: Any) -> tuple[Sites, tuple[int, ...]]:
        """Return the control volumes of a place, flat, and the shape in which the place is addressed."""
        sites = self.structure.sites(at)
        return Sites(sites.ravel(), self.structure.size), sites.shape

    def at(self, at: Any) -> Callable[[Float[Array, "cv"]], Array]:
        """Return the function that reads a vector over all control volumes at a place."""
        sites, shape = self.sites(at)
        return lambda x: sites.take(x).reshape(shape)

    def entries(self, at: Any, index: np.ndarray, what: str) -> np.ndarray:
        """Return where in `index` (sorted CVs) the sites of a place are; raises where some are not in it."""
        sites = self.structure.sites(at)
        entry = np.minimum(np.searchsorted(index, sites), len(index) - 1)
        if (index[entry] != sites).any():
            raise ProtocolError(f"cannot record '{what}' at {at!r}: it is not painted there")
        return np.asarray(entry)


class Recordable(ABC):
    """A quantity to record. It must be hashable: compiled programs are kept by it.

    A subclass of your own is a frozen dataclass: give it to `simulate(record={"name": MyQuantity(…)})`. `every` is the
    number of steps between two samples; a `metered` quantity needs the currents of electrodes measured.
    """

    every: int = 1
    metered: ClassVar[bool] = False

    @abstractmethod
    def reader(self, bound: Bound) -> Reader:
        """Return what reads a sample off a moment; raises a `CajaxError` for names that do not exist in the model."""

    @optional
    def finished(self, samples: Any, ts: Float[Array, "time"]) -> Any:
        """Return what the solution holds, from the samples [time, …] and their times (ms)."""
        return samples


def check_every(every: Any) -> None:
    """Raise `ProtocolError` unless `every` is a whole number of steps."""
    count(every, "every (steps between two samples)", kind=ProtocolError)
