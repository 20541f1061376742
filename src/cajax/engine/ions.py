"""Concentrations: what the currents of a step do to the ions inside the cells."""

from typing import Any, final

import jax.numpy as jnp
import numpy as np

from ..base.types import Array
from ..mech import FARADAY, implicit_step
from ..model.inserted import IonSites
from ..model.model import Model
from ..solve import matvec, solve
from .geometry import Geometry
from .moment import Moment
from .part import Load, Part, checked
from .readings import BoundIon, States
from .sites import Sites

# A current of 1 mA/cm² of an ion of charge 1 carries 1e4/F mM · µm/ms through the membrane.
_FLUX = 1e4 / FARADAY


@final
class Ions(Part):
    """All ions. Their concentrations are those at the time of the voltage."""

    ions: tuple[BoundIon, ...]

    @staticmethod
    def of(model: Model, shape: Geometry) -> "Ions":
        """Return the ions of a model with their parameters."""
        return Ions(tuple(_bound(model, m, shape) for m in model.structure.ions))

    def start(self, moment: Moment) -> dict[str, dict[str, Array]]:
        return {ion.path: ion.start() for ion in self.ions}

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
            return self._advanced(before, before.v, gates, state, dt, 1, frozen=True)
        return self._advanced(before, before.v + 0.5 * (after.v - before.v), gates, state, dt, 2)

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
        frozen: bool = False,
    ) -> dict[str, Any]:
        """Return the states of all ions `dt` ms later, for the voltage `v` (mV) and the gates of the step's middle.

        Each ion takes an implicit step of the given order in which the currents follow its own concentration, or stay
        `frozen`; where it diffuses along the cell, a tree solve follows as a factor.
        """
        found = {path: dict(now) for path, now in states.items()}
        for ion in self.ions:
            if now := dict(states[ion.path]):
                found[ion.path] = _Step(moment, ion, v, gates, states, frozen).taken(now, dt, order)
        return found


@final
class _Step:
    """One ion in one step: dc/dt = rates(flux, c) − (axial flow out)/volume at every control volume.

    The flux (mM · µm/ms) is what the currents carry in, −I 1e4/(z F).
    """

    def __init__(self, moment: Moment, ion: BoundIon, v: Array, gates: States, states: States, frozen: bool):
        self.physics, self.ion, self.v, self.gates = moment.physics, ion, v, gates
        self.states, self.frozen = states, frozen
        self.volume: Any = ion.volume

    def taken(self, now: dict[str, Array], dt: Any, order: int) -> dict[str, Array]:
        """Return the states [site] after `dt` ms."""
        if not self.ion.transport:
            own = self.ion.ion.stepped(self.flux(now), self.ion.radius, now, dt, order, **self.voltage())
            if own is not None:
                return own
        spread = self.spread if self.ion.transport else None
        return implicit_step(self.rates, now, dt, order, spread)

    def rates(self, states: dict[str, Array]) -> dict[str, Array]:
        """Return d/dt of every state [site], mM/ms."""
        ion, physics = self.ion, self.physics
        change = ion.ion.rates(self.flux(states), ion.radius, states, **self.voltage())
        for name, g in ion.transport.items():
            whole = ion.sites.spread(states[name])
            out = ion.sites.take(matvec(physics.forest, jnp.zeros_like(self.v), g, whole) / self.volume)
            change = {**change, name: change[name] - out}
        return change

    def flux(self, states: dict[str, Array]) -> Array:
        """Return what the currents bring in [site], mM · µm/ms, at these states of the ion."""
        ion, physics = self.ion, self.physics
        among = self.states if self.frozen else {**self.states, ion.path: states}
        current = physics.carried(ion.species, self.v, self.gates, physics.readings(among))
        return ion.sites.take(current) * (-_FLUX / ion.valence)

    def voltage(self) -> dict[str, Array]:
        """Return the voltage [site] by name where the ion's rates read it."""
        return {"v": self.ion.sites.take(self.v)} if self.ion.ion.reads_voltage() else {}

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
    return BoundIon(
        mechanism.path, mechanism.species, ion, sites, sites.take(shape.radius), volume, transport
    )


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
