"""Gap junctions: the electrical synapses of a projection, as conductances that the solve takes in."""

from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..base.types import Array
from ..model.inserted import GapProjection, Wires
from ..model.model import Model
from .links import Link
from .moment import Moment
from .part import Load, Part, checked
from .sites import Sites


@final
class Junctions(Part):
    """The electrical synapses of one projection: a conductance between two control volumes, solved with the cable."""

    link: Link
    wires: Wires = eqx.field(static=True)

    @staticmethod
    def of(model: Model, projection: GapProjection) -> "Junctions":
        """Return the junctions of a projection with their conductances (µS)."""
        wires, size = projection.wires, model.structure.size
        edges = np.asarray(wires.edges)
        g = jnp.broadcast_to(wires.sorted(model.params, wires.weight), (len(edges),))
        link = Link(g, Sites(wires.pre[edges[:, 0]], size), Sites(wires.post[edges[:, 1]], size))
        return Junctions(link, wires)

    def start(self, moment: Moment) -> Any:
        return {}

    def load(self, state: Any, moment: Moment, dt: Array) -> Load:
        return state, None, None

    def settle(self, state: Any, before: Moment, after: Moment, dt: Array) -> Any:
        return state

    def links(self) -> tuple[Link, ...]:
        return (self.link,)

    def observed(self) -> tuple[str, ...]:
        return ("current",)

    def observe(self, what: str, state: Any, moment: Moment) -> Array:
        """Return the "current" (nA) [edge] from the presynaptic to the postsynaptic side."""
        checked(what, self.observed(), "gap junctions")
        return self.wires.as_written(self.link.flow(moment.v))
