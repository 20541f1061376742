"""Shapes of cells that several tasks use."""

from collections.abc import Iterator

import numpy as np

from ..morph import Branch, Morphology, cylinder, pyramidal


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


def layer5(seed: int) -> Morphology:
    """Return a pyramidal cell with an axonal arbour: 338 branches, of which 105 are apical and 151 axonal.

    `pyramidal(seed)` with a thin tree of its own kind in place of the end of its axon.
    """
    branches = list(_branches(pyramidal(seed, tips=96)))
    root, number = len(branches) - 1, {}
    arbour = [
        (k, b)
        for k, b in enumerate(_branches(pyramidal(seed + 1, tips=136, axon=False)))
        if b.tag == "apical"
    ]
    down = np.array([1.0, -1.0, 1.0])
    shift = branches[root].points[-1, :3] - down * arbour[0][1].points[0, :3]
    for k, branch in arbour:
        xyz = down * branch.points[:, :3] + shift
        radius = np.minimum(branch.points[:, 3], AXON_RADIUS)
        number[k] = len(branches)
        points = np.column_stack([xyz, radius])
        branches.append(Branch(points, number.get(branch.parent, root), 1.0, "axon"))
    return Morphology.of(branches)


AXON_RADIUS = 0.5
"""µm, the most that a collateral has."""


def ganglion(seed: int) -> Morphology:
    """Return a ganglion cell of the retina: a soma and 154 branches of dendrites that lie in a plane, x and y.

    The basal dendrites of a `pyramidal` cell, flattened.
    """
    cell = [b for b in _branches(pyramidal(seed, tips=175, stems=4, axon=False)) if b.tag != "apical"]
    flat = [b.points[:, [0, 2, 1, 3]] for b in cell]
    for points, branch in zip(flat, cell, strict=True):
        if branch.tag == "basal":
            points[:, 2] *= FLATTENED
    return Morphology.of([Branch(p, b.parent, b.attach, b.tag) for p, b in zip(flat, cell, strict=True)])


FLATTENED = 0.1


def _branches(shape: Morphology) -> Iterator[Branch]:
    points = np.column_stack([shape.xyz, shape.radius])
    for k, part in enumerate(np.split(points, shape.offsets[1:-1])):
        yield Branch(part, int(shape.parent[k]), float(shape.attach[k]), shape.tags[k])
