"""Binding: from a model's parameters to the physical arrays that a step uses, in nF, µS, nA. Done once per run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ._types import Array, Float
from .mech import Channel, Synapse
from .model import Connections, Model
from .solve import Graph, Index, product, spread, take

# µF/cm² · µm² = 1e-8 µF = 1e-5 nF; S/cm² · µm² = 1e-8 S = 1e-2 µS, and so mA/cm² · µm² = 1e-2 nA;
# Ω·cm / µm = 1e4 Ω = 1e-2 MΩ, whose inverse is 100 µS.
NF_PER_UF_CM2_UM2 = 1e-5
NA_PER_MA_CM2_UM2 = 1e-2
US_PER_UM_OHM_CM = 1e2


@dataclass(frozen=True, eq=False)
class Place:
    """A static set of CVs of a model of `size` CVs, read and added to; free of cost where it is all of them."""

    index: np.ndarray
    size: int

    @cached_property
    def _sites(self) -> Index:
        return Index(self.index, self.size)

    @cached_property
    def _is_all(self) -> bool:
        return np.array_equal(self.index, np.arange(self.size))

    def take(self, x: Float[Array, "cv"]) -> Float[Array, "site"]:
        return x if self._is_all else take(x, self._sites)

    def add(self, x: Float[Array, "cv"], value: Float[Array, "site"]) -> Float[Array, "cv"]:
        return x + (value if self._is_all else spread(value, self._sites))


class Membrane(eqx.Module):
    """One channel type on its CVs: parameters per CV (or shared), area in units that turn mA/cm² into nA."""

    name: str = eqx.field(static=True)
    channel: Channel
    place: Place = eqx.field(static=True)
    scale: Float[Array, "site"]
    q10: Float[Array, ""] | Float[Array, "site"] | float

    def gates(self, v: Float[Array, "cv"]) -> dict[str, Any]:
        gates = self.channel.gates(self.place.take(v))
        return {k: g.scaled(self.q10) for k, g in gates.items()}


class Wiring(eqx.Module):
    """One projection: the transmitter signal lives at the presynaptic sites, the weights map it to conductances."""

    name: str = eqx.field(static=True)
    synapse: Synapse
    weight: Float[Array, "..."]
    pre: Place = eqx.field(static=True)
    post: Place = eqx.field(static=True)
    graph: Graph | None = eqx.field(static=True)

    def conductance(self, s: Float[Array, "pre"]) -> Float[Array, "site"]:
        """Return Σ weight · s in µS at every postsynaptic site."""
        return s @ self.weight if self.graph is None else product(self.weight, s, self.graph)


class Physics(eqx.Module):
    """The right-hand side of the cable equation for one set of parameters.

    `capacitance` [cv] nF; `axial` [node] µS, the conductance of each node to its parent; `v0` [cv] mV.
    """

    capacitance: Float[Array, "cv"]
    axial: Float[Array, "node"]
    v0: Float[Array, "cv"]
    membranes: tuple[Membrane, ...]
    wirings: tuple[Wiring, ...]


def _membrane(model: Model, mechanism: Any, temperature: Any) -> Membrane:
    place = Place(mechanism.index, model.structure.size)
    values = {name: plan.assemble(model.params) for name, plan in mechanism.fields.items()}
    channel = mechanism.template.with_params(values)
    if temperature is not None and jnp.ndim(temperature):
        temperature = place.take(temperature)
    return Membrane(
        mechanism.name,
        channel,
        place,
        NA_PER_MA_CM2_UM2 * place.take(model.area),
        channel.temperature_factor(temperature),
    )


def _wiring(model: Model, c: Connections) -> Wiring:
    n_pre, n_site = len(c.pre), len(c.post)
    weight = jnp.broadcast_to(model.params[c.weight], c.weight_shape)
    weight = weight.reshape(n_pre, n_site) if c.edges is None else weight.ravel()[c.order]
    synapse = c.template.with_params({k: model.params[p] for k, p in c.fields.items()})
    graph = None if c.edges is None else Graph(c.edges[:, 0], c.edges[:, 1], n_pre, n_site)
    size = model.structure.size
    return Wiring(c.name, synapse, weight, Place(c.pre, size), Place(c.post, size), graph)


def bind(model: Model) -> Physics:
    """Return the physics of a model: every field assembled per CV, every conductance in µS."""
    s = model.structure
    values = {name: plan.assemble(model.params) for name, plan in s.properties.items()}
    full: Callable[[Array], Array] = lambda x: jnp.broadcast_to(x, (s.size,))  # noqa: E731
    ra = full(values["ra"])
    resistance = ra[s.cv_child] * model.res_child + ra[s.cv_parent] * model.res_parent
    # Roots have no edge: their resistance is zero and their entry is never read.
    axial = US_PER_UM_OHM_CM / jnp.where(resistance > 0, resistance, 1.0)
    temperature: Mapping[str, Any] | Any = values.get("temperature")
    return Physics(
        NF_PER_UF_CM2_UM2 * values["cm"] * model.area,
        axial,
        full(values["v0"]),
        tuple(_membrane(model, m, temperature) for m in s.mechanisms),
        tuple(_wiring(model, c) for c in s.connections),
    )
