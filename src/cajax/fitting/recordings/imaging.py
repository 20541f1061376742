"""Images of many sites at one frame rate: calcium or voltage, and what a simulated trace would look like on them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from ...base import checks
from ...base.types import Array
from .errors import RecordingError
from .indicator import Indicator, frames

WHAT = ("calcium", "voltage")


@final
@dataclass(frozen=True, eq=False)
class Imaging:
    """Fluorescence `values` [frame, site] at `rate` frames per second; the first frame lies at `start` ms.

    `sites` names the sites, in the order of the axis; `positions` [site, 3] are theirs in µm, or None. `kind` is
    "calcium" or "voltage". `indicator` is its kernel, None for one that follows at once; `exposure` (ms) is how long a
    frame integrates before its time. `unit` is that of the values ("mV", "dF/F", …).

    Raises `RecordingError` for values that are empty, not finite, or do not fit the sites.
    """

    values: np.ndarray
    rate: float
    kind: str = "calcium"
    indicator: Indicator | None = None
    sites: tuple[str, ...] = ()
    positions: np.ndarray | None = None
    start: float = 0.0
    exposure: float = 0.0
    unit: str = "dF/F"
    name: str = "imaging"

    def __post_init__(self) -> None:
        values = _table(self.values, f"{self.name}: values", None)
        rate = checks.number(self.rate, "1", f"{self.name}: rate", above=0.0, kind=RecordingError)
        start = checks.number(self.start, "ms", f"{self.name}: start", least=0.0, kind=RecordingError)
        exposure = checks.number(
            self.exposure, "ms", f"{self.name}: exposure", least=0.0, kind=RecordingError
        )
        if self.kind not in WHAT:
            raise RecordingError(
                f"{self.name}: kind = {checks.shown(self.kind)} must be 'calcium' or 'voltage'"
            )
        count = values.shape[1]
        sites = tuple(map(str, self.sites)) if len(self.sites) else tuple(f"site {k}" for k in range(count))
        if len(sites) != count:
            raise RecordingError(f"{self.name}: {len(sites)} names of sites, but values of {count}")
        positions = self.positions
        if positions is not None:
            positions = _table(positions, f"{self.name}: positions", (count, 3))
        if self.indicator is not None:
            checks.of_kind(
                self.indicator,
                Indicator,
                f"{self.name}: indicator",
                "Indicator(rise, decay)",
                kind=RecordingError,
            )
        fields = {
            "values": values, "rate": rate, "start": start, "exposure": exposure, "sites": sites, "positions": positions
        }  # fmt: skip
        for name, x in fields.items():
            object.__setattr__(self, name, x)

    @property
    def t(self) -> np.ndarray:
        """The times [frame] of the frames in ms."""
        return self.start + np.arange(len(self.values)) * (1e3 / self.rate)

    def observe(self, trace: Any, dt: float) -> Array:
        """Return the frames [frame, site] that a simulated `trace` [time, site], one sample each `dt` ms, would give.

        The trace passes the indicator's kernel and is sampled at the frames. Differentiable, under `jit` and `vmap`;
        sites are those of the trace. Raises `ParameterError` for a trace that ends before the last frame.
        """
        dt = checks.number(dt, "ms", "observe: dt", above=0.0)
        seen = trace if self.indicator is None else self.indicator(trace, dt)
        return frames(seen, dt, self.rate, len(self.values), self.start, self.exposure)

    def of_sites(self, sites: Sequence[int | str]) -> "Imaging":
        """Return the images of some sites, by name or number."""
        numbers = [x if isinstance(x, int) else self._number(x) for x in sites]
        if any(not -len(self.sites) <= k < len(self.sites) for k in numbers) or not numbers:
            raise RecordingError(
                f"{self.name} has sites 0 to {len(self.sites) - 1}, not {checks.shown(list(sites))}"
            )
        positions = None if self.positions is None else self.positions[numbers]
        names = tuple(self.sites[k] for k in numbers)
        return replace(self, values=self.values[:, numbers], sites=names, positions=positions)

    def _number(self, site: str) -> int:
        if site not in self.sites:
            raise RecordingError(
                f"{self.name} has no site '{site:.40}'; there are {', '.join(self.sites[:8])}"
            )
        return self.sites.index(site)

    def __repr__(self) -> str:
        frames_, sites = self.values.shape
        low, high = self.values.min(), self.values.max()
        return (
            f"{self.name}: {self.kind} imaging of {sites} sites, {frames_:,} frames at {self.rate:g} Hz,"
            f" {low:.4g} to {high:.4g} {self.unit}"
        )


def _table(x: Any, name: str, shape: tuple[int, int] | None) -> np.ndarray:
    """A copy as float64 with two axes that cannot be written to."""
    found = checks.array_of(x)
    if found is None or not checks.is_real(found.dtype) or found.ndim != 2 or not found.size:
        raise RecordingError(
            f"{name} must be numbers [frame, site], at least one each, not {checks.shown(x)}"
        )
    if shape is not None and found.shape != shape:
        raise RecordingError(f"{name} must have the shape {list(shape)}, not {list(found.shape)}")
    found = np.array(found, float)
    bad = np.argwhere(~np.isfinite(found))
    if len(bad):
        raise RecordingError(f"{name} is not finite in {len(bad):,} places, first at {bad[0].tolist()}")
    found.setflags(write=False)
    return found
