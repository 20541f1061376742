"""What is recorded: names of quantities resolved to functions of the state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from ._errors import ProtocolError, unknown
from ._types import Array
from .bind import Physics, Place
from .model import Structure
from .step import Method, State, membrane_current, observed_gates


@dataclass(frozen=True)
class Probe:
    """A quantity at a place: `what` is "v" (mV), "mechanism.gate", or "mechanism.i" (outward current, mA/cm²).

    As text: "soma" is the voltage at the soma's centre, "soma.na.m" a gate; in a network "hidden", "hidden.soma",
    "hidden.soma.na.m", and "pre->post.synapse.s" for a transmitter signal [pre].
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


def _signal(structure: Structure, spec: str) -> Observe:
    name, _, gate = spec.rpartition(".")
    if name not in {c.name for c in structure.connections}:
        raise unknown("projection", name, [c.name for c in structure.connections])

    def observe(state: State, gates: tuple[dict, dict]) -> Array:
        if gate not in gates[1][name]:
            raise unknown("signal", gate, gates[1][name], where=name)
        return gates[1][name][gate]

    return observe


def _in_mechanism(structure: Structure, probe: Probe, sites: np.ndarray, physics: Physics) -> Observe:
    short, _, variable = probe.what.partition(".")
    name = short
    if not structure.is_cell:
        population = probe.at[0] if isinstance(probe.at, tuple) else probe.at.partition(".")[0]
        name = f"{population}.{short}"
    names = [m.name for m in structure.mechanisms]
    if name not in names:
        raise unknown("mechanism", name, names)
    index = structure.mechanisms[names.index(name)].index
    membrane = physics.membranes[names.index(name)]
    entry = np.minimum(np.searchsorted(index, sites), len(index) - 1)
    if (index[entry] != sites).any():
        raise ProtocolError(f"cannot record '{probe.what}' at {probe.at!r}: '{short}' is not painted there")

    def observe(state: State, gates: tuple[dict, dict]) -> Array:
        if variable == "i":
            current, _ = membrane_current(membrane, membrane.place.take(state.v), gates[0][name])
            return jnp.broadcast_to(current, index.shape)[entry]
        if variable not in gates[0][name]:
            raise unknown("quantity", variable, [*gates[0][name], "i"], where=f"mechanism '{name}'")
        return gates[0][name][variable][entry]

    return observe


def observers(
    structure: Structure, physics: Physics, method: Method, record: Mapping[str, Any]
) -> Callable[[State], dict[str, Array]]:
    """Return the function that reads every recording off a state; each value has the shape of its sites."""
    found: dict[str, Observe] = {}
    needs_gates = False
    for name, spec in record.items():
        if isinstance(spec, str) and "->" in spec:
            found[name] = _signal(structure, spec)
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
