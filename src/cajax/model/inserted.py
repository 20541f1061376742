"""What is inserted into a model: channels and ions on their control volumes, projections between populations, parts.

All are static. A `template` is the mechanism with the default of every parameter; `fields` say where the values come
from: the `Field` of a channel or ion, the path of a projection's parameter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from ..base.names import on_disk
from ..base.types import Array
from ..mech import Channel, EventSynapse, GapJunction, Ion, Mechanism, Outline, Plasticity, Surrogate, Synapse
from .fields import Field

THRESHOLD = -20.0
"""Where a spike is detected (mV) unless the projection or a point neuron says otherwise."""


PARTS = ("ions", "membranes", "electrodes", "resets")
"""The names of the parts that every model has."""


def path_of(population: str, name: str) -> str:
    """Return the name of something in the whole model; a lone cell has no population to name."""
    return f"{population}.{name}" if population else name


@final
@on_disk
@dataclass(frozen=True, eq=False)
class ChannelSites:
    """A channel `name` on the CVs `index` (sorted) of one population."""

    population: str
    name: str
    template: Channel
    index: np.ndarray
    fields: Mapping[str, Field]
    outline: Outline

    @property
    def path(self) -> str:
        return path_of(self.population, self.name)


@final
@on_disk
@dataclass(frozen=True, eq=False)
class IonSites:
    """An ion `name` of a `species` on the CVs `index` (sorted) of one population."""

    population: str
    name: str
    template: Ion
    index: np.ndarray
    fields: Mapping[str, Field]
    species: str

    @property
    def path(self) -> str:
        return path_of(self.population, self.name)


@final
@on_disk
@dataclass(frozen=True, eq=False)
class Wires:
    """Which sites a projection joins: presynaptic CVs `pre` [pre], postsynaptic CVs `post` [site], edges between them.

    `edges` is None when every presynaptic cell reaches every site (weights are then a matrix `[pre, site]`); otherwise
    `[edge, 2]` of (pre, site), sorted by site. `order` says which weight each edge has, counted through `weight_shape`:
    the shape of the weights as the user wrote them, of which some may belong to no edge. `number` counts the
    projections of the model. Spike sources have no CVs: `pre` then numbers them.
    """

    pre_population: str
    post_population: str
    name: str
    pre: np.ndarray
    post: np.ndarray
    edges: np.ndarray | None
    order: np.ndarray | None
    weight_shape: tuple[int, ...]
    number: int

    @property
    def path(self) -> str:
        return f"{self.pre_population}->{self.post_population}.{self.name}"

    @property
    def weight(self) -> str:
        """The path of the weights."""
        return f"{self.path}.weight"

    def sorted(self, params: Mapping[str, Array], path: str) -> Array:
        """Return a value as it is used: one number, a matrix `[pre, site]`, or one per edge in the order of `edges`."""
        value = params[path]
        if value.ndim == 0:
            return value
        value = jnp.broadcast_to(value, self.weight_shape)
        return (
            value.reshape(len(self.pre), len(self.post)) if self.edges is None else value.ravel()[self.order]
        )

    def as_written(self, value: Any) -> Any:
        """Return values of the edges in the order and shape of the weights as written; 0 where there is no edge."""
        if self.order is None:
            return value
        size = math.prod(self.weight_shape)
        edge = np.full(size, len(self.order))
        edge[self.order] = np.arange(len(self.order))
        if size > len(self.order):
            value = jnp.append(value, jnp.zeros((), value.dtype))
        return value[edge].reshape(self.weight_shape)


@final
@on_disk
@dataclass(frozen=True, eq=False)
class GradedProjection:
    """A projection whose synapses follow the presynaptic voltage."""

    wires: Wires
    template: Synapse
    fields: Mapping[str, str]


@final
@on_disk
@dataclass(frozen=True, eq=False)
class Detector:
    """What decides that the cells with the CVs `cvs` [cell] spike: an upward crossing of a threshold (mV).

    It is the parameter at the path `threshold`; with none, that of the point neuron at each cell, else `THRESHOLD`.
    """

    cvs: np.ndarray
    threshold: str = ""


@final
@on_disk
@dataclass(frozen=True, eq=False)
class Plastic:
    """The plasticity of a projection: its rule, the cells `post` that spike back, the cell `[site]` of every site."""

    template: Plasticity
    fields: Mapping[str, str]
    post: Detector
    cell: np.ndarray


@final
@on_disk
@dataclass(frozen=True, eq=False)
class EventProjection:
    """A projection whose synapses answer to spikes.

    `delay` is a path; `pre` says when the presynaptic cells spike, None for spike sources, which have no membrane.
    `slots`: how many spikes of one cell may be in flight. `per_edge`: the synapse's states belong to edges, not to
    presynaptic cells.
    """

    wires: Wires
    template: EventSynapse
    fields: Mapping[str, str]
    delay: str
    pre: Detector | None
    surrogate: Surrogate | None
    slots: int
    per_edge: bool
    plastic: Plastic | None


@final
@on_disk
@dataclass(frozen=True, eq=False)
class GapProjection:
    """A projection of electrical synapses."""

    wires: Wires
    template: GapJunction
    fields: Mapping[str, str]


Projected = GradedProjection | EventProjection | GapProjection


@final
@on_disk
@dataclass(frozen=True, eq=False)
class InsertedPart:
    """A part of the user's own under a name of its own; `fields` are the paths of its parameters."""

    name: str
    template: Mechanism
    fields: Mapping[str, str]
