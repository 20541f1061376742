"""Where events come from that no membrane sends: NetStims, other artificial cells, events queued by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from ...base.errors import ParameterError
from ...inputs.base import Input
from ...inputs.spikes import Spikes
from .report import Report, some
from .trees import unused

_MOST = 100_000
"""Spikes of one NetStim that are written down."""
_FAR = 1e7
"""Moments (ms) beyond this are left out: no run is so long."""


@final
@dataclass
class Train:
    """A population of spike sources of one kind: a row of `times` (ms) for each."""

    name: str
    times: list[list[float]] = field(default_factory=list)


@final
class Sources:
    """All spike sources; `number` gives (population, cell) of an artificial cell or of a NetCon that has no source."""

    def __init__(self, h: Any, taken: Iterable[str], left_out: Sequence[str], report: Report):
        self._h, self._taken, self._left_out, self._report = h, set(taken), left_out, report
        self._trains: dict[str, Train] = {}
        self._known: dict[Any, tuple[str, int]] = {}
        self.queued = self._queue()

    def of_cell(self, cell: Any) -> tuple[str, int] | None:
        """Return where an artificial cell is here, None where it is left out.

        Raises `ParameterError` for one with a state of its own.
        """
        key = cell.hname()
        kind = key.split("[")[0]
        if kind in self._left_out:
            return None
        if key not in self._known:
            if kind == "NetStim":
                times = self._regular(cell)
            elif kind.startswith("IntFire"):
                raise ParameterError(
                    f"NEURON holds {kind}, an artificial cell with a state of its own, which has no counterpart here;"
                    f" build that part with point neurons such as LIF(), or call from_neuron(without=['{kind}'])"
                )
            else:
                times = []
                self._report.approximate(
                    f"{key}: its spikes cannot be seen from outside; give them as Spikes('{kind.lower()}', times)"
                )
            self._known[key] = self._new(kind.lower(), times)
        return self._known[key]

    def by_hand(self, connection: Any, delay: float) -> tuple[str, int] | None:
        """Return the source of events that were queued on a NetCon with `event`; None where there are none."""
        times = self.queued.get(connection.hname(), ())
        if not times:
            return None
        key = f"events {connection.hname()}"
        if key not in self._known:
            self._known[key] = self._new("events", [t - delay for t in times])
        return self._known[key]

    def silent(self) -> tuple[str, int]:
        """Return a source that never spikes."""
        if "silent" not in self._known:
            self._known["silent"] = self._new("silent", [])
        return self._known["silent"]

    def inputs(self) -> list[Input]:
        """Return the spikes of all sources that have some."""
        return [Spikes(x.name, x.times) for x in self._trains.values() if any(x.times)]

    def sizes(self) -> dict[str, int]:
        """Return the populations of sources and how many each has."""
        return {x.name: len(x.times) for x in self._trains.values()}

    def _new(self, kind: str, times: Sequence[float]) -> tuple[str, int]:
        if kind not in self._trains:
            self._trains[kind] = Train(unused(kind, self._taken))
            self._taken.add(self._trains[kind].name)
        train = self._trains[kind]
        train.times.append(list(times))
        return train.name, len(train.times) - 1

    def _regular(self, stim: Any) -> list[float]:
        """Return the moments (ms) of a NetStim."""
        start, interval, noise = float(stim.start), float(stim.interval), float(stim.noise)
        number = int(min(float(stim.number), _MOST))
        if start < 0.0 or number <= 0:
            return []
        if noise > 0.0:
            self._report.approximate(
                f"{stim.hname()} is random (noise = {noise:g}): other draws of the same law, as Spikes"
            )
            rng = np.random.default_rng(len(self._known))
            gaps = (1.0 - noise) * interval + noise * rng.exponential(interval, number)
            # NEURON draws the first one from `start` on, less its regular part.
            times = start + np.cumsum(gaps) - (1.0 - noise) * interval
        else:
            times = start + interval * np.arange(number)
        return [float(t) for t in times if t < _FAR]

    def _queue(self) -> dict[str, list[float]]:
        """Return the moments at which queued events reach NetCons, by the name of the NetCon."""
        times, links = self._h.Vector(), self._h.List()
        self._h.CVode().event_queue_info(2, times, links)
        found: dict[str, list[float]] = {}
        for k, t in enumerate(times):
            found.setdefault(links.o(k).hname(), []).append(float(t))
        if found and self._h.t > 0.0:
            self._report.overlook(
                f"{sum(map(len, found.values()))} events on their way at t = {self._h.t:g} ms ({some(found)}): a run"
                " here begins at 0, without them"
            )
            return {}
        return found
