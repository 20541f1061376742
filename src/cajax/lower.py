"""Lowering: from recipes (what is painted where) to a `Model` (arrays and indices)."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import units
from ._errors import ParameterError, RegionError, unknown
from ._types import Array
from .distributions import EDGE, Along, Each
from .mech import ParamSpec, check_value
from .model import Connections, FieldPlan, Group, Layout, Mechanism, Model, Source, Structure, soma_of
from .morph import DEFAULT_LABELS, CVs, Measure, Morphology, PerBranch, Region, discretize, region
from .recipe import PROPERTIES, Decor, Population, Projection
from .solve import Tree


class _Lowering:
    """The parameters, units and sources gathered while walking the recipes."""

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.specs: dict[str, ParamSpec] = {}

    def add(self, path: str, value: Any, spec: ParamSpec) -> None:
        self.params[path] = jnp.asarray(value, dtype=float)
        self.specs[path] = spec

    def source(self, path: str, value: Any, spec: ParamSpec, where: np.ndarray, place: "_Places") -> Source:
        """Register one painted value and return the source that fills the entries `where`."""
        owners = {k: np.unique(v[where], return_inverse=True)[1] for k, v in place.units.items()}
        if isinstance(value, Along):
            measure = _graded(path, value, place)[where]
            for name, coefficient in value.coefficients.items():
                number = units.value(coefficient, "1", f"{path}.{name}")
                self.add(f"{path}.{name}", number, ParamSpec(name, None, "1", None, None))
            return Source(path, "along", where, owners, measure, value.fn, tuple(value.coefficients))
        if isinstance(value, Each):
            if value.place not in owners:
                raise unknown("place", value.place, owners, f"parameter '{path}'")
            source = Source(path, value.place, where, owners)
            width = source.width(value.place)
            if np.shape(value.x) not in ((), (width,)):
                raise ParameterError(
                    f"parameter '{path}': each('{value.place}', …) needs one value or {width}, not {np.shape(value.x)}"
                )
            self.add(path, np.broadcast_to(value.x, (width,)), spec)
            return source
        if np.ndim(value) != 0:
            raise ParameterError(
                f"parameter '{path}' was given an array of shape {np.shape(value)}; write each('cv', values)"
            )
        self.add(path, value, spec)
        return Source(path, "shared", where, owners)


class _Places:
    """CVs of one population in model order: who owns each, and its measures."""

    def __init__(self, layout: Layout, index: np.ndarray | None = None):
        self.layout = layout
        self.start = layout.groups[0].start
        cells = np.concatenate(
            [np.tile(g.first_cell + np.arange(g.lanes), len(g.cvs.branch)) for g in layout.groups]
        )
        branches = self._spread(lambda cvs: cvs.branch)
        self._index = np.arange(len(cells)) if index is None else index
        units = {
            "cell": cells,
            "branch": cells * (branches.max() + 1) + branches,
            "cv": np.arange(len(cells)),
        }
        self.units = {k: v[self._index] for k, v in units.items()}

    def _spread(self, of: Callable[[CVs], np.ndarray]) -> np.ndarray:
        return np.concatenate([np.repeat(of(g.cvs), g.lanes) for g in self.layout.groups])

    @property
    def size(self) -> int:
        return len(self._index)

    def only(self, index: np.ndarray) -> "_Places":
        return _Places(self.layout, self._index[index])

    def mask(self, label: str) -> np.ndarray:
        return self._spread(lambda cvs: region(label).mask(cvs, self.layout.labels))[self._index]

    def measure(self, measure: Any) -> np.ndarray:
        return self._spread(measure.values)[self._index]


def _graded(path: str, value: Along, places: _Places) -> np.ndarray:
    """Return the measure of a graded parameter at `places`; raises `ParameterError` where its function does not fit."""
    if not isinstance(value.measure, Measure):
        raise ParameterError(
            f"parameter '{path}': along() needs a measure such as path_distance(), not {value.measure!r}"
        )
    measure = places.measure(value.measure)
    numbers = [units.value(x, "1", f"{path}.{name}") for name, x in value.coefficients.items()]
    try:
        out = jax.eval_shape(
            value.fn, jnp.asarray(measure), **dict(zip(value.coefficients, numbers, strict=True))
        )
    except TypeError as error:
        reason = str(error).splitlines()[0]
        raise ParameterError(f"parameter '{path}': the function of along() fails: {reason}") from None
    if np.shape(out) not in ((), measure.shape):
        raise ParameterError(
            f"parameter '{path}': along()'s function returns shape {np.shape(out)} for a measure of {measure.shape}"
        )
    return measure


def _each_checked(owner: str, spec: ParamSpec, value: Any) -> Any:
    """Convert and check the values inside an `Each` as a mechanism does with plain ones; others pass."""
    if not isinstance(value, Each):
        return value
    x = units.value(value.x, spec.unit, f"{owner}.{spec.name}")
    check_value(owner, spec, np.asarray(x))
    return Each(value.place, x)


def _property_per_branch(
    morph: Morphology, cvs: CVs, labels: Mapping[str, Region], decor: Decor, name: str
) -> np.ndarray:
    """Return a painted property per branch, as the discretization policy needs it before the CVs are known."""
    out = np.full(len(morph.parent), np.nan)
    for paint in decor.paints:
        if paint.name == name and not isinstance(paint.value, Along | Each):
            out[cvs.branch[region(paint.label).mask(cvs, labels)]] = paint.value
    return out


def _discretize(morph: Morphology, labels: Mapping[str, Region], decor: Decor, policy: Any) -> CVs:
    from_branches = discretize(morph, PerBranch(1), 100.0, 1.0)
    ra = _property_per_branch(morph, from_branches, labels, decor, "ra")
    cm = _property_per_branch(morph, from_branches, labels, decor, "cm")
    return discretize(morph, policy, np.nan_to_num(ra, nan=100.0), np.nan_to_num(cm, nan=1.0))


def _layouts(populations: Sequence[Population], policy: Any) -> tuple[Layout, ...]:
    layouts, start = [], 0
    for population in populations:
        labels = {**DEFAULT_LABELS, **population.decor.labels}
        groups, first = [], 0
        for morph, lanes in zip(population.shapes, population.counts, strict=True):
            cvs = _discretize(morph, labels, population.decor, policy)
            groups.append(Group(start, lanes, first, cvs))
            start += lanes * len(cvs.branch)
            first += lanes
        layouts.append(Layout(population.name, tuple(groups), labels))
    return tuple(layouts)


def _coverage(places: _Places, paints: Sequence[Any]) -> tuple[np.ndarray, list[tuple[Any, np.ndarray]]]:
    """Return the CVs covered `[m]` (numbers in the population), and which entries of it each visible paint fills."""
    owner = np.full(places.size, -1)
    for i, paint in enumerate(paints):
        mask = places.mask(paint.label)
        if not mask.any():
            raise RegionError(
                f"region '{paint.label}' is empty: nothing to paint '{paint.name}' on in this morphology"
            )
        owner[mask] = i
    covered = np.flatnonzero(owner >= 0)
    return covered, [
        (p, np.flatnonzero(owner[covered] == i)) for i, p in enumerate(paints) if (owner == i).any()
    ]


def _mechanisms(low: _Lowering, places: _Places, decor: Decor) -> list[Mechanism]:
    found = []
    names = list(dict.fromkeys(p.name for p in decor.paints if p.name not in PROPERTIES))
    for name in sorted(names):
        paints = [p for p in decor.paints if p.name == name]
        cls = type(paints[-1].value)
        if any(type(p.value) is not cls for p in paints):
            kinds = ", ".join(sorted({type(p.value).__name__ for p in paints}))
            raise ParameterError(
                f"'{name}' is painted as {kinds}; one name is one mechanism, use different names"
            )
        covered, visible = _coverage(places, paints)
        fields = {}
        for spec in cls.specs():
            sources = tuple(
                low.source(
                    f"{places.layout.prefix}{p.label}.{name}.{spec.name}",
                    _each_checked(cls.__name__, spec, getattr(p.value, spec.name)),
                    spec, where, places.only(covered),
                )
                for p, where in visible
            )  # fmt: skip
            fields[spec.name] = FieldPlan(len(covered), sources)
        found.append(
            Mechanism(
                places.layout.prefix + name, _template(paints[-1].value), places.start + covered, fields
            )
        )
    return found


def _template(mechanism: Any) -> Any:
    """Return the mechanism with the default of every parameter: what stays are the choices, which are static."""
    return mechanism.with_params({spec.name: spec.default for spec in mechanism.specs()})


def _properties(
    low: _Lowering, all_places: Sequence[_Places], populations: Sequence[Population]
) -> dict[str, FieldPlan]:
    plans: dict[str, FieldPlan] = {}
    size = sum(p.size for p in all_places)
    for name, prop in PROPERTIES.items():
        sources: list[Source] = []
        for places, population in zip(all_places, populations, strict=True):
            paints = [p for p in population.decor.paints if p.name == name]
            if not paints:
                continue
            covered, visible = _coverage(places, paints)
            for paint, where in visible:
                path = f"{places.layout.prefix}{paint.label}.{name}"
                source = low.source(
                    path,
                    paint.value,
                    ParamSpec(name, None, prop.unit, prop.lo, None),
                    where,
                    places.only(covered),
                )
                sources.append(dataclasses.replace(source, where=places.start + covered[where]))
        filled = sum(len(s.where) for s in sources)
        if filled == size:
            plans[name] = FieldPlan(size, tuple(sources))
        elif filled:
            raise ParameterError(
                f"'{name}' is painted on {filled} of {size} CVs; give every cell a value for it"
            )
    return plans


def _connect(low: _Lowering, layouts: Mapping[str, Layout], projection: Projection) -> Connections:
    pre_layout, post_layout = layouts[projection.pre], layouts[projection.post]
    pre = pre_layout.sites(soma_of(pre_layout))[:, 0]
    post = post_layout.sites(projection.at)
    if post.ndim == 1:
        raise RegionError(
            f"projection '{projection.path}': the cells of '{projection.post}' have different numbers of sites"
        )
    per_cell = post.shape[1]
    pairs = projection.rule.pairs(len(pre), len(post))
    shape = (len(pre), len(post)) if pairs is None else (len(pairs),)
    if per_cell > 1:
        shape = (*shape, per_cell)
    path = f"{projection.path}.weight"
    per_edge = isinstance(projection.weight, Each)
    if per_edge and projection.weight.place != EDGE:
        raise ParameterError(f"'{path}' cannot vary by {projection.weight.place}; write each('edge', …)")
    weight = np.asarray(
        units.value(projection.weight.x if per_edge else projection.weight, "uS", path), float
    )
    if per_edge and weight.ndim == 0:
        weight = np.broadcast_to(weight, shape)
    if weight.shape not in ((), shape):
        raise ParameterError(f"'{path}' must be one number or of shape {shape}, not {weight.shape}")
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ParameterError(
            f"'{path}' must be finite and not negative (a conductance in uS); for inhibition connect a second synapse"
            " with a lower reversal potential"
        )
    low.add(path, weight, ParamSpec("weight", None, "uS", 0.0, None))
    fields = {}
    for spec in type(projection.synapse).specs():
        fields[spec.name] = f"{projection.path}.{spec.name}"
        value = getattr(projection.synapse, spec.name)
        if isinstance(value, Each | Along) or np.ndim(value) != 0:
            raise ParameterError(
                f"'{fields[spec.name]}' must be one number: the synapses of a projection share it"
            )
        low.add(fields[spec.name], value, spec)
    edges = order = None
    if pairs is not None:
        site = (pairs[:, 1:] * per_cell + np.arange(per_cell)[None, :]).ravel()
        order = np.argsort(site, kind="stable")
        edges = np.stack([np.repeat(pairs[:, 0], per_cell), site], axis=1)[order]
    return Connections(
        projection.path, _template(projection.synapse), fields, path, shape, order, pre, post.ravel(), edges,
    )  # fmt: skip


def lower(populations: Sequence[Population], projections: Sequence[Projection], policy: Any) -> Model:
    """Return the model of these populations and projections, discretized by `policy`."""
    if not hasattr(policy, "counts") or isinstance(policy, type):
        raise ParameterError(
            f"{policy!r} is not a discretization; use PerBranch(n), MaxLength(um) or DLambda(f)"
        )
    layouts = _layouts(populations, policy)
    low = _Lowering()
    all_places = [_Places(layout) for layout in layouts]
    mechanisms: list[Mechanism] = []
    for places, population in zip(all_places, populations, strict=True):
        mechanisms += _mechanisms(low, places, population.decor)
    properties = _properties(low, all_places, populations)
    by_name = {layout.name: layout for layout in layouts}
    for projection in projections:
        for name in (projection.pre, projection.post):
            if name not in by_name:
                raise unknown("population", name, by_name)
    connections = tuple(_connect(low, by_name, p) for p in projections)
    groups = [g for layout in layouts for g in layout.groups]
    forest = tuple(Tree(g.cvs.node_parent, g.cvs.node_cv, g.lanes) for g in groups)

    def spread(name: str) -> np.ndarray:
        return np.concatenate([np.repeat(getattr(g.cvs, name), g.lanes) for g in groups])

    def owner(name: str) -> np.ndarray:
        return np.concatenate([g.flat(np.maximum(getattr(g.cvs, name), 0)).T.ravel() for g in groups])

    structure = Structure(
        size=sum(p.size for p in all_places), layouts=layouts, forest=forest, mechanisms=tuple(mechanisms),
        properties=properties, connections=connections, cv_child=owner("cv_child"), cv_parent=owner("cv_parent"),
        specs=low.specs,
    )  # fmt: skip
    return Model(
        low.params,
        *(jnp.asarray(spread(name), dtype=float) for name in ("area", "res_child", "res_parent")),
        structure=structure,
    )
