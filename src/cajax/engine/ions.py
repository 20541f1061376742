"""Concentrations: what the currents of a step do to the ions inside the cells."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from ..base.types import Array, Float
from ..mech import FARADAY, implicit_step
from ..solve import Tree, matvec, solve
from .physics import IonSite, Physics, Readings

States = dict[str, dict[str, Array]]

# A current of 1 mA/cm² of an ion of charge 1 carries 1e4/F mM · µm/ms through the membrane.
_FLUX = 1e4 / FARADAY


def advance_ions(
    physics: Physics,
    forest: Sequence[Tree],
    v: Float[Array, "cv"],
    gates: Mapping[str, Mapping[str, Array]],
    ions: States,
    dt: Any,
    order: int,
    frozen: bool = False,
) -> States:
    """Return the states of all ions `dt` ms later, for the voltage `v` (mV) and the gates of the middle of the step.

    Each ion takes an implicit step of the given order in which the currents follow its own concentration, or stay
    `frozen`; where it diffuses along the cell, a tree solve follows as a factor.
    """
    found = dict(ions)
    for site in physics.ions:
        if now := ions[site.name]:
            found[site.name] = _advanced(physics, forest, v, gates, ions, site, now, dt, order, frozen)
    return found


def _advanced(
    physics: Physics,
    forest: Sequence[Tree],
    v: Array,
    gates: Mapping[str, Mapping[str, Array]],
    ions: States,
    site: IonSite,
    now: dict[str, Array],
    dt: Any,
    order: int,
    frozen: bool,
) -> dict[str, Array]:
    def rates(states: dict[str, Array]) -> dict[str, Array]:
        among = ions if frozen else {**ions, site.name: states}
        current = carried(physics, site.species, v, gates, among)
        flux = site.place.take(current) * (-_FLUX / site.valence)
        change = site.ion.rates(flux, site.radius, states)
        for name, g in site.transport.items():
            whole = site.place.add(jnp.zeros_like(v), states[name])
            out = site.place.take(matvec(tuple(forest), jnp.zeros_like(v), g, whole) / site.volume)
            change = {**change, name: change[name] - out}
        return change

    def spread(x: dict[str, Array], h: Any) -> dict[str, Array]:
        found = dict(x)
        for name, g in site.transport.items():
            inertia = site.volume / h
            whole = site.place.add(jnp.zeros_like(v), x[name])
            found[name] = site.place.take(solve(tuple(forest), inertia, g, inertia * whole))
        return found

    return implicit_step(rates, now, dt, order, spread if site.transport else None)


def carried(
    physics: Physics,
    species: str,
    v: Float[Array, "cv"],
    gates: Mapping[str, Mapping[str, Array]],
    ions: States,
) -> Float[Array, "cv"]:
    """Return the outward current density (mA/cm²) that an ion carries through every CV."""
    readings, total = Readings(physics, ions), jnp.zeros_like(v)
    for m in physics.membranes:
        if species in m.outline.carriers:
            read = {name: readings.at(name, m.place) for name in m.outline.current_reads}
            current = m.channel.carried(m.place.take(v), **gates[m.name], **read)[species]
            total = m.place.add(total, current)
    return total
