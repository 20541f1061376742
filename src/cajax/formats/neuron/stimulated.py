"""Electrodes that live in NEURON as inputs here: one input for all cells of a population that have one at a place."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, final

import numpy as np

from ...inputs.base import Input
from ...inputs.clamps import IClamp, VClamp
from .drives import on_grid
from .electrodes import AlphaSynapse, SEClamp
from .places import Places, Site
from .report import Report

ELECTRODES = ("IClamp", "SEClamp", "AlphaSynapse")
"""Point processes that are taken over as inputs."""
SILENT = ("APCount", "PointProcessMark")
"""Point processes that let no current flow."""
_FOREVER = 1e9

Row = Mapping[str, Any]


@final
class Stimuli:
    """The inputs of a model; `sizes` is how many cells every population has, 0 for the lone cell of a cell model."""

    def __init__(self, h: Any, places: Places, sizes: Mapping[str, int], report: Report):
        self._h, self._places, self._sizes, self._report = h, places, sizes, report

    def inputs(self) -> Iterator[Input]:
        """Yield the inputs of every kind."""
        yield from self._all("IClamp", self._step, self._steps)
        yield from self._all("SEClamp", _held, self._clamps)
        yield from self._all("AlphaSynapse", _alpha, self._alphas)
        for name in SILENT:
            if count := int(self._h.List(name).count()):
                self._report.took(f"{name}: {count}, which let no current flow, are left out")

    def _all(
        self, name: str, read: Callable[[Any], Row | None], made: Callable[[Any, Site, dict[str, Any]], Input]
    ) -> Iterator[Input]:
        points = [p for p in self._h.List(name) if p.has_loc()]
        found = [(p.get_segment(), read(p)) for p in points]
        layers: dict[Any, list[tuple[Site, Row]]] = {}
        for seg, row in found:
            if row is None:
                continue
            if self._places.is_at_a_joint(seg):
                self._report.approximate(
                    f"{name} at {seg}, a node without membrane: in the segment beside it"
                )
            site, layer = self._places.site(seg), 0
            # Two on one segment are two inputs.
            while any(other == site for other, _ in layers.get((site.population, site.cv, layer), ())):
                layer += 1
            layers.setdefault((site.population, site.cv, layer), []).append((site, row))
        for rows in layers.values():
            site = rows[0][0]
            where = (site.population, site.at) if self._sizes[site.population] else site.at
            yield made(where, site, self._joined(rows, self._sizes[site.population]))
        if layers:
            self._report.took(f"{name}: {sum(map(len, layers.values()))} in all")

    def _joined(self, rows: list[tuple[Site, Row]], size: int) -> dict[str, Any]:
        """Return the values of all cells [cell], those of the first where there is none but for its amplitude, 0."""
        first = rows[0][1]
        if not size:
            return dict(first)
        joined: dict[str, Any] = {}
        for name, value in first.items():
            absent = np.zeros_like(value) if name in ("amp", "g", "gmax") else np.asarray(value)
            table = np.repeat(np.asarray(absent, float)[..., None], size, axis=-1)
            for site, row in rows:
                table[..., site.cell] = row[name]
            joined[name] = table
        return joined

    def _step(self, point: Any) -> Row | None:
        delay, dur, amp = float(point.delay), min(float(point.dur), _FOREVER), float(point.amp)
        if amp == 0.0 or dur <= 0.0 or delay >= _FOREVER:
            # Who plays a Vector into it leaves its amplitude at 0.
            note = self._report.overlook if int(self._h.List("Vector").count()) else self._report.took
            note(f"IClamp at {point.get_segment()} injects nothing by itself, and is left out")
            return None
        if delay < 0.0:
            delay, dur = 0.0, dur + delay
        if not on_grid([x for x in (delay, delay + dur) if x < _FOREVER], self._h.dt):
            self._report.approximate(
                f"IClamp at {point.get_segment()} begins or ends within a step of {self._h.dt:g} ms: its mean over"
                " the step here, all or nothing in NEURON"
            )
        return {"delay": delay, "dur": dur, "amp": amp}

    def _steps(self, where: Any, site: Site, values: dict[str, Any]) -> Input:
        return IClamp(where, values["delay"], values["dur"], values["amp"])

    def _clamps(self, where: Any, site: Site, values: dict[str, Any]) -> Input:
        amp = np.asarray(values["amp"], float)
        if not self._sizes[site.population] and values["dur"][0] >= 0.1 * _FOREVER:
            return VClamp(where, float(amp[0]), rs=1.0 / values["g"])
        return SEClamp(where, values["g"], values["dur"], amp)

    def _alphas(self, where: Any, site: Site, values: dict[str, Any]) -> Input:
        return AlphaSynapse(where, **values)


def _held(point: Any) -> Row:
    dur, amp = (np.array([getattr(point, f"{x}{k}") for k in (1, 2, 3)]) for x in ("dur", "amp"))
    return {"g": 1.0 / float(point.rs), "dur": np.minimum(dur, _FOREVER), "amp": amp}


def _alpha(point: Any) -> Row | None:
    if point.gmax == 0.0:
        return None
    return {k: float(getattr(point, k)) for k in ("onset", "tau", "gmax", "e")}


def unknown_points(names: Iterable[str]) -> list[str]:
    """Return the point processes among these that are no electrodes."""
    return [n for n in names if n not in ELECTRODES and n not in SILENT]
