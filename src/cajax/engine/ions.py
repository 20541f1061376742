"""Concentrations: what the currents of a step do to the ions inside the cells."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..base.types import Array, Float
from ..mech import FARADAY, implicit_step, reading
from ..model.inserted import IonSites
from ..model.model import Model
from ..solve import matvec, solve
from .geometry import NA_PER_MA_CM2_UM2, Geometry
from .moment import Moment
from .part import Load, Part, checked
from .readings import BoundIon, Readings, States, meter
from .sites import Sites

# A current of 1 mA/cm² of an ion of charge 1 carries 1e4/F mM · µm/ms through the membrane.
_FLUX = 1e4 / FARADAY


@final
class Ions(Part):
    """All ions. Their concentrations are those at the time of the voltage.

    `metered` are the species whose current something reads; it is kept as it flowed in the step before.
    """

    ions: tuple[BoundIon, ...]
    metered: tuple[str, ...] = eqx.field(static=True)

    @staticmethod
    def of(model: Model, shape: Geometry) -> "Ions":
        """Return the ions of a model with their parameters."""
        read = [
            n for m in model.structure.channels for n in (*m.outline.gates_read, *m.outline.current_reads)
        ]
        read += [n for m in model.structure.ions for n in (m.template.current_reads() or ())]
        currents = {species for species, kind in filter(None, map(reading, read)) if kind == "current"}
        return Ions(tuple(_bound(model, m, shape) for m in model.structure.ions), tuple(sorted(currents)))

    def seen(self) -> tuple[BoundIon, ...]:
        """Return the ions with the further species that their states hold."""
        return tuple(view for ion in self.ions for view in ion.views())

    def start(self, moment: Moment) -> dict[str, dict[str, Array]]:
        found = {meter(species): {"current": jnp.zeros_like(moment.v)} for species in self.metered}
        # An ion that reads others at the start begins after them.
        for ion in sorted(self.ions, key=lambda x: any(map(reading, x.ion.start_reads()))):
            found[ion.path] = ion.start(moment.v, moment.physics.readings(found, moment.t, moment.dt))
        return found

    def load(self, state: States, moment: Moment, dt: Array) -> Load:
        return state, None, None

    def ahead(self, moment: Moment, gates: States, dt: Array) -> States:
        """Return the states at which the currents of a step are taken: to second order those in its middle."""
        now = moment.parts["ions"]
        if moment.order == 1:
            return now
        return self._advanced(moment, moment.v, gates, now, 0.5 * dt, 1)

    def settle(self, state: States, before: Moment, after: Moment, dt: Array) -> States:
        """Return the states at the end of the step.

        To first order what flowed at its start goes into the cell, as in NEURON; to second order the currents are those
        at the mean voltage, and follow the concentration.
        """
        gates = after.parts["membranes"]
        if before.order == 1:
            return self._advanced(before, before.v, gates, state, dt, 1, end=after)
        return self._advanced(before, before.v + 0.5 * (after.v - before.v), gates, state, dt, 2)

    def added(
        self, species: str, total: Float[Array, "cv"], v: Array, readings: Readings
    ) -> Float[Array, "cv"]:
        """Return `total` (mA/cm² outward) with what the ions' own currents carry of a species."""
        for ion in self.ions:
            if ion.ion.current_reads() is not None:
                own = ion.current(ion.sites.take(v), readings.states[ion.path], readings)
                total = ion.sites.add(total, own[species]) if species in own else total
        return total

    def total(self, v: Array, readings: Readings) -> tuple[Array, Array] | None:
        """Return the outward current (nA) [cv] of the ions themselves and its slope (µS), None where none has one."""
        acting = [ion for ion in self.ions if ion.ion.current_reads() is not None]
        whole, slope = jnp.zeros_like(v), jnp.zeros_like(v)
        for ion in acting:
            states, u = readings.states[ion.path], ion.sites.take(v)
            i, di = jax.jvp(
                lambda u, ion=ion, states=states: sum(ion.current(u, states, readings).values()),
                (u,),
                (jnp.ones_like(u),),
            )
            whole, slope = ion.sites.add(whole, ion.scale * i), ion.sites.add(slope, ion.scale * di)
        return (whole, slope) if acting else None

    def observe(self, what: str, state: States, moment: Moment) -> Array:
        """Nothing of all ions together; single ones are read by their own names."""
        checked(what, (), "ions")
        return moment.v

    def _advanced(
        self,
        moment: Moment,
        v: Array,
        gates: States,
        states: States,
        dt: Any,
        order: int,
        end: Moment | None = None,
    ) -> dict[str, Any]:
        """Return the states of all ions `dt` ms later, for the voltage `v` (mV) and the gates of the step's middle.

        Each ion takes an implicit step of the given order in which the currents follow its own concentration; with
        the `end` of the step they stay, and what else the ion reads is that of the end. Where it diffuses along the
        cell, a tree solve follows as a factor.
        """
        found = {path: dict(now) for path, now in states.items()}
        flowed = moment.physics.readings(states, moment.t + 0.5 * dt, dt)
        for species in self.metered:
            found[meter(species)] = {"current": moment.physics.carried(species, v, gates, flowed)}
        for ion in self.ions:
            if now := dict(states[ion.path]):
                found[ion.path] = _Step(moment, ion, v, gates, states, dt, end).taken(now, dt, order)
        return found


@final
class _Step:
    """One ion in one step: dc/dt = rates(flux, c) − (axial flow out)/volume at every control volume.

    The flux (mM · µm/ms) is what the currents carry in, −I 1e4/(z F).
    """

    def __init__(
        self,
        moment: Moment,
        ion: BoundIon,
        v: Array,
        gates: States,
        states: States,
        dt: Any,
        end: Moment | None,
    ):
        self.physics, self.ion, self.v, self.gates = moment.physics, ion, v, gates
        self.states, self.end, self.t, self.dt = states, end, moment.t + 0.5 * dt, dt
        self.volume: Any = ion.volume

    def taken(self, now: dict[str, Array], dt: Any, order: int) -> dict[str, Array]:
        """Return the states [site] after `dt` ms."""
        if not self.ion.transport:
            own = self.ion.ion.stepped(self.flux(now), self.ion.radius, now, dt, order, **self.around(now))
            if own is not None:
                return own
        spread = self.spread if self.ion.transport else None
        return implicit_step(self.rates, now, dt, order, spread)

    def rates(self, states: dict[str, Array]) -> dict[str, Array]:
        """Return d/dt of every state [site], mM/ms."""
        ion, physics = self.ion, self.physics
        change = ion.ion.rates(self.flux(states), ion.radius, states, **self.around(states))
        for name, g in ion.transport.items():
            whole = ion.sites.spread(states[name])
            out = ion.sites.take(matvec(physics.forest, jnp.zeros_like(self.v), g, whole) / self.volume)
            change = {**change, name: change[name] - out}
        return change

    def flowing(self, states: dict[str, Array]) -> Readings:
        """Return what currents read at these states of the ion."""
        among = self.states if self.end is not None else {**self.states, self.ion.path: states}
        return self.physics.readings(among, self.t, self.dt)

    def flux(self, states: dict[str, Array]) -> Array:
        """Return what the currents bring in [site], mM · µm/ms, at these states of the ion."""
        current = self.physics.carried(self.ion.species, self.v, self.gates, self.flowing(states))
        return self.ion.sites.take(current) * (-_FLUX / self.ion.valence)

    def around(self, states: dict[str, Array]) -> dict[str, Any]:
        """Return what the ion's rates read of their surroundings [site] by name."""
        names = self.ion.ion.reads()
        if not names:
            return {}
        v, t = (self.v, self.t) if self.end is None else (self.end.v, self.end.t)
        currents = {n: s for n in names for s, kind in filter(None, [reading(n)]) if kind == "current"}
        flowing, take = self.flowing(states), self.ion.sites.take
        found = {n: take(self.physics.carried(s, self.v, self.gates, flowing)) for n, s in currents.items()}
        rest = tuple(n for n in names if n not in currents)
        return found | self.ion.around(rest, v, self.physics.readings(self.states, t, self.dt))

    def spread(self, x: dict[str, Array], h: Any) -> dict[str, Array]:
        """Return y of (1 + h · axial flow/volume) y = x."""
        ion, solved = self.ion, dict(x)
        for name, g in ion.transport.items():
            inertia = self.volume / h
            whole = ion.sites.spread(x[name])
            solved[name] = ion.sites.take(solve(self.physics.forest, inertia, g, inertia * whole))
        return solved


def _bound(model: Model, mechanism: IonSites, shape: Geometry) -> BoundIon:
    sites = Sites(mechanism.index, model.structure.size)
    ion = mechanism.template.with_params(
        {k: field.assemble(model.params) for k, field in mechanism.fields.items()}
    )
    volume, transport = None, {}
    if coefficients := ion.diffusion():
        # Elsewhere nothing flows, but a junction that no pool reaches must not divide by zero.
        volume = sites.add(jnp.ones_like(shape.area), sites.take(0.5 * shape.area * shape.radius) - 1.0)
        transport = {name: _transport(model, shape, sites, d) for name, d in coefficients.items()}
    scale, radius = NA_PER_MA_CM2_UM2 * sites.take(shape.area), sites.take(shape.radius)
    return BoundIon(mechanism.path, mechanism.species, ion, sites, radius, volume, transport, scale)


def _transport(model: Model, shape: Geometry, sites: Sites, d: Any) -> Array:
    """Return the flow (µm³/ms) [node] per mM between neighbours that both have the ion, for diffusion `d` (µm²/ms).

    Two halves of resistance r/d in series; next to nothing where the ion ends.
    """
    child, parent = model.structure.cv_child, model.structure.cv_parent
    inside = np.zeros(sites.size, bool)
    inside[sites.index] = True
    joined = (inside[child] | (model.res_child == 0)) & (inside[parent] | (model.res_parent == 0))
    d = sites.add(jnp.ones_like(shape.area), jnp.broadcast_to(d, sites.index.shape) - 1.0)
    resistance = shape.res_child / d[child] + shape.res_parent / d[parent]
    return jnp.where(joined & (resistance > 0), 1.0 / jnp.where(resistance > 0, resistance, 1.0), 1e-20)
