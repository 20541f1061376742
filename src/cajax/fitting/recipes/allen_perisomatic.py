"""Perisomatic models of the Allen Cell Types Database: channels in the soma, passive dendrites, a stub of an axon.

Gouwens et al., Nat Commun 9:710 (2018). Channels, bounds and conditions are those of the fit styles "f6" and "f9" in
AllenInstitute/biophys_optimize, the code of these fits; it starts from the values of the published model 472363762.
"""

from typing import Any

import numpy as np

from ...cell import Cell
from ...mech import Leak, Reversal
from ...mech.library import allen
from ...morph import Morphology, Policy
from .graded import by_region
from .passive import CM, LEAK_E, LEAK_G, RA
from .recipe import POLICY, Bounds, Recipe, assemble, checked_morphology, checked_temperature
from .regions import regions_of, with_stub

CHANNELS: Bounds = {
    "soma.im.g": (0.0, 0.1),
    "soma.ih.g": (0.0, 0.1),
    "soma.nats.g": (0.0, 15.0),
    "soma.nap.g": (0.0, 0.1),
    "soma.kp.g": (0.0, 1.0),
    "soma.kt.g": (0.0, 1.0),
    "soma.sk.g": (0.0, 1.0),
    "soma.kv31.g": (0.0, 3.0),
    "soma.hva.g": (0.0, 0.001),
    "soma.lva.g": (0.0, 0.01),
    "soma.ca.gamma": (0.0, 0.05),
    "soma.ca.tau": (20.0, 1000.0),
}
"""S/cm²; of the calcium pool the free share and ms."""

LEAKS = {"soma": 5.72e-6, "axon": 4.57e-4, "basal": 3.24e-6, "apical": 9.59e-5}
"""S/cm², in model 472363762."""

BOUNDS: Bounds = {
    "all.ra": RA,
    "all.cm": CM,
    "dendrites.cm": CM,
    "all.leak.e": LEAK_E,
    "all.leak.g": LEAK_G,
    **{f"all.leak.g.{place}": LEAK_G for place in LEAKS},
    **CHANNELS,
}
"""`ra`, `cm` and `e` are fitted to passive responses there, before the rest; see `passive` for their bounds."""

SOURCE = (
    "perisomatic models of Gouwens et al. (2018, Nat Commun 9:710), bounds of AllenInstitute/biophys_optimize"
)


def allen_perisomatic(
    morph: Morphology, *, spiny: bool = True, policy: Policy = POLICY, temperature: Any = 34.0
) -> Recipe:
    """Return the recipe of a perisomatic model: ten channels and a calcium pool in the soma, a leak in each region.

    The axon is replaced, as in the database's models, by one of 60 µm with a diameter of 1 µm; a cell without one gets
    it. In a `spiny` cell soma and axon have 1 µF/cm², and `dendrites.cm` is free; otherwise `all.cm`. Branches of other
    kinds ("custom5") count as basal. The published bounds hold at a `temperature` of 34 °C.
    """
    checked_morphology(morph, "allen_perisomatic")
    regions = regions_of(with_stub(morph), ("two pieces of 30 µm, 1 µm thick, stand for the axon",))
    notes = regions.notes
    if len(regions.other):
        notes = (*notes, "branches that are neither soma, axon, basal nor apical count as basal")
    basal = np.sort(np.concatenate([regions.basal, regions.other]))
    places = {"soma": regions.soma, "axon": regions.axon, "basal": basal, "apical": regions.apical}
    warm = checked_temperature(temperature, "allen_perisomatic")
    cell = regions.cell(cm=1.0, ra=138.0, v0=-92.5, temperature=warm)
    cell = cell.paint("all", leak=Leak(g=by_region(LEAKS, places), e=-92.5))
    bounds = dict(BOUNDS)
    if spiny and len(regions.dendrites):
        cell = cell.paint("dendrites", cm=2.12)
        del bounds["all.cm"]  # 1 µF/cm² in soma and axon
    membrane = ("*.cm", "all.ra", "all.leak.*")
    return assemble(_active(cell), bounds, policy, membrane, SOURCE, notes)


def _active(cell: Cell) -> Cell:
    """Paint the channels and the calcium pool of the soma with the densities of model 472363762."""
    pool = allen.CaDynamics(gamma=1.25e-3, tau=718.0)
    cell = cell.paint("soma", na=Reversal(53.0), k=Reversal(-107.0), ca=pool)
    cell = cell.paint("soma", im=allen.Im(g=1.2e-3), ih=allen.Ih(g=4.12e-5), nats=allen.NaTs(g=0.982))
    cell = cell.paint("soma", nap=allen.Nap(g=2.09e-4), kp=allen.KP(g=0.0518), kt=allen.KT(g=7.32e-4))
    cell = cell.paint("soma", sk=allen.SK(g=1.92e-4), kv31=allen.Kv31(g=0.0573))
    return cell.paint("soma", hva=allen.CaHVA(g=5.36e-4), lva=allen.CaLVA(g=7.01e-3))
