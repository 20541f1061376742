"""Recipes as plain data: what is painted where, which cells there are, who projects to whom. Lowering reads these."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.errors import ParameterError
from ..mech import EventSynapse, GapJunction, Plasticity, Surrogate, Synapse
from ..morph import Location, Morphology, Region


@dataclass(frozen=True)
class Property:
    """A passive property of the membrane or the cytoplasm that can be painted like a channel."""

    unit: str
    lo: float | None = None
    strict: bool = False
    measured: bool = False
    """Whether the morphology has a value of its own, which holds wherever nothing is painted."""


PROPERTIES: Mapping[str, Property] = {
    "cm": Property("uF/cm2", 0.0, strict=True),
    "ra": Property("ohm*cm", 0.0, strict=True),
    "v0": Property("mV"),
    "temperature": Property("degC", -273.15, strict=True),
    "radius": Property("um", 0.0, strict=True, measured=True),
    "length": Property("um", 0.0, strict=True, measured=True),
}


@dataclass(frozen=True, eq=False)
class Paint:
    """One value or mechanism on one labelled region: `name` is "na", "leak", … or one of `PROPERTIES`."""

    label: str
    name: str
    value: Any


@dataclass(frozen=True, eq=False)
class Decor:
    """Everything about a cell but its shape: labels, and paints in the order they were applied."""

    labels: Mapping[str, Region]
    paints: tuple[Paint, ...]


@dataclass(frozen=True, eq=False)
class Population:
    """`count[i]` copies of each shape `shapes[i]`, all painted alike. The lone cell of a cell model has name "".

    Spike sources have no shapes: `counts` then holds how many there are.
    """

    name: str
    shapes: tuple[Morphology, ...]
    counts: tuple[int, ...]
    decor: Decor

    @property
    def size(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True)
class SpikeSource:
    """A member of a population without membranes, which spikes when a `Spikes` or `Poisson` input says so."""


@dataclass(frozen=True)
class Rule:
    """Which cell projects to which: pairs (pre, post) of cell numbers for given population sizes."""

    name: str
    array: Any = None
    p: float = 1.0
    seed: int = 0

    def pairs(self, n_pre: int, n_post: int, n_sites: int = 1) -> np.ndarray | None:
        """Return the edges as `[edge, 2]` (or 3, with the site), or None when every pair is connected."""
        if self.name == "all_to_all":
            return None
        if self.name == "one_to_one":
            if n_pre != n_post:
                raise ParameterError(
                    f"one_to_one needs populations of equal size, not {n_pre} and {n_post}; use all_to_all() or edges()"
                )
            return np.stack([np.arange(n_pre)] * 2, axis=1)
        if self.name == "bernoulli":
            hit = np.random.default_rng(self.seed).random((n_pre, n_post)) < self.p
            return np.argwhere(hit)
        pairs = np.asarray(self.array)
        if pairs.ndim != 2 or pairs.shape[1] not in (2, 3) or not np.issubdtype(pairs.dtype, np.integer):
            raise ParameterError(
                "edges() takes integers of shape [edge, 2] (pre, post) or [edge, 3] (pre, post, site), not"
                f" {pairs.dtype} {pairs.shape}"
            )
        top = pairs.max(axis=0, initial=-1)
        if pairs.size and (pairs.min() < 0 or top[0] >= n_pre or top[1] >= n_post):
            raise ParameterError(
                f"edges() names a cell outside the populations, which have {n_pre} and {n_post} cells"
            )
        if pairs.shape[1] == 3 and top[2] >= n_sites:
            raise ParameterError(
                f"edges() names site {top[2]}, but 'at' has {n_sites} on every cell, from 0 on"
            )
        return pairs


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses of one kind from locations `source` on population `pre` to locations `at` on population `post`.

    `delay` ms, `threshold` mV, `surrogate`, `in_flight` and `plasticity` are those of an event synapse.
    """

    name: str
    pre: str
    post: str
    synapse: Synapse | EventSynapse | GapJunction
    rule: Rule
    at: Location
    weight: Any
    source: Location | None = None
    delay: Any = None
    threshold: Any = None
    surrogate: Surrogate | None = None
    in_flight: int | None = None
    plasticity: Plasticity | None = None

    @property
    def path(self) -> str:
        return f"{self.pre}->{self.post}.{self.name}"
