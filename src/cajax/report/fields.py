"""Receptive fields: what of an image the cells behind the receptors came to be excited and inhibited by."""

from typing import Any

import numpy as np

from .. import plot
from ..jobs import Batch, Job, Stage
from ..model.inserted import GradedProjection
from ..model.layout import Layout
from ..model.model import Model
from .html import Picture, words

CELLS = 24
EXCITES = -50.0
"""A synapse that reverses above this (mV) excites."""


def side_of(job: Job[Any], test: tuple[Stage, Batch]) -> int:
    """Return the side of the square images that a job shows, 0 where it shows none."""
    if not job.attacked or job.attacked not in test[1].inputs:
        return 0
    shape = np.shape(test[1].inputs[job.attacked])
    return shape[1] if len(shape) == 3 and shape[1] == shape[2] >= 3 else 0


def fields(before: Model, after: Model, pixels: int) -> dict[str, np.ndarray]:
    """Return population → what training added to its input from each pixel [pixel, cell], in µS.

    Excitatory less inhibitory weights, summed over all synapses of a cell, of every graded projection from the
    receptors: as many cells as there are pixels, which nothing projects to.
    """
    found: dict[str, np.ndarray] = {}
    reached = {p.wires.post_population for p in after.structure.projections}
    for projection in after.structure.graded:
        wires = projection.wires
        if len(wires.pre) != pixels or wires.pre_population in reached or "e" not in projection.fields:
            continue
        weight = wires.weight
        change = np.asarray(after.params[weight], float) - np.asarray(before.params[weight], float)
        if change.size == 1:
            continue
        name = wires.post_population
        cells = _cells_of(after.structure.layout(name), wires.post)
        pairs = np.indices((pixels, len(wires.post))).reshape(2, -1).T if wires.edges is None else wires.edges
        change = change.ravel() if wires.order is None else change.ravel()[wires.order]
        total = found.setdefault(name, np.zeros((pixels, after.structure.layout(name).size)))
        np.add.at(total, (pairs[:, 0], cells[pairs[:, 1]]), _sign(after, projection) * change)
    return found


def _cells_of(layout: Layout, cvs: np.ndarray) -> np.ndarray:
    """Return the cell of its population that each CV belongs to."""
    for group in layout.groups:
        inside = (cvs >= group.start) & (cvs < group.stop)
        cvs = np.where(inside, -1 - group.first_cell - (cvs - group.start) % group.lanes, cvs)
    return -1 - cvs


def _sign(model: Model, projection: GradedProjection) -> float:
    return 1.0 if float(np.mean(model.params[projection.fields["e"]])) > EXCITES else -1.0


def receptive_fields(job: Job[Any], before: Model, after: Model, test: tuple[Stage, Batch]) -> list[Picture]:
    """Draw the fields of the cells that changed most, where the job shows images."""
    side = side_of(job, test)
    if not side:
        return []
    return [
        _drawn(name, x, side) for name, x in fields(before, after, side * side).items() if np.abs(x).max() > 0
    ]


def _drawn(name: str, change: np.ndarray, side: int) -> Picture:
    chosen = np.sort(np.argsort(-np.linalg.norm(change, axis=0), kind="stable")[:CELLS])
    columns = min(8, len(chosen))
    rows = -(-len(chosen) // columns)
    figure, axes = plot.subplots(rows, columns, figsize=(7.8, 0.2 + 1.1 * rows), squeeze=False)
    for ax in axes.ravel():
        ax.set_axis_off()
    limit = float(np.percentile(np.abs(change[:, chosen]), 99.5)) or 1.0
    colours = plot.heat_map(signed=True)
    image = None
    for ax, k in zip(axes.ravel(), chosen, strict=False):
        field = change[:, k].reshape(side, side)
        image = ax.imshow(field, cmap=colours, vmin=-limit, vmax=limit, interpolation="none")
        ax.set_title(f"{name} {k}", fontsize=8.5, loc="center")
    bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02, ticks=[-limit, 0.0, limit])
    bar.ax.set_yticklabels(["inhibits", "as before", "excites"])
    alt = f"What training added to the input of {len(chosen)} cells of {name} from every pixel"
    most = "The cells that changed most" if len(chosen) < change.shape[1] else "All cells"
    caption = (
        f"<b>What {words(name)} came to look for.</b> The change by training of the input from every pixel, excitatory "
        f"less inhibitory conductance, summed over the dendrites. {most}; one colour scale, up to {1e3 * limit:.2g} nS."
    )
    return Picture(plot.svg(figure, f"fields-{name}", alt), caption, wide=True)
