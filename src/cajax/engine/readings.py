"""What mechanisms read of the ions around them: reversal potentials and concentrations, by name."""

import dataclasses
import zlib
from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from ..base.types import Array, Float
from ..mech import Ion, reading
from ..mech.ports import CHANCE, VOLTAGE
from .sites import Sites

States = Mapping[str, Mapping[str, Array]]


def meter(species: str) -> str:
    """Return where the ions keep what a species carried last, if something reads it; no path has this name."""
    return f"{species}:current"


@final
class BoundIon(eqx.Module):
    """One ion on its CVs: `radius` µm; `volume` µm³ and `transport` µm³/ms (per edge and state) where it diffuses.

    `scale` turns mA/cm² into nA.
    """

    path: str = eqx.field(static=True)
    species: str = eqx.field(static=True)
    ion: Ion
    sites: Sites = eqx.field(static=True)
    radius: Float[Array, "site"]
    volume: Float[Array, "cv"] | None
    transport: dict[str, Float[Array, "node"]]
    scale: Float[Array, "site"]

    @property
    def valence(self) -> int:
        """The charge number."""
        return self.ion.charge(self.species)

    def start(self, v: Array, readings: "Readings") -> dict[str, Array]:
        """Return the states [site] at the start of a run, mM."""
        started = self.ion.begun(self.around(self.ion.start_reads(), v, readings))
        return {k: jnp.broadcast_to(x, self.radius.shape) for k, x in started.items()}

    def around(self, names: tuple[str, ...], v: Array, readings: "Readings") -> dict[str, Any]:
        """Return what the ion reads of its surroundings at its sites, for a voltage [cv] mV."""
        return {n: self.sites.take(v) if n == VOLTAGE else readings.at(n, self.sites) for n in names}

    def views(self) -> tuple["BoundIon", ...]:
        """Return the ion itself, and the further species that its states hold."""
        others = self.ion.companions().items()
        return (self, *(dataclasses.replace(self, species=name, ion=ion) for name, ion in others))

    def current(
        self, v: Float[Array, "site"], states: Mapping[str, Array], readings: "Readings"
    ) -> dict[str, Array]:
        """Return the ion's own current density (mA/cm², outward) [site] by the species that carries it."""
        names = self.ion.current_reads()
        if names is None:
            return {}
        given = {n: states[n] if n in states else readings.at(n, self.sites) for n in names}
        return self.ion.current(v, **given)

    def reading(self, kind: str, states: Mapping[str, Array], celsius: Any) -> Any:
        """Return "i", "o" (mM) or "e" (mV) at the ion's own sites, None where it has none."""
        inside, outside = self.ion.inside(**states), self.ion.outside(**states)
        if kind != "e":
            return inside if kind == "i" else outside
        if (own := self.ion.potential(**states)) is not None:
            return own
        at = self.sites.take(celsius) if celsius is not None and jnp.ndim(celsius) else celsius
        return self.ion.reversal(inside, outside, self.valence, at)


@final
class Readings:
    """What mechanisms read: `at("eca", sites)`; each value is computed when it is first asked for."""

    def __init__(self, ions: tuple[BoundIon, ...], states: States, place: Mapping[str, Any], like: Array):
        self._ions, self._states, self._celsius, self._like = ions, states, place["celsius"], like
        self._known: dict[str, Any] = dict(place)

    @property
    def states(self) -> States:
        """The states of the ions."""
        return self._states

    def at(self, name: str, sites: Sites) -> Any:
        """Return the value of `name` at the sites: a scalar, or [site]."""
        if name == CHANCE:
            return self.chance(zlib.crc32(sites.index.tobytes()))
        if name not in self._known:
            self._known[name] = self._everywhere(name)
        value = self._known[name]
        return sites.take(value) if jnp.ndim(value) else value

    def chance(self, number: int) -> Any:
        """Return 32 bits from chance for what has a number of its own, others at every moment."""
        # Of the time in units that rounding does not reach, so that a run that goes on from another draws on.
        ticks = jnp.round(self._known["t"] * 65536.0)
        high = jnp.floor(ticks / 2.0**32)
        key = jax.random.key(number)
        for word in (high, ticks - high * 2.0**32):
            key = jax.random.fold_in(key, word.astype(jnp.uint32))
        return jax.random.bits(key, (), jnp.uint32)

    def given(self, names: tuple[str, ...], sites: Sites) -> dict[str, Any]:
        """Return the values of several names at the sites."""
        return {name: self.at(name, sites) for name in names}

    def _everywhere(self, name: str) -> Any:
        """Return a reading at every CV of the model: a scalar where it is one, else zero where nobody provides it."""
        species, kind = reading(name) or ("", "")
        if kind == "current":
            return self._states[meter(species)]["current"]
        total: Any = None
        for bound in (ion for ion in self._ions if ion.species == species):
            value = bound.reading(kind, self._states.get(bound.path, {}), self._celsius)
            if value is None:
                continue
            if jnp.ndim(value) or not bound.sites.is_all:
                zeros = jnp.zeros_like(self._like) if total is None else total
                total = bound.sites.add(zeros, jnp.broadcast_to(value, bound.radius.shape))
            else:
                total = value
        return total
