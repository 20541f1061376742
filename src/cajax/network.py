"""`Network`: the recipe of populations and the projections between them. Every method returns a new recipe."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._errors import ParameterError, unknown
from .cell import Cell
from .lower import lower
from .mech import Synapse
from .model import Model
from .morph import DEFAULT_LABELS, Location, Region, as_location
from .recipe import Decor, Paint, Population, Projection, Rule


def all_to_all() -> Rule:
    """Connect every presynaptic cell to every postsynaptic site."""
    return Rule("all_to_all")


def one_to_one() -> Rule:
    """Connect cell i to cell i."""
    return Rule("one_to_one")


def bernoulli(p: float, seed: int = 0) -> Rule:
    """Connect every pair with probability `p`, drawn from `seed`."""
    if not 0.0 < p <= 1.0:
        raise ParameterError(f"bernoulli(p={p}) needs a probability above 0 and at most 1")
    return Rule("bernoulli", p=p, seed=seed)


def edges(pairs: Any) -> Rule:
    """Connect the given pairs: integers `[edge, 2]` of (pre, post) cell numbers."""
    return Rule("edges", array=np.asarray(pairs))


def _same(a: Any, b: Any) -> bool:
    """Whether two painted values are equal, arrays included."""
    if type(a) is not type(b):
        return False
    if dataclasses.is_dataclass(a):
        return all(_same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return a is b or bool(np.array_equal(a, b))


def _alike(a: Decor, b: Decor) -> bool:
    def key(paint: Paint) -> tuple[str, str]:
        return paint.label, paint.name

    return (
        [key(p) for p in a.paints] == [key(p) for p in b.paints]
        and a.labels == b.labels
        and all(_same(p.value, q.value) for p, q in zip(a.paints, b.paints, strict=True))
    )


@dataclass(frozen=True, eq=False)
class Network:
    """Populations of cells and projections between them."""

    populations: tuple[Population, ...] = ()
    projections: tuple[Projection, ...] = ()

    def add(self, name: str, cell: Cell | Sequence[Cell], count: int | None = None) -> "Network":
        """Add `count` copies of a cell, or a list of cells that are painted alike but differ in shape."""
        if not isinstance(name, str) or not name.isidentifier():
            raise ParameterError(f"population name {name!r} must be a word of letters, digits and _")
        if name in {p.name for p in self.populations}:
            raise ParameterError(f"there is a population '{name}' already; choose another name")
        cells: list[Any] = list(cell) if isinstance(cell, list | tuple) else [cell]
        if not cells or not all(isinstance(c, Cell) for c in cells):
            raise ParameterError(f"population '{name}' needs a Cell or a list of Cells")
        if isinstance(cell, Cell):
            if not isinstance(count, int | np.integer | None):
                raise ParameterError(f"population '{name}' needs a whole number of cells, not {count!r}")
            counts = (1 if count is None else int(count),)
        else:
            if count not in (None, len(cells)):
                raise ParameterError(f"population '{name}' lists {len(cells)} cells, but count = {count}")
            counts = (1,) * len(cells)
        if counts[0] < 1:
            raise ParameterError(f"population '{name}' needs at least one cell, not {count}")
        decor = cells[0].decor
        if not all(c is cells[0] or _alike(c.decor, decor) for c in cells):
            raise ParameterError(
                f"the cells of population '{name}' are painted differently; only their shapes may differ"
            )
        new = Population(name, tuple(c.morph for c in cells), counts, decor)
        return dataclasses.replace(self, populations=(*self.populations, new))

    def connect(
        self,
        pre: str,
        post: str,
        synapse: Synapse,
        rule: Rule | None = None,
        at: str | Region | Location = "soma",
        weight: Any = 1e-3,
        name: str | None = None,
    ) -> "Network":
        """Connect population `pre` to locations `at` on `post`.

        `weight` in µS: one shared number, `each("edge", x)`, or an array `[pre, post]` (`[pre, post, site]` where `at`
        has several sites per cell; `[edge]`, `[edge, site]` for sparse rules). `name` (default: the synapse's class in
        lower case) appears in the path `pre->post.name.weight`.
        """
        known = {p.name: p for p in self.populations}
        for population in (pre, post):
            if population not in known:
                raise unknown("population", population, known)
        if rule is not None and not isinstance(rule, Rule):
            raise ParameterError(f"connect needs a rule such as all_to_all(), not {rule!r}")
        if name is not None and not str(name).isidentifier():
            raise ParameterError(f"projection name {name!r} must be a word of letters, digits and _")
        if not isinstance(synapse, Synapse):
            raise ParameterError(f"connect needs a synapse such as Graded(), not {synapse!r}")
        synapse.check()
        labels = {**DEFAULT_LABELS, **known[post].decor.labels}
        if isinstance(at, str) and at not in labels:
            raise unknown("region", at, labels, where=f"population '{post}'")
        name = name or type(synapse).__name__.lower()
        if (pre, post, name) in {(p.pre, p.post, p.name) for p in self.projections}:
            raise ParameterError(
                f"there is a projection '{pre}->{post}.{name}' already; give this one another name=…"
            )
        projection = Projection(name, pre, post, synapse, rule or all_to_all(), as_location(at), weight)
        return dataclasses.replace(self, projections=(*self.projections, projection))

    def __repr__(self) -> str:
        populations = ", ".join(f"{p.size} {p.name}" for p in self.populations)
        return f"Network({populations}; {', '.join(p.path for p in self.projections) or 'no projections'})"

    def discretize(self, policy: Any) -> Model:
        """Return the model of this network with control volumes by `PerBranch`, `MaxLength` or `DLambda`."""
        if not self.populations:
            raise ParameterError("this network has no cells; call .add(name, cell, count) first")
        return lower(self.populations, self.projections, policy)
