"""NetCons and pointers as projections: who is connected to whom, by which synapse, with which weight and delay."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...base.errors import ParameterError
from ...mech import EventSynapse, GapJunction
from ...network import Network, edges
from .densities import shared
from .gaps import Gap
from .known import Known
from .places import Places, Site, Sites
from .report import Report
from .sources import Sources
from .trees import points, unused

_NEVER = 1e6
"""A threshold (mV) that no voltage reaches."""
_SOON = 1.0
"""The delay (ms) of connections on which nothing comes."""


@final
@dataclass(frozen=True)
class Edge:
    """One connection: from cell `pre` of a population to `post`; the `point` process there, `weight` µS, `delay` ms."""

    pre: int
    post: Site
    point: Any
    weight: float
    delay: float


@final
@dataclass(frozen=True)
class Route:
    """What the edges of a projection have in common.

    `source`: where the presynaptic cells are looked at, None for sources of spikes; `threshold` mV of spikes.
    """

    pre: str
    source: Site | None
    post: str
    kind: str
    threshold: float | None

    def options(self) -> dict[str, Any]:
        """Return how a network is told of it."""
        found: dict[str, Any] = {}
        if self.source is not None:
            found["source"] = self.source.at
        if self.threshold is not None:
            found["threshold"] = self.threshold
        return found


@final
class Wiring:
    """All projections of a model while they are gathered."""

    def __init__(self, h: Any, places: Places, sources: Sources, report: Report):
        self._h, self._places, self._sources, self._report = h, places, sources, report
        self._edges: dict[Route, list[Edge]] = {}
        self._known: dict[str, Known] = {}
        self._received: dict[str, int] = {}
        self._artificial = points(h)

    @property
    def is_empty(self) -> bool:
        """Whether there are no connections."""
        return not self._edges

    def add_events(
        self, known: Mapping[str, Known], shown: Mapping[str, Any], left_out: Sequence[str]
    ) -> None:
        """Gather all NetCons.

        `known` are the synapses by the name of the point process; `shown` the segments that their pointers show, which
        must be those that events come from.
        """
        for link in self._h.List("NetCon"):
            point = link.syn()
            name = "" if point is None else _kind(point)
            if point is None or not link.active() or name in left_out:
                continue
            if name not in known:
                what = "an artificial cell" if self._artificial.get(name) else "read as no event synapse"
                raise ParameterError(
                    f"{link.hname()} sends events to {point.hname()}, which is {what}; take it out, or call"
                    f" from_neuron(without=['{name}'])"
                )
            self._known[name] = known[name]
            self._received[point.hname()] = self._received.get(point.hname(), 0) + 1
            self._event(link, point, name, shown.get(point.hname()))

    def _event(self, link: Any, point: Any, name: str, shown: Any) -> None:
        """Gather one NetCon: from its source, and from events that were queued on it."""
        post, delay = self._site(point.get_segment(), name), float(link.delay)
        if self._h.t == 0.0 and any(link.weight[k] != 0.0 for k in range(1, int(link.wcnt()))):
            self._report.approximate(
                f"{link.hname()}: weights behind the first begin at what NET_RECEIVE says, or at 0"
            )
        by_hand, seg = self._sources.by_hand(link, delay), link.preseg()
        found: list[tuple[str, int, Site | None, float | None]] = []
        if by_hand:
            found.append((*by_hand, None, None))
        if seg is not None:
            source = self._site(seg, "NetCon")
            found.append((source.population, source.cell, _anywhere(source), float(link.threshold)))
        elif link.pre() is not None:
            cell = self._spiking(link)
            found += [(*cell, None, None)] if cell else []
        elif link.srcgid() >= 0:
            raise ParameterError(
                f"{link.hname()} listens to gid {int(link.srcgid())}, whose cell is not in this process; take over the"
                " model where all cells are in one"
            )
        elif not by_hand:
            self._report.overlook(
                f"{link.hname()} has no source: events that will be queued on it; after finitialize and event() they"
                " are taken over"
            )
        if shown is not None and (seg is None or self._places.site(seg) != self._places.site(shown)):
            raise ParameterError(
                f"{link.hname()} comes from elsewhere than what the POINTER of {point.hname()} shows; a synapse here"
                " has one presynaptic place"
            )
        for pre, number, source, threshold in found:
            route = Route(pre, source, post.population, name, threshold)
            edge = Edge(number, post, point, float(link.weight[0]), delay)
            self._edges.setdefault(route, []).append(edge)

    def add_alone(self, name: str, known: Known, points: Sequence[Any], shown: Mapping[str, Any]) -> None:
        """Gather synapses without a NetCon: connected to no spikes, where a current flows all the same."""
        silent = [p for p in points if p.hname() not in self._received]
        template = known.template
        if not silent:
            return
        if not (isinstance(template, EventSynapse) and template.takes_weight()):
            self._report.took(f"{name}: {len(silent)} without a NetCon, in which nothing flows, are left out")
            return
        self._known[name] = known
        for point in silent:
            post, seg = self._site(point.get_segment(), name), shown.get(point.hname())
            if seg is None:
                pre, number = self._sources.silent()
                route = Route(pre, None, post.population, name, None)
            else:
                source = self._site(seg, name)
                number = source.cell
                route = Route(source.population, _anywhere(source), post.population, name, _NEVER)
            self._edges.setdefault(route, []).append(Edge(number, post, point, 0.0, _SOON))

    def _spiking(self, link: Any) -> tuple[str, int] | None:
        """Return where the artificial cell is that a NetCon comes from, None where it is left out."""
        cell = link.pre()
        if not self._artificial.get(_kind(cell)):
            raise ParameterError(
                f"{link.hname()} watches a variable of {cell.hname()}, which is not taken over; connect it to a voltage"
            )
        return self._sources.of_cell(cell)

    def _site(self, seg: Any, who: str) -> Site:
        if self._places.is_at_a_joint(seg):
            self._report.approximate(f"{who} at {seg}, a node without membrane: at the segment beside it")
        return self._places.site(seg)

    def add_graded(self, name: str, found: Known, pairs: Iterable[tuple[Any, Any]]) -> None:
        """Gather synapses that follow a voltage: (point process, the segment that its pointer shows)."""
        for point, seg in pairs:
            post, source = self._site(point.get_segment(), name), self._site(seg, name)
            # Their parameters are one for a projection.
            values = tuple(float(x([point])[0]) for x in found.values.values())
            own = Route(source.population, _anywhere(source), post.population, f"{name} {values}", None)
            self._known[own.kind] = found
            self._edges.setdefault(own, []).append(Edge(source.cell, post, point, float(point.gmax), 0.0))

    def add_gaps(self, gaps: Sequence[Gap]) -> None:
        """Gather gap junctions."""
        for gap in gaps:
            a, b = (self._site(seg, gap.name) for seg in gap.ends)
            route = Route(a.population, _anywhere(a), b.population, f"{gap.name} junction", None)
            self._edges.setdefault(route, []).append(Edge(a.cell, b, None, gap.conductance, 0.0))

    def connect(self, net: Network) -> Network:
        """Return the network with all projections."""
        for route, found in self._edges.items():
            net = self._projection(net, route, found)
        return net

    def _projection(self, net: Network, route: Route, found: Sequence[Edge]) -> Network:
        cvs = sorted({e.post.cv for e in found})
        triples = [(e.pre, e.post.cell, cvs.index(e.post.cv)) for e in found]
        name = unused(
            route.kind.split(" ")[0].removeprefix("cx_").lower(),
            {p.name for p in net.projections if (p.pre, p.post) == (route.pre, route.post)},
        )
        weight = shared([e.weight for e in found], "edge")
        options = {"rule": edges(np.array(triples)), "at": Sites(tuple(cvs)), "weight": weight, "name": name}
        known = self._known.get(route.kind)
        path = f"'{route.pre}->{route.post}.{name}'"
        if known is None:
            self._report.approximate(
                f"{path}: {len(found)} gap junctions by pointer are solved with the cable here; NEURON takes the other"
                " side's voltage of the step before"
            )
            return net.connect(route.pre, route.post, GapJunction(), **options, **route.options())
        points = [e.point for e in found]
        synapse = known.made(points, lambda x: shared(x, "edge"))
        if isinstance(synapse, EventSynapse):
            options["delay"] = shared([e.delay for e in found], "edge")
        self._note(known, found, path)
        return net.connect(route.pre, route.post, synapse, **options, **route.options())

    def _note(self, known: Known, found: Sequence[Edge], path: str) -> None:
        """Say what was connected, and what of it is not NEURON's."""
        kind = type(known.template).__name__
        self._report.took(f"{path}: {len(found)} connections to {len({str(e.point) for e in found})} {kind}")
        alone = all(self._received.get(e.point.hname(), 1) == 1 for e in found)
        template = known.template
        by_weight = isinstance(template, EventSynapse) and template.takes_weight()
        if not alone and by_weight:
            self._report.approximate(
                f"{path}: {kind} is not in proportion to the weight, so connections to one {known.name} have states of"
                " their own here and share them in NEURON"
            )
        for line in known.approximated:
            if not (alone and "those to one synapse share it" in line):
                self._report.approximate(line)


def _kind(point: Any) -> str:
    """Return the type of a point process or an artificial cell."""
    return str(point.hname().split("[")[0])


def _anywhere(site: Site) -> Site:
    """Return the place in a cell, whichever cell it is."""
    return Site(site.population, 0, site.cv, site.branch, site.x)
