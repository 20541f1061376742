"""Plasticity in a run: weights and traces of a projection, changed by the spikes on both sides and by reward."""

from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp

from ..base.types import Array
from ..mech import Gate, Plasticity
from .crossing import Crossing
from .sites import Sites


@final
class Learning(eqx.Module):
    """The plasticity of a projection with `n_edge` edges.

    `post` says when the postsynaptic cells spike; `of_pre` and `of_post` read values of the cells at the edges. Where
    every edge has its delay (`by_edge`), so has it its presynaptic trace.
    """

    rule: Plasticity
    post: Crossing
    of_pre: Sites = eqx.field(static=True)
    of_post: Sites = eqx.field(static=True)
    by_edge: bool = eqx.field(static=True)

    @property
    def names(self) -> tuple[str, ...]:
        """What can be recorded: the weights "w" and the traces."""
        return ("w", *self.rule.pre_traces(), *self.rule.post_traces())

    @property
    def by_edges(self) -> tuple[str, ...]:
        """What has one value per edge."""
        return ("w", "tag", *(self.rule.pre_traces() if self.by_edge else ()))

    def start(self, dtype: Any) -> dict[str, Array]:
        """Return weights [edge] (in units of their start) and traces of cells that have not spiked."""
        n_edge = len(self.of_pre)
        n_pre = n_edge if self.by_edge else self.of_pre.size
        plastic = {"w": jnp.ones((n_edge,), dtype)}
        plastic |= {k: jnp.zeros((n_pre,), dtype) for k in self.rule.pre_traces()}
        plastic |= {k: jnp.zeros((len(self.post.sites),), dtype) for k in self.rule.post_traces()}
        if self.rule.tag() is not None:
            plastic["tag"] = jnp.zeros((n_edge,), dtype)
        return plastic

    def advanced(
        self,
        plastic: Mapping[str, Array],
        amount: Array,
        lag: Array,
        spikes: tuple[Array, Array],
        reward: Any,
        dt: Array,
    ) -> dict[str, Array]:
        """Return weights and traces one step later.

        `amount`, `lag`: what arrived, `[pre]` or `[edge]`; `spikes`: what the postsynaptic cells did, and how long
        before the end of the step. A spike on one side meets the other side's traces as they are at its moment.
        """
        rule, (fired, left) = self.rule, spikes
        pre, post = rule.pre_traces(), rule.post_traces()
        edge, cell = (lambda x: x) if self.by_edge else self.of_pre.take, self.of_post.take
        w, lag_edge, arrived = plastic["w"], edge(lag), edge(amount)
        spiked_at = dt - cell(left)
        # Of two spikes within one step the later one meets the trace of the earlier one.
        pre_first = jnp.where(lag_edge < spiked_at, arrived, 0.0)
        post_first = jnp.where(spiked_at < lag_edge, cell(fired), 0.0)
        apart = jnp.abs(spiked_at - lag_edge)

        def at(gates: Mapping[str, Gate], spread: Any, after: Array, earlier: Array) -> dict[str, Array]:
            return {
                k: g.step(spread(plastic[k]), after) + earlier * jnp.exp(-apart * g.rate)
                for k, g in gates.items()
            }

        none = jnp.zeros_like(w)
        change = arrived * rule.on_pre(w, at(pre, edge, lag_edge, none), at(post, cell, lag_edge, post_first))
        change = change + cell(fired) * rule.on_post(
            w, at(pre, edge, spiked_at, pre_first), at(post, cell, spiked_at, none)
        )
        traces = {k: g.step(plastic[k], dt) + amount * jnp.exp(-(dt - lag) * g.rate) for k, g in pre.items()}
        traces |= {k: g.step(plastic[k], dt) + fired * jnp.exp(-left * g.rate) for k, g in post.items()}
        tag = rule.tag()
        if tag is None:
            return {"w": rule.bounded(w + change), **traces}
        eligible = plastic["tag"]
        return {
            "w": rule.bounded(w + dt * rule.gain(reward) * eligible),
            **traces,
            "tag": tag.step(eligible, dt) + change,
        }
