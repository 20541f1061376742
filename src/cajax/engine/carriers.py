"""Who carries the states of an event synapse, and how they become currents at the postsynaptic sites."""

from abc import abstractmethod
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp

from ..base.types import Array, Float
from ..mech import EventSynapse
from ..solve import Graph, product
from .sites import Sites

Signal = Array | dict[str, Array]
"""What synapses release: one signal, or several by name, each weighted alike."""


class Carrier(eqx.Module):
    """Where synaptic states live, and the way from there to the sites."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many synaptic states of each kind there are."""

    @abstractmethod
    def lifted(self, x: Float[Array, "pre"]) -> Float[Array, "carrier"]:
        """Return values of presynaptic cells at the carriers."""

    @abstractmethod
    def voltage(self, v: Float[Array, "site"]) -> dict[str, Float[Array, "carrier"]]:
        """Return the postsynaptic voltage (mV) at the carriers by name; nothing where they have no one site."""

    @abstractmethod
    def conductance(
        self, weight: Float[Array, "..."], signal: Float[Array, "carrier"]
    ) -> Float[Array, "site"]:
        """Return Σ weight · signal in µS at every site."""

    @abstractmethod
    def current(
        self, synapse: EventSynapse, v: Float[Array, "site"], weight: Array, signal: Signal
    ) -> tuple[Float[Array, "site"], Float[Array, "site"]]:
        """Return the outward current (nA) and its slope (µS) at the sites."""


@final
class PerCell(Carrier):
    """States of `n_pre` presynaptic cells, shared by all their targets; all pairs, or along the `graph`."""

    n_pre: int = eqx.field(static=True)
    graph: Graph | None = eqx.field(static=True)

    @property
    def size(self) -> int:
        return self.n_pre

    def lifted(self, x: Float[Array, "pre"]) -> Float[Array, "carrier"]:
        return x

    def voltage(self, v: Array) -> dict[str, Array]:
        return {}

    def conductance(self, weight: Array, signal: Array) -> Array:
        return signal @ weight if self.graph is None else product(weight, signal, self.graph)

    def current(self, synapse: EventSynapse, v: Array, weight: Array, signal: Signal) -> tuple[Array, Array]:
        g = jax.tree.map(lambda s: self.conductance(weight, s), signal)
        return jax.jvp(lambda u: synapse.current(u, g), (v,), (jnp.ones_like(v),))


@final
class PerEdge(Carrier):
    """States of their own for every edge, from the cell `pre` [edge] to the site `post` [edge].

    Parameters may differ from edge to edge, so every edge has a current of its own.
    """

    pre: Sites = eqx.field(static=True)
    post: Sites = eqx.field(static=True)
    shared_delay: bool = eqx.field(static=True)

    @property
    def size(self) -> int:
        return len(self.pre)

    def lifted(self, x: Array) -> Float[Array, "carrier"]:
        """What arrives is by edge already where every edge has its delay."""
        return self.pre.take(x) if self.shared_delay else x

    def voltage(self, v: Array) -> dict[str, Array]:
        return {"v": self.post.take(v)}

    def conductance(self, weight: Array, signal: Array) -> Array:
        return self.post.spread(weight * signal)

    def current(self, synapse: EventSynapse, v: Array, weight: Array, signal: Signal) -> tuple[Array, Array]:
        u, g = self.post.take(v), jax.tree.map(lambda s: weight * s, signal)
        i, di = jax.jvp(lambda u: synapse.current(u, g), (u,), (jnp.ones_like(u),))
        return self.post.spread(i), self.post.spread(di)
