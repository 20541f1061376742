"""Rules for the primitives of Cajax itself: solves, sparse products, entries taken and spread, arrivals of spikes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .flat import Equation, Value
from .grouped import added_up, offsets
from .nodes import Node, Ref, UnsupportedError, mapped

Refs = Callable[[Value], Ref]
"""The array of a value."""


def _take(ref: Refs, e: Equation) -> list[Ref]:
    return [ref(e.ins[0]).at(_entries(e.params["index"], e.ins[0]))]


def _spread(ref: Refs, e: Equation) -> list[Ref]:
    (x,), (out,) = e.ins, e.outs
    return [added_up(ref(x), _entries(e.params["index"], out), out.size, out.key)]


def _entries(index: Any, whole: Value) -> np.ndarray:
    """Return the entries of an index for every row of an array `[..., size]`."""
    rows = np.arange(whole.size // max(1, index.size), dtype=np.int32) * index.size
    return (rows[:, None] + index.entries).ravel()


def _due(ref: Refs, e: Equation) -> list[Ref]:
    """One node, whose rows are those of both results."""
    age, delay = e.ins[0], e.ins[3]
    if len(age.shape) != 2 or not delay.size:
        raise UnsupportedError("a batch of arrivals within a step")
    n = delay.size
    static = (*age.shape, e.params["pre"].entries)
    node = Node("due", [ref(x) for x in e.ins], 2 * n, np.int32, e.outs[0].key, static)
    return [Ref(node).at(np.arange(n)), Ref(node).at(np.arange(n, 2 * n))]


def _solve(ref: Refs, e: Equation) -> list[Ref]:
    (out,) = e.outs
    if len(out.shape) != 1:
        raise UnsupportedError("a batch of solves within a step")
    return [Ref(Node("solve", [ref(x) for x in e.ins], out.size, out.dtype, out.key, e.params["forest"]))]


def _solve_joined(ref: Refs, e: Equation) -> list[Ref]:
    (out,) = e.outs
    if len(out.shape) != 1:
        raise UnsupportedError("a batch of solves within a step")
    static = (e.params["forest"], e.params["a"].entries, e.params["b"].entries, e.params["most"])
    return [Ref(Node("joined", [ref(x) for x in e.ins], out.size, out.dtype, out.key, static))]


def _sparse(ref: Refs, e: Equation) -> list[Ref]:
    """T(w, s, c) = Σ w[edge] s[pre] c[site]: see `cajax.solve.sparse`."""
    graph, side = e.params["graph"], e.params["out"]
    (out,) = e.outs
    if e.params["lead"] != ():
        raise UnsupportedError("a batch of products within a step")
    x, y = (ref(v) for v in e.ins)
    if side == 0:
        return [mapped("mul", [x.at(graph.pre), y.at(graph.site)], out.dtype, out.key)]
    edges = np.arange(graph.n_edge, dtype=np.int32)
    if side == 2:
        static = graph.offset.astype(np.int32), edges, graph.pre
    else:
        order = np.argsort(graph.pre, kind="stable").astype(np.int32)
        static = offsets(np.bincount(graph.pre, minlength=graph.n_pre)), order, graph.site[order]
    return [Ref(Node("products", [x, y], out.size, out.dtype, out.key, static))]


OWN: Mapping[str, Callable[[Refs, Equation], Sequence[Ref]]] = {
    "cajax_take": _take,
    "cajax_spread": _spread,
    "cajax_due": _due,
    "cajax_tree_solve": _solve,
    "cajax_joined_solve": _solve_joined,
    "cajax_sparse": _sparse,
}
