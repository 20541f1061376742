"""One time step: gates, currents, and the implicit solve for the voltage, as a composition of the three islands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ._types import Array, Float, Int
from .bind import Membrane, Physics, Place, Wiring
from .protocol import Input
from .solve import Tree, solve


@dataclass(frozen=True)
class BackwardEuler:
    """First order in time, NEURON's default: the gates follow the voltage by one step."""

    theta = 1.0


@dataclass(frozen=True)
class Staggered:
    """Second order in time: gates live half a step off the voltage and step exactly, the voltage by Crank–Nicolson.

    Source: Hines (1984), Int J Biomed Comput 15:69.
    """

    theta = 0.5


Method = BackwardEuler | Staggered

# γ of Alexander's L-stable second-order step, see `advance`.
_DAMPED = 1.0 - 0.5**0.5


class State(eqx.Module):
    """Everything a run needs to go on exactly: voltage now, gates and signals `theta · dt` before it, and the clock.

    `v` [cv] mV; `gates[mechanism][gate]` [site]; `signals[projection][gate]` [pre]. The time is `origin + n · dt` ms.
    """

    v: Float[Array, "cv"]
    gates: dict[str, dict[str, Array]]
    signals: dict[str, dict[str, Array]]
    origin: Float[Array, ""]
    n: Int[Array, ""]
    dt: Float[Array, ""]

    @property
    def t(self) -> Float[Array, ""]:
        return self.origin + self.n * self.dt


def initial(physics: Physics, dt: Float[Array, ""]) -> State:
    """Return the state at t = 0: every gate and signal at its steady state for the initial voltage."""
    v = physics.v0
    gates = {
        m.name: {k: jnp.broadcast_to(g.inf, m.scale.shape) for k, g in m.gates(v).items()}
        for m in physics.membranes
    }
    signals = {}
    for w in physics.wirings:
        found = w.synapse.gates(w.pre.take(v))
        signals[w.name] = {k: jnp.broadcast_to(g.inf, (len(w.pre.index),)) for k, g in found.items()}
    return State(v, gates, signals, jnp.zeros((), v.dtype), jnp.zeros((), jnp.int32), dt)


def advance_gates(physics: Physics, state: State, dt: Float[Array, ""]) -> tuple[dict, dict]:
    """Return gates and signals after `dt` at the present voltage."""
    gates = {}
    for m in physics.membranes:
        now = state.gates[m.name]
        gates[m.name] = {k: g.step(now[k], dt) for k, g in m.gates(state.v).items()} if now else {}
    signals = {}
    for w in physics.wirings:
        now = state.signals[w.name]
        found = w.synapse.gates(w.pre.take(state.v))
        signals[w.name] = {k: g.step(now[k], dt) for k, g in found.items()}
    return gates, signals


def membrane_current(m: Membrane, v: Float[Array, "site"], gates: dict[str, Array]) -> tuple[Array, Array]:
    """Return the outward current density (mA/cm²) at the mechanism's CVs and its exact slope (S/cm² · 1e-3 mV⁻¹)."""
    return jax.jvp(lambda u: m.channel.current(u, **gates), (v,), (jnp.ones_like(v),))


def _synaptic_current(w: Wiring, v: Float[Array, "site"], signals: dict[str, Array]) -> tuple[Array, Array]:
    g = w.conductance(w.synapse.release(**signals))
    return jax.jvp(lambda u: w.synapse.current(u, g), (v,), (jnp.ones_like(v),))


def currents(
    physics: Physics, v: Float[Array, "cv"], gates: dict, signals: dict
) -> tuple[Float[Array, "cv"], Float[Array, "cv"]]:
    """Return the total outward membrane current (nA) and its slope (µS) per CV."""
    total, slope = jnp.zeros_like(v), jnp.zeros_like(v)
    for m in physics.membranes:
        i, di = membrane_current(m, m.place.take(v), gates[m.name])
        total = m.place.add(total, m.scale * i)
        slope = m.place.add(slope, m.scale * di)
    for w in physics.wirings:
        i, di = _synaptic_current(w, w.post.take(v), signals[w.name])
        total = w.post.add(total, i)
        slope = w.post.add(slope, di)
    return total, slope


def advance(
    physics: Physics,
    forest: Sequence[Tree],
    inputs: Sequence[tuple[Input, Place, tuple[int, ...]]],
    method: Method,
    state: State,
) -> State:
    """Return the state one step of `state.dt` later.

    With h = theta · dt the solve is  (C/h + dI/dV + G) v* = C/h v − I(v) + dI/dV v + I_electrode,  and
    v(t + dt) = v + (v* − v)/theta: v* is backward Euler's new voltage, or Crank–Nicolson's midpoint.

    Crank–Nicolson hardly damps the stiff modes that a voltage clamp excites: next to the electrode the voltage would
    ring by tens of mV. A run with a voltage clamp therefore takes the L-stable second-order step of Alexander (1977,
    SIAM J Numer Anal 14:1006): two solves with h = (1 − 1/√2) dt, the second from v + (1/√2) dt v*'.
    """
    v, dt = state.v, state.dt
    gates, signals = advance_gates(physics, state, dt)
    total, slope = currents(physics, v, gates, signals)
    driven = [(place, shape, *source.drive(state.t, dt)) for source, place, shape in inputs]
    damped = method.theta < 1.0 and any(g is not None for _, _, _, g, _ in driven)
    inertia = physics.capacitance / ((_DAMPED if damped else method.theta) * dt)
    diagonal = inertia + slope
    rhs = diagonal * v - total
    for place, shape, i, g, e in driven:
        if i is not None:
            rhs = place.add(rhs, jnp.broadcast_to(i, shape).ravel().astype(v.dtype))
        if g is not None:
            diagonal = place.add(diagonal, jnp.broadcast_to(g, shape).ravel().astype(v.dtype))
            rhs = place.add(rhs, jnp.broadcast_to(g * e, shape).ravel().astype(v.dtype))
    star = solve(tuple(forest), diagonal, physics.axial, rhs)
    if damped:
        rhs = rhs + inertia * (1.0 / _DAMPED - 1.0) * (star - v)
        new = solve(tuple(forest), diagonal, physics.axial, rhs)
    else:
        new = star if method.theta == 1.0 else v + (star - v) / method.theta
    return State(new, gates, signals, state.origin, state.n + 1, dt)


def observed_gates(physics: Physics, method: Method, state: State) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return gates and signals at the time of the voltage: `theta · dt` after the stored ones."""
    return advance_gates(physics, state, method.theta * state.dt)
