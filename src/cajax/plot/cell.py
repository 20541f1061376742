"""A morphology drawn in the plane, in colour by one value per branch."""

from typing import Any

import numpy as np

from ..morph import Morphology
from .figures import colour


def draw_cell(
    ax: Any,
    morph: Morphology,
    values: np.ndarray | None = None,
    cmap: Any = "viridis",
    limits: tuple[float, float] | None = None,
    thickest: float = 14.0,
    thinnest: float = 0.8,
) -> Any:
    """Draw the x–y projection of `morph` on the Matplotlib axes `ax`; return the artist (for a colour bar).

    `values` [branch] colour the branches over `limits` (default: their range). Lines are as wide as the branches in
    proportion, the widest `thickest` points and none under `thinnest`.
    """
    from matplotlib.collections import LineCollection

    segments, widths, owner = [], [], []
    for b in range(len(morph.parent)):
        part = slice(morph.offsets[b], morph.offsets[b + 1])
        xy, r = morph.xyz[part, :2], morph.radius[part]
        segments += list(np.stack([xy[:-1], xy[1:]], axis=1))
        widths += list(r[:-1] + r[1:])
        owner += [b] * (len(xy) - 1)
    scale = np.maximum(thinnest, thickest * np.asarray(widths) / max(max(widths), 1e-9))
    lines = LineCollection(segments, linewidths=scale, capstyle="round", cmap=cmap)
    if values is not None:
        lines.set_array(np.asarray(values)[owner])
        if limits is not None:
            lines.set_clim(*limits)
    else:
        lines.set_color(colour("axes.edgecolor"))
    ax.add_collection(lines)
    ax.autoscale()
    ax.set_aspect("equal")
    ax.set_axis_off()
    return lines
