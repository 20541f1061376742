"""Hodgkin–Huxley cells: the squid's channels or those of cortical cells; weaker in dendrites than in soma and axon."""

from typing import Any

import numpy as np

from ...cell import Cell
from ...mech import HH, Kd, Km, Leak, Na
from ...morph import Morphology, Policy
from .graded import by_region
from .passive import CM, LEAK_E, RA
from .recipe import POLICY, Bounds, Recipe, assemble, checked_morphology, chosen
from .regions import regions_of

KINDS = ("squid", "cortical")
WEAKER = 0.1
"""What dendrites have at most of a density, relative to soma and axon; no published bound."""


def _by_region(path: str, lo: float, hi: float) -> Bounds:
    """Return the bounds of a density in soma and axon, and in dendrites, which may have none."""
    return {path: (lo, hi), f"{path}.soma": (lo, hi), f"{path}.dendrites": (0.0, WEAKER * hi)}


SQUID: Bounds = {
    "all.cm": CM,
    "all.ra": RA,
    **_by_region("all.hh.gna", 0.012, 1.2),
    **_by_region("all.hh.gk", 0.0036, 0.36),
    "all.hh.gl": (1e-6, 3e-3),
    "all.hh.ena": (40.0, 60.0),
    "all.hh.ek": (-100.0, -70.0),
    "all.hh.el": LEAK_E,
}
"""Densities: no published bounds; a tenth to ten times the squid's. Potentials of sodium and potassium: Deistler et al.
(2025, Nat Methods, doi 10.1038/s41592-025-02895-w) for cells of the Allen Cell Types Database."""

CORTICAL: Bounds = {
    "all.cm": CM,
    "all.ra": RA,
    "all.leak.g": (1e-7, 6e-4),
    "all.leak.e": LEAK_E,
    **_by_region("all.na.g", 5e-4, 0.08),
    **_by_region("all.kd.g", 1e-7, 0.015),
    **_by_region("all.km.g", 1e-7, 6e-4),
    "all.km.tau_max": (50.0, 3000.0),
    "all.na.vt": (-90.0, -40.0),
    "all.kd.vt": (-90.0, -40.0),
}
"""The prior of Gonçalves et al. (2020), which is for one compartment; `cm` and `ra` are those of `passive`."""

SOURCES = {
    "squid": "Hodgkin & Huxley (1952, J Physiol 117:500)",
    "cortical": "Pospischil et al. (2008, Biol Cybern 99:427); bounds: Gonçalves et al. (2020, eLife 9:e56261)",
}


def hh(morph: Morphology, *, kind: str = "squid", policy: Policy = POLICY, temperature: Any = None) -> Recipe:
    """Return the recipe of a Hodgkin–Huxley cell: densities, potentials and the passive membrane are free.

    `kind`: "squid" has NEURON's `hh` with its leak, at 6.3 °C without a `temperature` (°C); "cortical" the sodium,
    potassium, M and leak currents of Pospischil et al. (2008), at 36 °C. Soma and axon share densities, dendrites have
    their own, at most a tenth; a cell without dendrites has one of each. Raises `ParameterError` for another kind.
    """
    regions = regions_of(checked_morphology(morph, "hh"))
    chosen(kind, KINDS, "hh: kind")
    places = {"soma": np.sort(np.concatenate([regions.soma, regions.axon])), "dendrites": regions.dendrites}
    cell = regions.cell(cm=1.0, ra=100.0, v0=-65.0 if kind == "squid" else -70.0, temperature=temperature)
    painted = (_squid if kind == "squid" else _cortical)(cell, places)
    notes = regions.notes
    if len(regions.dendrites):
        notes = (
            *notes,
            "densities of dendrites: no published bounds; from none to a tenth of those of the soma",
        )
    if kind == "squid":
        bounds, leak = SQUID, ("all.hh.gl", "all.hh.el")
        notes = (*notes, "densities: no published bounds; a tenth to ten times the squid's")
    else:
        bounds, leak = CORTICAL, ("all.leak.g", "all.leak.e")
        notes = (*notes, "the published vt is one number for sodium and potassium; here each has its own")
    return assemble(painted, bounds, policy, ("all.cm", "all.ra", *leak), SOURCES[kind], notes)


def _squid(cell: Cell, places: dict[str, np.ndarray]) -> Cell:
    gna = by_region({"soma": 0.12, "dendrites": 0.012}, places)
    gk = by_region({"soma": 0.036, "dendrites": 0.0036}, places)
    return cell.paint("all", hh=HH(gna=gna, gk=gk))


def _cortical(cell: Cell, places: dict[str, np.ndarray]) -> Cell:
    na = by_region({"soma": 0.05, "dendrites": 0.005}, places)
    kd = by_region({"soma": 0.005, "dendrites": 5e-4}, places)
    km = by_region({"soma": 7e-5, "dendrites": 7e-6}, places)
    return cell.paint("all", leak=Leak(g=1e-4, e=-70.0), na=Na(g=na), kd=Kd(g=kd), km=Km(g=km))
