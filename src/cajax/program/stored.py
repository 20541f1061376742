"""What the forward pass stores for the way back: the cheapest choice between keeping a value and computing it again."""

from collections.abc import Mapping, Sequence
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
OTHER = {"solve": 10_000, "products": 200, "sums": 40, "rows": 4, "gather": 30, "scatter": 60, "due": 200}
NEVER = 1 << 28


def worth_storing(roots: Sequence[Ref], cotangents: set[int], known: Mapping[Any, Node]) -> list[Node]:
    """Return the nodes, of those that do not depend on cotangents, that the forward pass shall store.

    `known` are the nodes of the forward pass by their key. A minimum cut: for every value a, "it is available", and r,
    "it is computed again"; a without r costs what storing costs, r what computing costs, and r asks for a of all
    operands. What the cotangents' side reads must be available.
    """
    nodes = ordered(roots)
    back: set[int] = set()
    for node in nodes:
        if id(node) in cotangents or any(id(r.node) in back for r in node.refs):
            back.add(id(node))
    needed = {id(r.node) for node in nodes if id(node) in back for r in node.refs if id(r.node) not in back}
    needed |= {id(r.node) for r in roots if id(r.node) not in back}
    primal = [x for x in nodes if id(x) not in back and x.op not in ("input", "constant")]
    if not primal:
        return []
    number = {id(x): 2 * k for k, x in enumerate(primal)}
    source, sink = 2 * len(primal), 2 * len(primal) + 1
    edges: dict[tuple[int, int], int] = {}

    def join(a: int, b: int, capacity: int) -> None:
        edges[a, b] = min(NEVER, edges.get((a, b), 0) + capacity)

    for x in primal:
        a, r = number[id(x)], number[id(x)] + 1
        twin = known.get(x.key)
        storable = twin is not None and twin.n == x.n and twin.dtype == x.dtype
        join(a, r, min(NEVER, STORE * x.n) if storable else NEVER)
        join(r, sink, min(NEVER // 2, _cost(x) * x.n))
        for ref in x.refs:
            if id(ref.node) in number:
                join(r, number[id(ref.node)], NEVER)
        if id(x) in needed:
            join(source, a, NEVER)
    reached = Network.of(2 * len(primal) + 2, edges).side(source, sink)
    return [x for x in primal if number[id(x)] in reached and number[id(x)] + 1 not in reached]


def _cost(node: Node) -> int:
    if node.op in OTHER:
        return OTHER[node.op]
    return COSTLY.get(node.op, EXPENSIVE_COST if node.op in EXPENSIVE else 1)
