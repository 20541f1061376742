"""How finely branches are cut into control volumes."""

from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import numpy as np

from ..base import units
from ..base.checks import array_of, count, is_real, shown
from ..base.errors import ParameterError
from ..base.limits import affordable
from .morphology import Morphology

MOST_CVS = 1_000_000
"""The most control volumes of one cell; it takes seconds and a gigabyte to set up."""


@runtime_checkable
class Policy(Protocol):
    """Anything that says into how many control volumes each branch is cut."""

    def counts(self, morph: Morphology, ra: Any, cm: Any) -> np.ndarray:
        """Return the number of CVs of each branch [B]; `ra` in Ω·cm and `cm` in µF/cm² are scalars or [B]."""
        ...


def whole(policy: Policy, morph: Morphology, counts: np.ndarray) -> np.ndarray:
    """The counts [B] of a policy as integers. Raises `ParameterError` for more than a million CVs in all."""
    with np.errstate(over="ignore"):
        total = np.sum(counts, dtype=float)
    most = int(np.argmax(counts))
    place = f"branch {most} ('{morph.tags[most]}', {morph.lengths[most]:.4g} µm)"
    cure = f"most of them lie in {place}: check the units of the file, or ask for fewer"
    affordable(f"{policy}", total, "CVs", MOST_CVS, cure)
    return np.asarray(counts).astype(int)


@final
@dataclass(frozen=True)
class PerBranch:
    """`n` control volumes in every branch, as NEURON's `nseg = n`."""

    n: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.n, int | np.integer):
            affordable("PerBranch(n)", self.n, "CVs in every branch", MOST_CVS, "choose a smaller n")
        object.__setattr__(self, "n", count(self.n, "PerBranch(n): n"))

    def counts(self, morph: Morphology, ra: Any, cm: Any) -> np.ndarray:
        return whole(self, morph, np.full(len(morph.parent), int(self.n)))


@final
@dataclass(frozen=True)
class MaxLength:
    """As few control volumes as keep each at most `um` µm long; text such as "50 um" is converted."""

    um: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "um", _positive("MaxLength(um)", units.value(self.um, "um", "um")))

    def counts(self, morph: Morphology, ra: Any, cm: Any) -> np.ndarray:
        # A branch that is a multiple of `um` but for rounding gets no extra CV.
        with np.errstate(over="ignore"):
            return whole(self, morph, np.maximum(np.ceil(morph.lengths / self.um * (1 - 1e-9)), 1.0))


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
        with np.errstate(over="ignore"):
            return whole(self, morph, np.floor((electrotonic / self.fraction + 0.9) / 2) * 2 + 1)


def _positive(name: str, x: Any) -> float:
    value = None if isinstance(x, bool) else array_of(x)
    if value is None or value.ndim or not is_real(value.dtype) or not 0 < value < np.inf:
        raise ParameterError(f"{name} needs a positive number, not {shown(x)}")
    return float(value)
