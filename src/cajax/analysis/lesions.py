"""Lesions: parts of a trained model silenced or cut off, one at a time, and the figure that is left."""

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..base.errors import ParameterError, unknown
from ..jobs.job import Batch, Job, Stage
from ..jobs.learn import measured
from ..model.layout import Group, Layout
from ..model.model import Model
from ..train.free import matching as matched

CUT = 1e12
"""The factor on the axial resistance where a branch is cut off: its conductance ends far below rounding."""


def matching(globs: Iterable[str], model: Model) -> tuple[str, ...]:
    """Return the paths of the parameters that any of `globs` means, as in `Free`."""
    found: dict[str, None] = {}
    for glob in globs:
        paths = matched(glob, model.params)
        if not paths:
            raise unknown("parameter", glob, model.params)
        found |= dict.fromkeys(paths)
    return tuple(found)


def silenced(model: Model, globs: Iterable[str]) -> Model:
    """Return the model with conductances and weights set to zero, or to the least that their range allows.

    Raises `ParameterError` for a parameter that is no conductance.
    """
    values = {}
    for path in matching(globs, model):
        spec = model.structure.specs[path]
        if spec.unit not in ("S/cm2", "uS"):
            raise ParameterError(
                f"'{path}' (in {spec.unit}) cannot be silenced; lesions name conductances (S/cm2) and weights (uS)"
            )
        values[path] = jnp.full_like(model.params[path], spec.lo or 0.0)
    return model.replace(values)


def cut_off(model: Model, population: str, branches: Iterable[int] | str) -> Model:
    """Return the model with `branches` (numbers, or a kind such as "basal") cut off every cell of a population.

    The axial resistance between a branch and its parent is made `CUT` times as large. The branch and all that lies
    beyond it keep their channels and synapses, but nothing that happens there reaches the soma, and they no longer load
    it. Cells without such a branch stay whole. `population` is "" for a lone cell.
    """
    factor = np.ones(len(model.res_child))
    first = 0
    for layout in model.structure.layouts:
        for group in layout.groups:
            cvs, lanes = group.cvs, group.lanes
            if layout.name == population:
                kinds = _dendrites(group)
                own = [
                    b for b in kinds if (kinds[b] == branches if isinstance(branches, str) else b in branches)
                ]
                nodes = np.flatnonzero(np.isin(cvs.node_cv, cvs.offsets[own]))
                factor[(first + nodes[:, None] * lanes + np.arange(lanes)).ravel()] = CUT
            first += len(cvs.node_cv) * lanes
    res = model.res_child * jnp.asarray(factor, model.res_child.dtype)
    return Model(model.params, model.area, res, model.res_parent, model.structure)


def _dendrites(group: Group) -> dict[int, str]:
    """Return the kind of every branch that can be cut off: all but the root and what else is soma."""
    cvs = group.cvs
    kinds = {b: str(cvs.tag[cvs.offsets[b]]) for b, parent in enumerate(cvs.branch_parent) if parent >= 0}
    return {b: kind for b, kind in kinds.items() if kind != "soma"}


def lesions(
    job: Job[Any], after: Model, stage: Stage, batch: Batch, most_branches: int = 24
) -> dict[str, float]:
    """Return the headline figure with parts of the network silenced, one at a time.

    First "intact", then every lesion of `job.lesions`, every projection by its name, and every dendrite, cut off with
    `cut_off`: by kind ("hidden: all basal") and by number in all cells at once ("hidden: branch 3 (basal)"). Cells of
    more than `most_branches` branches are cut by kind only.
    """
    structure = after.structure
    found = {"intact": measured(job, after, stage, batch)}
    globs = dict(job.lesions)
    electrical = {p.wires.path for p in structure.gaps}
    for projection in structure.projections:
        wires = projection.wires
        globs[wires.path + (" (electrical)" if wires.path in electrical else "")] = (wires.weight,)
    for name, which in globs.items():
        found[name] = measured(job, silenced(after, which), stage, batch)
    for layout in structure.layouts:
        for name, branches in dendrites(layout, most_branches).items():
            found[name] = measured(job, cut_off(after, layout.name, branches), stage, batch)
    return found


def dendrites(layout: Layout, most_branches: int = 24) -> dict[str, tuple[int, ...] | str]:
    """Return what can be cut off a population's cells, as `cut_off` takes it, by name: kinds, then single branches."""
    kinds: dict[int, set[str]] = {}
    for group in layout.groups:
        for b, kind in _dendrites(group).items():
            kinds.setdefault(b, set()).add(kind)
    who = f"{layout.name}: " if layout.name else ""
    singles = {f"{who}branch {b} ({' or '.join(sorted(kinds[b]))})": (b,) for b in sorted(kinds)}
    every = sorted(set().union(*kinds.values()))
    found: dict[str, tuple[int, ...] | str] = {f"{who}all {kind}": kind for kind in every}
    if len(singles) == len(every):  # one of each kind
        return {**singles}
    return found | singles if len(singles) <= most_branches else found
