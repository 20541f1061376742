"""A planned program in words: its levels, what each computes, what it hands on."""

from collections import Counter

from .elementwise import EXPENSIVE
from .levels import Kernel, Levels
from .nodes import Node, ordered

_NAMES = {
    "solve": "tree solve", "sums": "sums", "products": "sparse product", "rows": "moves", "due": "spikes due",
    "gather": "reads at changing places", "scatter": "additions at changing places",
}  # fmt: skip


def described(levels: Levels) -> str:
    """Return one line per kernel or operation, in the order in which a step runs them."""
    lines = []
    for step in levels.steps:
        if isinstance(step, Kernel):
            lines.append(f"kernel of {_entries(step.n)}: {_work(levels, step)}; writes {len(step.stores)}")
        else:
            lines.append(f"{_NAMES[step.op]} of {_entries(step.n)}")
    return "\n".join(lines)


def _entries(n: int) -> str:
    return f"{n} entries" if n > 1 else "1 entry"


def _work(levels: Levels, kernel: Kernel) -> str:
    """Return how many operations of which kind a kernel has per entry."""
    inline = levels.inline[id(kernel)]
    nodes: list[Node] = [x for x in ordered([node for _, node in kernel.stores]) if id(x) in inline]
    count = Counter("division" if x.op in ("div", "recip") else x.op for x in nodes)
    dear = {op: n for op, n in count.items() if op in EXPENSIVE or op == "division"}
    rest = sum(count.values()) - sum(dear.values())
    return ", ".join([*(f"{n} {op}" for op, n in sorted(dear.items())), f"{rest} other"])
