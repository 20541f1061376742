"""What training changed: branches coloured by the factor of their conductances, weights before and after, the table."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .. import plot
from ..analysis.resets import as_wide
from ..base.errors import unknown
from ..base.units import written
from ..jobs import Job
from ..model.fields import Address
from ..model.layout import Group
from ..model.model import Model
from ..morph import Morphology
from ..train.table import ParameterTable
from .html import Picture, table, words

CELLS = 8
SIMPLE = 4
"""Branches up to which a cell is simple: of simple cells more fit into a picture."""

QUANTITIES = 3


def local_changes(paths: Iterable[str], before: Model, after: Model) -> dict[tuple[str, str], np.ndarray]:
    """Return (population, "mechanism.field") → log2(after / before) for every CV of the model, NaN where not trained.

    `paths` are those of the trained parameters; only what is trained for each CV or branch by itself is there.
    """
    start = as_wide(before, after)
    found: dict[tuple[str, str], np.ndarray] = {}
    for path in paths:
        placed = _filled(after, path)
        if placed is None:
            continue
        entries, which = placed
        old, new = np.asarray(start.params[path], float), np.asarray(after.params[path], float)
        if old.shape != new.shape or (old <= 0).any() or (new <= 0).any():
            continue
        address = _address(after, path)
        key = (address.population, ".".join(word for word in (address.name, address.field) if word))
        values = found.setdefault(key, np.full(after.structure.size, np.nan))
        values[entries] = np.log2(new / old)[which]
    return found


def _address(model: Model, path: str) -> Address:
    """Return what the painted parameter at `path` belongs to."""
    painted = model.structure.painted(path)
    if painted is None:
        raise unknown("painted parameter", path, model.params)
    return painted.address


def _filled(model: Model, path: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the CVs that a parameter fills and, per CV, which of its values applies; None for a shared one."""
    structure = model.structure
    painted = structure.painted(path)
    if painted is None or painted.scope not in ("cv", "branch"):
        return None
    entries = painted.where
    for mechanism in (*structure.channels, *structure.ions):
        if any(path in p.paths for field in mechanism.fields.values() for p in field.painted):
            entries = mechanism.index[painted.where]
    return entries, painted.owners[painted.scope]


def of_branches(group: Group, lane: int, values: np.ndarray) -> np.ndarray:
    """Return the mean of CV values over each branch of one cell, NaN for branches without any."""
    mine = values[group.flat(np.arange(len(group.cvs)))[lane]]
    known = ~np.isnan(mine)
    count = len(group.cvs.branch_parent)
    total = np.bincount(group.cvs.branch[known], mine[known], count)
    entries = np.bincount(group.cvs.branch[known], minlength=count)
    return np.where(entries > 0, total / np.maximum(entries, 1), np.nan)


def morphologies(job: Job[Any], before: Model, after: Model) -> list[Picture]:
    """Draw the cells that changed most, coloured by how training changed a conductance, for each population."""
    changes, pictures = local_changes(job.free().choices(after), before, after), []
    for population, shapes in job.shapes().items():
        own = "" if after.structure.is_cell else population
        if not shapes or max(len(shape.parent) for shape in shapes) < 2:
            continue
        mine = {field: values for (name, field), values in changes.items() if name == own}
        spread = {field: float(np.nanstd(values)) for field, values in mine.items()}
        for field in sorted(mine, key=lambda f: -spread[f])[:QUANTITIES]:
            pictures.append(_cells(after, own, population, shapes, field, mine[field]))
    return pictures


def _cells(
    model: Model, own: str, population: str, shapes: tuple[Morphology, ...], field: str, values: np.ndarray
) -> Picture:
    cells = {
        group.first_cell + lane: of_branches(group, lane, values)
        for group in model.structure.layout(own).groups
        for lane in range(group.lanes)
    }
    size = {k: float(np.nanmean(np.abs(v))) for k, v in cells.items()}
    simple = max(len(shape.parent) for shape in shapes) <= SIMPLE
    chosen = sorted(sorted(cells, key=lambda k: -size[k])[: 2 * CELLS if simple else CELLS])
    limit = max(0.05, max(float(np.nanmax(np.abs(cells[k]))) for k in chosen))
    columns = min(4, len(chosen))
    rows = -(-len(chosen) // columns)
    drawn = [shapes[k if len(shapes) > 1 else 0] for k in chosen]
    extents = np.array([np.ptp(shape.xyz[:, :2], axis=0) for shape in drawn]).max(axis=0)
    aspect = float(np.clip(extents[1] / max(extents[0], 1e-9), 0.2, 1.25))
    half = 0.54 * max(extents[1] / aspect, extents[0])
    figure, axes = plot.subplots(rows, columns, figsize=(7.8, (0.3 + 1.64 * aspect) * rows), squeeze=False)
    lines = None
    for ax in axes.ravel():
        ax.set_axis_off()
    for ax, k, shape in zip(axes.ravel(), chosen, drawn, strict=False):
        lines = plot.draw_cell(ax, shape, cells[k], plot.diverging(), (-limit, limit), 9.0, 1.3)
        x, y = (shape.xyz[:, :2].min(axis=0) + shape.xyz[:, :2].max(axis=0)) / 2
        ax.set(xlim=(x - half, x + half), ylim=(y - aspect * half, y + aspect * half))
        ax.set_title(f"{population} {k}", fontsize=8.5, loc="center")
    _scale_bar(axes[-1, 0], half)
    bar = figure.colorbar(lines, ax=axes, shrink=0.7, pad=0.02)
    bar.set_label("after / before")
    ticks = [t for t in _factors(limit) if abs(t) <= limit]
    bar.set_ticks(ticks, labels=[f"×{2**t:.3g}" for t in ticks])
    up = float(np.mean(values[~np.isnan(values)] > 0))
    which = (
        f"The {len(chosen)} cells of {len(cells)} that changed most"
        if len(chosen) < len(cells)
        else "All cells"
    )
    name = f"morphology-{population}-{field}".replace(".", "-")
    alt = f"{len(chosen)} cells of {population}, each branch coloured by the learned change of {field}"
    return Picture(
        plot.svg(figure, name, alt),
        f"<b>{words(population)}: learned change of {words(field)}.</b> Blue branches have less than before training, "
        f"red ones more; grey is unchanged. {which}, drawn to one scale. {100 * up:.0f} % of all places went up.",
        wide=True,
    )


def _scale_bar(ax: Any, half: float) -> None:
    """Draw a bar of a round number of micrometres into the lower left corner."""
    size = next((s for s in (500, 200, 100, 50, 20, 10, 5) if s <= 0.8 * half), 2)
    (left, _), (low, _) = ax.get_xlim(), ax.get_ylim()
    ax.plot(
        [left, left + size], [low, low], lw=1.5, color=plot.ink("fg"), solid_capstyle="butt", clip_on=False
    )
    ax.text(left, low + 0.05 * half, f"{size} µm", fontsize=8)


def _factors(limit: float) -> list[float]:
    """Return round powers of two for a colour bar."""
    step = next((s for s in (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0) if s >= limit / 2.5), 16.0)
    return [k * step for k in range(-3, 4)]


def weights(paths: Iterable[str], before: Model, after: Model) -> Picture | None:
    """Draw how the trained synaptic weights, among the trained `paths`, are distributed before and after training."""
    paths = [p for p in paths if p.endswith(".weight") and p in after.params and np.size(after.params[p]) > 3]
    if not paths:
        return None
    columns = min(3, len(paths))
    rows = -(-len(paths) // columns)
    figure, axes = plot.subplots(rows, columns, figsize=(7.8, 0.3 + 1.75 * rows), squeeze=False)
    for ax in axes.ravel():
        ax.set_axis_off()
    for ax, path in zip(axes.ravel(), paths, strict=False):
        ax.set_axis_on()
        _histogram(ax, np.ravel(before.params[path]), np.ravel(after.params[path]))
        ax.set_title(path.removesuffix(".weight").replace("->", " → ").replace(".", ": "), fontsize=8.5)
    for ax in axes[-1]:
        ax.set_xlabel("log10 of µS")
    axes[0, 0].legend(loc="upper left")
    alt = "Histograms of the trained synaptic weights before and after training, one for each projection"
    return Picture(
        plot.svg(figure, "weights", alt),
        "<b>Synaptic weights.</b> Conductances of every trained projection before (grey) and after (blue) training, on "
        "a logarithmic axis. A weight that training drives out of use moves far to the left.",
        wide=True,
    )


def _histogram(ax: Any, before: np.ndarray, after: np.ndarray) -> None:
    logs = {name: np.log10(np.maximum(x, 1e-12)) for name, x in (("before", before), ("after", after))}
    both = np.concatenate(list(logs.values()))
    low, high = np.percentile(both, [0.2, 99.8])
    pad = 0.02 * (high - low) + 0.05
    bins = np.linspace(low - pad, high + pad, 41).tolist()
    for (name, values), color in zip(logs.items(), ("c7", "c0"), strict=True):
        clipped = np.clip(values, bins[0], bins[-1])
        ax.hist(clipped, bins, histtype="stepfilled", alpha=0.45, color=plot.ink(color), label=name)
    ax.set_yticks([])
    ax.locator_params(axis="x", nbins=4)
    ax.spines[["top", "right", "left"]].set_visible(False)


def parameter_table(found: ParameterTable) -> str:
    """Return the trained parameters as HTML: least, middle and greatest value, bounds, change by training."""
    rows = [
        [
            f"<code>{words(r.path)}</code><br><small>{_signs(r.bounds)} {_unit(r.unit)}</small>",
            f"{r.count:,}",
            _signs(_three(r.value)),
            _signs(r.change or "–").replace(" %", "&nbsp;%"),
        ]
        for r in found.rows
    ]
    said = "Under each name: bounds and unit. Value and change: least … median … greatest."
    head = ("parameter", "count", "value", "change")
    return f'<div class="dense">{table(head, [*rows, ["in all", f"{found.count:,}", "", ""]], said)}</div>'


def _three(values: str) -> str:
    """Return numbers with three digits; what is no number stays."""
    parts = [part.strip() for part in values.split("…")]
    return " … ".join(f"{float(part):.3g}" if re.fullmatch(_NUMBER, part) else part for part in parts)


_NUMBER = r"[+-]?\d{1,20}(\.\d{0,20})?(e[+-]?\d{1,3})?"


def _signs(text: str) -> str:
    """Return numbers with a minus that is one, and powers of ten as such."""
    text = re.sub(r"(\d)e([+-])0*(\d+)", lambda m: f"{m[1]}·10^{m[2].strip('+')}{m[3]}", text)
    text = words(text.replace("-", "−"))
    return re.sub(r"\^(−?\d+)", r"<sup>\1</sup>", text)


def _unit(text: str) -> str:
    """Return a unit as it is written in print: "Ω·cm", "µF/cm²"."""
    return words(written(text))


def population_table(model: Model, shapes: Mapping[str, tuple[Morphology, ...]]) -> str:
    """Return a table of what the network consists of."""
    rows = []
    for layout in model.structure.layouts:
        cvs = sum(g.lanes * len(g.cvs) for g in layout.groups)
        kinds = len(shapes.get(layout.name, ()))
        branches = sorted({len(g.cvs.branch_parent) for g in layout.groups})
        spread = (
            "–"
            if not branches
            else f"{branches[0]}"
            if len(branches) == 1
            else f"{branches[0]} to {branches[-1]}"
        )
        rows.append(
            [words(layout.name or "the cell"), f"{layout.size:,}", f"{cvs:,}", spread, str(max(1, kinds))]
        )
    return table(("population", "cells", "control volumes", "branches per cell", "shapes"), rows)
