"""Event synapses: spikes detected, on their way and arriving, what they do to synaptic states, and the current."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..base.types import Array, Float
from ..inputs.base import Input, Teacher, Trigger
from ..mech import EventSynapse
from ..model.inserted import EventProjection, Wires
from ..model.model import Model
from ..solve import Graph
from .carriers import PerCell, PerEdge
from .crossing import Crossing
from .effects import Effect, Single, Summed
from .membranes import Membranes
from .moment import Moment
from .part import Load, Part, checked
from .plasticity import Learning
from .queue import Delays, EdgeDelays, SharedDelay, empty, pushed
from .sites import Sites


@final
class EventSynapses(Part):
    """One event projection.

    Its memory: the `queue` of every presynaptic cell, the synaptic `states` [carrier], and what is `plastic`. Cells
    spike by a `crossing` of their voltage (None for spike sources), and when a trigger among the inputs says so.
    """

    synapse: EventSynapse
    weight: Float[Array, "..."]
    effect: Effect
    delays: Delays
    crossing: Crossing | None
    learning: Learning | None
    triggers: tuple[Trigger, ...]
    teachers: tuple[Teacher, ...]
    post: Sites = eqx.field(static=True)
    projection: EventProjection = eqx.field(static=True)

    @staticmethod
    def of(
        model: Model, projection: EventProjection, membranes: Membranes, inputs: Sequence[Input]
    ) -> "EventSynapses":
        """Return a projection with its parameters, and with the inputs that let its cells spike or reward it."""
        wires, params = projection.wires, model.params
        synapse = projection.template.with_params(
            {k: wires.sorted(params, p) for k, p in projection.fields.items()}
        )
        edges = wires.edges
        shape = (len(wires.pre), len(wires.post)) if edges is None else (len(edges),)
        weight = jnp.broadcast_to(wires.sorted(params, wires.weight), shape)
        delay = wires.sorted(params, projection.delay)
        pre = projection.pre
        return EventSynapses(
            synapse=synapse,
            weight=weight,
            effect=_effect(synapse, projection, model.structure.size, delay.ndim == 0),
            delays=_delays(projection, delay),
            crossing=None if pre is None else Crossing.of(model, membranes, pre, projection.surrogate),
            learning=_learning(model, projection, membranes, delay.ndim > 0),
            triggers=tuple(x for x in inputs if isinstance(x, Trigger) and x.at == wires.pre_population),
            teachers=tuple(x for x in inputs if isinstance(x, Teacher) and x.at == wires.path),
            post=Sites(wires.post, model.structure.size),
            projection=projection,
        )

    @property
    def n_pre(self) -> int:
        """The number of presynaptic cells."""
        return len(self.projection.wires.pre)

    def start(self, moment: Moment) -> dict[str, dict[str, Array]]:
        dtype = moment.v.dtype
        plastic = {} if self.learning is None else self.learning.start(dtype)
        return {
            "queue": empty(self.projection.slots, self.n_pre, dtype),
            "states": self.effect.start(self.present_weight(plastic), moment),
            "plastic": plastic,
        }

    def resume(self, state: Any, moment: Moment, same: Array) -> Any:
        """Where the step changes, what arrives in the next one is decided by the new step."""
        queue = state["queue"]
        before = jnp.where(same, queue["before"], queue["age"] - moment.dt)
        return {**state, "queue": {**queue, "before": before}}

    def wake(self, moment: Moment) -> Moment:
        path = self.projection.wires.path
        state = moment.parts[path]
        woken = self.effect.woken(state["states"], self.present_weight(state["plastic"]), moment)
        if woken is None:
            return moment
        states, change = woken
        parts = {**moment.parts, path: {**state, "states": states}}
        return moment.but(v=self.post.add(moment.v, change), parts=parts)

    def load(self, state: Any, moment: Moment, dt: Array) -> Load:
        """Let arrive what is due in this step, and return the mean current over it."""
        arrived = self.delays.arriving(state["queue"], dt)
        weight = self.present_weight(state["plastic"])
        working, (i, di) = self.effect.load(state["states"], weight, arrived, moment, dt)
        return (
            {**state, "states": working, "arrived": arrived},
            self.post.spread(i),
            self.post.spread(di),
        )

    def present_weight(self, plastic: Mapping[str, Array]) -> Array:
        """Return the weights (µS) as plasticity has left them."""
        return self.weight * plastic["w"] if plastic else self.weight

    def settle(self, state: Any, before: Moment, after: Moment, dt: Array) -> dict[str, dict[str, Array]]:
        """Return what is remembered one step later: new spikes on their way, synaptic states, plastic weights."""
        amount, lag = state["arrived"]
        plastic = state["plastic"]
        weight = self.present_weight(plastic)
        states = self.effect.settle(state["states"], weight, (amount, lag), before, after, dt)
        count, age = self._fired(before, after, dt)
        if self.learning is not None:
            spikes = self.learning.post.within(before.v, after.v, dt)
            rewards = [teacher.value(before.t, dt) for teacher in self.teachers]
            reward = sum(rewards) if rewards else jnp.zeros((), after.v.dtype)
            plastic = self.learning.advanced(plastic, amount, lag, spikes, reward, dt)
        surrogate = self.projection.surrogate
        queue = pushed(state["queue"], self.delays, surrogate, dt, count, age)
        return {"queue": queue, "states": states, "plastic": plastic}

    def _fired(self, before: Moment, after: Moment, dt: Array) -> tuple[Array, Array]:
        """Return how many spikes each cell [pre] fires in the step, and their mean age (ms) at its end."""
        dtype = after.v.dtype
        count, age = jnp.zeros((self.n_pre,), dtype), jnp.full((self.n_pre,), 0.5 * dt, dtype)
        if self.crossing is not None:
            count, age = self.crossing.within(before.v, after.v, dt)
            if before.order == 1:
                # As in NEURON a spike counts from the end of its step; the derivative is that of its true moment.
                age = age - jax.lax.stop_gradient(age)
        for trigger in self.triggers:
            more, left = trigger.fired(before.t, after.t, before.n, self.n_pre)
            both = jnp.maximum(count + more, 1.0)
            age = jnp.where(more > 0, (count * age + more * left) / both, age)
            count = count + more
        return count, age

    def flow(self, state: Any, moment: Moment) -> Float[Array, "cv"]:
        return self.post.spread(self._current(state, moment))

    def _current(self, state: Any, moment: Moment) -> Float[Array, "site"]:
        return self.effect.current(state["states"], self.present_weight(state["plastic"]), moment)[0]

    def observed(self) -> tuple[str, ...]:
        plastic = () if self.learning is None else self.learning.names
        return (*self.synapse.states(), *plastic, "current", "conductance")

    def observe(self, what: str, state: Any, moment: Moment) -> Array:
        """Return a synaptic state, a trace, the weights "w" (µS), at the sites "current" (nA) or "conductance" (µS).

        The conductance of a synapse with several signals, or of its own per connection, is the slope of its current.
        What belongs to edges has the order and the shape of the weights as they were connected.
        """
        checked(what, self.observed(), "projection")
        wires = self.projection.wires
        if what in state["states"]:
            value = state["states"][what]
            return wires.as_written(value) if self.projection.per_edge else value
        if self.learning is not None and what in state["plastic"]:
            value = state["plastic"][what]
            value = self.weight * value if what == "w" else value
            return wires.as_written(value) if what in self.learning.by_edges else value
        if what == "conductance":
            weight = self.present_weight(state["plastic"])
            return self.effect.conductance(state["states"], weight, moment)
        return self._current(state, moment)


def _delays(projection: EventProjection, delay: Array) -> Delays:
    if delay.ndim == 0:
        return SharedDelay(delay)
    return EdgeDelays(delay, _of_pre(projection.wires), projection.surrogate is not None)


def _of_pre(wires: Wires) -> Sites:
    """Return the presynaptic cell of every edge."""
    edges: Any = wires.edges
    return Sites(edges[:, 0], len(wires.pre))


def _effect(synapse: EventSynapse, projection: EventProjection, size: int, shared_delay: bool) -> Effect:
    wires, post = projection.wires, Sites(projection.wires.post, size)
    n_pre, n_site, edges = len(wires.pre), len(wires.post), wires.edges
    if not projection.per_edge:
        graph = None if edges is None else Graph(edges[:, 0], edges[:, 1], n_pre, n_site)
        return Summed(synapse, PerCell(n_pre, graph), post)
    carrier = PerEdge(_of_pre(wires), Sites(np.asarray(edges)[:, 1], n_site), shared_delay)
    if not synapse.takes_weight():
        return Summed(synapse, carrier, post)
    source = None if projection.pre is None else Sites(projection.pre.cvs, size)
    return Single(synapse, carrier, post, source, projection.surrogate is not None)


def _learning(
    model: Model, projection: EventProjection, membranes: Membranes, by_edge: bool
) -> Learning | None:
    plastic, wires = projection.plastic, projection.wires
    if plastic is None:
        return None
    rule = plastic.template.with_params({k: model.params[p] for k, p in plastic.fields.items()})
    of_post = Sites(plastic.cell[np.asarray(wires.edges)[:, 1]], len(plastic.post.cvs))
    return Learning(rule, Crossing.of(model, membranes, plastic.post), _of_pre(wires), of_post, by_edge)
