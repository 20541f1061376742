"""Terms of an objective: what is compared between a recorded and a simulated voltage, each a vector of residuals."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from ..base.checks import number, of_kind
from ..base.errors import ParameterError, unknown
from ..base.objects import optional
from ..base.types import Array, Float
from .features import FEATURES, efeatures
from .features.measured import FLOORS, floor, over_spikes

WORST = 250.0
"""Residual of what cannot be compared: a feature that the model's voltage does not have, a run that failed."""


@final
@dataclass(frozen=True, eq=False)
class Trace:
    """A recorded voltage on the grid of the simulations, of the sweep `name`.

    `v` [sample] mV, one sample each `dt` ms from 0 on, of which the first `samples` are recorded (the rest is filled
    up); the stimulus acts from `on` to `off` ms (the whole trace where there is none) with `amplitude` nA.
    """

    name: str
    v: np.ndarray
    dt: float
    samples: int
    on: float
    off: float
    amplitude: float

    @property
    def recorded(self) -> np.ndarray:
        """The samples that are recorded."""
        return self.v[: self.samples]


class Term(ABC):
    """One part of a score: `weight` times the mean size of its residuals over all sweeps and places.

    A subclass of your own is a frozen dataclass. Residuals are in units of a tolerated deviation (one standard
    deviation of the measurement), differentiable where that makes sense, and as many for every sweep.
    """

    weight: float

    @abstractmethod
    def measured(self, trace: Trace) -> Any:
        """Return what the term needs of a recorded sweep: a pytree of arrays, of the same shapes for every sweep."""

    @abstractmethod
    def residuals(self, v: Float[Array, " sample"], dt: float, measured: Any) -> Float[Array, " residual"]:
        """Return the residuals of a simulated voltage (mV), a sample each `dt` ms; one not finite counts `WORST`."""

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Return the name of every residual."""

    @optional
    def counted(self, measured: Any) -> np.ndarray:
        """Return which residuals [residual] are compared in this sweep; the others are zero and count for nothing."""
        return np.ones(len(self.names()), bool)

    @optional
    def agrees(self, residuals: Float[Array, " residual"], measured: Any) -> Any:
        """Return whether the residuals are smooth from here to zero (as many spikes), for a local step."""
        return jnp.asarray(True)


def near_spikes(v: np.ndarray, dt: float, below: float = -40.0, guard: float = 2.0) -> np.ndarray:
    """Return which samples [sample] are within `guard` ms before, or five times that after, any over `below` mV."""
    near = np.zeros(len(v), bool)
    before, after = round(guard / dt), round(5.0 * guard / dt)
    for k in np.flatnonzero(v > below):
        near[max(0, k - before) : k + after + 1] = True
    return near


@final
@dataclass(frozen=True)
class Summary(Term):
    """Mean and standard deviation of the voltage in given windows of time, in units of `scale` (mV, mV).

    `windows`: pairs (start, stop) in ms, the same for every sweep; `given`: sweep name → means and deviations in turn,
    where they are known otherwise than from its voltage. Source: the score by which Deistler et al. (2025,
    Nature Methods, doi 10.1038/s41592-025-02895-w) fit a layer-5 pyramidal cell is this one with scale (8, 4) mV.
    """

    windows: tuple[tuple[float, float], ...]
    scale: tuple[float, float] = (8.0, 4.0)
    weight: float = 1.0
    given: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.windows or any(len(pair) != 2 or not pair[0] < pair[1] for pair in self.windows):
            raise ParameterError("Summary: windows are pairs (start, stop) in ms, such as ((5.0, 55.0),)")

    def _values(self, v: Any, dt: Any) -> Array:
        t = jnp.arange(v.shape[0]) * dt
        found = []
        for start, stop in self.windows:
            inside = (t >= start - 1e-6) & (t < stop - 1e-6)
            count = jnp.maximum(inside.sum(), 1)
            mean = jnp.where(inside, v, 0.0).sum() / count
            variance = jnp.where(inside, jnp.square(v - mean), 0.0).sum() / count
            found += [mean, jnp.sqrt(variance + 1e-6)]
        return jnp.stack(found)

    def measured(self, trace: Trace) -> Any:
        own = self.given.get(trace.name, self._values(jnp.asarray(trace.v), trace.dt))
        return {"values": np.asarray(own, float)}

    def residuals(self, v: Float[Array, " sample"], dt: float, measured: Any) -> Float[Array, " residual"]:
        scale = jnp.tile(jnp.asarray(self.scale, v.dtype), len(self.windows))
        return (self._values(v, dt) - measured["values"]) / scale

    def names(self) -> tuple[str, ...]:
        spans = [f"{a:g}–{b:g} ms" for a, b in self.windows]
        return tuple(f"{what} {span}" for span in spans for what in ("mean", "deviation"))


@final
@dataclass(frozen=True)
class Features(Term):
    """Features of eFEL as z-scores (x − mean)/SD, each the mean over the spikes of a sweep; see `efeatures`.

    What is measured is that of the recorded sweep with the standard deviation of `FLOORS`, unless `given` (sweep name →
    feature → (mean, SD)) says so: the mean and SD over repeats, see `measure`. A feature that the recording does not
    have is not compared; one that only the model lacks costs `WORST`, and none costs more. `every` (ms): the interval
    at which the recordings were sampled, where it is longer than a step; the model's voltage is then read as seldom.
    """

    features: tuple[str, ...] = tuple(FLOORS)
    given: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    weight: float = 1.0
    every: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        for name in self.features:
            if name not in FEATURES:
                raise unknown("feature", name, FEATURES, "Features")

    @property
    def _computed(self) -> tuple[str, ...]:
        """What is computed: the features, and the number of spikes, by which a local step is allowed."""
        return tuple(dict.fromkeys((*self.features, "Spikecount")))

    def _values(self, v: Any, dt: float, measured: Any) -> Array:
        about = {key: measured[key] for key in ("on", "off", "amplitude")}
        stride = max(1, round((self.every or dt) / dt))
        found = efeatures(v[::stride], stride * dt, self._computed, **about)
        return jnp.stack([over_spikes(x, name) for name, x in found.items()])

    def measured(self, trace: Trace) -> Any:
        about = {"on": trace.on, "off": trace.off, "amplitude": trace.amplitude}
        found = np.asarray(self._values(trace.recorded, trace.dt, about), float)
        known = dict(zip(self._computed, map(float, found), strict=True))
        given = self.given.get(trace.name) or {
            k: (x, floor(k, x)) for k, x in known.items() if np.isfinite(x)
        }
        spikes = {"Spikecount": (known["Spikecount"], floor("Spikecount", known["Spikecount"]))}
        both = {**spikes, **given}
        mean, sd = (np.array([both.get(k, (np.nan, 1.0))[j] for k in self._computed]) for j in (0, 1))
        return {**about, "mean": mean, "sd": sd}

    def residuals(self, v: Float[Array, " sample"], dt: float, measured: Any) -> Float[Array, " residual"]:
        z = (self._values(v, dt, measured) - measured["mean"]) / measured["sd"]
        fine = jnp.isfinite(z)
        compared = jnp.isfinite(measured["mean"])
        return jnp.where(compared, jnp.where(fine, jnp.where(fine, z, 0.0), WORST), 0.0)

    def names(self) -> tuple[str, ...]:
        return self._computed

    def counted(self, measured: Any) -> np.ndarray:
        asked = np.array([name in self.features for name in self._computed])
        return np.isfinite(measured["mean"]) & asked

    def agrees(self, residuals: Float[Array, " residual"], measured: Any) -> Any:
        at = self._computed.index("Spikecount")
        return jnp.abs(residuals[at] * measured["sd"][at]) < 0.5


@final
@dataclass(frozen=True)
class Subthreshold(Term):
    """The voltage where the recording has no spike, as means over `pieces` equal stretches of time.

    Samples within `guard` ms before and five times that after the recording exceeds `below` mV are left out, and so is
    a stretch of which less than half remains. In units of `scale` mV; a difference counts up to 20 mV, so that a spike
    of the model here costs a bounded amount.
    """

    pieces: int = 40
    below: float = -40.0
    guard: float = 2.0
    scale: float = 2.0
    weight: float = 1.0

    def measured(self, trace: Trace) -> Any:
        v, n = trace.v, len(trace.v)
        near = near_spikes(v, trace.dt, self.below, self.guard)
        near[trace.samples :] = True
        weights = np.zeros((self.pieces, n))
        for row, part in zip(weights, np.array_split(np.arange(n), self.pieces), strict=True):
            kept = part[~near[part]]
            if 2 * len(kept) >= len(part):
                row[kept] = 1.0 / len(kept)
        used = weights.any(1)
        which = np.minimum(
            np.searchsorted(_borders(n, self.pieces), np.arange(n), side="right"), self.pieces - 1
        )
        return {"which": which, "weight": weights.sum(0), "used": used, "mean": weights @ v}

    def residuals(self, v: Float[Array, " sample"], dt: float, measured: Any) -> Float[Array, " residual"]:
        weighted = jnp.where(measured["weight"] > 0.0, v * measured["weight"], 0.0)
        mean = jax.ops.segment_sum(weighted, measured["which"], self.pieces, indices_are_sorted=True)
        off = jnp.where(measured["used"], mean - measured["mean"], 0.0)
        return 20.0 * jnp.tanh(off / 20.0) / self.scale

    def names(self) -> tuple[str, ...]:
        return tuple(f"subthreshold {i + 1}/{self.pieces}" for i in range(self.pieces))

    def counted(self, measured: Any) -> np.ndarray:
        return measured["used"]


def _borders(n: int, pieces: int) -> np.ndarray:
    """Return where the 2nd, 3rd, … of `pieces` equal parts of `n` samples begin, as `np.array_split` cuts them."""
    return np.cumsum([len(part) for part in np.array_split(np.arange(n), pieces)])[:-1]


def checked(term: Any) -> Term:
    """Return a term whose weight makes sense; `ParameterError` for anything else."""
    term = of_kind(term, Term, "Objective: terms", "Features() or Subthreshold()")
    number(term.weight, "1", f"{type(term).__name__} weight", least=0.0)
    return term
