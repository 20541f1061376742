"""The structure of a model: everything discrete about it, hashed by content."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.digest import Static
from ..base.errors import ProtocolError, unknown
from ..mech import (
    Channel,
    EventSynapse,
    GapJunction,
    Ion,
    Outline,
    ParamSpec,
    Plasticity,
    Surrogate,
    Synapse,
)
from ..morph import DEFAULT_LABELS, CVs, Location, Region, as_location, center
from ..solve import Tree
from .fields import FieldPlan, Source


@dataclass(frozen=True, eq=False)
class Mechanism:
    """A channel or an ion (`template` without its values) on the CVs `index` (sorted) of one population.

    A channel has an `outline`, an ion a `species`.
    """

    name: str
    template: Channel | Ion
    index: np.ndarray
    fields: Mapping[str, FieldPlan]
    outline: Outline | None = None
    species: str = ""


THRESHOLD = -20.0
"""Where a spike is detected (mV) unless the projection or a point neuron says otherwise."""


@dataclass(frozen=True, eq=False)
class Events:
    """What an event projection has beside its synapse: paths of `delay` and `threshold`, and how spikes are kept.

    `source`: the presynaptic population; `virtual`: it has no membrane. `slots`: how many spikes of one cell may be in
    flight. `per_edge`: the synapse's states belong to edges, not to presynaptic cells. `plasticity` with its `fields`
    has the postsynaptic cells' CVs `soma` [cell] and `cell` [site] of every site. `spiker` and `post_spiker` name the
    point neurons that say when the cells of a side spike, "" where the voltage does.
    """

    source: str
    virtual: bool
    delay: str
    threshold: str
    surrogate: Surrogate | None
    slots: int
    per_edge: bool
    plasticity: Plasticity | None
    fields: Mapping[str, str]
    soma: np.ndarray
    spiker: str
    post_spiker: str
    cell: np.ndarray


@dataclass(frozen=True, eq=False)
class Connections:
    """A projection after lowering: presynaptic CVs `[pre]`, postsynaptic CVs `[site]`, and the edges between them.

    `edges` is None when every presynaptic cell reaches every site (weights are then a matrix `[pre, site]`);
    otherwise `[edge, 2]` of (pre, site), sorted by site; `order` says which weight each has. `events` is None for
    graded synapses and gap junctions. Spike sources have no CVs: `pre` then numbers them.
    """

    name: str
    template: Synapse | EventSynapse | GapJunction
    fields: Mapping[str, str]
    weight: str
    weight_shape: tuple[int, ...]
    order: np.ndarray | None
    pre: np.ndarray
    post: np.ndarray
    edges: np.ndarray | None
    events: Events | None = None


@dataclass(frozen=True, eq=False)
class Group:
    """`lanes` equal cells, interleaved: the CV `c` of lane `k` is number `start + c * lanes + k` of the whole model."""

    start: int
    lanes: int
    first_cell: int
    cvs: CVs

    def flat(self, cv: np.ndarray) -> np.ndarray:
        """Return the model's CV numbers `[lane, len(cv)]` of the cell's CVs `cv`."""
        return self.start + np.asarray(cv)[None, :] * self.lanes + np.arange(self.lanes)[:, None]


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the cells of one population lie in the model, and what its regions are called.

    A population of spike sources has `virtual` of them and no cells.
    """

    name: str
    groups: tuple[Group, ...]
    labels: Mapping[str, Region]
    virtual: int = 0

    @property
    def size(self) -> int:
        return self.virtual or sum(g.lanes for g in self.groups)

    @property
    def prefix(self) -> str:
        return f"{self.name}." if self.name else ""

    def sites(self, location: Location) -> np.ndarray:
        """Return the CV numbers `[cell, site]` of a location, or `[site]` where cells differ in how many they have."""
        if self.virtual:
            raise ProtocolError(f"population '{self.name}' consists of spike sources; they have no membrane")
        rows = [group.flat(location.resolve(group.cvs, self.labels)) for group in self.groups]
        if len({row.shape[1] for row in rows}) == 1:
            return np.concatenate(rows)
        return np.concatenate([row.ravel() for row in rows])


@dataclass(frozen=True, eq=False)
class Structure(Static):
    """Everything discrete about a model: layout, coverage, connectivity. Hashed by content."""

    size: int
    layouts: tuple[Layout, ...]
    forest: tuple[Tree, ...]
    mechanisms: tuple[Mechanism, ...]
    ions: tuple[Mechanism, ...]
    properties: Mapping[str, FieldPlan]
    connections: tuple[Connections, ...]
    cv_child: np.ndarray
    cv_parent: np.ndarray
    radius: np.ndarray
    length: np.ndarray
    specs: Mapping[str, ParamSpec]

    def layout(self, name: str) -> Layout:
        for layout in self.layouts:
            if layout.name == name:
                return layout
        raise unknown("population", name, [layout.name for layout in self.layouts])

    @property
    def is_cell(self) -> bool:
        return len(self.layouts) == 1 and self.layouts[0].name == ""

    def sites(self, at: Any) -> np.ndarray:
        """Return the CV numbers of `at`: `[]` for one place in a lone cell, else `[site]`, `[cell]` or `[cell, site]`.

        `at` is a label, a `Region` or a `Location`; in a network "population", "population.label" or a pair
        (population, location). Raises `UnknownNameError` for names that do not exist.
        """
        name, place = self._split(at)
        layout = self.layout(name)
        if isinstance(place, str) and place not in layout.labels:
            raise unknown(
                "region", place, layout.labels, where=f"population '{name}'" if name else "the cell"
            )
        location = as_location(place)
        sites = layout.sites(location)
        if sites.ndim == 2 and location.single:
            sites = sites[:, 0]
        if self.is_cell:
            sites = sites[0]
        return sites

    def _split(self, at: Any) -> tuple[str, Any]:
        if self.is_cell:
            return "", at
        if isinstance(at, tuple) and len(at) == 2:
            return at
        if not isinstance(at, str):
            raise ProtocolError(
                f"in a network a place names its population: write ('{self.layouts[0].name}', {at})"
            )
        name, _, label = at.partition(".")
        return name, label or soma_of(self.layout(name))

    def without_surrogates(self) -> "Structure":
        """Return the structure whose spikes let gradients pass through their times only."""
        connections = tuple(
            c
            if c.events is None
            else dataclasses.replace(c, events=dataclasses.replace(c.events, surrogate=None))
            for c in self.connections
        )
        return dataclasses.replace(self, connections=connections)

    def replace_source(self, path: str, place: str) -> "Structure":
        def plan(fp: FieldPlan) -> FieldPlan:
            sources = tuple(dataclasses.replace(s, place=place) if s.path == path else s for s in fp.sources)
            return FieldPlan(fp.size, sources, fp.base)

        def planned(mechanisms: tuple[Mechanism, ...]) -> tuple[Mechanism, ...]:
            return tuple(
                dataclasses.replace(m, fields={k: plan(v) for k, v in m.fields.items()}) for m in mechanisms
            )

        return dataclasses.replace(
            self,
            mechanisms=planned(self.mechanisms),
            ions=planned(self.ions),
            properties={k: plan(v) for k, v in self.properties.items()},
        )

    def source(self, path: str) -> Source | None:
        mechanisms = (*self.mechanisms, *self.ions)
        plans = [p for m in mechanisms for p in m.fields.values()] + list(self.properties.values())
        return next((s for p in plans for s in p.sources if path in s.paths), None)


def soma_of(layout: Layout) -> Location:
    """Return the place that stands for a whole cell: the soma's centre, or the whole cell's when it has no soma."""
    has_soma = all((group.cvs.tag == "soma").any() for group in layout.groups)
    return center(DEFAULT_LABELS["soma"] if has_soma else DEFAULT_LABELS["all"])
