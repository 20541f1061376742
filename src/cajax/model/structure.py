"""The structure of a model: everything discrete about it, hashed by content."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..base.digest import Static
from ..base.errors import ProtocolError, unknown
from ..base.names import on_disk
from ..mech import ParamSpec
from ..morph import as_location
from ..solve import Tree
from .fields import Field, Painted
from .inserted import (
    ChannelSites,
    EventProjection,
    GapProjection,
    GradedProjection,
    InsertedPart,
    IonSites,
    Projected,
)
from .layout import Layout


@final
@on_disk
@dataclass(frozen=True, eq=False)
class Structure(Static):
    """Everything discrete about a model: layout, coverage, connectivity.

    `cv_child`, `cv_parent` [node]: the CVs at both ends of every axial resistance. `radius`, `length` [cv] µm: what a
    painted radius or length is measured against. `specs`: path → what the parameter is.
    """

    size: int
    layouts: tuple[Layout, ...]
    forest: tuple[Tree, ...]
    channels: tuple[ChannelSites, ...]
    ions: tuple[IonSites, ...]
    properties: Mapping[str, Field]
    graded: tuple[GradedProjection, ...]
    events: tuple[EventProjection, ...]
    gaps: tuple[GapProjection, ...]
    parts: tuple[InsertedPart, ...]
    cv_child: np.ndarray
    cv_parent: np.ndarray
    radius: np.ndarray
    length: np.ndarray
    specs: Mapping[str, ParamSpec]

    @property
    def projections(self) -> tuple[Projected, ...]:
        """All projections, in the order in which they were connected."""
        return tuple(sorted((*self.graded, *self.events, *self.gaps), key=lambda p: p.wires.number))

    def layout(self, name: str) -> Layout:
        """Return the layout of a population; raises `UnknownNameError` where there is none of that name."""
        for layout in self.layouts:
            if layout.name == name:
                return layout
        raise unknown("population", name, [layout.name for layout in self.layouts])

    @property
    def is_cell(self) -> bool:
        """Whether this is a lone cell."""
        return len(self.layouts) == 1 and self.layouts[0].name == ""

    def located(self, at: Any) -> tuple[str, Any]:
        """Split `at` into (population, location); see `sites` for its forms."""
        if self.is_cell:
            return "", at
        if isinstance(at, tuple) and len(at) == 2:
            return at
        if not isinstance(at, str):
            raise ProtocolError(
                f"in a network a place names its population: write ('{self.layouts[0].name}', {at})"
            )
        name, _, label = at.partition(".")
        return name, label or self.layout(name).soma

    def sites(self, at: Any) -> np.ndarray:
        """Return the CV numbers of `at`: `[]` for one site of a lone cell, else `[site]`, `[cell]` or `[cell, site]`.

        `at` is a label, a `Region` or a `Location`; in a network "population", "population.label" or a pair
        (population, location). Raises `UnknownNameError` for names that do not exist.
        """
        name, where = self.located(at)
        layout = self.layout(name)
        if isinstance(where, str) and where not in layout.labels:
            raise unknown(
                "region", where, layout.labels, where=f"population '{name}'" if name else "the cell"
            )
        location = as_location(where)
        sites = layout.sites(location)
        if sites.ndim == 2 and location.single:
            sites = sites[:, 0]
        if self.is_cell:
            sites = sites[0]
        return sites

    def describe(self, cv: int) -> str:
        """Say in words where the model's CV number `cv` is."""
        for layout in self.layouts:
            for group in layout.groups:
                if group.start <= cv < group.stop:
                    c, lane = divmod(cv - group.start, group.lanes)
                    cell = f"'{layout.name}' cell {group.first_cell + lane}, " if layout.name else ""
                    return (
                        f"{cell}branch {group.cvs.branch[c]} ({group.cvs.tag[c]}), x = {group.cvs.x[c]:.3g}"
                    )
        return f"CV {cv}"

    def without_surrogates(self) -> "Structure":
        """Return the structure whose spikes let gradients pass through their times only."""
        events = tuple(dataclasses.replace(p, surrogate=None) for p in self.events)
        return dataclasses.replace(self, events=events)

    def rescoped(self, path: str, scope: str) -> "Structure":
        """Return the structure in which the painted value at `path` varies by `scope`."""

        def field(x: Field) -> Field:
            painted = tuple(dataclasses.replace(p, scope=scope) if p.path == path else p for p in x.painted)
            return Field(x.size, painted, x.base)

        def fields(x: Mapping[str, Field]) -> dict[str, Field]:
            return {k: field(v) for k, v in x.items()}

        return dataclasses.replace(
            self,
            channels=tuple(dataclasses.replace(m, fields=fields(m.fields)) for m in self.channels),
            ions=tuple(dataclasses.replace(m, fields=fields(m.fields)) for m in self.ions),
            properties=fields(self.properties),
        )

    def painted(self, path: str) -> Painted | None:
        """Return the painted value that has its parameter, or one of its coefficients, at `path`; None elsewhere."""
        fields = [f for m in (*self.channels, *self.ions) for f in m.fields.values()]
        every = (p for f in (*fields, *self.properties.values()) for p in f.painted)
        return next((p for p in every if path in p.paths), None)
