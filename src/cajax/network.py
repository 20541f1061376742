"""`Network`: the recipe of populations and the projections between them. Every method returns a new recipe."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from .base import checks
from .base.checks import array_of, flag, number, of_kind, shown, word
from .base.errors import ParameterError, unknown
from .base.limits import affordable
from .cell import Cell
from .lower.lower import MOST_CVS, lower
from .mech import EventSynapse, GapJunction, Plasticity, Surrogate, Synapse
from .model.model import Model
from .morph import DEFAULT_LABELS, Location, Region, as_location
from .recipe.paints import Decor, Paint
from .recipe.populations import Population, SpikeSource
from .recipe.projections import Projection
from .recipe.rules import Rule


def all_to_all(autapses: bool = False) -> Rule:
    """Connect every presynaptic cell to every postsynaptic site.

    Within one population a cell is left out of its own targets unless `autapses` is True.
    """
    return Rule("all_to_all", autapses=flag(autapses, "all_to_all autapses"))


def one_to_one() -> Rule:
    """Connect cell i to cell i."""
    return Rule("one_to_one")


def bernoulli(p: float, seed: int = 0, autapses: bool = False) -> Rule:
    """Connect every pair with probability `p`, drawn from `seed`.

    Within one population a cell is left out of its own targets unless `autapses` is True.
    """
    p = number(p, "1", "bernoulli probability p", above=0.0, most=1.0)
    seed = checks.count(seed, "bernoulli seed", least=0)
    return Rule("bernoulli", p=p, seed=seed, autapses=flag(autapses, "bernoulli autapses"))


def edges(pairs: Any) -> Rule:
    """Connect the given pairs: integers `[edge, 2]` of (pre, post) cell numbers.

    With `[edge, 3]` the third number says at which of the sites `at` on the postsynaptic cell; else it is all of them.
    """
    array = array_of(pairs)
    if array is None or array.dtype.hasobject or array.dtype.kind in "US":
        raise ParameterError(f"edges() takes integers of shape [edge, 2] or [edge, 3], not {shown(pairs)}")
    return Rule("edges", array=array)


def _size(name: str, size: Any) -> int:
    """Return how many members a population has; `ParameterError` for what is no such number, or no computer holds."""
    size = checks.count(size, f"population '{name}': count", most=10**30)
    affordable(f"population '{name}'", size, "members", MOST_CVS, "choose a smaller count")
    return size


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


def _check_event_options(synapse: Any, options: dict[str, Any]) -> None:
    """Raise `ParameterError` where an option of event synapses is of the wrong kind, or is given to another synapse."""
    kinds = {"surrogate": (Surrogate, "FastSigmoid()"), "plasticity": (Plasticity, "STDP()")}
    for name, value in options.items():
        if value is None:
            continue
        if not isinstance(synapse, EventSynapse):
            raise ParameterError(
                f"{name}=… belongs to synapses that answer to spikes, such as ExpSyn(), not {type(synapse).__name__}"
            )
        if name in kinds:
            of_kind(value, kinds[name][0], name, f"for example {kinds[name][1]}")
        if name == "in_flight":
            checks.count(value, name)


def _check_kinds(synapse: Any, rule: Any, name: Any) -> None:
    """Raise `ParameterError` unless these are a synapse whose methods fit, a rule or None, and a word or None."""
    if rule is not None:
        of_kind(rule, Rule, "connect: rule", "a rule such as all_to_all()")
    if name is not None:
        word(name, "projection name")
    kinds = (Synapse, EventSynapse, GapJunction)
    of_kind(synapse, kinds, "connect: synapse", "a synapse such as Graded() or ExpSyn()").check()


@final
@dataclass(frozen=True, eq=False)
class Network:
    """Populations of cells and projections between them."""

    populations: tuple[Population, ...] = ()
    projections: tuple[Projection, ...] = ()

    def add(
        self, name: str, cell: Cell | Sequence[Cell] | SpikeSource, count: int | None = None
    ) -> "Network":
        """Add `count` copies of a cell, or a list of cells that are painted alike but differ in shape.

        `SpikeSource()` in place of a cell makes sources of spikes, driven by `Spikes` and `Poisson` inputs.
        """
        word(name, "population name")
        if name in {p.name for p in self.populations}:
            raise ParameterError(f"there is a population '{name}' already; choose another name")
        size = None if count is None else _size(name, count)
        if isinstance(cell, SpikeSource):
            new = Population(name, (), (size or 1,), Decor({}, ()))
            return dataclasses.replace(self, populations=(*self.populations, new))
        cells: list[Any] = list(cell) if isinstance(cell, list | tuple) else [cell]
        if not cells or not all(isinstance(c, Cell) for c in cells):
            raise ParameterError(f"population '{name}' needs a Cell or a list of Cells")
        if isinstance(cell, Cell):
            counts = (size or 1,)
        else:
            if size not in (None, len(cells)):
                raise ParameterError(f"population '{name}' lists {len(cells)} cells, but count = {size}")
            counts = (1,) * len(cells)
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
        synapse: Synapse | EventSynapse | GapJunction,
        rule: Rule | None = None,
        at: str | Region | Location = "soma",
        weight: Any = 1e-3,
        name: str | None = None,
        *,
        source: str | Region | Location | None = None,
        delay: Any = None,
        threshold: Any = None,
        surrogate: Surrogate | None = None,
        plasticity: Plasticity | None = None,
        in_flight: int | None = None,
    ) -> "Network":
        """Connect `source` (default: the soma) on population `pre` to locations `at` on `post`.

        `weight` in µS: one shared number, `each("edge", x)`, or an array `[pre, post]` (`[pre, post, site]` where `at`
        has several sites per cell; `[edge]`, `[edge, site]` for sparse rules). `name` (default: the synapse's class in
        lower case) appears in the path `pre->post.name.weight`.

        For event synapses: `delay` ms (default 1) like a weight; spikes are upward crossings of `threshold` mV
        (default −20, or a point neuron's own); `surrogate` lets gradients pass where no spike happened; `plasticity`
        changes the weights during a run; `in_flight` spikes of one cell are kept on their way at once.
        """
        self._check_ends(pre, post, at, source)
        _check_kinds(synapse, rule, name)
        only = {"delay": delay, "threshold": threshold, "surrogate": surrogate, "plasticity": plasticity}
        _check_event_options(synapse, only | {"in_flight": in_flight})
        name = name or type(synapse).__name__.lower()
        if (pre, post, name) in {(p.pre, p.post, p.name) for p in self.projections}:
            raise ParameterError(
                f"there is a projection '{pre}->{post}.{name}' already; give this one another name=…"
            )
        projection = Projection(
            name, pre, post, synapse, rule or all_to_all(), as_location(at), weight,
            None if source is None else as_location(source), delay, threshold, surrogate, in_flight, plasticity,
        )  # fmt: skip
        return dataclasses.replace(self, projections=(*self.projections, projection))

    def _check_ends(self, pre: str, post: str, at: Any, source: Any) -> None:
        """Raise unless both populations exist, have the labels that are named, and the second one has membranes."""
        known = {p.name: p for p in self.populations}
        for population in (pre, post):
            if not isinstance(population, str) or population not in known:
                raise unknown("population", population, known)
        if not known[post].shapes:
            raise ParameterError(
                f"population '{post}' consists of spike sources; nothing can be connected to them"
            )
        for population, place in ((post, at), (pre, source)):
            labels = {**DEFAULT_LABELS, **known[population].decor.labels}
            if isinstance(place, str) and place not in labels:
                raise unknown("region", place, labels, where=f"population '{population}'")

    def __repr__(self) -> str:
        populations = ", ".join(f"{p.size} {p.name}" for p in self.populations)
        return f"Network({populations}; {', '.join(p.path for p in self.projections) or 'no projections'})"

    def discretize(self, policy: Any) -> Model:
        """Return the model of this network with control volumes by `PerBranch`, `MaxLength` or `DLambda`."""
        if not self.populations:
            raise ParameterError("this network has no cells; call .add(name, cell, count) first")
        return lower(self.populations, self.projections, policy)
