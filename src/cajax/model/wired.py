"""Whether the projections of a model read from a file hold together: who is joined, by which edges, by which values."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..mech import ParamSpec
from ..mech.events import V_PRE
from .checks import Parameters, index, require
from .inserted import THRESHOLD, Detector, EventProjection, Plastic, Wires
from .layout import Layout
from .structure import Structure

DELAY = ParamSpec("delay", 1.0, "ms", 0.0, None)
SPIKE = ParamSpec("threshold", THRESHOLD, "mV", None, None)
WEIGHT = ParamSpec("weight", None, "uS", 0.0, None)

IN_FLIGHT = 2**31
"""No projection keeps room for so many spikes on their way."""


def check_projections(structure: Structure, found: Parameters) -> None:
    """Raise `StoreError` naming the key where a projection contradicts itself or the populations that it joins."""
    layouts = {layout.name: layout for layout in structure.layouts}
    numbers, paths = [], []
    for kind in ("graded", "events", "gaps"):
        for k, projection in enumerate(getattr(structure, kind)):
            key = f"structure.{kind}[{k}]"
            _check_wires(projection.wires, layouts, kind != "events", f"{key}.wires")
            numbers, paths = [*numbers, projection.wires.number], [*paths, projection.wires.path]
            scalar = [()] if kind != "events" else [(), projection.wires.weight_shape]
            found.check(projection.wires.weight, WEIGHT, [(), projection.wires.weight_shape], "a projection")
            found.check_all(projection.template, projection.fields, scalar, key)
            _check_paths(projection.fields, projection.wires.path, f"{key}.fields")
            if kind != "graded":
                edgewise = kind == "gaps" or projection.per_edge or projection.plastic is not None
                known = projection.wires.edges is not None or not edgewise
                require(known, f"{key}.wires.edges", "is missing; this projection goes edge by edge")
            if isinstance(projection, EventProjection):
                _check_events(projection, layouts, structure, found, key)
    require(
        len(set(numbers)) == len(numbers), "structure", "has two projections of one number (wires.number)"
    )
    require(len(set(paths)) == len(paths), "structure", "has two projections of one name (wires.name)")


def _check_paths(fields: Mapping[str, str], path: str, key: str) -> None:
    for name, own in fields.items():
        require(own == f"{path}.{name}", f"{key}.{name}", f"is '{own}', not '{path}.{name}'")


def _check_wires(wires: Wires, layouts: Mapping[str, Layout], membrane: bool, key: str) -> None:
    for end in ("pre_population", "post_population"):
        name = getattr(wires, end)
        require(name in layouts, f"{key}.{end}", f"is '{name}', which is no population")
    pre, post = layouts[wires.pre_population], layouts[wires.post_population]
    require(not post.virtual, f"{key}.post_population", "consists of spike sources, which have no membrane")
    require(
        not (membrane and pre.virtual),
        f"{key}.pre_population",
        "consists of spike sources, without a voltage",
    )
    require(wires.number >= 0, f"{key}.number", f"is {wires.number}")
    low, high = (0, pre.virtual) if pre.virtual else (pre.start, pre.groups[-1].stop)
    index(wires.pre, f"{key}.pre", (pre.size,), low, high)
    index(wires.post, f"{key}.post", (None,), post.start, post.groups[-1].stop)
    per_cell, rest = divmod(len(wires.post), post.size)
    require(per_cell > 0 and not rest, f"{key}.post", f"has {len(wires.post)} sites on {post.size} cells")
    require(all(n >= 0 for n in wires.weight_shape), f"{key}.weight_shape", "has a negative size")
    size = math.prod(wires.weight_shape)
    if wires.edges is None:
        whole = len(wires.pre) * len(wires.post)
        require(wires.order is None, f"{key}.order", "is there, but there are no edges to order")
        require(
            size == whole,
            f"{key}.weight_shape",
            f"is {list(wires.weight_shape)}, which is not {whole} weights",
        )
        return
    edges = index(wires.edges, f"{key}.edges", (None, 2), 0, max(len(wires.pre), len(wires.post), 1))
    n = len(edges)
    if n:
        index(edges[:, 0], f"{key}.edges[:, 0]", (n,), 0, len(wires.pre))
        index(edges[:, 1], f"{key}.edges[:, 1]", (n,), 0, len(wires.post))
    require(bool((np.diff(edges[:, 1]) >= 0).all()), f"{key}.edges", "are not sorted by site")
    require(size >= n, f"{key}.weight_shape", f"is {list(wires.weight_shape)}, but there are {n} edges")
    require(wires.order is not None, f"{key}.order", "is missing")
    order: Any = wires.order
    index(order, f"{key}.order", (n,), 0, max(size, 1))
    require(len(np.unique(order)) == n, f"{key}.order", "names an edge twice")


def _check_events(
    projection: EventProjection,
    layouts: Mapping[str, Layout],
    structure: Structure,
    found: Parameters,
    key: str,
) -> None:
    wires, post = projection.wires, layouts[projection.wires.post_population]
    pre = layouts[wires.pre_population]
    require(projection.delay == f"{wires.path}.delay", f"{key}.delay", f"is '{projection.delay}'")
    found.check(projection.delay, DELAY, [(), wires.weight_shape], "a projection")
    room = projection.slots * len(wires.pre)
    require(projection.slots >= 1 and room < IN_FLIGHT, f"{key}.slots", f"is {projection.slots}")
    require((projection.pre is None) == bool(pre.virtual), f"{key}.pre", "does not fit its population")
    require(
        not pre.virtual or V_PRE not in projection.template.readings(), f"{key}.pre", "has no voltage to read"
    )
    if projection.pre is not None:
        _check_detector(projection.pre, wires.pre, wires.path, structure, found, f"{key}.pre")
    varied = [path for path in (projection.delay, *projection.fields.values()) if found.params[path].ndim]
    template = projection.template
    edgewise = bool(varied) or template.reads_voltage() or template.takes_weight()
    require(projection.per_edge or not edgewise, f"{key}.per_edge", "is false, but its edges differ")
    if projection.plastic is not None:
        _check_plastic(projection.plastic, wires, post, found, f"{key}.plastic")


def _check_detector(
    detector: Detector, cvs: np.ndarray, path: str, structure: Structure, found: Parameters, key: str
) -> None:
    require(np.array_equal(detector.cvs, cvs), f"{key}.cvs", "are not the presynaptic CVs of the wires")
    if detector.threshold:
        require(detector.threshold == f"{path}.threshold", f"{key}.threshold", f"is '{detector.threshold}'")
        found.check(detector.threshold, SPIKE, [()], "a projection")


def _check_plastic(plastic: Plastic, wires: Wires, post: Layout, found: Parameters, key: str) -> None:
    found.check_all(plastic.template, plastic.fields, [()], key)
    _check_paths(plastic.fields, f"{wires.path}.{type(plastic.template).__name__.lower()}", f"{key}.fields")
    index(plastic.post.cvs, f"{key}.post.cvs", (post.size,), post.start, post.groups[-1].stop)
    require(not plastic.post.threshold, f"{key}.post.threshold", "is not the rule of a plastic projection")
    index(plastic.cell, f"{key}.cell", (len(wires.post),), 0, post.size)
