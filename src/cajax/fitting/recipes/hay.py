"""Layer-5 pyramidal cells with the channels of Hay et al. (2011): two published problems of fitting.

The recipes place channels as Markram et al. (2015, Cell 163:456) do; both problems are those of Deistler et al. (2025,
Nat Methods, doi 10.1038/s41592-025-02895-w).
"""

from typing import Any

import numpy as np

from ...cell import Cell
from ...mech import Leak, Reversal
from ...mech.library import hay2011 as channels
from ...morph import Morphology, Policy
from .graded import BySomaDistance, by_region
from .passive import BOUNDS as PASSIVE
from .passive import CM
from .recipe import POLICY, Bounds, Recipe, assemble, checked_morphology, checked_temperature, chosen
from .regions import Regions, regions_of, with_stub

PROBLEMS = ("recording", "synthetic")

SYNTHETIC: Bounds = {
    "apical.nats2.g": (0.0, 0.04),
    "apical.kv31.g": (0.0, 0.04),
    "apical.im.g": (0.0, 0.001),
    "soma.nats2.g": (0.0, 1.0),
    "soma.kv31.g": (0.25, 1.0),
    "soma.sk.g": (0.0, 0.1),
    "soma.ca.gamma": (0.0005, 0.01),
    "soma.ca.tau": (20.0, 1000.0),
    "soma.hva.g": (0.0, 0.001),
    "soma.lva.g": (0.0, 0.01),
    "axon.nata.g": (0.0, 4.0),
    "axon.kp.g": (0.0, 1.0),
    "axon.kt.g": (0.0, 0.1),
    "axon.sk.g": (0.0, 0.1),
    "axon.kv31.g": (0.0, 2.0),
    "axon.hva.g": (0.0, 0.001),
    "axon.lva.g": (0.0, 0.01),
    "axon.ca.gamma": (0.0005, 0.05),
    "axon.ca.tau": (20.0, 1000.0),
}
"""S/cm²; of the calcium pools the free share and ms. 19 parameters, most with the bounds of the BluePyOpt example."""


def _shared(path: str, **regions: tuple[float, float]) -> Bounds:
    """Return the bounds of a density that differs by region; where only the first one is there, its path is plain."""
    return {path: next(iter(regions.values())), **{f"{path}.{name}": ends for name, ends in regions.items()}}


RECORDING: Bounds = {
    "all.na.e": (40.0, 60.0),
    "all.k.e": (-100.0, -70.0),
    "active.nats2.shift": (-10.0, 0.0),
    "excitable.hva.slow": (0.2, 5.0),
    "excitable.lva.slow": (0.2, 5.0),
    **_shared("active.nats2.g", soma=(0.0, 6.0), apical=(0.0, 0.04)),
    "soma.kv31.g": (0.25, 1.0),
    "soma.sk.g": (0.0, 0.1),
    **_shared("excitable.hva.g", soma=(0.0, 0.001), axon=(0.0, 0.001)),
    **_shared("excitable.lva.g", soma=(0.0, 0.01), axon=(0.0, 0.01)),
    "soma.ca.gamma": (0.0005, 0.05),
    "soma.ca.tau": (1.0, 100.0),
    "apical.kv31.g": (0.0, 0.001),
    "apical.im.g": (0.0, 0.1),
    "apical.im.slow": (0.2, 5.0),
    "axon.nata.g": (0.0, 6.0),
    "axon.kp.g": (0.0, 1.0),
    "axon.kt.g": (0.0, 0.1),
    "axon.sk.g": (0.0, 0.1),
    "axon.kv31.g": (0.0, 2.0),
    "axon.ca.gamma": (0.0005, 0.05),
    "axon.ca.tau": (1.0, 100.0),
}
"""25 parameters. The published shift is added to the voltage: ours is its negative. The published times of decay and
factors on times are uniform in their logarithm; a factor there divides the times of the low-threshold current."""

MEMBRANE: Bounds = {**PASSIVE, "apical.cm": CM}

SOURCE = "channels of Hay et al. (2011, PLoS Comput Biol 7:e1002107), bounds of Deistler et al. (2025, Nat Methods)"


def hay(
    morph: Morphology,
    *,
    problem: str = "recording",
    membrane: bool = False,
    policy: Policy = POLICY,
    temperature: Any = 34.0,
) -> Recipe:
    """Return the recipe of a layer-5 pyramidal cell, with fewer free parameters where the morphology lacks regions.

    `problem`: "recording" is the fit of recorded cells, 25 parameters: densities, calcium pools, reversal potentials,
    one shift of the sodium current of soma and dendrite, factors on the times of three currents. "synthetic" is the one
    with a known answer, 19 parameters: densities and calcium pools. In both the h current rises along the apical
    dendrite with the straight distance from the soma, and the passive membrane is fixed; `membrane` frees it, within
    the bounds of `passive`. An axon is kept; a cell without one gets a stub of 60 µm, 1 µm thick. Branches of other
    kinds ("custom5") carry the leak only. Raises `ParameterError` for another problem.
    """
    chosen(problem, PROBLEMS, "hay: problem")
    checked_morphology(morph, "hay")
    regions = regions_of(morph)
    if not len(regions.axon):
        notes = ("there is no axon: two pieces of 30 µm, 1 µm thick, stand for it",)
        regions = regions_of(with_stub(morph), notes)
    notes = (*regions.notes, *_missing(regions))
    recorded = problem == "recording"
    settings = {"cm": 2.0, "v0": -80.0} if recorded else {"cm": 1.0, "v0": -65.0}
    cell = regions.cell(ra=100.0, temperature=checked_temperature(temperature, "hay"), **settings)
    leak = Leak(g=1e-4, e=-88.0) if recorded else Leak(g=3e-5, e=-75.0)
    cell = cell.paint("all", leak=leak, na=Reversal(50.0), k=Reversal(-85.0))
    cell = _shared_channels(cell, regions) if recorded else _own_channels(cell, regions)
    bounds = {**(RECORDING if recorded else SYNTHETIC), **(MEMBRANE if membrane else {})}
    cell = _dendrites(cell, regions, recorded)
    return assemble(cell, bounds, policy, ("*.cm", "all.ra", "all.leak.*"), SOURCE, notes)


def _missing(regions: Regions) -> tuple[str, ...]:
    """Say which regions the morphology lacks, or has too many."""
    notes = ()
    if not len(regions.apical):
        notes = (*notes, "there is no apical dendrite: its channels are left out")
    if len(regions.other):
        notes = (*notes, "branches that are neither soma, axon, basal nor apical carry the leak only")
    return notes


def _own_channels(cell: Cell, regions: Regions) -> Cell:
    """Paint soma and axon, every parameter by itself; the densities are those of the published cell, rounded."""
    cell = cell.paint(
        "soma", nats2=channels.NaTs2(g=0.98), kv31=channels.Kv31(g=0.3), sk=channels.SK(g=0.0084)
    )
    cell = cell.paint("soma", hva=channels.CaHVA(g=9.9e-4), lva=channels.CaLVA(g=3.3e-4))
    cell = cell.paint("soma", ca=channels.CaDynamics(gamma=6.1e-4, tau=210.0))
    cell = cell.paint("axon", hva=channels.CaHVA(g=9.9e-4), lva=channels.CaLVA(g=8.8e-3))
    cell = cell.paint("axon", ca=channels.CaDynamics(gamma=2.9e-3, tau=287.0))
    if len(regions.apical):
        cell = cell.paint("apical", nats2=channels.NaTs2(g=0.026))
    return _axon(cell)


def _shared_channels(cell: Cell, regions: Regions) -> Cell:
    """Paint soma and axon with one shift and one factor on times for all of the regions that have a current."""
    places = {"soma": regions.soma, "axon": regions.axon, "apical": regions.apical}
    labels = regions.labels()
    cell = cell.label(active=labels["soma"] | labels["apical"], excitable=labels["soma"] | labels["axon"])
    nats2 = channels.NaTs2(g=by_region({"soma": 0.98, "apical": 0.026}, places))
    hva = channels.CaHVA(g=by_region({"soma": 9.9e-4, "axon": 9.9e-4}, places))
    lva = channels.CaLVA(g=by_region({"soma": 3.3e-4, "axon": 8.8e-3}, places))
    cell = cell.paint("active", nats2=nats2).paint("excitable", hva=hva, lva=lva)
    cell = cell.paint("soma", kv31=channels.Kv31(g=0.3), sk=channels.SK(g=0.0084))
    cell = cell.paint("soma", ca=channels.CaDynamics(gamma=6.1e-4, tau=80.0))
    return _axon(cell.paint("axon", ca=channels.CaDynamics(gamma=2.9e-3, tau=80.0)))


def _axon(cell: Cell) -> Cell:
    """Paint the channels that only the axon has, and those that it has in both problems."""
    cell = cell.paint("axon", nata=channels.NaTa(g=3.1), kp=channels.KP(g=0.97), kt=channels.KT(g=0.089))
    return cell.paint("axon", sk=channels.SK(g=0.0071), kv31=channels.Kv31(g=1.02))


def _dendrites(cell: Cell, regions: Regions, recorded: bool) -> Cell:
    """Paint the h current of the dendrites and what else the apical one has."""
    if len(regions.basal):
        cell = cell.paint("basal", ih=channels.Ih(g=8e-5))
    if not len(regions.apical):
        return cell
    rising = BySomaDistance(regions.morph, regions.apical, int(np.min(regions.soma)), 8e-5)
    kv31 = channels.Kv31(g=2.6e-4 if recorded else 4.2e-3)
    cell = cell.paint("apical", ih=channels.Ih(g=rising), kv31=kv31, im=channels.Im(g=1.4e-4))
    return cell if recorded else cell.paint("apical", cm=2.0)
