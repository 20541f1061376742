"""Spikes on their way: detection, delays, what arrives in a step, and what it does to synapses and weights."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..base.types import Array, Float
from ..mech import Gate, Surrogate
from ..solve import due, product
from .physics import Relay

Memory = dict[str, dict[str, Array]]
"""State of a relay: its `queue` [slot, pre], the synaptic `states` [pre or edge], and what is `plastic`."""

_NEVER = 1e30  # ms: an age that no delay reaches, and the age before a spike that no delay exceeds, with a minus sign
_NATIVE_SLOTS = 32  # what the compiled search for arrivals can tell apart


def start(relay: Relay, dtype: Any) -> Memory:
    """Return the memory of a relay that has seen no spike."""
    shape = (relay.events.slots, relay.n_pre)
    queue = {
        "age": jnp.full(shape, _NEVER, dtype),
        "before": jnp.full(shape, _NEVER, dtype),
        "count": jnp.zeros(shape, dtype),
    }
    states = {
        k: jnp.broadcast_to(jnp.asarray(x, dtype), (relay.carriers,))
        for k, x in relay.synapse.start().items()
    }
    plastic: dict[str, Array] = {}
    if relay.plasticity is not None:
        rule, n_edge = relay.plasticity, relay.weight.shape[0]
        plastic = {"w": jnp.ones((n_edge,), dtype)}
        plastic |= {
            k: jnp.zeros((relay.n_pre,) if relay.delay.ndim == 0 else (n_edge,), dtype)
            for k in rule.pre_traces()
        }
        plastic |= {k: jnp.zeros((len(relay.soma.index),), dtype) for k in rule.post_traces()}
        if rule.tag() is not None:
            plastic["tag"] = jnp.zeros((n_edge,), dtype)
    return {"queue": queue, "states": states, "plastic": plastic}


def arriving(relay: Relay, queue: Mapping[str, Array], dt: Array) -> tuple[Array, Array]:
    """Return how many spikes arrive during the step, and after how many ms of it; `[pre]`, or `[edge]` with delays.

    Where nothing arrives it arrives at the end, where it changes nothing: so a spike that moves into the next step does
    not jump.
    """
    if relay.delay.ndim:
        return _arriving_at_edges(relay, queue, dt)
    age, before, count = queue["age"], queue["before"], queue["count"]
    # The very comparison of one step decides the next one too, so that rounding neither loses nor doubles a spike.
    hit = (relay.delay - age < dt) & ~(relay.delay - before < dt)
    real = hit & (count > 0.0)
    lag = jnp.where(real, jnp.clip(relay.delay - age, 0.0, dt), 0.0)
    many = jnp.maximum(jnp.sum(real, axis=0), 1)
    amount = jnp.sum(jnp.where(hit, count, 0.0), axis=0)
    return amount, jnp.where(real.any(axis=0), jnp.sum(lag, axis=0) / many, dt)


def _arriving_at_edges(relay: Relay, queue: Mapping[str, Array], dt: Array) -> tuple[Array, Array]:
    """The same where every edge has its delay: first which slots are due, then their numbers are read."""
    edge: Any = relay.to_edge
    age, count = queue["age"].ravel(), queue["count"].ravel()
    held = jnp.ones_like(queue["count"]) if relay.events.surrogate is not None else queue["count"] != 0.0
    pre = edge.index.astype(np.int32)
    backend = None if relay.events.slots <= _NATIVE_SLOTS else "jax"
    first, second = due(queue["age"], queue["before"], held, relay.delay, dt, pre, backend=backend)

    def read(slot: Array) -> tuple[Array, Array, Array]:
        at = jnp.maximum(slot, 0) * relay.n_pre + pre
        amount = jnp.where(slot >= 0, count.at[at].get(mode="promise_in_bounds"), 0.0)
        real = amount > 0.0
        lag = relay.delay - jnp.where(real, age.at[at].get(mode="promise_in_bounds"), 0.0)
        return amount, jnp.where(real, jnp.clip(lag, 0.0, dt), 0.0), real.astype(count.dtype)

    def both() -> tuple[Array, Array, Array]:
        return jax.tree.map(jnp.add, read(first), read(second))

    # Two spikes of one cell in one step are rare: a source may do so, a membrane does not.
    amount, lag, many = jax.lax.cond(jnp.any(second >= 0), both, lambda: read(first))
    return amount, jnp.where(many > 0.0, lag / jnp.maximum(many, 1.0), dt)


def transmitted(
    relay: Relay, memory: Memory, dt: Array, order: int
) -> tuple[dict[str, Array], Array, Array, Array]:
    """Advance the synaptic states by one step.

    Returns them, the mean signal over the step, and the amount and lag of what arrived. The mean is taken at the middle
    of both parts of the step, before and after the arrival: it is continuous in the time of arrival, so that delays and
    spike times have true gradients.
    """
    amount, lag = arriving(relay, memory["queue"], dt)
    a, at = amount, lag
    if relay.to_edge is not None and not relay.delay.ndim:
        a, at = relay.to_edge.take(amount), relay.to_edge.take(lag)
    synapse, now = relay.synapse, memory["states"]
    # To first order it is the signal at the start of both parts, which is NEURON's where a spike arrives on the grid.
    middle = 0.5 if order == 2 else 0.0
    early = synapse.release(**synapse.flow(middle * at, **now))
    reached = synapse.flow(at, **now)
    jumped = synapse.event(**reached)
    after = {k: x + a * (jumped[k] - x) if k in jumped else x for k, x in reached.items()}
    late = synapse.release(**synapse.flow(middle * (dt - at), **after))
    share = at / dt
    return synapse.flow(dt - at, **after), share * early + (1.0 - share) * late, amount, lag


def synaptic_current(
    relay: Relay, v: Float[Array, "site"], signal: Array, plastic: Mapping[str, Array]
) -> tuple[Array, Array]:
    """Return the outward current (nA) and its slope (µS) at the postsynaptic sites."""
    weight = relay.weight * plastic["w"] if plastic else relay.weight
    if relay.to_site is not None:
        # Parameters may differ from edge to edge, so every edge has a current of its own.
        u, g = relay.to_site.take(v), weight * signal
        i, di = jax.jvp(lambda u: relay.synapse.current(u, g), (u,), (jnp.ones_like(u),))
        return relay.to_site.add(jnp.zeros_like(v), i), relay.to_site.add(jnp.zeros_like(v), di)
    g = signal @ weight if relay.graph is None else product(weight, signal, relay.graph)
    return jax.jvp(lambda u: relay.synapse.current(u, g), (v,), (jnp.ones_like(v),))


@jax.custom_jvp
def _happened(v0: Array, v1: Array, slope: Array) -> Array:
    return ((v0 < 0.0) & (v1 >= 0.0)).astype(v1.dtype)


@_happened.defjvp
def _happened_jvp(primals: Any, tangents: Any) -> Any:
    v0, v1, slope = primals
    return _happened(v0, v1, slope), slope * tangents[1]


def crossed(
    v0: Array, v1: Array, threshold: Any, dt: Array, surrogate: Surrogate | None
) -> tuple[Array, Array]:
    """Return whether the voltage crosses the threshold upwards in a step, as a number, and how long before its end, ms.

    The time is that of the straight line from `v0` to `v1`, and has its derivatives; whether it happened has only the
    surrogate's.
    """
    below, above = v0 - threshold, v1 - threshold
    # Every step near the threshold lets its share of gradient pass: per ms, so that the size does not depend on dt.
    slope = jnp.zeros_like(above) if surrogate is None else dt * surrogate.slope(above)
    hit = _happened(below, above, jax.lax.stop_gradient(slope))
    spiked = (below < 0.0) & (above >= 0.0)
    rise = jnp.where(spiked, v1 - v0, 1.0)
    return hit, jnp.where(spiked, dt * above / rise, 0.5 * dt)


def pushed(relay: Relay, queue: Mapping[str, Array], dt: Array, count: Array, age: Array) -> dict[str, Array]:
    """Return the queue one step later, with new spikes of `age` ms in front where `count` is not zero.

    With a surrogate the spikes that did not happen have derivatives as well: these gather in the newest slot, and an
    empty one is opened four times per delay, so that they arrive about when the spikes would have.
    """
    older, lost = queue["age"] + dt, jnp.isnan(count)
    new = _opened(relay, queue, count)
    kept = queue["count"]
    if relay.events.surrogate is not None:
        kept = kept.at[0].add(jnp.where(new, 0.0, count))
    # The mark of a lost spike arrives in the next step, before another could push it out in turn.
    heads = {"age": jnp.where(lost, _NEVER, age), "before": jnp.full_like(age, -_NEVER), "count": count}
    tails = {"age": older, "before": queue["age"], "count": kept}
    return {k: jnp.where(new, jnp.concatenate([heads[k][None], tails[k][:-1]]), tails[k]) for k in heads}


def _opened(relay: Relay, queue: Mapping[str, Array], count: Array) -> Array:
    """Return where the queue moves up by one slot: for a spike, or for those that did not happen, `[pre]`."""
    new = count != 0.0
    if relay.events.surrogate is not None:
        new = new | (queue["age"][0] >= 0.25 * jax.lax.stop_gradient(jnp.max(relay.delay)))
    return new


def overfull(relay: Relay, queue: Mapping[str, Array], count: Array, dt: Array) -> Array:
    """Return whether a spike that has not arrived everywhere would be pushed out by a new one, `[pre]`."""
    # The comparison of `arriving`, at the longest delay.
    waits = ~(jnp.max(relay.delay) - queue["age"][-1] < dt)
    return _opened(relay, queue, count) & (queue["count"][-1] > 0.0) & waits


def learned(
    relay: Relay,
    plastic: Mapping[str, Array],
    amount: Array,
    lag: Array,
    spikes: tuple[Array, Array],
    reward: Any,
    dt: Array,
) -> dict[str, Array]:
    """Return weights and traces one step later.

    `amount`, `lag`: what arrived, `[pre]` or `[edge]`; `spikes`: what the postsynaptic cells did, and how long before
    the end of the step.
    """
    rule: Any = relay.plasticity
    of_pre: Any = relay.of_pre
    of_soma: Any = relay.of_soma
    pre, post = rule.pre_traces(), rule.post_traces()
    fired, left = spikes
    edge = (lambda x: x) if relay.delay.ndim else of_pre.take
    cell = of_soma.take
    w, lag_edge, left_edge = plastic["w"], edge(lag), cell(left)

    arrived = edge(amount)
    spiked_at = dt - left_edge
    # Of two spikes within one step the later one meets the trace of the earlier one.
    first = jnp.where(lag_edge < spiked_at, arrived, 0.0), jnp.where(spiked_at < lag_edge, cell(fired), 0.0)
    apart = jnp.abs(spiked_at - lag_edge)

    def at(gates: Mapping[str, Gate], spread: Any, after: Array, earlier: Array) -> dict[str, Array]:
        return {
            k: g.step(spread(plastic[k]), after) + earlier * jnp.exp(-apart * g.rate)
            for k, g in gates.items()
        }

    none = jnp.zeros_like(w)
    change = arrived * rule.on_pre(w, at(pre, edge, lag_edge, none), at(post, cell, lag_edge, first[1]))
    change = change + cell(fired) * rule.on_post(
        w, at(pre, edge, spiked_at, first[0]), at(post, cell, spiked_at, none)
    )
    found = {k: g.step(plastic[k], dt) + amount * jnp.exp(-(dt - lag) * g.rate) for k, g in pre.items()}
    found |= {k: g.step(plastic[k], dt) + fired * jnp.exp(-left * g.rate) for k, g in post.items()}
    tag = rule.tag()
    if tag is None:
        return {"w": rule.bounded(w + change), **found}
    held = plastic["tag"]
    return {"w": rule.bounded(w + dt * rule.gain(reward) * held), **found, "tag": tag.step(held, dt) + change}
