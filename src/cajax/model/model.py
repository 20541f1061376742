"""The model: a frozen pytree of arrays (the parameters) around a static, hashable structure (everything discrete)."""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..base import units
from ..base.distributions import PLACES
from ..base.errors import ParameterError, ProtocolError, unknown
from ..base.types import Array, Float
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
    check_value,
)
from ..morph import DEFAULT_LABELS, CVs, Location, Region, as_location, center
from ..solve import Tree


def _feed(hasher: Any, x: Any) -> None:
    """Hash nested data by content; functions and classes by identity, since their content cannot be compared."""
    if isinstance(x, np.ndarray):
        hasher.update(f"{x.dtype}{x.shape}".encode())
        hasher.update(
            np.ascontiguousarray(x).view(np.uint8).data if x.dtype.kind != "U" else str(x.tolist()).encode()
        )
    elif dataclasses.is_dataclass(x) and not isinstance(x, type):
        hasher.update(f"{type(x).__qualname__}@{id(type(x))}".encode())
        for field in dataclasses.fields(x):
            _feed(hasher, getattr(x, field.name))
    elif isinstance(x, Mapping):
        for key in sorted(x):
            hasher.update(str(key).encode())
            _feed(hasher, x[key])
    elif isinstance(x, tuple | list):
        hasher.update(f"({len(x)}".encode())
        for item in x:
            _feed(hasher, item)
    elif callable(x):
        hasher.update(f"{getattr(x, '__module__', '')}.{getattr(x, '__qualname__', '')}@{id(x)}".encode())
    else:
        hasher.update(f"{type(x).__name__}:{x!r};".encode())


class Static:
    """Base of structures compared and hashed by content, so that equal models share compiled code."""

    @cached_property
    def digest(self) -> str:
        hasher = hashlib.sha256()
        _feed(hasher, self)
        return hasher.hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        # Identities, and so the digest, hold within one process only.
        return {k: v for k, v in self.__dict__.items() if k != "digest"}

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.digest == other.digest  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(frozen=True, eq=False)
class Source:
    """One painted value and the entries of its field that it fills.

    `place` is "shared" (one scalar), one of `PLACES`, or "along" (a function of a measure).
    `where` are the entries filled; `units[place]` numbers, per entry, the cell, branch or CV it belongs to.
    """

    path: str
    place: str
    where: np.ndarray
    units: Mapping[str, np.ndarray]
    measure: np.ndarray | None = None
    fn: Any = None
    coefficients: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(f"{self.path}.{c}" for c in self.coefficients) or (self.path,)

    def width(self, place: str) -> int:
        return int(self.units[place].max()) + 1

    def values(self, params: Mapping[str, Array]) -> tuple[Array, np.ndarray]:
        """Return the distinct values `[value]` and, per entry of `where`, which of them applies."""
        if self.place == "along":
            coefficients = {c: params[p] for c, p in zip(self.coefficients, self.paths, strict=True)}
            values = jnp.asarray(self.fn(jnp.asarray(self.measure), **coefficients))
            return jnp.broadcast_to(values, (len(self.where),)), np.arange(len(self.where))
        value = params[self.path]
        if self.place == "shared":
            return value[None], np.zeros(len(self.where), int)
        return value, self.units[self.place]


@dataclass(frozen=True, eq=False)
class FieldPlan:
    """How one field of a mechanism is put together from its sources: a scalar, or an array `[size]`.

    `base` [size] holds where no source does; without it the sources fill every entry.
    """

    size: int
    sources: tuple[Source, ...]
    base: np.ndarray | None = None

    def assemble(self, params: Mapping[str, Array]) -> Float[Array, "..."]:
        if len(self.sources) == 1 and self.sources[0].place == "shared" and self.base is None:
            return params[self.sources[0].path]
        index = np.zeros(self.size, int)
        parts, start = [], 0
        if self.base is not None:
            index = np.arange(self.size)
            parts, start = [jnp.asarray(self.base, params[self.sources[0].paths[0]].dtype)], self.size
        for source in self.sources:
            values, which = source.values(params)
            index[source.where] = start + which
            parts.append(values)
            start += values.shape[0]
        joined = jnp.concatenate(parts)
        return joined if np.array_equal(index, np.arange(start)) else joined[index]


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


class Model(eqx.Module):
    """A lowered cell or network: arrays only, so `jax.jit`, `jax.grad` and `jax.vmap` take it as it is.

    `params`: path → value, a scalar where one value is shared, else `[cell]`, `[branch]`, `[cv]` or `[edge…]`.
    `area` [cv] µm²; `res_child`, `res_parent` [node] 1/µm: geometric part of the axial resistance to the parent node.
    """

    params: dict[str, Float[Array, "..."]]
    area: Float[Array, "cv"]
    res_child: Float[Array, "node"]
    res_parent: Float[Array, "node"]
    structure: Structure = eqx.field(static=True)

    @property
    def units(self) -> Mapping[str, str]:
        """Path → unit."""
        return {path: spec.unit for path, spec in self.structure.specs.items()}

    @property
    def cvs(self) -> CVs:
        """The table of control volumes of a lone cell; for a network see `model.structure.layouts`."""
        if not self.structure.is_cell:
            raise ProtocolError(
                "a network has a table of CVs per shape: model.structure.layouts[i].groups[j].cvs"
            )
        return self.structure.layouts[0].groups[0].cvs

    def replace(self, params: Mapping[str, Any]) -> "Model":
        """Return this model with some parameters changed.

        Raises for unknown paths, shapes that do not fit and, where values are known, values out of range.
        """
        new = {}
        for path, value in params.items():
            if path not in self.params:
                raise unknown("parameter", path, self.params)
            spec = self.structure.specs[path]
            value = units.value(value, spec.unit, path)
            if jnp.shape(value) != self.params[path].shape:
                raise ParameterError(
                    f"parameter '{path}' has shape {self.params[path].shape}, not {jnp.shape(value)}"
                )
            check_value(path.rpartition(".")[0], spec, value)
            new[path] = jnp.asarray(value, self.params[path].dtype)
        return Model({**self.params, **new}, self.area, self.res_child, self.res_parent, self.structure)

    def widened(self, path: str, place: str) -> "Model":
        """Return this model with the shared value at `path` given to every "cell", "branch" or "cv" separately."""
        if path not in self.params:
            raise unknown("parameter", path, self.params)
        source = self.structure.source(path)
        if place not in PLACES:
            raise unknown("place", place, PLACES)
        if source is None or source.place == "along":
            raise ParameterError(
                f"parameter '{path}' cannot vary by {place}; it belongs to a projection or is graded"
            )
        if source.place == place:
            return self
        if source.place != "shared":
            raise ParameterError(
                f"parameter '{path}' already varies by {source.place}; paint it with each('{place}', …)"
            )
        wide = jnp.broadcast_to(self.params[path], (source.width(place),))
        structure = self.structure.replace_source(path, place)
        return Model({**self.params, path: wide}, self.area, self.res_child, self.res_parent, structure)

    def __repr__(self) -> str:
        s = self.structure
        cells = sum(layout.size for layout in s.layouts)
        values = sum(int(np.prod(np.shape(v))) for v in self.params.values())
        names = sorted({m.name.rsplit(".", 1)[-1] for m in (*s.mechanisms, *s.ions)})
        return f"Model({cells} cells, {s.size} CVs, {values} parameters, mechanisms {', '.join(names) or 'none'})"


def require_model(model: Any, caller: str) -> None:
    """Raise `ParameterError` unless `model` is a `Model`; `caller` names the function that needs one."""
    if not isinstance(model, Model):
        raise ParameterError(
            f"{caller} needs a Model, not {type(model).__name__}; call .discretize(…) on the recipe first"
        )
