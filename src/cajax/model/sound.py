"""Whether a model read from a file holds together: shapes, ranges and references, each fault named by its key.

Types and missing keys are found earlier, by `base.schema`. Indices matter most: JAX clips them in silence.
"""

import dataclasses

import numpy as np

from ..base.distributions import SCOPES, Selection
from ..base.errors import StoreError
from ..mech import ParamSpec
from ..morph import DEFAULT_LABELS
from ..recipe.paints import PROPERTIES
from ..solve import Tree
from .checks import Parameters, allowed, index, numbers, require, rising, same_keys
from .fields import ALONG, SHARED, Address, Field, Painted
from .inserted import PARTS, ChannelSites, IonSites
from .ions import check_ions, check_synapses
from .layout import Group, Layout, cv_ends, spread
from .model import Model
from .structure import Structure
from .wired import check_projections

NEEDED = ("cm", "ra", "v0")
"""Properties that every model has."""


def checked(model: Model) -> Model:
    """Return the model with units and bounds as the classes say them; `StoreError` names the key of a contradiction."""
    structure, found = model.structure, Parameters(model)
    _check_layouts(structure)
    n_nodes = len(structure.cv_child)
    for name, size in (("area", structure.size), ("res_child", n_nodes), ("res_parent", n_nodes)):
        numbers(getattr(model, name), name, (size,), least=0.0)
    require(bool((np.asarray(model.area) > 0).all()), "area", "is not positive everywhere")
    for path, value in model.params.items():
        require(value.dtype.kind == "f", f"params.{path}", f"has type {value.dtype}, not floating point")
    for kind in ("channels", "ions"):
        for k, site in enumerate(getattr(structure, kind)):
            _check_sites(site, structure, found, f"structure.{kind}[{k}]")
    _check_readings(structure)
    _check_properties(structure, found)
    check_projections(structure, found)
    taken = {*PARTS, *(layout.name for layout in structure.layouts)}
    for k, part in enumerate(structure.parts):
        key = f"structure.parts[{k}]"
        require(
            part.name.isidentifier() and part.name not in taken,
            f"{key}.name",
            f"is '{part.name}', a taken name",
        )
        taken.add(part.name)
        found.check_all(part.template, part.fields, None, key)
    found.check_rest()
    specs = {path: found.specs[path] for path in structure.specs}
    return dataclasses.replace(model, structure=dataclasses.replace(structure, specs=specs))


def _check_layouts(structure: Structure) -> None:
    names = [layout.name for layout in structure.layouts]
    require(bool(names), "structure.layouts", "is empty")
    require(len(set(names)) == len(names), "structure.layouts", "names a population twice")
    require(len(names) == 1 or "" not in names, "structure.layouts", "has a population without a name")
    start = 0
    for k, layout in enumerate(structure.layouts):
        start = _check_layout(layout, f"structure.layouts[{k}]", start)
    require(start > 0, "structure.layouts", "holds no cells")
    require(
        structure.size == start,
        "structure.size",
        f"is {structure.size}, but the populations have {start} CVs",
    )
    groups = [group for layout in structure.layouts for group in layout.groups]
    require(
        len(structure.forest) == len(groups),
        "structure.forest",
        f"has {len(structure.forest)} trees, not {len(groups)}",
    )
    for k, (tree, g) in enumerate(zip(structure.forest, groups, strict=True)):
        same = allowed(lambda g=g: Tree(g.cvs.node_parent, g.cvs.node_cv, g.lanes), f"structure.forest[{k}]")
        require(tree == same, f"structure.forest[{k}]", "is not the tree of its population")
    for name in ("cv_child", "cv_parent"):
        same = np.array_equal(getattr(structure, name), cv_ends(groups, name))
        require(same, f"structure.{name}", "does not agree with the populations")
    same = np.array_equal(structure.radius, spread(groups, "radius"))
    require(same, "structure.radius", "does not agree with the populations")
    numbers(structure.length, "structure.length", (start,), least=0.0)
    require(bool((structure.length > 0).all()), "structure.length", "is not positive everywhere")


def _check_layout(layout: Layout, key: str, start: int) -> int:
    """Check one population, whose first CV is number `start`; return the number after that of its last CV."""
    require(layout.virtual >= 0, f"{key}.virtual", f"is {layout.virtual}")
    both = bool(layout.groups) == bool(layout.virtual)
    require(not both, f"{key}.groups", "and virtual say both, or neither, what the population consists of")
    for name in DEFAULT_LABELS if layout.groups else ():
        require(name in layout.labels, f"{key}.labels.{name}", "is missing")
    cells = 0
    for k, group in enumerate(layout.groups):
        here = f"{key}.groups[{k}]"
        require(group.start == start, f"{here}.start", f"is {group.start}, not {start}")
        require(group.first_cell == cells, f"{here}.first_cell", f"is {group.first_cell}, not {cells}")
        require(group.lanes >= 1, f"{here}.lanes", f"is {group.lanes}")
        _check_cvs(group, f"{here}.cvs")
        start, cells = group.stop, cells + group.lanes
    return start


_MEASURES = ("x", "length", "area", "radius", "distance", "resist_in", "resist_out")
_POSITIVE = ("length", "area", "radius")


def _check_cvs(group: Group, key: str) -> None:
    cvs = group.cvs
    n, nodes, branches = len(cvs.branch), len(cvs.node_parent), len(cvs.branch_parent)
    require(cvs.branch.ndim == 1 and n > 0, f"{key}.branch", "is empty or not a list")
    index(cvs.branch, f"{key}.branch", (n,), 0, max(branches, 1))
    index(cvs.order, f"{key}.order", (n,), 0, branches + 1)
    index(cvs.branch_parent, f"{key}.branch_parent", (None,), -1, branches)
    index(cvs.offsets, f"{key}.offsets", (branches + 1,), 0, n + 1)
    rising(cvs.offsets, f"{key}.offsets")
    same = np.array_equal(np.repeat(np.arange(branches), np.diff(cvs.offsets)), cvs.branch)
    require(same, f"{key}.offsets", "does not agree with branch")
    require(
        bool((cvs.branch_parent < np.arange(branches)).all()), f"{key}.branch_parent", "names a later branch"
    )
    for name in _MEASURES:
        numbers(getattr(cvs, name), f"{key}.{name}", (n,), least=0.0)
        strict = name not in _POSITIVE or bool((getattr(cvs, name) > 0).all())
        require(strict, f"{key}.{name}", "is not positive everywhere")
    numbers(cvs.xyz, f"{key}.xyz", (n, 3))
    require(cvs.tag.shape == (n,) and cvs.tag.dtype.kind == "U", f"{key}.tag", "is not one word for every CV")
    for name in ("res_child", "res_parent"):
        numbers(getattr(cvs, name), f"{key}.{name}", (nodes,), least=0.0)
    for name in ("cv_child", "cv_parent"):
        index(getattr(cvs, name), f"{key}.{name}", (nodes,), -1, n)
    require(
        int(np.count_nonzero(np.asarray(cvs.node_cv) >= 0)) == n, f"{key}.node_cv", f"does not name {n} CVs"
    )


def _population(structure: Structure, name: str, key: str) -> Layout:
    layout = next((x for x in structure.layouts if x.name == name and not x.virtual), None)
    if layout is None:
        raise StoreError(f"{key} is '{name}', which is no population of cells")
    return layout


def _check_sites(site: ChannelSites | IonSites, structure: Structure, found: Parameters, key: str) -> None:
    layout = _population(structure, site.population, f"{key}.population")
    require(bool(site.name), f"{key}.name", "is empty")
    index(site.index, f"{key}.index", (None,), layout.start, layout.groups[-1].stop)
    require(len(site.index) > 0, f"{key}.index", "is empty")
    rising(site.index, f"{key}.index")
    owner = type(site.template).__name__
    same_keys(site.fields, (spec.name for spec in site.template.specs()), f"{key}.fields", owner)
    for spec in site.template.specs():
        address, here = Address(site.population, "", site.name, spec.name), f"{key}.fields.{spec.name}"
        _check_field(site.fields[spec.name], len(site.index), address, spec, found, here, measured=False)
    if isinstance(site, ChannelSites):
        outline = allowed(site.template.outline, f"{key}.template")
        require(
            site.outline == outline,
            f"{key}.outline",
            f"is not that of the class {owner} as it is defined now",
        )
    else:
        species = site.template.species or site.name
        require(site.species == species, f"{key}.species", f"is '{site.species}', not '{species}'")


def _check_field(
    field: Field, size: int, address: Address, spec: ParamSpec, found: Parameters, key: str, measured: bool
) -> None:
    require(field.size == size, f"{key}.size", f"is {field.size}, not {size}")
    require(
        (field.base is not None) == measured, f"{key}.base", "is there, or is missing, against what it is of"
    )
    if field.base is not None:
        numbers(field.base, f"{key}.base", (size,), least=0.0)
    filled = np.zeros(size, bool)
    require(bool(field.painted), f"{key}.painted", "is empty")
    for k, painted in enumerate(field.painted):
        here = f"{key}.painted[{k}]"
        where = index(painted.where, f"{here}.where", (None,), 0, size)
        rising(where, f"{here}.where")
        require(
            len(where) > 0 and not filled[where].any(), f"{here}.where", "is empty or overlaps with another"
        )
        filled[where] = True
        same = (painted.address.name, painted.address.field) == (address.name, address.field)
        require(same, f"{here}.address", f"is {painted.path}, not that of {address.name} {address.field}")
        _check_painted(painted, spec, found, here)
    require(measured or bool(filled.all()), f"{key}.painted", "leaves places without a value")


def _check_painted(painted: Painted, spec: ParamSpec, found: Parameters, key: str) -> None:
    chosen = isinstance(painted.fn, Selection)
    plain = painted.fn is None and painted.measure is None and not painted.coefficients
    require(plain or chosen, key, "is graded along a measure, which no file holds")
    scopes = (ALONG,) if chosen else (SHARED, *SCOPES)
    require(painted.scope in scopes, f"{key}.scope", f"is '{painted.scope}', not one of {', '.join(scopes)}")
    same_keys(painted.owners, SCOPES, f"{key}.owners", "a painted value")
    for scope, owners in painted.owners.items():
        n = len(painted.where)
        index(owners, f"{key}.owners.{scope}", (n,), 0, n)
        dense = len(np.unique(owners)) == int(owners.max()) + 1
        require(dense, f"{key}.owners.{scope}", "leaves numbers out")
    if chosen:
        _check_selection(painted, spec, found, key)
        return
    width = () if painted.scope == SHARED else (painted.width(painted.scope),)
    found.check(painted.path, spec, [width], f"'{painted.path}'")


def _check_selection(painted: Painted, spec: ParamSpec, found: Parameters, key: str) -> None:
    names = painted.coefficients
    require(0 < len(names) == len(set(names)), f"{key}.coefficients", "is empty or names one twice")
    same = isinstance(painted.fn, Selection) and painted.fn.names == names
    require(same, f"{key}.fn", f"does not choose among {', '.join(names)}")
    index(np.asarray(painted.measure), f"{key}.measure", (len(painted.where),), 0, len(names))
    for name, path in zip(names, painted.paths, strict=True):
        found.check(path, dataclasses.replace(spec, name=name, default=None), [()], f"'{path}'")


def _check_readings(structure: Structure) -> None:
    warm = "temperature" in structure.properties
    for layout in structure.layouts:
        channels = [m for m in structure.channels if m.population == layout.name]
        ions = [m for m in structure.ions if m.population == layout.name]
        events = [p for p in structure.events if p.wires.post_population == layout.name]
        allowed(lambda a=layout, b=channels, c=ions: check_ions(a, b, c, warm), "structure.ions")
        allowed(lambda a=layout, b=events, c=ions: check_synapses(a, b, c, warm), "structure.events")
    paths = [m.path for m in (*structure.channels, *structure.ions)]
    for path in paths:
        require(paths.count(path) == 1, "structure.channels", f"and ions have '{path}' twice")


def _check_properties(structure: Structure, found: Parameters) -> None:
    for name in NEEDED:
        require(name in structure.properties, f"structure.properties.{name}", "is missing")
    for name, field in structure.properties.items():
        key = f"structure.properties.{name}"
        require(name in PROPERTIES, key, "is no property of a membrane")
        known = PROPERTIES[name]
        spec = ParamSpec(name, None, known.unit, known.least, None)
        _check_field(field, structure.size, Address("", "", name), spec, found, key, known.measured)
        for painted in field.painted:
            layout = _population(structure, painted.address.population, f"{key}.painted")
            index(painted.where, f"{key}.painted", (None,), layout.start, layout.groups[-1].stop)
