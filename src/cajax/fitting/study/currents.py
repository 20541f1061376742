"""Currents at the electrode in a run of the best model: what every channel carries in a spike and between spikes."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...inputs.clamps import Current
from ...model.model import Model
from ...record import CapacitiveCurrent, ChannelCurrent, MembraneCurrent
from ...simulate import simulate
from ..objective import Objective
from .choice import THRESHOLD

SPIKE = (1.0, 3.0)
"""A spike lasts from this long (ms) before its peak to this long after it."""


@final
@dataclass(frozen=True, eq=False)
class Currents:
    """A run with its currents: `t` (ms), `v` (mV), `names` and `i` [current, sample] in nA, outward positive.

    The names are those of the channels at the electrode ("hh.ina" where one carries several ions), "other
    compartments" (what flows off along the cell), and "capacitive"; they add up to the `injected` current [sample].
    """

    t: np.ndarray
    v: np.ndarray
    names: tuple[str, ...]
    i: np.ndarray
    injected: np.ndarray

    @property
    def peaks(self) -> np.ndarray:
        """The samples at which spikes peak."""
        over = self.v > THRESHOLD
        begins = np.flatnonzero(over[1:] & ~over[:-1]) + 1
        ends = [int(np.flatnonzero(~over[k:])[0]) + k if (~over[k:]).any() else len(over) for k in begins]
        return np.array([k + int(self.v[k:end].argmax()) for k, end in zip(begins, ends, strict=True)], int)

    def charges(self, on: float, off: float) -> dict[str, tuple[float, float]]:
        """Return name → mean current (nA) within spikes and in the rest of the stimulus (ms); NaN without spikes."""
        during = (self.t >= on) & (self.t <= off)
        spike = np.zeros(len(self.t), bool)
        for k in self.peaks:
            spike |= (self.t >= self.t[k] - SPIKE[0]) & (self.t <= self.t[k] + SPIKE[1])
        parts = (during & spike, during & ~spike)
        means = [x[part].mean() if part.any() else np.nan for x in self.i for part in parts]
        return {name: (float(means[2 * k]), float(means[2 * k + 1])) for k, name in enumerate(self.names)}


def currents(model: Model, objective: Objective, sweep: int) -> Currents:
    """Run a model in one protocol of an objective and return its currents at the electrode."""
    place = objective.places[0]
    site = int(model.structure.sites(place))
    channels = [
        (c.name, part) for c in model.structure.channels if site in c.index
        for part in (c.outline.parts if len(c.outline.parts) > 1 else ("",))
    ]  # fmt: skip
    record: dict[str, Any] = {f"i{k}": ChannelCurrent(place, *found) for k, found in enumerate(channels)}
    record |= {"v": place, "membrane": MembraneCurrent(place), "capacitive": CapacitiveCurrent(place)}
    i, dt = objective.currents[sweep, 0], objective.dt
    first = objective.voltages[sweep, 0, 0]
    begin = {p: np.full(np.shape(x), first) for p, x in model.params.items() if p.rpartition(".")[2] == "v0"}
    t1 = (objective.samples - 1) * dt
    sol = simulate(
        model.replace(begin), t1, dt, [Current(place, i, dt)], record, objective.method, throw=False
    )
    # mA/cm² · µm² = 1e-8 mA = 1e-2 nA.
    area = 1e-2 * float(model.area[site])
    own = [area * np.ravel(sol[f"i{k}"]) for k in range(len(channels))]
    membrane, capacitive = np.ravel(sol["membrane"]), np.ravel(sol["capacitive"])
    away = i[: len(membrane)] - membrane
    names = [f"{name}.i{part}" if part else name for name, part in channels]
    return Currents(
        objective.t,
        np.ravel(sol["v"]),
        (*names, "other compartments", "capacitive"),
        np.array([*own, away, capacitive]),
        i,
    )
