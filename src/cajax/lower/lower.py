"""Lowering: from recipes (what is painted where) to a `Model` (arrays and indices)."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..base.distributions import MEASURED, Along, Each
from ..base.errors import ParameterError, RegionError, unknown
from ..mech import Channel, Ion, ParamSpec, PointNeuron, Reversal, reading
from ..model.fields import FieldPlan, Source
from ..model.model import Model
from ..model.structure import Group, Layout, Mechanism, Structure
from ..morph import DEFAULT_LABELS, CVs, Morphology, PerBranch, Region, discretize, region
from ..recipe.paints import PROPERTIES, Decor
from ..recipe.populations import Population
from ..recipe.projections import Projection
from ..solve import Tree
from .places import Parameters, Places, each_checked, template_of
from .projections import connect


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
        if not population.shapes:
            layouts.append(Layout(population.name, (), {}, population.size))
            continue
        labels = {**DEFAULT_LABELS, **population.decor.labels}
        groups, first = [], 0
        for morph, lanes in zip(population.shapes, population.counts, strict=True):
            cvs = _discretize(morph, labels, population.decor, policy)
            groups.append(Group(start, lanes, first, cvs))
            start += lanes * len(cvs.branch)
            first += lanes
        layouts.append(Layout(population.name, tuple(groups), labels))
    return tuple(layouts)


def _coverage(places: Places, paints: Sequence[Any]) -> tuple[np.ndarray, list[tuple[Any, np.ndarray]]]:
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


def _mechanisms(low: Parameters, places: Places, decor: Decor) -> list[Mechanism]:
    found = []
    names = list(dict.fromkeys(p.name for p in decor.paints if p.name not in PROPERTIES))
    for name in sorted(names):
        paints = [p for p in decor.paints if p.name == name]
        covered, visible = _coverage(places, paints)
        last = visible[-1][0].value
        cls = type(last)
        if any(type(p.value) is not cls for p, _ in visible):
            kinds = ", ".join(sorted({type(p.value).__name__ for p, _ in visible}))
            raise ParameterError(
                f"'{name}' is painted as {kinds}; one name is one mechanism, use different names"
            )
        if isinstance(last, PointNeuron) and len(np.unique(places.units["cell"][covered])) < len(covered):
            raise ParameterError(
                f"'{name}' is a point neuron, but its cell has several control volumes; give it one:"
                " Cell(cylinder(…)).discretize(PerBranch(1))"
            )
        fields = {}
        for spec in cls.specs():
            sources = tuple(
                low.source(
                    f"{places.layout.prefix}{p.label}.{name}.{spec.name}",
                    each_checked(cls.__name__, spec, getattr(p.value, spec.name)),
                    spec, where, places.only(covered),
                )
                for p, where in visible
            )  # fmt: skip
            fields[spec.name] = FieldPlan(len(covered), sources)
        outline = last.outline() if isinstance(last, Channel) else None
        species = (last.species or name) if isinstance(last, Ion) else ""
        index = places.start + covered
        found.append(
            Mechanism(places.layout.prefix + name, template_of(last), index, fields, outline, species)
        )
    return found


def _check_ions(layout: Layout, found: Sequence[Mechanism], warm: bool) -> None:
    """Raise unless every ion that a channel reads is painted where it reads it, and only once."""
    ions = [m for m in found if isinstance(m.template, Ion)]
    provided: dict[str, list[np.ndarray]] = {}
    for m in ions:
        m.template.charge(m.species)  # pyright: ignore[reportAttributeAccessIssue]
        for other in provided.setdefault(m.species, []):
            if np.intersect1d(other, m.index).size:
                raise ParameterError(
                    f"the ion '{m.species}' is painted twice at the same place; paint it under one name"
                )
        provided[m.species].append(m.index)
    who = f"in population '{layout.name}'" if layout.name else "in this cell"
    for m in found:
        if m.outline is None:
            continue
        for name in (*m.outline.gates_read, *m.outline.current_reads):
            species, kind = reading(name) or ("", "")
            if not species:
                _need_temperature(warm, f"'{m.name}' reads celsius")
                continue
            places = provided.get(species, [])
            missing = np.setdiff1d(m.index, np.concatenate(places)) if places else m.index
            if missing.size:
                cure = "Reversal(e=…)" if kind == "e" else "Fixed(ci=…, co=…) or Pool()"
                raise ParameterError(
                    f"'{m.name}' reads {name}, but {who} nobody provides the ion '{species}' at {missing.size} of its"
                    f" {len(m.index)} CVs; paint {species}={cure} there"
                )
            for ion in (i for i in ions if i.species == species):
                _need_reading(ion, kind, name, m.name, warm)


def _need_reading(ion: Mechanism, kind: str, name: str, reader: str, warm: bool) -> None:
    template: Any = ion.template
    if kind == "e" and not isinstance(template, Reversal):
        _need_temperature(warm, f"'{reader}' reads {name}, a Nernst potential")
    known = {"e": 0.0, "i": template.inside(**template.start()), "o": template.outside(**template.start())}
    if known[kind] is None:
        raise ParameterError(
            f"'{reader}' reads {name}, but {type(template).__name__} '{ion.name}' has no concentrations; paint"
            f" {ion.species}=Fixed(ci=…, co=…) or Pool()"
        )


def _need_temperature(warm: bool, why: str) -> None:
    if not warm:
        raise ParameterError(f"{why}: give the cell a temperature, Cell(…, temperature=37.0)")


def _lengths(places: Sequence[Places], populations: Sequence[Population]) -> np.ndarray:
    """Return what a painted length is compared with at every CV: its own, or its branch's unless CVs were painted."""
    found = []
    for at, population in zip(places, populations, strict=True):
        own = at.values("length")
        branch = np.unique(at.units["branch"], return_inverse=True)[1]
        whole = np.bincount(branch, own)[branch]
        for paint in (p for p in population.decor.paints if p.name == "length"):
            per_cv = isinstance(paint.value, Along) or (
                isinstance(paint.value, Each) and paint.value.place == "cv"
            )
            mask = at.mask(paint.label)
            own = np.where(mask, at.values("length") if per_cv else whole, own)
        found.append(own)
    return np.concatenate(found)


def _measured(value: Any, at: Places, measured: Any) -> Any:
    """Return `each(place, "measured")` with the mean of what the morphology has at each place; others pass."""
    if not (isinstance(value, Each) and isinstance(value.x, str) and value.x == MEASURED):
        return value
    owner = np.unique(at.units[value.place], return_inverse=True)[1]
    return Each(value.place, np.bincount(owner, measured) / np.bincount(owner))


def _properties(
    low: Parameters, all_places: Sequence[Places], populations: Sequence[Population]
) -> dict[str, FieldPlan]:
    plans: dict[str, FieldPlan] = {}
    size = sum(p.size for p in all_places)
    measured = {"radius": np.concatenate([p.values("radius") for p in all_places])}
    measured["length"] = _lengths(all_places, populations)
    for name, prop in PROPERTIES.items():
        sources: list[Source] = []
        for places, population in zip(all_places, populations, strict=True):
            paints = [p for p in population.decor.paints if p.name == name]
            if not paints:
                continue
            covered, visible = _coverage(places, paints)
            for paint, where in visible:
                path = f"{places.layout.prefix}{paint.label}.{name}"
                at, own = places.only(covered[where]), measured.get(name)
                source = low.source(
                    path,
                    _measured(paint.value, at, None if own is None else own[places.start + covered[where]]),
                    ParamSpec(name, None, prop.unit, prop.lo, None),
                    where,
                    places.only(covered),
                )
                sources.append(dataclasses.replace(source, where=places.start + covered[where]))
        filled = sum(len(s.where) for s in sources)
        if prop.measured and filled:
            plans[name] = FieldPlan(size, tuple(sources), measured[name])
        elif filled == size:
            plans[name] = FieldPlan(size, tuple(sources))
        elif filled:
            raise ParameterError(
                f"'{name}' is painted on {filled} of {size} CVs; give every cell a value for it"
            )
    return plans


def lower(populations: Sequence[Population], projections: Sequence[Projection], policy: Any) -> Model:
    """Return the model of these populations and projections, discretized by `policy`."""
    if not hasattr(policy, "counts") or isinstance(policy, type):
        raise ParameterError(
            f"{policy!r} is not a discretization; use PerBranch(n), MaxLength(um) or DLambda(f)"
        )
    layouts = _layouts(populations, policy)
    low = Parameters()
    populations = [p for p in populations if p.shapes]
    all_places = [Places(layout) for layout in layouts if not layout.virtual]
    if not all_places:
        raise ParameterError("this network has spike sources only; add a population of cells")
    mechanisms: list[Mechanism] = []
    for places, population in zip(all_places, populations, strict=True):
        found = _mechanisms(low, places, population.decor)
        warm = any(p.name == "temperature" for p in population.decor.paints)
        _check_ions(places.layout, found, warm)
        mechanisms += found
    properties = _properties(low, all_places, populations)
    by_name = {layout.name: layout for layout in layouts}
    for projection in projections:
        for name in (projection.pre, projection.post):
            if name not in by_name:
                raise unknown("population", name, by_name)
    connections = tuple(connect(low, by_name, mechanisms, p) for p in projections)
    groups = [g for layout in layouts for g in layout.groups]
    forest = tuple(Tree(g.cvs.node_parent, g.cvs.node_cv, g.lanes) for g in groups)

    def spread(name: str) -> np.ndarray:
        return np.concatenate([np.repeat(getattr(g.cvs, name), g.lanes) for g in groups])

    def owner(name: str) -> np.ndarray:
        return np.concatenate([g.flat(np.maximum(getattr(g.cvs, name), 0)).T.ravel() for g in groups])

    structure = Structure(
        size=sum(p.size for p in all_places), layouts=layouts, forest=forest,
        mechanisms=tuple(m for m in mechanisms if m.outline is not None),
        ions=tuple(m for m in mechanisms if m.outline is None),
        properties=properties, connections=connections, cv_child=owner("cv_child"), cv_parent=owner("cv_parent"),
        radius=spread("radius"), length=_lengths(all_places, populations), specs=low.specs,
    )  # fmt: skip
    return Model(
        low.params,
        *(jnp.asarray(spread(name), dtype=float) for name in ("area", "res_child", "res_parent")),
        structure=structure,
    )
