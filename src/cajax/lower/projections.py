"""Lowering of projections: which control volumes they join, and where each weight, delay and parameter goes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..base import units
from ..base.distributions import EDGE, Along, Each
from ..base.errors import ParameterError, RegionError
from ..mech import EventSynapse, GapJunction, ParamSpec, PointNeuron, check_value
from ..model.structure import THRESHOLD, Connections, Events, Layout, Mechanism, soma_of
from ..recipe.projections import Projection
from .places import Parameters, template_of

_SHORTEST_INTERVAL = 1.0  # ms between spikes of one cell, for the room that spikes in flight are given

_DELAY = ParamSpec("delay", 1.0, "ms", 0.0, None)
_THRESHOLD = ParamSpec("threshold", THRESHOLD, "mV", None, None)


def connect(
    low: Parameters, layouts: Mapping[str, Layout], mechanisms: Sequence[Mechanism], projection: Projection
) -> Connections:
    """Return one projection, its parameters added to `low`; raises where its shapes do not fit the populations."""
    pre_layout, post_layout = layouts[projection.pre], layouts[projection.post]
    pre = _sources(pre_layout, projection)
    post = post_layout.sites(projection.at)
    if post.ndim == 1:
        raise RegionError(
            f"projection '{projection.path}': the cells of '{projection.post}' have different numbers of sites"
        )
    per_cell = post.shape[1]
    pairs = projection.rule.pairs(len(pre), len(post), per_cell)
    shape = (len(pre), len(post)) if pairs is None else (len(pairs),)
    if per_cell > 1 and (pairs is None or pairs.shape[1] == 2):
        shape = (*shape, per_cell)
    path = f"{projection.path}.weight"
    low.add(path, _weight(projection.weight, shape, path), ParamSpec("weight", None, "uS", 0.0, None))
    fields, edgewise = _fields(low, projection.path, projection.synapse, shape, projection)
    events = None
    if isinstance(projection.synapse, EventSynapse):
        events = _events(low, projection, pre_layout, post_layout, mechanisms, shape, edgewise, per_cell)
    one_by_one = isinstance(projection.synapse, GapJunction) or (
        events is not None and (events.per_edge or events.plasticity is not None)
    )
    if pairs is None and one_by_one:
        pairs = np.indices((len(pre), len(post))).reshape(2, -1).T
    edges = order = None
    if pairs is not None:
        ends = _ends(pairs, per_cell)
        order = np.argsort(ends[:, 1], kind="stable")
        edges = ends[order]
    return Connections(
        projection.path,
        template_of(projection.synapse),
        fields,
        path,
        shape,
        order,
        pre,
        post.ravel(),
        edges,
        events,
    )


def _ends(pairs: np.ndarray, per_cell: int) -> np.ndarray:
    """Return (pre, site) of every edge, from pairs of cells (joined at all sites) or triples that name the site."""
    sites = pairs[:, 2:] if pairs.shape[1] == 3 else np.arange(per_cell)[None, :]
    site = pairs[:, 1:2] * per_cell + sites
    return np.stack([np.repeat(pairs[:, 0], site.shape[1]), site.ravel()], axis=1)


def _sources(layout: Layout, projection: Projection) -> np.ndarray:
    """Return the CVs `[pre]` that a projection comes from, or the numbers of its spike sources."""
    if layout.virtual:
        if not isinstance(projection.synapse, EventSynapse):
            raise ParameterError(
                f"projection '{projection.path}': spike sources have no voltage; connect a synapse such as ExpSyn()"
            )
        return np.arange(layout.virtual)
    at = layout.sites(soma_of(layout) if projection.source is None else projection.source)
    if at.ndim == 1 or at.shape[1] != 1:
        raise RegionError(
            f"projection '{projection.path}': source must be one place on every cell, such as 'axon' or center('axon')"
        )
    return at[:, 0]


def _edge_values(value: Any, unit: str, shape: tuple[int, ...], path: str) -> np.ndarray:
    """Return one number, or one per edge, from a value of a projection."""
    per_edge = isinstance(value, Each)
    if per_edge and value.place != EDGE:
        raise ParameterError(f"'{path}' cannot vary by {value.place}; write each('edge', …)")
    if isinstance(value, Along):
        raise ParameterError(f"'{path}' cannot be graded; write one number or each('edge', …)")
    found = np.asarray(units.value(value.x if per_edge else value, unit, path), float)
    if per_edge and found.ndim == 0:
        found = np.broadcast_to(found, shape)
    if found.shape not in ((), shape):
        raise ParameterError(f"'{path}' must be one number or of shape {shape}, not {found.shape}")
    return found


def _weight(value: Any, shape: tuple[int, ...], path: str) -> np.ndarray:
    weight = _edge_values(value, "uS", shape, path)
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ParameterError(
            f"'{path}' must be finite and not negative (a conductance in uS); for inhibition connect a second synapse"
            " with a lower reversal potential"
        )
    return weight


def _fields(
    low: Parameters, path: str, mechanism: Any, shape: tuple[int, ...], projection: Projection
) -> tuple[dict[str, str], bool]:
    """Add a mechanism's parameters; return their paths, and whether any differs from edge to edge."""
    fields, edgewise = {}, False
    for spec in type(mechanism).specs():
        fields[spec.name] = f"{path}.{spec.name}"
        value = getattr(mechanism, spec.name)
        if not isinstance(projection.synapse, EventSynapse) and (
            isinstance(value, Each | Along) or np.ndim(value)
        ):
            raise ParameterError(
                f"'{fields[spec.name]}' must be one number: the synapses of a projection share it"
            )
        found = _edge_values(value, spec.unit, shape, fields[spec.name])
        check_value(type(mechanism).__name__, spec, found)
        edgewise |= found.ndim > 0
        low.add(fields[spec.name], found, spec)
    return fields, edgewise


def _events(
    low: Parameters,
    projection: Projection,
    pre: Layout,
    post: Layout,
    mechanisms: Sequence[Mechanism],
    shape: tuple[int, ...],
    edgewise: bool,
    per_cell: int,
) -> Events:
    delay_path, threshold_path = f"{projection.path}.delay", f"{projection.path}.threshold"
    delay = _edge_values(1.0 if projection.delay is None else projection.delay, "ms", shape, delay_path)
    check_value(projection.path, _DELAY, delay)
    low.add(delay_path, delay, _DELAY)
    own = "" if pre.virtual else _point_neuron(pre, mechanisms)
    # A point neuron spikes where it says, unless the projection says otherwise.
    threshold = projection.threshold if projection.threshold is not None or own else THRESHOLD
    if threshold is not None and not pre.virtual:
        threshold = units.value(threshold, "mV", threshold_path)
        check_value(projection.path, _THRESHOLD, threshold)
        low.add(threshold_path, threshold, _THRESHOLD)
    room = math.ceil(float(delay.max(initial=0.0)) / _SHORTEST_INTERVAL) + 3
    if pre.virtual:
        room += 3  # sources know no refractoriness
    if projection.surrogate is not None:
        room += 6  # for the spikes that did not happen
    fields: dict[str, str] = {}
    if projection.plasticity is not None:
        name = type(projection.plasticity).__name__.lower()
        fields, plastic_edgewise = _fields(
            low, f"{projection.path}.{name}", projection.plasticity, shape, projection
        )
        if plastic_edgewise:
            raise ParameterError(f"the parameters of '{projection.path}.{name}' must be single numbers")
    return Events(
        source=projection.pre,
        virtual=bool(pre.virtual),
        delay=delay_path,
        threshold="" if pre.virtual or threshold is None else threshold_path,
        spiker=own,
        surrogate=projection.surrogate,
        slots=projection.in_flight or room,
        per_edge=edgewise or delay.ndim > 0,
        plasticity=None if projection.plasticity is None else template_of(projection.plasticity),
        fields=fields,
        soma=post.sites(soma_of(post))[:, 0],
        post_spiker=_point_neuron(post, mechanisms),
        cell=np.repeat(np.arange(post.size), per_cell),
    )


def _point_neuron(layout: Layout, mechanisms: Sequence[Mechanism]) -> str:
    """Return the name of the point neuron that a population is made of, "" for cells with a membrane."""
    mine = [
        m.name for m in mechanisms if isinstance(m.template, PointNeuron) and m.name.startswith(layout.prefix)
    ]
    return mine[0] if mine else ""
