"""Binding: from a model's parameters to the physical arrays that a step uses, in nF, µS, nA. Done once per run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..base.types import Array, Float
from ..mech import Channel, EventSynapse, GapJunction, Ion, Outline, Plasticity, PointNeuron, Synapse, reading
from ..model.model import Model
from ..model.structure import THRESHOLD, Connections, Events, Mechanism
from ..solve import Graph, Index, product, spread, take

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
    def is_all(self) -> bool:
        return np.array_equal(self.index, np.arange(self.size))

    def take(self, x: Float[Array, "cv"]) -> Float[Array, "site"]:
        return x if self.is_all else take(x, self._sites)

    def add(self, x: Float[Array, "cv"], value: Float[Array, "site"]) -> Float[Array, "cv"]:
        return x + (value if self.is_all else spread(value, self._sites))


class Membrane(eqx.Module):
    """One channel type on its CVs: parameters per CV (or shared), area in units that turn mA/cm² into nA."""

    name: str = eqx.field(static=True)
    channel: Channel
    outline: Outline = eqx.field(static=True)
    place: Place = eqx.field(static=True)
    scale: Float[Array, "site"]
    q10: Float[Array, ""] | Float[Array, "site"] | float

    def gates(self, v: Float[Array, "cv"], readings: "Readings") -> dict[str, Any]:
        read = {name: readings.at(name, self.place) for name in self.outline.gates_read}
        gates = self.channel.gates(self.place.take(v), **read)
        return {k: g.scaled(self.q10) for k, g in gates.items()}


class IonSite(eqx.Module):
    """One ion on its CVs: `radius` µm; `volume` µm³ and `transport` µm³/ms (per edge and state) where it diffuses."""

    name: str = eqx.field(static=True)
    species: str = eqx.field(static=True)
    ion: Ion
    place: Place = eqx.field(static=True)
    radius: Float[Array, "site"]
    volume: Any
    transport: dict[str, Float[Array, "node"]]

    @property
    def valence(self) -> int:
        return self.ion.charge(self.species)

    def start(self) -> dict[str, Array]:
        return {k: jnp.broadcast_to(x, self.radius.shape) for k, x in self.ion.start().items()}


class Readings:
    """What mechanisms read of the ions: `at("eca", place)`; each value is computed when it is first asked for."""

    def __init__(self, physics: "Physics", states: Mapping[str, Mapping[str, Array]]):
        self._physics, self._states = physics, states
        self._found: dict[str, Any] = {"celsius": physics.celsius}

    def at(self, name: str, place: Place) -> Any:
        if name not in self._found:
            self._found[name] = self._whole(name)
        value = self._found[name]
        return place.take(value) if jnp.ndim(value) else value

    def _whole(self, name: str) -> Any:
        """Return a reading at every CV of the model: a scalar where it is one, else zero where nobody provides it."""
        species, kind = reading(name) or ("", "")
        total: Any = None
        for site in (s for s in self._physics.ions if s.species == species):
            value = self.of(site, kind)
            if value is None:
                continue
            if jnp.ndim(value) or not site.place.is_all:
                zeros = jnp.zeros_like(self._physics.v0) if total is None else total
                total = site.place.add(zeros, jnp.broadcast_to(value, site.radius.shape))
            else:
                total = value
        return total

    def of(self, site: IonSite, kind: str) -> Any:
        """Return "i", "o" (mM) or "e" (mV) of one ion at its own sites, None where it has none."""
        states = self._states.get(site.name, {})
        inside, outside = site.ion.inside(**states), site.ion.outside(**states)
        if kind != "e":
            return inside if kind == "i" else outside
        celsius = self._physics.celsius
        at = site.place.take(celsius) if celsius is not None and jnp.ndim(celsius) else celsius
        return site.ion.reversal(inside, outside, site.valence, at)


class Wiring(eqx.Module):
    """One graded projection: the signal lives at the presynaptic sites, the weights map it to conductances."""

    name: str = eqx.field(static=True)
    synapse: Synapse
    weight: Float[Array, "..."]
    pre: Place = eqx.field(static=True)
    post: Place = eqx.field(static=True)
    graph: Graph | None = eqx.field(static=True)

    def conductance(self, s: Float[Array, "pre"]) -> Float[Array, "site"]:
        """Return Σ weight · s in µS at every postsynaptic site."""
        return s @ self.weight if self.graph is None else product(self.weight, s, self.graph)


class Relay(eqx.Module):
    """One event projection. Its synaptic states live at the presynaptic cells, or per edge where `to_edge` is given.

    `delay` ms is shared or [edge]; `pre` is None for spike sources. `to_edge` reads values of presynaptic cells at the
    edges; `graph` joins what carries the states to the sites. A plastic projection reads the postsynaptic cells' spikes
    at `soma`, and `of_soma` at the edges.
    """

    name: str = eqx.field(static=True)
    events: Events = eqx.field(static=True)
    synapse: EventSynapse
    weight: Float[Array, "..."]
    delay: Float[Array, "..."]
    threshold: Any
    threshold_post: Any
    n_pre: int = eqx.field(static=True)
    pre: Place | None = eqx.field(static=True)
    post: Place = eqx.field(static=True)
    graph: Graph | None = eqx.field(static=True)
    to_edge: Place | None = eqx.field(static=True)
    to_site: Place | None = eqx.field(static=True)
    plasticity: Plasticity | None
    soma: Place = eqx.field(static=True)
    of_pre: Place | None = eqx.field(static=True)
    of_soma: Place | None = eqx.field(static=True)

    @property
    def carriers(self) -> int:
        """How many synaptic states of each kind there are."""
        return self.n_pre if self.to_edge is None else len(self.to_edge.index)


class Junctions(eqx.Module):
    """Electrical synapses: conductances `g` [edge] µS between CVs `a` and `b` [edge]."""

    g: Float[Array, "edge"]
    a: Place = eqx.field(static=True)
    b: Place = eqx.field(static=True)


class Physics(eqx.Module):
    """The right-hand side of the cable equation for one set of parameters.

    `capacitance` [cv] nF; `axial` [node] µS, the conductance of each node to its parent; `v0` [cv] mV; `celsius` °C
    (None, a scalar or [cv]).
    """

    capacitance: Float[Array, "cv"]
    axial: Float[Array, "node"]
    v0: Float[Array, "cv"]
    celsius: Float[Array, "..."] | None
    membranes: tuple[Membrane, ...]
    ions: tuple[IonSite, ...]
    wirings: tuple[Wiring, ...]
    relays: tuple[Relay, ...]
    junctions: tuple[Junctions, ...]


def _valued(model: Model, mechanism: Mechanism) -> Any:
    """Return a channel or an ion with its parameters, each a scalar or one value per CV."""
    return mechanism.template.with_params({k: p.assemble(model.params) for k, p in mechanism.fields.items()})


def _membrane(model: Model, mechanism: Mechanism, shape: "Shape", temperature: Any) -> Membrane:
    place, channel = Place(mechanism.index, model.structure.size), _valued(model, mechanism)
    if temperature is not None and jnp.ndim(temperature):
        temperature = place.take(temperature)
    scale, factor = NA_PER_MA_CM2_UM2 * place.take(shape.area), channel.temperature_factor(temperature)
    outline: Any = mechanism.outline
    return Membrane(mechanism.name, channel, outline, place, scale, factor)


def _ion(model: Model, mechanism: Mechanism, shape: "Shape") -> IonSite:
    place, ion = Place(mechanism.index, model.structure.size), _valued(model, mechanism)
    volume, transport = None, {}
    if coefficients := ion.diffusion():
        inside = np.zeros(place.size, bool)
        inside[place.index] = True
        child, parent = model.structure.cv_child, model.structure.cv_parent
        joined = (inside[child] | (model.res_child == 0)) & (inside[parent] | (model.res_parent == 0))
        # Elsewhere nothing flows, but a junction that no pool reaches must not divide by zero.
        volume = place.add(jnp.ones_like(shape.area), place.take(0.5 * shape.area * shape.radius) - 1.0)
        for name, d in coefficients.items():
            d = place.add(jnp.ones_like(shape.area), jnp.broadcast_to(d, place.index.shape) - 1.0)
            resistance = shape.res_child / d[child] + shape.res_parent / d[parent]
            transport[name] = jnp.where(
                joined & (resistance > 0), 1.0 / jnp.where(resistance > 0, resistance, 1.0), 1e-20
            )
    return IonSite(mechanism.name, mechanism.species, ion, place, place.take(shape.radius), volume, transport)


class Shape(eqx.Module):
    """The geometry of a run: `area` µm² and `radius` µm per CV, and the geometric part of the resistances, 1/µm."""

    area: Float[Array, "cv"]
    radius: Float[Array, "cv"]
    res_child: Float[Array, "node"]
    res_parent: Float[Array, "node"]


def _shape(model: Model, values: Mapping[str, Array]) -> Shape:
    """Return the measured geometry, stretched where a radius or a length was painted.

    A painted value replaces the mean radius, or the length, of a CV; its taper stays.
    """
    s = model.structure
    radius, area, res = s.radius, model.area, [model.res_child, model.res_parent]
    owners = (s.cv_child, s.cv_parent)
    if "length" in values:
        stretch = jnp.broadcast_to(values["length"], (s.size,)) / s.length
        area, res = area * stretch, [r * stretch[at] for r, at in zip(res, owners, strict=True)]
    if "radius" in values:
        stretch = jnp.broadcast_to(values["radius"], (s.size,)) / s.radius
        radius, area = s.radius * stretch, area * stretch
        res = [r / stretch[at] ** 2 for r, at in zip(res, owners, strict=True)]
    return Shape(area, jnp.asarray(radius, area.dtype), *res)


def _sorted(model: Model, c: Connections, path: str) -> Array:
    """Return a projection's value as it is used: one number, a matrix [pre, site], or one per edge in their order."""
    value = model.params[path]
    if value.ndim == 0:
        return value
    value = jnp.broadcast_to(value, c.weight_shape)
    return value.reshape(len(c.pre), len(c.post)) if c.edges is None else value.ravel()[c.order]


def _weights(model: Model, c: Connections) -> Array:
    value = _sorted(model, c, c.weight)
    return jnp.broadcast_to(value, (len(c.pre), len(c.post)) if c.edges is None else (len(c.edges),))


def _wiring(model: Model, c: Connections) -> Wiring:
    n_pre, n_site = len(c.pre), len(c.post)
    synapse: Any = c.template.with_params({k: model.params[p] for k, p in c.fields.items()})
    graph = None if c.edges is None else Graph(c.edges[:, 0], c.edges[:, 1], n_pre, n_site)
    size = model.structure.size
    return Wiring(c.name, synapse, _weights(model, c), Place(c.pre, size), Place(c.post, size), graph)


def _own_threshold(membranes: Sequence[Membrane], name: str, cvs: np.ndarray) -> Any:
    """Return the threshold (mV) of the point neuron `name` at CVs, the usual one where there is none."""
    for m in membranes:
        if m.name == name and isinstance(m.channel, PointNeuron):
            value = m.channel.threshold
            return value[np.searchsorted(m.place.index, cvs)] if jnp.ndim(value) else value
    return THRESHOLD


def _relay(model: Model, c: Connections, membranes: Sequence[Membrane]) -> Relay:
    e: Any = c.events
    n_pre, n_site, size = len(c.pre), len(c.post), model.structure.size
    synapse: Any = c.template.with_params({k: _sorted(model, c, p) for k, p in c.fields.items()})
    plasticity = e.plasticity and e.plasticity.with_params({k: model.params[p] for k, p in e.fields.items()})
    graph, to_edge, to_site, of_pre, of_soma = None, None, None, None, None
    if c.edges is not None:
        pre, site = c.edges[:, 0], c.edges[:, 1]
        graph = (
            Graph(np.arange(len(site)), site, len(site), n_site)
            if e.per_edge
            else Graph(pre, site, n_pre, n_site)
        )
        of_pre, of_soma = Place(pre, n_pre), Place(e.cell[site], len(e.soma))
        if e.per_edge:
            to_edge, to_site = of_pre, Place(site, n_site)
    return Relay(
        name=c.name,
        events=e,
        synapse=synapse,
        weight=_weights(model, c),
        delay=_sorted(model, c, e.delay),
        threshold=model.params[e.threshold] if e.threshold else _own_threshold(membranes, e.spiker, c.pre),
        threshold_post=_own_threshold(membranes, e.post_spiker, e.soma),
        n_pre=n_pre,
        pre=None if e.virtual else Place(c.pre, size),
        post=Place(c.post, size),
        graph=graph,
        to_edge=to_edge,
        to_site=to_site,
        plasticity=plasticity,
        soma=Place(e.soma, size),
        of_pre=of_pre,
        of_soma=of_soma,
    )


def _junctions(model: Model, c: Connections) -> Junctions:
    size, edges = model.structure.size, np.asarray(c.edges)
    a, b = c.pre[edges[:, 0]], c.post[edges[:, 1]]
    return Junctions(_weights(model, c), Place(a, size), Place(b, size))


def bind(model: Model) -> Physics:
    """Return the physics of a model: every field assembled per CV, every conductance in µS."""
    s = model.structure
    values = {name: plan.assemble(model.params) for name, plan in s.properties.items()}
    full: Callable[[Array], Array] = lambda x: jnp.broadcast_to(x, (s.size,))  # noqa: E731
    ra, shape = full(values["ra"]), _shape(model, values)
    resistance = ra[s.cv_child] * shape.res_child + ra[s.cv_parent] * shape.res_parent
    # Roots have no edge: their resistance is zero and their entry is never read.
    axial = US_PER_UM_OHM_CM / jnp.where(resistance > 0, resistance, 1.0)
    temperature = values.get("temperature")
    membranes = tuple(_membrane(model, m, shape, temperature) for m in s.mechanisms)
    return Physics(
        NF_PER_UF_CM2_UM2 * values["cm"] * shape.area,
        axial,
        full(values["v0"]),
        temperature,
        membranes,
        tuple(_ion(model, m, shape) for m in s.ions),
        tuple(_wiring(model, c) for c in s.connections if isinstance(c.template, Synapse)),
        tuple(_relay(model, c, membranes) for c in s.connections if c.events is not None),
        tuple(_junctions(model, c) for c in s.connections if isinstance(c.template, GapJunction)),
    )
