"""Lowering: from recipes (what is painted where) to a `Model` (arrays and indices)."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..base.checks import shown
from ..base.distributions import Distribution
from ..base.errors import ParameterError, unknown
from ..base.limits import affordable
from ..model.ions import check_ions, check_synapses
from ..model.layout import Group, Layout, cv_ends, spread
from ..model.model import Model
from ..model.structure import Structure
from ..morph import DEFAULT_LABELS, CVs, Morphology, PerBranch, Policy, Region, discretize, region
from ..recipe.paints import Decor
from ..recipe.populations import Population
from ..recipe.projections import Projection
from ..solve import Tree
from .painted import inserted, lengths, properties
from .parameters import Parameters
from .projections import connect
from .territory import Territory

MOST_CVS = 100_000_000
"""The most control volumes of a network, and the most sources of spikes."""


def lower(populations: Sequence[Population], projections: Sequence[Projection], policy: Any) -> Model:
    """Return the model of these populations and projections, discretized by `policy`."""
    if not isinstance(policy, Policy) or isinstance(policy, type):
        raise ParameterError(
            f"{shown(policy)} is not a discretization; use PerBranch(n), MaxLength(um) or DLambda(f)"
        )
    layouts = _layouts(populations, policy)
    low = Parameters()
    populations = [p for p in populations if p.shapes]
    grounds = [Territory(layout) for layout in layouts if not layout.virtual]
    if not grounds:
        raise ParameterError("this network has spike sources only; add a population of cells")
    channels, ions = [], []
    for ground, population in zip(grounds, populations, strict=True):
        mine, own = inserted(low, ground, population.decor)
        warm = any(p.name == "temperature" for p in population.decor.paints)
        check_ions(ground.layout, mine, own, warm)
        channels, ions = channels + mine, ions + own
    fields = properties(low, grounds, populations)
    by_name = {layout.name: layout for layout in layouts}
    for projection in projections:
        for name in (projection.pre, projection.post):
            if name not in by_name:
                raise unknown("population", name, by_name)
    joined = connect(low, by_name, channels, projections)
    for ground in grounds:
        name = ground.layout.name
        onto = [p for p in joined["events"] if p.wires.post_population == name]
        mine = [ion for ion in ions if ion.population == name]
        check_synapses(ground.layout, onto, mine, "temperature" in fields)
    groups = [g for layout in layouts for g in layout.groups]
    structure = Structure(
        size=sum(ground.size for ground in grounds), layouts=layouts, forest=_forest(groups),
        channels=tuple(channels), ions=tuple(ions), properties=fields, **joined,
        parts=(), cv_child=cv_ends(groups, "cv_child"), cv_parent=cv_ends(groups, "cv_parent"),
        radius=spread(groups, "radius"), length=lengths(grounds, populations), specs=low.specs,
    )  # fmt: skip
    geometry = (jnp.asarray(spread(groups, x), dtype=float) for x in ("area", "res_child", "res_parent"))
    return Model(low.params, *geometry, structure=structure)


def _forest(groups: Sequence[Group]) -> tuple[Tree, ...]:
    return tuple(Tree(g.cvs.node_parent, g.cvs.node_cv, g.lanes) for g in groups)


def _layouts(populations: Sequence[Population], policy: Policy) -> tuple[Layout, ...]:
    layouts, start = [], 0
    for population in populations:
        if not population.shapes:
            layouts.append(Layout(population.name, (), {}, population.size))
            continue
        labels = {**DEFAULT_LABELS, **population.decor.labels}
        groups, first = [], 0
        for morph, lanes in zip(population.shapes, population.counts, strict=True):
            cvs = _discretize(morph, labels, population.decor, policy)
            who = f"population '{population.name}' of {population.size:,} cells"
            affordable(who, start + lanes * len(cvs), "CVs", MOST_CVS, "take fewer cells, or longer CVs")
            groups.append(Group(start, lanes, first, cvs))
            start += lanes * len(cvs)
            first += lanes
        layouts.append(Layout(population.name, tuple(groups), labels))
    return tuple(layouts)


def _discretize(morph: Morphology, labels: Mapping[str, Region], decor: Decor, policy: Policy) -> CVs:
    from_branches = discretize(morph, PerBranch(1), 100.0, 1.0)
    ra = _property_per_branch(morph, from_branches, labels, decor, "ra")
    cm = _property_per_branch(morph, from_branches, labels, decor, "cm")
    return discretize(morph, policy, np.nan_to_num(ra, nan=100.0), np.nan_to_num(cm, nan=1.0))


def _property_per_branch(
    morph: Morphology, cvs: CVs, labels: Mapping[str, Region], decor: Decor, name: str
) -> np.ndarray:
    """Return a painted property per branch, as the discretization policy needs it before the CVs are known."""
    out = np.full(len(morph.parent), np.nan)
    for paint in decor.paints:
        if paint.name == name and not isinstance(paint.value, Distribution):
            out[cvs.branch[region(paint.label).mask(cvs, labels)]] = paint.value
    return out
