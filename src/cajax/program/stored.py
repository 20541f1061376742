"""What the forward pass stores for the way back: the cheapest choice between keeping a value and computing it again."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from .cut import Network
from .elementwise import EXPENSIVE
from .nodes import Node, Ref, ordered

# Costs per entry, in about the time of an addition. Storing is dear: a number goes to main memory and comes back, which
# takes as long as one or two exponentials.
STORE = 28
COSTLY = {
    "div": 9, "recip": 9, "sqrt": 9, "rsqrt": 12, "log": 22, "log1p": 28, "pow": 50, "tanh": 28, "logistic": 25,
    "erf": 40, "erfc": 40, "erf_inv": 50, "atan2": 35, "cbrt": 35,
}  # fmt: skip
EXPENSIVE_COST = 18
OTHER = {
    "solve": 10_000, "joined": 100_000, "products": 200, "sums": 40, "rows": 4, "gather": 30, "scatter": 60, "due": 200,
}  # fmt: skip
NEVER = 1 << 28
"""The price of what is hardly ever worth it."""
BARRED = 1 << 60
"""More than all prices together."""


def worth_storing(
    roots: Sequence[Ref], cotangents: set[int], known: Mapping[Any, Node], free: Collection[Any] = ()
) -> list[Node]:
    """Return the nodes, of those that do not depend on cotangents, that the forward pass shall store.

    `known` are the nodes of the forward pass by their key; `free` are the keys of those that are stored anyway. What
    the solves of the way back need is stored first, so that nothing dear is computed before them: one kernel after the
    solve then computes everything again and uses it at once, where two would compute it twice or hand it over.
    """
    nodes = ordered(roots)
    back: set[int] = set()
    for node in nodes:
        if id(node) in cotangents or any(id(r.node) in back for r in node.refs):
            back.add(id(node))
    early = _before_solves(nodes, back)
    late = {id(r.node) for x in nodes if id(x) in back and id(x) not in early for r in x.refs} - back
    late |= {id(r.node) for r in roots if id(r.node) not in back}
    early = {id(r.node) for x in nodes if id(x) in early for r in x.refs} - back
    primal = [x for x in nodes if id(x) not in back and x.op not in ("input", "constant")]
    again = _reached([x for x in primal if id(x) in late])
    first = _cut(
        primal, early, known, free, set(), lambda x: NEVER // 4 if _dear(x) and id(x) in again else 0
    )
    second = _cut(primal, early | late, known, free, {id(x) for x in first}, _cost)
    return [*first, *second]


def _before_solves(nodes: Sequence[Node], back: set[int]) -> set[int]:
    """Return the nodes of the way back that a first solve needs."""
    solved: set[int] = set()
    for node in nodes:
        if any(id(r.node) in solved or (r.node.op == "solve" and id(r.node) in back) for r in node.refs):
            solved.add(id(node))
    firsts = [x for x in nodes if x.op == "solve" and id(x) in back and id(x) not in solved]
    return {id(x) for x in ordered(firsts) if id(x) in back}


def _reached(nodes: Sequence[Node]) -> set[int]:
    return {id(x) for x in ordered(nodes)}


def _dear(node: Node) -> bool:
    return node.op in OTHER or (node.op in EXPENSIVE and node.op not in ("div", "recip"))


def _cut(
    primal: Sequence[Node],
    needed: set[int],
    known: Mapping[Any, Node],
    free: Collection[Any],
    stored: set[int],
    cost: Callable[[Node], int],
) -> list[Node]:
    """Return what to store beside `stored`, so that what is `needed` costs the least.

    A minimum cut: for every value a, "it is available", and r, "it is computed again"; a without r costs what storing
    costs, r what computing costs, and r asks for a of all operands.
    """
    number = {id(x): 2 * k for k, x in enumerate(primal)}
    source, sink = 2 * len(primal), 2 * len(primal) + 1
    edges: dict[tuple[int, int], int] = {}

    def join(a: int, b: int, capacity: int) -> None:
        edges[a, b] = min(BARRED, edges.get((a, b), 0) + capacity)

    for x in primal:
        if id(x) in stored:
            continue
        a, r = number[id(x)], number[id(x)] + 1
        twin = known.get(x.key)
        storable = twin is not None and twin.n == x.n and twin.dtype == x.dtype
        join(a, r, BARRED if not storable else 0 if x.key in free else min(NEVER, STORE * x.n))
        if price := min(NEVER // 4, cost(x) * x.n):
            join(r, sink, price)
        for ref in x.refs:
            if id(ref.node) in number and id(ref.node) not in stored:
                join(r, number[id(ref.node)], BARRED)
        if id(x) in needed:
            join(source, a, BARRED)
    reached = Network.of(2 * len(primal) + 2, edges).side(source, sink)
    return [
        x for x in primal
        if id(x) not in stored and number[id(x)] in reached and number[id(x)] + 1 not in reached
    ]  # fmt: skip


def _cost(node: Node) -> int:
    if node.op in OTHER:
        return OTHER[node.op]
    return COSTLY.get(node.op, EXPENSIVE_COST if node.op in EXPENSIVE else 1)
