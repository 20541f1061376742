"""Graded synapses: a signal that follows the presynaptic voltage, and the current that it opens at the targets."""

from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from ..base.types import Array, Float
from ..mech import Synapse, advanced, initial_states
from ..model.inserted import GradedProjection
from ..model.model import Model
from ..solve import Graph, product
from .moment import Moment
from .part import Load, Part, checked
from .sites import Sites


@final
class GradedSynapses(Part):
    """One graded projection: signals s [pre] live at the presynaptic sites, weights map them to conductances.

    `weight` µS is a matrix [pre, site], or [edge] along the `graph`.
    """

    synapse: Synapse
    weight: Float[Array, "..."]
    pre: Sites = eqx.field(static=True)
    post: Sites = eqx.field(static=True)
    graph: Graph | None = eqx.field(static=True)

    @staticmethod
    def of(model: Model, projection: GradedProjection) -> "GradedSynapses":
        """Return a projection with its parameters."""
        wires, size = projection.wires, model.structure.size
        synapse = projection.template.with_params({k: model.params[p] for k, p in projection.fields.items()})
        n_pre, n_site, edges = len(wires.pre), len(wires.post), wires.edges
        shape = (n_pre, n_site) if edges is None else (len(edges),)
        weight = jnp.broadcast_to(wires.sorted(model.params, wires.weight), shape)
        graph = None if edges is None else Graph(edges[:, 0], edges[:, 1], n_pre, n_site)
        return GradedSynapses(synapse, weight, Sites(wires.pre, size), Sites(wires.post, size), graph)

    def conductance(self, s: Float[Array, "pre"]) -> Float[Array, "site"]:
        """Return g = Σ weight · s in µS at every postsynaptic site."""
        return s @ self.weight if self.graph is None else product(self.weight, s, self.graph)

    def current(self, v: Float[Array, "site"], signals: Mapping[str, Array]) -> tuple[Array, Array]:
        """Return the outward current (nA) and its slope (µS) at the postsynaptic sites."""
        g = self.conductance(self.synapse.release(**signals))
        return jax.jvp(lambda u: self.synapse.current(u, g), (v,), (jnp.ones_like(v),))

    def start(self, moment: Moment) -> dict[str, Array]:
        signals = initial_states(self.synapse.gates(self.pre.take(moment.v)))
        return {k: jnp.broadcast_to(x, (len(self.pre),)) for k, x in signals.items()}

    def present(self, state: Any, moment: Moment, lag: Array) -> dict[str, Array]:
        """Return the signals `lag` ms later at the presynaptic voltage of the moment."""
        return advanced(self.synapse.gates(self.pre.take(moment.v)), state, lag, moment.order)

    def load(self, state: Any, moment: Moment, dt: Array) -> Load:
        """Advance the signals by the step, and return the current that they open."""
        signals = self.present(state, moment, dt)
        i, di = self.current(self.post.take(moment.v), signals)
        return signals, self.post.spread(i), self.post.spread(di)

    def settle(self, state: Any, before: Moment, after: Moment, dt: Array) -> Any:
        return state

    def flow(self, state: Any, moment: Moment) -> Float[Array, "cv"]:
        return self.post.spread(self.current(self.post.take(moment.v), state)[0])

    def observed(self) -> tuple[str, ...]:
        shapes = jax.eval_shape(lambda: initial_states(self.synapse.gates(jnp.zeros(1))))
        return (*shapes, "current", "conductance")

    def observe(self, what: str, state: Any, moment: Moment) -> Array:
        """Return a signal [pre], or at the postsynaptic sites its "current" (nA) or "conductance" (µS)."""
        checked(what, self.observed(), "projection")
        if what in state:
            return state[what]
        if what == "conductance":
            return self.conductance(self.synapse.release(**state))
        return self.current(self.post.take(moment.v), state)[0]
