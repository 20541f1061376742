"""The passive membrane: capacitance, axial resistivity and one leak for the whole cell."""

from typing import Any

from ...mech import Leak
from ...morph import Morphology, Policy
from .recipe import POLICY, Bounds, Recipe, assemble, checked_morphology
from .regions import regions_of

CM = (0.3, 10.0)
"""µF/cm². No published bounds: the Allen Institute's fits have none. The membrane itself has 0.5 to 1 (Eyal et al.
2016, eLife 5:e16553; Gentet, Stuart & Clements 2000, Biophys J 79:314); spines and dendrites that were cut off make it
look like more, up to 6 in the fits of Deistler et al. (2025)."""
RA = (10.0, 1000.0)
"""Ω·cm, the domain of Ri in the passive fits of Gouwens et al. (2018), AllenInstitute/biophys_optimize."""
LEAK_G = (1e-7, 1e-3)
"""S/cm², `g_pas` in the same fits."""
LEAK_E = (-100.0, -35.0)
"""mV, the prior of Gonçalves et al. (2020, eLife 9:e56261) for cells of the Allen Cell Types Database."""

BOUNDS: Bounds = {"all.cm": CM, "all.ra": RA, "all.leak.g": LEAK_G, "all.leak.e": LEAK_E}

SOURCE = (
    "passive membrane; bounds of ra and leak as in Gouwens et al. (2018, Nat Commun 9:710) and Gonçalves et al. "
    "(2020, eLife 9:e56261)"
)


NOTE = "cm: no published bounds; 0.3 to 10 µF/cm² leaves room for spines and lost dendrites"


def passive(morph: Morphology, *, policy: Policy = POLICY, temperature: Any = None) -> Recipe:
    """Return the recipe of a passive cell: `all.cm`, `all.ra`, `all.leak.g` and `all.leak.e` are free.

    Nothing of it depends on the `temperature` (°C), which is kept for channels that are added later.
    """
    regions = regions_of(checked_morphology(morph, "passive"))
    cell = regions.cell(cm=1.0, ra=100.0, v0=-70.0, temperature=temperature)
    cell = cell.paint("all", leak=Leak(g=5e-5, e=-70.0))
    return assemble(cell, BOUNDS, policy, tuple(BOUNDS), SOURCE, (*regions.notes, NOTE))
