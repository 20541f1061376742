"""How finely branches are cut into control volumes."""

from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import numpy as np

from ..base import units
from ..base.errors import ParameterError
from .morphology import Morphology


@runtime_checkable
class Policy(Protocol):
    """Anything that says into how many control volumes each branch is cut."""

    def counts(self, morph: Morphology, ra: Any, cm: Any) -> np.ndarray:
        """Return the number of CVs of each branch [B]; `ra` in Ω·cm and `cm` in µF/cm² are scalars or [B]."""
        ...


@final
@dataclass(frozen=True)
class PerBranch:
    """`n` control volumes in every branch, as NEURON's `nseg = n`."""

    n: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int | np.integer) or self.n < 1:
            raise ParameterError(f"PerBranch(n) needs a whole number of at least 1, not {self.n!r}")

    def counts(self, morph: Morphology, ra: Any, cm: Any) -> np.ndarray:
        return np.full(len(morph.parent), self.n)


@final
@dataclass(frozen=True)
class MaxLength:
    """As few control volumes as keep each at most `um` µm long; text such as "50 um" is converted."""

    um: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "um", _positive("MaxLength(um)", units.value(self.um, "um", "um")))

    def counts(self, morph: Morphology, ra: Any, cm: Any) -> np.ndarray:
        # A branch that is a multiple of `um` but for rounding gets no extra CV.
        return np.maximum(np.ceil(morph.lengths / self.um * (1 - 1e-9)).astype(int), 1)


@final
@dataclass(frozen=True)
class DLambda:
    """NEURON's d_lambda rule: CVs no longer than `fraction` of the AC length constant at `frequency` Hz, an odd number.

    Carnevale & Hines, The NEURON Book (2006), ch. 5; the length constant follows the taper as `lambda_f` of NEURON's
    stdlib.hoc does.
    """

    fraction: float = 0.1
    frequency: float = 100.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", _positive("DLambda(fraction)", self.fraction))
        frequency = units.value(self.frequency, "Hz", "frequency")
        object.__setattr__(self, "frequency", _positive("DLambda(frequency)", frequency))

    def counts(self, morph: Morphology, ra: Any, cm: Any) -> np.ndarray:
        branch, length, r0, r1 = morph.frusta
        taper = np.bincount(branch, length / np.sqrt(2 * (r0 + r1)), len(morph.parent))
        factor = (
            np.sqrt(2)
            * 1e-5
            * np.sqrt(4 * np.pi * self.frequency * np.asarray(ra, float) * np.asarray(cm, float))
        )
        electrotonic = taper * factor  # the branch's length in length constants
        return ((electrotonic / self.fraction + 0.9) / 2).astype(int) * 2 + 1


def _positive(name: str, x: Any) -> float:
    if isinstance(x, bool) or not isinstance(x, int | float | np.number) or not 0 < x < np.inf:
        raise ParameterError(f"{name} needs a positive number, not {x!r}")
    return float(x)
