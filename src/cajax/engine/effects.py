"""What arriving spikes do: to states that a weighted sum stands for, or to a synapse of its own per connection."""

import zlib
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..base.objects import optional
from ..base.types import Array, Float
from ..mech import EventSynapse
from ..mech.events import V_PRE, WEIGHT, call, filled
from ..mech.ports import CHANCE, VOLTAGE
from .carriers import Carrier, PerEdge, Signal
from .moment import Moment
from .sites import Sites

States = Mapping[str, Array]
Current = tuple[Float[Array, "site"], Float[Array, "site"]]


class Effect(eqx.Module):
    """The synaptic states of a projection, what spikes do to them, and the current at the postsynaptic sites.

    `amount` and `lag`: how many spikes arrive in a step, and after how many ms of it. `weight` µS as it is now.
    """

    @abstractmethod
    def start(self, weight: Array, moment: Moment) -> dict[str, Array]:
        """Return the states at the start of a run."""

    @optional
    def woken(
        self, states: States, weight: Array, moment: Moment
    ) -> tuple[dict[str, Array], Float[Array, "site"]] | None:
        """Return the states, and by how much the voltage changes (mV), where synapses set it at the start of a step."""
        return None

    @abstractmethod
    def load(
        self, states: States, weight: Array, arrived: tuple[Array, Array], moment: Moment, dt: Array
    ) -> tuple[dict[str, Any], Current]:
        """Return what `settle` goes on from, and the mean current over the step with its slope."""

    @abstractmethod
    def settle(
        self,
        working: Mapping[str, Any],
        weight: Array,
        arrived: tuple[Array, Array],
        before: Moment,
        after: Moment,
        dt: Array,
    ) -> dict[str, Array]:
        """Return the states at the end of the step."""

    @abstractmethod
    def current(self, states: States, weight: Array, moment: Moment) -> Current:
        """Return the outward current (nA) and its slope (µS) at the postsynaptic sites."""

    @abstractmethod
    def conductance(self, states: States, weight: Array, moment: Moment) -> Float[Array, "site"]:
        """Return the conductance (µS) at the postsynaptic sites, or the slope of a current of several signals."""


@final
class Summed(Effect):
    """What spikes do is in proportion to the weight, so that a weighted sum of signals stands for all of them."""

    synapse: EventSynapse
    carrier: Carrier
    post: Sites = eqx.field(static=True)

    def start(self, weight: Array, moment: Moment) -> dict[str, Array]:
        found = self.synapse.start(**self._voltage(moment.v))
        return {
            k: jnp.broadcast_to(jnp.asarray(x, moment.v.dtype), (self.carrier.size,))
            for k, x in found.items()
        }

    def load(
        self, states: States, weight: Array, arrived: tuple[Array, Array], moment: Moment, dt: Array
    ) -> tuple[dict[str, Any], Current]:
        voltage = self._voltage(moment.v)
        after, signal = self._transmitted(states, arrived, voltage, dt, moment.order)
        working = {"states": after, **({"earlier": states} if voltage else {})}
        return working, self.carrier.current(self.synapse, self.post.take(moment.v), weight, signal)

    def settle(
        self,
        working: Mapping[str, Any],
        weight: Array,
        arrived: tuple[Array, Array],
        before: Moment,
        after: Moment,
        dt: Array,
    ) -> dict[str, Array]:
        if "earlier" not in working:
            return working["states"]
        # The current took them at the voltage before; they go on at that of the step's end, or of its middle.
        voltage = self._voltage(settled_voltage(before, after))
        return self._transmitted(working["earlier"], arrived, voltage, dt, before.order)[0]

    def _voltage(self, v: Float[Array, "cv"]) -> dict[str, Array]:
        """Return the postsynaptic voltage [carrier] by name where the synapse's states read it."""
        return self.carrier.voltage(self.post.take(v)) if self.synapse.reads_voltage() else {}

    def _transmitted(
        self, now: States, arrived: tuple[Array, Array], voltage: States, dt: Array, order: int
    ) -> tuple[dict[str, Array], Signal]:
        """Return the synaptic states at the end of the step, and the mean signal over it.

        The mean is taken at the middle of both parts of the step, before and after the arrival: it is continuous in the
        time of arrival, so that delays and spike times have true gradients.
        """
        a, at = (self.carrier.lifted(x) for x in arrived)
        synapse = self.synapse
        # To first order it is the signal at the start of both parts, which is NEURON's for a spike on the grid.
        middle = 0.5 if order == 2 else 0.0
        early = synapse.release(**synapse.flow(middle * at, **voltage, **now))
        reached = synapse.flow(at, **voltage, **now)
        jumped = synapse.event(**reached)
        after = {k: x + a * (jumped[k] - x) if k in jumped else x for k, x in reached.items()}
        late = synapse.release(**synapse.flow(middle * (dt - at), **voltage, **after))
        share = at / dt
        mean = jax.tree.map(lambda a, b: share * a + (1.0 - share) * b, early, late)
        return synapse.flow(dt - at, **voltage, **after), mean

    def current(self, states: States, weight: Array, moment: Moment) -> Current:
        signal = self.synapse.release(**states)
        return self.carrier.current(self.synapse, self.post.take(moment.v), weight, signal)

    def conductance(self, states: States, weight: Array, moment: Moment) -> Float[Array, "site"]:
        signal = self.synapse.release(**states)
        if isinstance(signal, dict):
            return self.current(states, weight, moment)[1]
        return self.carrier.conductance(weight, signal)


@final
class Single(Effect):
    """Every connection is a synapse of its own: its weight goes to `event`, and currents add up.

    `pre` [edge] are the edges' presynaptic cells, `source` [pre] their CVs (None for spike sources), `post` [site] the
    CVs that the edges end at. `ghosts`: spikes that did not happen have derivatives too.
    """

    synapse: EventSynapse
    carrier: PerEdge
    post: Sites = eqx.field(static=True)
    source: Sites | None = eqx.field(static=True)
    ghosts: bool = eqx.field(static=True)

    def start(self, weight: Array, moment: Moment) -> dict[str, Array]:
        given = {**self._surroundings(moment, moment.v), WEIGHT: weight, "t": moment.t, "dt": moment.dt}
        found = call(self.synapse.start, given)
        return {
            k: jnp.broadcast_to(jnp.asarray(x, moment.v.dtype), (self.carrier.size,))
            for k, x in found.items()
        }

    def load(
        self, states: States, weight: Array, arrived: tuple[Array, Array], moment: Moment, dt: Array
    ) -> tuple[dict[str, Any], Current]:
        given = {**self._surroundings(moment, moment.v), WEIGHT: weight, "dt": dt}
        woken = states if self._sets_voltage() else self._woken(states, given, moment, dt)
        if not self.is_reached():
            half = self._flown(woken, given, 0.5 * dt, moment.t) if moment.order == 2 else woken
            return {"woken": woken}, self._current(half, given, moment.v, moment.t + 0.5 * dt)
        at = self.carrier.lifted(arrived[1])
        _, after = self._jumped(woken, given, arrived, moment.t)
        early = woken
        if moment.order == 2:
            early = self._flown(woken, given, 0.5 * at, moment.t)
            after = self._flown(after, given, 0.5 * (dt - at), moment.t + at)
        i, di = (self._each(x, given, moment.v, moment.t + 0.5 * dt) for x in (early, after))
        share = at / dt
        mean = (self.carrier.post.spread(share * x + (1.0 - share) * y) for x, y in zip(i, di, strict=True))
        return {"woken": woken}, tuple(mean)  # pyright: ignore[reportReturnType]

    def settle(
        self,
        working: Mapping[str, Any],
        weight: Array,
        arrived: tuple[Array, Array],
        before: Moment,
        after: Moment,
        dt: Array,
    ) -> dict[str, Array]:
        given = {**self._surroundings(before, settled_voltage(before, after)), WEIGHT: weight, "dt": dt}
        if not self.is_reached():
            return self._flown(working["woken"], given, dt, before.t)
        at = self.carrier.lifted(arrived[1])
        _, jumped = self._jumped(working["woken"], given, arrived, before.t)
        return self._flown(jumped, given, dt - at, before.t + at)

    def woken(
        self, states: States, weight: Array, moment: Moment
    ) -> tuple[dict[str, Array], Float[Array, "site"]] | None:
        if not self._sets_voltage():
            return None
        given = {**self._surroundings(moment, moment.v), WEIGHT: weight, "dt": moment.dt}
        found = self._woken(states, given, moment, moment.dt)
        v = self.carrier.post.take(self.post.take(moment.v))
        return found, self.carrier.post.spread(found.pop(VOLTAGE) - v)

    def _woken(self, states: States, given: Mapping[str, Any], moment: Moment, dt: Any) -> dict[str, Array]:
        return {**states, **call(self.synapse.wake, {**states, **given, "t": moment.t}, dt)}

    def _sets_voltage(self) -> bool:
        return VOLTAGE in self._returned(lambda a: call(self.synapse.wake, a, a["dt"]))

    def _returned(self, method: Callable[[dict[str, Any]], Mapping[str, Any]]) -> tuple[str, ...]:
        """Return the names of what a method returns. Nothing is computed."""
        x = jax.ShapeDtypeStruct((), jnp.result_type(float))
        names = (*self.synapse.states(), *self.synapse.readings(), WEIGHT, "dt")
        return tuple(jax.eval_shape(method, dict.fromkeys(names, x)))

    def is_reached(self) -> bool:
        """Whether spikes do anything: whether `event` returns a state."""
        return bool(self._returned(lambda a: call(self.synapse.event, a)))

    def _surroundings(self, moment: Moment, v: Float[Array, "cv"]) -> dict[str, Any]:
        """Return what the synapse reads at the edges, at a voltage."""
        found: dict[str, Any] = {}
        for name in self.synapse.readings():
            if name == VOLTAGE:
                found[name] = self.carrier.post.take(self.post.take(v))
            elif name == V_PRE and self.source is not None:
                found[name] = self.carrier.pre.take(self.source.take(v))
            elif name == CHANCE:
                edges = np.stack([self.carrier.pre.index, self.carrier.post.index])
                found[name] = moment.readings.chance(zlib.crc32(edges.tobytes()))
            elif name not in (WEIGHT, "t", "dt"):
                value = moment.readings.at(name, self.post)
                found[name] = self.carrier.post.take(value) if jnp.ndim(value) else value
        return found

    def _flown(self, states: States, given: Mapping[str, Any], dt: Any, t: Any) -> dict[str, Array]:
        """Return the states `dt` ms after `t`; a synapse knows the time at the end of its way."""
        found = call(self.synapse.flow, {**states, **given, "t": t + dt}, dt)
        return {k: jnp.broadcast_to(x, jnp.shape(states[k])) for k, x in found.items()}

    def _jumped(
        self, states: States, given: Mapping[str, Any], arrived: tuple[Array, Array], t: Any
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return the states when spikes arrive, and just after."""
        a, at = (self.carrier.lifted(x) for x in arrived)
        reached = self._flown(states, given, at, t)
        now = {**given, "t": t + at}

        def once(states: States, amount: Array) -> dict[str, Array]:
            jumped = call(self.synapse.event, {**states, **now})
            return {k: self._mixed(x, jumped[k], amount) if k in jumped else x for k, x in states.items()}

        after = once(reached, jnp.where(a > 1.0, 1.0, a))
        # Two spikes of one cell in one step are rare: a source may do so, a membrane does not.
        more = jnp.where(a > 1.0, a - 1.0, 0.0)
        return reached, jax.lax.cond(jnp.any(a > 1.0), lambda: once(after, more), lambda: after)

    def _mixed(self, x: Array, jumped: Array, amount: Array) -> Array:
        """Return the state after `amount` spikes of which one leads to `jumped`, without loss of its digits."""
        # A state such as the time of the last spike may jump from far below: it is reached, not added to.
        some = jumped + (amount - 1.0) * (jumped - x)
        return jnp.where(amount > 0.0, some, x + amount * (jumped - x) if self.ghosts else x)

    def _each(
        self, states: States, given: Mapping[str, Any], v: Float[Array, "cv"], t: Any
    ) -> tuple[Array, Array]:
        """Return the current (nA) and its slope (µS) of every edge."""
        signal = self.synapse.release(**states)
        u = self.carrier.post.take(self.post.take(v))
        more = filled(self.synapse.current, 2, {**given, "t": t})
        more.pop(VOLTAGE, None)
        return jax.jvp(
            lambda u: jnp.broadcast_to(self.synapse.current(u, signal, **more), jnp.shape(u)),
            (u,),
            (jnp.ones_like(u),),
        )

    def _current(self, states: States, given: Mapping[str, Any], v: Float[Array, "cv"], t: Any) -> Current:
        i, di = self._each(states, given, v, t)
        return self.carrier.post.spread(i), self.carrier.post.spread(di)

    def current(self, states: States, weight: Array, moment: Moment) -> Current:
        given = {**self._surroundings(moment, moment.v), WEIGHT: weight, "dt": moment.dt}
        return self._current(states, given, moment.v, moment.t)

    def conductance(self, states: States, weight: Array, moment: Moment) -> Float[Array, "site"]:
        return self.current(states, weight, moment)[1]


def settled_voltage(before: Moment, after: Moment) -> Float[Array, "cv"]:
    """Return the voltage at which states go on: that of the step's end, or of its middle to second order."""
    return after.v if before.order == 1 else before.v + 0.5 * (after.v - before.v)
