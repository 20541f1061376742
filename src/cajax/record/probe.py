"""What is recorded: names of quantities resolved to functions of the state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..base.errors import ProtocolError, unknown
from ..base.types import Array
from ..engine.physics import Physics, Place, Readings, Relay
from ..engine.step import Method, State, membrane_current, observed_gates
from ..mech import Channel
from ..model.structure import Connections, Structure


@dataclass(frozen=True)
class Probe:
    """A quantity at a place.

    `what` is "v" (mV), "mechanism.gate", "mechanism.i" (outward current, mA/cm²), "mechanism.ina" (what sodium carries
    of it; for `HH` also "ik" and the leak "il") or an ion's: "ca.cai" and "ca.cao" (mM), "ca.eca" (mV), and its further
    states.

    As text: "soma" is the voltage at the soma's centre, "soma.na.m" a gate; in a network "hidden", "hidden.soma",
    "hidden.soma.na.m", and "pre->post.synapse.s" for a transmitter signal [pre] (or [edge]), ".w" for plastic weights.
    """

    at: Any
    what: str = "v"


Observe = Callable[[State, tuple[dict, dict]], Array]


def parse(structure: Structure, spec: Any) -> Probe:
    """Return the probe that `spec` (text, place or probe) means."""
    if isinstance(spec, Probe):
        return spec
    if not isinstance(spec, str) or "->" in spec:
        return Probe(spec)
    parts = spec.split(".")
    head = 0 if structure.is_cell else 1
    if head and len(parts) in (1, 2):
        return Probe(spec)
    if head and len(parts) == 3 and parts[1] not in structure.layout(parts[0]).labels:
        return Probe(parts[0], ".".join(parts[1:]))
    if len(parts) == head + 1:
        return Probe(spec)
    if len(parts) != head + 3:
        raise ProtocolError(
            f"cannot record '{spec}'; write a place, or place.mechanism.gate as in 'soma.na.m'"
        )
    return Probe(".".join(parts[: head + 1]), ".".join(parts[head + 1 :]))


def _signal(structure: Structure, spec: str, physics: Physics) -> Observe:
    name, _, variable = spec.rpartition(".")
    found = {c.name: c for c in structure.connections}
    if name not in found:
        raise unknown("projection", name, found)
    for relay in physics.relays:
        if relay.name == name:
            return _of_relay(relay, found[name], variable)

    def observe(state: State, gates: tuple[dict, dict]) -> Array:
        known = gates[1].get(name, {})
        if variable not in known:
            raise unknown("signal", variable, known, where=name)
        return known[variable]

    return observe


def _of_relay(relay: Relay, connections: Connections, variable: str) -> Observe:
    """Return a synaptic state, a trace, or the weights "w" (µS) of an event projection, as of now."""
    states = list(relay.synapse.start())
    plastic = (
        ["w", *relay.plasticity.pre_traces(), *relay.plasticity.post_traces()] if relay.plasticity else []
    )
    if variable not in (*states, *plastic):
        raise unknown("signal", variable, [*states, *plastic], where=relay.name)
    kind = "states" if variable in states else "plastic"

    def observe(state: State, gates: tuple[dict, dict]) -> Array:
        value = state.events[relay.name][kind][variable]
        if variable == "w":
            value = relay.weight * value
        # Edges are kept in the order of their sites; what is recorded has the order and the shape of the weights.
        if connections.order is None or value.shape != (len(connections.order),):
            return value
        return value[np.argsort(connections.order)].reshape(connections.weight_shape)

    return observe


def _in_mechanism(structure: Structure, probe: Probe, sites: np.ndarray, physics: Physics) -> Observe:
    short, _, variable = probe.what.partition(".")
    name = short
    if not structure.is_cell:
        population = probe.at[0] if isinstance(probe.at, tuple) else probe.at.partition(".")[0]
        name = f"{population}.{short}"
    found = {m.name: m for m in (*structure.mechanisms, *structure.ions)}
    if name not in found:
        raise unknown("mechanism", name, found)
    index = found[name].index
    entry = np.minimum(np.searchsorted(index, sites), len(index) - 1)
    if (index[entry] != sites).any():
        raise ProtocolError(f"cannot record '{probe.what}' at {probe.at!r}: '{short}' is not painted there")
    of = _of_ion if found[name].outline is None else _of_channel
    values = of(physics, name, variable)

    def observe(state: State, gates: tuple[dict, dict]) -> Array:
        return jnp.broadcast_to(values(state, gates), index.shape)[entry]

    return observe


def _of_channel(physics: Physics, name: str, variable: str) -> Observe:
    (membrane,) = (m for m in physics.membranes if m.name == name)
    known = [*membrane.outline.states, "i", *(f"i{part}" for part in current_parts(membrane.channel))]
    if variable not in known:
        raise unknown("quantity", variable, known, where=f"mechanism '{name}'")
    if variable in membrane.outline.states and variable != "i":
        return lambda state, gates: gates[0][name][variable]

    def current(state: State, gates: tuple[dict, dict]) -> Array:
        readings, v = Readings(physics, state.ions), membrane.place.take(state.v)
        if variable == "i":
            return membrane_current(membrane, v, gates[0][name], readings)[0]
        read = {name: readings.at(name, membrane.place) for name in membrane.outline.current_reads}
        return _parts(membrane.channel, v, {**gates[0][name], **read})[variable[1:]]

    return current


def _parts(channel: Any, v: Array, given: dict[str, Any]) -> dict[str, Array]:
    """Return the current density (mA/cm²) by what carries it; `given`: states and readings."""
    return channel.parts(v, **given) if hasattr(channel, "parts") else channel.carried(v, **given)


def current_parts(channel: Channel) -> tuple[str, ...]:
    """Return what a channel's current can be recorded by: the ions that carry it, and the leak "l" of `HH`."""
    if not hasattr(channel, "parts"):
        return channel.outline().carriers
    states = dict.fromkeys(channel.outline().states, jnp.zeros(()))
    return tuple(jax.eval_shape(lambda v: _parts(channel, v, states), jnp.zeros(())))


def _of_ion(physics: Physics, name: str, variable: str) -> Observe:
    (site,) = (s for s in physics.ions if s.name == name)
    known = {f"{site.species}i": "i", f"{site.species}o": "o", f"e{site.species}": "e"}
    states = [k for k in site.ion.start() if k not in "io"]
    if variable in states:
        return lambda state, gates: state.ions[name][variable]
    kind = known.get(variable, variable)
    if kind not in known.values():
        raise unknown("quantity", variable, [*known, *states], where=f"ion '{name}'")
    if Readings(physics, {name: site.start()}).of(site, kind) is None:
        raise ProtocolError(
            f"cannot record '{name}.{variable}': {type(site.ion).__name__} has no concentrations"
        )
    return lambda state, gates: Readings(physics, state.ions).of(site, kind)


def observers(
    structure: Structure, physics: Physics, method: Method, record: Mapping[str, Any]
) -> Callable[[State], dict[str, Array]]:
    """Return the function that reads every recording off a state; each value has the shape of its sites."""
    found: dict[str, Observe] = {}
    needs_gates = False
    for name, spec in record.items():
        if isinstance(spec, str) and "->" in spec:
            found[name] = _signal(structure, spec, physics)
            needs_gates = True
            continue
        probe = parse(structure, spec)
        sites = structure.sites(probe.at)
        if probe.what == "v":
            place = Place(sites.ravel(), structure.size)
            found[name] = lambda state, _, at=place, shape=sites.shape: at.take(state.v).reshape(shape)
        else:
            found[name] = _in_mechanism(structure, probe, sites, physics)
            needs_gates = True

    def observe(state: State) -> dict[str, Array]:
        gates = observed_gates(physics, method, state) if needs_gates else ({}, {})
        return {name: read(state, gates) for name, read in found.items()}

    return observe
