"""Lowering of projections: which control volumes they join, and where each weight, delay and parameter goes."""

import math
from collections.abc import Mapping, Sequence, Set
from typing import Any, final

import numpy as np

from ..base.checks import number, reals
from ..base.distributions import EDGE, Distribution, Each
from ..base.errors import ParameterError, RegionError
from ..base.limits import affordable
from ..mech import EventSynapse, GapJunction, Mechanism, Synapse, check_value
from ..mech.events import V_PRE
from ..model.inserted import (
    THRESHOLD,
    ChannelSites,
    Detector,
    EventProjection,
    GapProjection,
    GradedProjection,
    Plastic,
    Wires,
)
from ..model.layout import Layout
from ..model.wired import DELAY, SPIKE, WEIGHT
from ..recipe.projections import Projection
from .parameters import Parameters

_SHORTEST_INTERVAL = 1.0  # ms between spikes of one cell, for the room that spikes in flight are given

MOST_EDGES = 500_000_000
"""The most pairs that a rule looks at, and the most places for spikes on their way."""


def connect(
    low: Parameters,
    layouts: Mapping[str, Layout],
    channels: Sequence[ChannelSites],
    projections: Sequence[Projection],
) -> dict[str, tuple[Any, ...]]:
    """Return the projections by kind ("graded", "events", "gaps"), their parameters added to `low`.

    Raises `ParameterError` and `RegionError` where shapes do not fit the populations.
    """
    points = {m.population for m in channels if m.template.is_point}
    kinds: dict[str, list[Any]] = {"graded": [], "events": [], "gaps": []}
    for k, projection in enumerate(projections):
        lowering = _Lowering(low, projection, layouts[projection.pre], layouts[projection.post], points)
        match projection.synapse:
            case Synapse():
                kinds["graded"].append(lowering.graded(k, projection.synapse))
            case EventSynapse():
                kinds["events"].append(lowering.events(k, projection.synapse))
            case GapJunction():
                kinds["gaps"].append(lowering.gaps(k, projection.synapse))
    return {kind: tuple(found) for kind, found in kinds.items()}


@final
class _Lowering:
    """One projection on its way to edges and paths.

    Its weights have the shape of its rule: `[pre, post]` where every pair is connected, else `[edge]`, with one axis
    more, `[…, site]`, where every cell has several sites and the rule does not choose among them. The sites of all
    postsynaptic cells are numbered cell by cell: site s of cell p is number p · per_cell + s.
    """

    def __init__(self, low: Parameters, projection: Projection, pre: Layout, post: Layout, points: Set[str]):
        self.low, self.projection, self.pre_layout, self.post_layout = low, projection, pre, post
        self.points = points
        self.path = projection.path
        self.pre = self._presynaptic()
        self.post = self._postsynaptic()
        self.per_cell = self.post.shape[1]
        self.within = projection.pre == projection.post
        sites = len(self.pre) * self.post.size
        if projection.rule.name in ("all_to_all", "bernoulli"):
            who = f"projection '{self.path}' by {projection.rule.name}()"
            affordable(
                who,
                sites,
                "pairs of cell and site",
                MOST_EDGES,
                "name pairs by edges(), or take fewer cells",
            )
        self.mutual = isinstance(projection.synapse, GapJunction) and self._meets_itself()
        sizes = len(self.pre), len(self.post)
        self.pairs = projection.rule.pairs(*sizes, self.per_cell, self.within, self.mutual)
        # Within a population all_to_all keeps the matrix of weights, of which the diagonal is not used.
        self.by_matrix = self.pairs is None or (projection.rule.name == "all_to_all" and not self.mutual)
        shape = sizes if self.pairs is None or self.by_matrix else (len(self.pairs),)
        chosen = self.pairs is not None and self.pairs.shape[1] == 3
        self.shape = (*shape, self.per_cell) if self.per_cell > 1 and not chosen else shape
        self._check_pairs()

    def graded(self, number: int, synapse: Synapse) -> GradedProjection:
        """Return the projection of a graded synapse, whose parameters its edges share."""
        self._require_membrane()
        self._add_weight()
        fields = self._shared_fields(self.path, synapse)
        return GradedProjection(self._wires(number, self.pairs), synapse.plain(), fields)

    def gaps(self, number: int, synapse: GapJunction) -> GapProjection:
        """Return the projection of electrical synapses, edge by edge."""
        self._require_membrane()
        self._add_weight()
        fields = self._shared_fields(self.path, synapse)
        return GapProjection(self._wires(number, self._every_pair()), synapse.plain(), fields)

    def events(self, number: int, synapse: EventSynapse) -> EventProjection:
        """Return the projection of an event synapse; it goes edge by edge where anything differs from edge to edge."""
        if V_PRE in synapse.readings():
            self._require_membrane()
        self._add_weight()
        fields, edgewise = self._fields(self.path, synapse)
        projection, delay_path = self.projection, f"{self.path}.delay"
        delay = _edge_values(
            1.0 if projection.delay is None else projection.delay, "ms", self.shape, delay_path
        )
        check_value(self.path, DELAY, delay)
        self.low.add(delay_path, delay, DELAY)
        pre = None if self.pre_layout.virtual else self._detector(self.pre, self.pre_layout)
        plastic = self._plastic()
        per_edge = edgewise or delay.ndim > 0 or synapse.reads_voltage() or synapse.takes_weight()
        pairs = self._every_pair() if per_edge or plastic is not None else self.pairs
        return EventProjection(
            self._wires(number, pairs), synapse.plain(), fields, delay_path, pre, projection.surrogate,
            self._slots(delay), per_edge, plastic,
        )  # fmt: skip

    def _presynaptic(self) -> np.ndarray:
        """Return the CVs `[pre]` that the projection comes from, or the numbers of its spike sources."""
        layout, projection = self.pre_layout, self.projection
        if layout.virtual:
            return np.arange(layout.virtual)
        at = layout.sites(layout.soma if projection.source is None else projection.source)
        if at.ndim == 1 or at.shape[1] != 1:
            raise RegionError(
                f"projection '{self.path}': source must be one place on every cell, such as 'axon' or center('axon')"
            )
        return at[:, 0]

    def _require_membrane(self) -> None:
        if self.pre_layout.virtual:
            raise ParameterError(
                f"projection '{self.path}': spike sources have no voltage; connect a synapse such as ExpSyn()"
            )

    def _postsynaptic(self) -> np.ndarray:
        """Return the CVs `[cell, site]` that the projection goes to."""
        sites = self.post_layout.sites(self.projection.at)
        if sites.ndim == 1:
            raise RegionError(
                f"projection '{self.path}': the cells of '{self.projection.post}' have different numbers of sites"
            )
        return sites

    def _meets_itself(self) -> bool:
        """Whether the projection ends where it begins: at the same control volumes of the same population."""
        same = self.within and bool((self.post == self.pre[:, None]).any())
        if same and self.per_cell > 1 and self.projection.rule.name != "edges":
            raise ParameterError(
                f"projection '{self.path}': one of its sites is the source itself, where pairs would be joined twice;"
                " say which pairs by edges() of (pre, post, site)"
            )
        return same

    def _check_pairs(self) -> None:
        """Raise `ParameterError` where the rule joins nobody, or a gap junction a place to itself or a pair twice."""
        rule = self.projection.rule
        if self.pairs is not None and rule.name == "all_to_all" and not len(self.pairs):
            raise ParameterError(
                f"projection '{self.path}' joins nobody: '{self.projection.pre}' has one cell; write"
                " all_to_all(autapses=True) to connect it to itself"
            )
        if not self.mutual or self.pairs is None:
            return
        known: set[tuple[int, ...]] = set()
        for pre, post, *site in self.pairs.tolist():
            if site and self.post[pre, site[0]] != self.pre[pre]:
                continue
            if pre == post or (post, pre) in known:
                wrong = (
                    f"cell {pre} to itself" if pre == post else f"cells {post} and {pre} in both directions"
                )
                raise ParameterError(
                    f"projection '{self.path}' joins {wrong}; a gap junction conducts both ways: give each pair"
                    " of cells once"
                )
            known.add((pre, post))

    def _every_pair(self) -> np.ndarray:
        if self.pairs is not None:
            return self.pairs
        return np.indices((len(self.pre), len(self.post))).reshape(2, -1).T

    def _wires(self, number: int, pairs: np.ndarray | None) -> Wires:
        edges = order = None
        if pairs is not None:
            ends = self._ends(pairs)
            order = np.argsort(ends[:, 1], kind="stable")
            edges = ends[order]
            if self.by_matrix:
                order = edges[:, 0] * self.post.size + edges[:, 1]
        p = self.projection
        return Wires(p.pre, p.post, p.name, self.pre, self.post.ravel(), edges, order, self.shape, number)

    def _ends(self, pairs: np.ndarray) -> np.ndarray:
        """Return (pre, site) of every edge, from pairs of cells (joined at all sites) or triples that name the site."""
        sites = pairs[:, 2:] if pairs.shape[1] == 3 else np.arange(self.per_cell)[None, :]
        site = pairs[:, 1:2] * self.per_cell + sites
        return np.stack([np.repeat(pairs[:, 0], site.shape[1]), site.ravel()], axis=1)

    def _add_weight(self) -> None:
        path = f"{self.path}.weight"
        weight = _edge_values(self.projection.weight, "uS", self.shape, path)
        if (weight < 0).any():
            raise ParameterError(
                f"'{path}' must be finite and not negative (a conductance in uS); for inhibition connect a second"
                " synapse with a lower reversal potential"
            )
        self.low.add(path, weight, WEIGHT)

    def _fields(self, path: str, mechanism: Mechanism) -> tuple[dict[str, str], bool]:
        """Add a mechanism's parameters; return their paths, and whether any differs from edge to edge."""
        fields, edgewise = {}, False
        for spec in mechanism.specs():
            fields[spec.name] = f"{path}.{spec.name}"
            value = _edge_values(getattr(mechanism, spec.name), spec.unit, self.shape, fields[spec.name])
            check_value(type(mechanism).__name__, spec, value)
            edgewise |= value.ndim > 0
            self.low.add(fields[spec.name], value, spec)
        return fields, edgewise

    def _shared_fields(self, path: str, mechanism: Mechanism) -> dict[str, str]:
        for name, value in mechanism.params().items():
            if isinstance(value, Distribution) or np.ndim(value):
                raise ParameterError(
                    f"'{path}.{name}' must be one number: the synapses of a projection share it"
                )
        return self._fields(path, mechanism)[0]

    def _detector(self, cvs: np.ndarray, layout: Layout) -> Detector:
        """Return what lets the presynaptic cells spike: a point neuron says it itself, unless the projection does."""
        threshold, path = self.projection.threshold, f"{self.path}.threshold"
        if threshold is None and layout.name in self.points:
            return Detector(cvs)
        threshold = number(THRESHOLD if threshold is None else threshold, "mV", f"'{path}'")
        self.low.add(path, threshold, SPIKE)
        return Detector(cvs, threshold=path)

    def _slots(self, delay: np.ndarray) -> int:
        """Return how many spikes of one cell are kept on their way at once: `in_flight`, or as many as there may be."""
        if self.projection.in_flight is not None:
            asked = self.projection.in_flight * len(self.pre)
            who = f"in_flight = {self.projection.in_flight} of '{self.path}'"
            affordable(who, asked, "places for spikes on their way", MOST_EDGES, "choose a smaller in_flight")
            return self.projection.in_flight
        longest = float(delay.max(initial=0.0))
        who, cure = f"a delay of {longest:g} ms of '{self.path}'", "give shorter delays, or in_flight=…"
        affordable(who, longest * len(self.pre), "places for spikes on their way", MOST_EDGES, cure)
        room = math.ceil(longest / _SHORTEST_INTERVAL) + 3
        if self.pre_layout.virtual:
            room += 3  # sources know no refractoriness
        if self.projection.surrogate is not None:
            room += 6  # for the spikes that did not happen
        return room

    def _plastic(self) -> Plastic | None:
        rule, post = self.projection.plasticity, self.post_layout
        if rule is None:
            return None
        path = f"{self.path}.{type(rule).__name__.lower()}"
        fields, edgewise = self._fields(path, rule)
        if edgewise:
            raise ParameterError(f"the parameters of '{path}' must be single numbers")
        detector = Detector(post.sites(post.soma)[:, 0])
        return Plastic(rule.plain(), fields, detector, np.repeat(np.arange(post.size), self.per_cell))


def _edge_values(value: Any, unit: str, shape: tuple[int, ...], path: str) -> np.ndarray:
    """Return one number, or one per edge, from a value of a projection."""
    per_edge = isinstance(value, Each)
    if per_edge and value.scope != EDGE:
        raise ParameterError(f"'{path}' cannot vary by {value.scope}; write each('edge', …)")
    if isinstance(value, Distribution) and not per_edge:
        raise ParameterError(f"'{path}' cannot be graded; write one number or each('edge', …)")
    values = np.asarray(reals(value.x if per_edge else value, unit, f"'{path}'"), float)
    if per_edge and values.ndim == 0:
        values = np.broadcast_to(values, shape)
    if values.shape not in ((), shape):
        raise ParameterError(f"'{path}' must be one number or of shape {shape}, not {values.shape}")
    return values
