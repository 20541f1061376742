"""Shapes of cells that several tasks use."""

import numpy as np

from ..morph import Branch, Morphology, cylinder


def three_compartments(basal: float = 100.0, apical: float = 200.0) -> Morphology:
    """Return a soma of 20 × 20 µm with a basal and an apical dendrite of these lengths (µm), 2 µm thick."""

    def rod(start: float, end: float, radius: float) -> np.ndarray:
        return np.array([[start, 0.0, 0.0, radius], [end, 0.0, 0.0, radius]])

    return Morphology.of(
        [
            Branch(rod(0.0, 20.0, 10.0), tag="soma"),
            Branch(rod(0.0, -basal, 1.0), 0, 0.0, "basal"),
            Branch(rod(20.0, 20.0 + apical, 1.0), 0, 1.0, "apical"),
        ]
    )


def point_of(shape: Morphology) -> Morphology:
    """Return one compartment of the same membrane area, 20 µm thick."""
    return cylinder(float(shape.areas.sum()) / (2.0 * np.pi * 10.0), 10.0)
