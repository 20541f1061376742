"""One time step: gates, currents, and the implicit solve for the voltage, as a composition of the three islands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..base.types import Array, Float, Int
from ..inputs.base import Electrode, Input, Trigger
from ..inputs.reward import Reward
from ..mech import PointNeuron, advanced, initial_states
from ..solve import Tree
from . import spikes as events
from .ions import advance_ions
from .junctions import solve_joined
from .physics import Membrane, Physics, Place, Readings, Relay, Wiring


@dataclass(frozen=True)
class BackwardEuler:
    """First order in time, NEURON's default and its order within a step, for parity with published models.

    The gates follow the voltage by one step; ions take in what flowed at its start; a spike counts from the end of the
    step in which it happens, though its gradient is that of its true moment.
    """

    theta = 1.0
    order = 1


@dataclass(frozen=True)
class Staggered:
    """Second order in time: gates live half a step off the voltage and step exactly, the voltage by Crank–Nicolson.

    Source: Hines (1984), Int J Biomed Comput 15:69.
    """

    theta = 0.5
    order = 2


Method = BackwardEuler | Staggered

# γ of Alexander's L-stable second-order step, see `advance`.
_DAMPED = 1.0 - 0.5**0.5


class State(eqx.Module):
    """Everything a run needs to go on exactly: voltage and ions now, gates and signals `theta · dt` before, the clock.

    `v` [cv] mV; `gates[mechanism][gate]` [site]; `ions[ion][state]` [site] mM; `signals[projection][gate]` [pre];
    `events[projection]`: spikes on their way, synaptic states and plastic weights, as of now; `inputs`: what electrodes
    remember. The time is `origin + n · dt` ms.
    """

    v: Float[Array, "cv"]
    gates: dict[str, dict[str, Array]]
    ions: dict[str, dict[str, Array]]
    signals: dict[str, dict[str, Array]]
    events: dict[str, dict[str, dict[str, Array]]]
    inputs: tuple[Any, ...]
    origin: Float[Array, ""]
    n: Int[Array, ""]
    dt: Float[Array, ""]

    @property
    def t(self) -> Float[Array, ""]:
        return self.origin + self.n * self.dt


@dataclass(frozen=True, eq=False)
class Placed:
    """An input and where it acts: the CVs `place` of an electrode with the shape they are addressed in."""

    source: Input
    place: Place | None = None
    shape: tuple[int, ...] = ()


def initial(physics: Physics, inputs: Sequence[Placed], dt: Float[Array, ""]) -> State:
    """Return the state at t = 0: every gate, scheme and signal at rest for the initial voltage."""
    v, ions = physics.v0, {site.name: site.start() for site in physics.ions}
    readings = Readings(physics, ions)
    gates = {
        m.name: {
            k: jnp.broadcast_to(x, m.scale.shape) for k, x in initial_states(m.gates(v, readings)).items()
        }
        for m in physics.membranes
    }
    signals = {}
    for w in physics.wirings:
        found = initial_states(w.synapse.gates(w.pre.take(v)))
        signals[w.name] = {k: jnp.broadcast_to(x, (len(w.pre.index),)) for k, x in found.items()}
    sent = {relay.name: events.start(relay, v.dtype) for relay in physics.relays}
    memories = start_inputs(inputs, v.dtype)
    return State(
        v, gates, ions, signals, sent, memories, jnp.zeros((), v.dtype), jnp.zeros((), jnp.int32), dt
    )


def start_inputs(inputs: Sequence[Placed], dtype: Any) -> tuple[Any, ...]:
    """Return what every input remembers at t = 0."""
    return tuple(p.source.start(p.shape, dtype) if isinstance(p.source, Electrode) else None for p in inputs)


def advance_gates(physics: Physics, state: State, dt: Float[Array, ""], order: int) -> tuple[dict, dict]:
    """Return gates and signals after `dt` at the present voltage and concentrations."""
    gates, readings = {}, Readings(physics, state.ions)
    for m in physics.membranes:
        now = state.gates[m.name]
        gates[m.name] = advanced(m.gates(state.v, readings), now, dt, order) if now else {}
    signals = {}
    for w in physics.wirings:
        signals[w.name] = advanced(w.synapse.gates(w.pre.take(state.v)), state.signals[w.name], dt, order)
    return gates, signals


def membrane_current(
    m: Membrane, v: Float[Array, "site"], gates: Mapping[str, Array], readings: Readings
) -> tuple[Array, Array]:
    """Return the outward current density (mA/cm²) at the mechanism's CVs and its exact slope (S/cm² · 1e-3 mV⁻¹)."""
    read = {name: readings.at(name, m.place) for name in m.outline.current_reads}

    def total(v: Array) -> Array:
        return sum(m.channel.carried(v, **gates, **read).values())  # pyright: ignore[reportReturnType]

    current, slope = jax.jvp(total, (v,), (jnp.ones_like(v),))
    if isinstance(m.channel, PointNeuron):
        current = current + m.channel.runaway(v, **gates)
    return current, slope


def _synaptic_current(w: Wiring, v: Float[Array, "site"], signals: dict[str, Array]) -> tuple[Array, Array]:
    g = w.conductance(w.synapse.release(**signals))
    return jax.jvp(lambda u: w.synapse.current(u, g), (v,), (jnp.ones_like(v),))


def currents(
    physics: Physics, v: Float[Array, "cv"], gates: dict, ions: dict, signals: dict
) -> tuple[Float[Array, "cv"], Float[Array, "cv"]]:
    """Return the total outward membrane current (nA) and its slope (µS) per CV."""
    total, slope, readings = jnp.zeros_like(v), jnp.zeros_like(v), Readings(physics, ions)
    for m in physics.membranes:
        i, di = membrane_current(m, m.place.take(v), gates[m.name], readings)
        total = m.place.add(total, m.scale * i)
        slope = m.place.add(slope, m.scale * di)
    for w in physics.wirings:
        i, di = _synaptic_current(w, w.post.take(v), signals[w.name])
        total = w.post.add(total, i)
        slope = w.post.add(slope, di)
    return total, slope


def advance(
    physics: Physics, forest: Sequence[Tree], inputs: Sequence[Placed], method: Method, state: State
) -> State:
    """Return the state one step of `state.dt` later.

    With h = theta · dt the solve is  (C/h + dI/dV + G) v* = C/h v − I(v) + dI/dV v + I_electrode,  and
    v(t + dt) = v + (v* − v)/theta: v* is backward Euler's new voltage, or Crank–Nicolson's midpoint.

    Crank–Nicolson hardly damps the stiff modes that a voltage clamp excites: next to the electrode the voltage would
    ring by tens of mV. A run with a voltage clamp therefore takes the L-stable second-order step of Alexander (1977,
    SIAM J Numer Anal 14:1006): two solves with h = (1 − 1/√2) dt, the second from v + (1/√2) dt v*'.
    """
    v, dt = state.v, state.dt
    gates, signals = advance_gates(physics, state, dt, method.order)
    ions = state.ions
    if method.order == 2:
        # The middle of the step, where the currents are taken; the full step comes after the voltage.
        ions = advance_ions(physics, forest, v, gates, ions, 0.5 * dt, 1)
    total, slope = currents(physics, v, gates, ions, signals)
    arrived = {}
    for relay in physics.relays:
        memory = state.events[relay.name]
        states, signal, amount, lag = events.transmitted(relay, memory, dt, method.order)
        arrived[relay.name] = amount, lag, states
        i, di = events.synaptic_current(relay, relay.post.take(v), signal, memory["plastic"])
        total, slope = relay.post.add(total, i), relay.post.add(slope, di)
    new = _new_voltage(physics, forest, inputs, method, state, total, slope)
    if method.order == 1:
        # As in NEURON: what flowed at the start of the step goes into the cell.
        ions = advance_ions(physics, forest, v, gates, state.ions, dt, 1, frozen=True)
    else:
        ions = advance_ions(physics, forest, v + 0.5 * (new - v), gates, state.ions, dt, 2)
    sent = {r.name: _sent(r, inputs, method, state, new, *arrived[r.name]) for r in physics.relays}
    new, gates = _reset(physics, new, gates)
    memories = _remembered(inputs, state, new)
    return State(new, gates, ions, signals, sent, memories, state.origin, state.n + 1, dt)


def _new_voltage(
    physics: Physics,
    forest: Sequence[Tree],
    inputs: Sequence[Placed],
    method: Method,
    state: State,
    total: Array,
    slope: Array,
) -> Array:
    """Solve for the voltage at the end of the step, with the membrane's current and slope at its start."""
    v, dt = state.v, state.dt
    driven = [
        (p.place, p.shape, *p.source.drive(state.t, dt, memory))
        for p, memory in zip(inputs, state.inputs, strict=True)
        if isinstance(p.source, Electrode) and p.place is not None
    ]
    damped = method.theta < 1.0 and any(g is not None for _, _, _, g, _ in driven)
    if damped:
        theta: Any = _DAMPED
    elif method.theta < 1.0:
        theta = _damping(slope * dt / physics.capacitance)
    else:
        theta = method.theta
    inertia = physics.capacitance / (theta * dt)
    diagonal = inertia + slope
    rhs = diagonal * v - total
    for place, shape, i, g, e in driven:
        if i is not None:
            rhs = place.add(rhs, jnp.broadcast_to(i, shape).ravel().astype(v.dtype))
        if g is not None:
            diagonal = place.add(diagonal, jnp.broadcast_to(g, shape).ravel().astype(v.dtype))
            rhs = place.add(rhs, jnp.broadcast_to(g * e, shape).ravel().astype(v.dtype))
    star = solve_joined(forest, diagonal, physics.axial, rhs, physics.junctions)
    if damped:
        rhs = rhs + inertia * (1.0 / _DAMPED - 1.0) * (star - v)
        return solve_joined(forest, diagonal, physics.axial, rhs, physics.junctions)
    return star if method.theta == 1.0 else v + (star - v) / theta


def _damping(z: Array) -> Array:
    """Return the theta of every CV whose membrane would decay by exp(−z) in the step: ½ where that resolves it.

    Where z > 2 Crank–Nicolson overshoots, from z = ∞ on without damping: there 1 − 1/z lets the membrane's own mode
    end at rest instead (Liniger & Willoughby 1970, SIAM J Numer Anal 7:47, for the limit).
    """
    return jnp.maximum(0.5, 1.0 - 1.0 / jnp.maximum(z, 1.0))


def _sent(
    relay: Relay,
    inputs: Sequence[Placed],
    method: Method,
    state: State,
    new: Array,
    amount: Array,
    lag: Array,
    states: Any,
) -> dict[str, dict[str, Array]]:
    """Return what a relay holds one step later: new spikes on their way, synaptic states, plastic weights."""
    memory, dt = state.events[relay.name], state.dt
    end = state.origin + (state.n + 1) * dt
    count, age = jnp.zeros((relay.n_pre,), new.dtype), jnp.full((relay.n_pre,), 0.5 * dt, new.dtype)
    if relay.pre is not None:
        count, age = events.crossed(
            relay.pre.take(state.v), relay.pre.take(new), relay.threshold, dt, relay.events.surrogate
        )
        if method.order == 1:
            # As in NEURON a spike counts from the end of its step; the derivative is that of its true moment.
            age = age - jax.lax.stop_gradient(age)
    for p in inputs:
        if isinstance(p.source, Trigger) and p.source.at == relay.events.source:
            more, left = p.source.fired(state.t, end, state.n, relay.n_pre)
            both = jnp.maximum(count + more, 1.0)
            age = jnp.where(more > 0, (count * age + more * left) / both, age)
            count = count + more
    plastic = memory["plastic"]
    if relay.plasticity is not None:
        fired = events.crossed(relay.soma.take(state.v), relay.soma.take(new), relay.threshold_post, dt, None)
        rewards = [
            p.source.value(state.t, dt)
            for p in inputs
            if isinstance(p.source, Reward) and p.source.at == relay.name
        ]
        reward = sum(rewards) if rewards else jnp.zeros((), new.dtype)
        plastic = events.learned(relay, plastic, amount, lag, fired, reward, dt)
    queue = memory["queue"]
    # A spike that has no room would be lost in silence; poisoned, the run says so.
    lost = events.overfull(relay, queue, count, dt)
    queue = events.pushed(relay, queue, dt, jnp.where(lost, jnp.nan, count), age)
    return {"queue": queue, "states": states, "plastic": plastic}


def _reset(
    physics: Physics, v: Array, gates: dict[str, dict[str, Array]]
) -> tuple[Array, dict[str, dict[str, Array]]]:
    """Return voltage and states after the point neurons that passed their threshold were reset."""
    gates = dict(gates)
    for m in physics.membranes:
        if isinstance(m.channel, PointNeuron):
            now = m.place.take(v)
            spiked = now >= m.channel.threshold
            after, states = m.channel.reset(now, **gates[m.name])
            v = m.place.add(v, jnp.where(spiked, after - now, 0.0))
            gates[m.name] = {
                k: jnp.where(spiked, states[k], x) if k in states else x for k, x in gates[m.name].items()
            }
    return v, gates


def _remembered(inputs: Sequence[Placed], state: State, v: Array) -> tuple[Any, ...]:
    found = []
    for p, memory in zip(inputs, state.inputs, strict=True):
        if isinstance(p.source, Electrode) and memory is not None and p.place is not None:
            memory = p.source.advance(memory, p.place.take(v).reshape(p.shape), state.t, state.n, state.dt)
        found.append(memory)
    return tuple(found)


def observed_gates(physics: Physics, method: Method, state: State) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return gates and signals at the time of the voltage: `theta · dt` after the stored ones."""
    return advance_gates(physics, state, method.theta * state.dt, method.order)
