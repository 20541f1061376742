"""What mechanisms read of the ions around them: reversal potentials and concentrations, by name."""

from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp

from ..base.types import Array, Float
from ..mech import Ion, reading
from .sites import Sites

States = Mapping[str, Mapping[str, Array]]


@final
class BoundIon(eqx.Module):
    """One ion on its CVs: `radius` µm; `volume` µm³ and `transport` µm³/ms (per edge and state) where it diffuses."""

    path: str = eqx.field(static=True)
    species: str = eqx.field(static=True)
    ion: Ion
    sites: Sites = eqx.field(static=True)
    radius: Float[Array, "site"]
    volume: Float[Array, "cv"] | None
    transport: dict[str, Float[Array, "node"]]

    @property
    def valence(self) -> int:
        """The charge number."""
        return self.ion.charge(self.species)

    def start(self) -> dict[str, Array]:
        """Return the states [site] at the start of a run, mM."""
        return {k: jnp.broadcast_to(x, self.radius.shape) for k, x in self.ion.start().items()}

    def reading(self, kind: str, states: Mapping[str, Array], celsius: Any) -> Any:
        """Return "i", "o" (mM) or "e" (mV) at the ion's own sites, None where it has none."""
        inside, outside = self.ion.inside(**states), self.ion.outside(**states)
        if kind != "e":
            return inside if kind == "i" else outside
        at = self.sites.take(celsius) if celsius is not None and jnp.ndim(celsius) else celsius
        return self.ion.reversal(inside, outside, self.valence, at)


@final
class Readings:
    """What mechanisms read: `at("eca", sites)`; each value is computed when it is first asked for."""

    def __init__(self, ions: tuple[BoundIon, ...], states: States, celsius: Any, like: Array):
        self._ions, self._states, self._celsius, self._like = ions, states, celsius, like
        self._known: dict[str, Any] = {"celsius": celsius}

    def at(self, name: str, sites: Sites) -> Any:
        """Return the value of `name` at the sites: a scalar, or [site]."""
        if name not in self._known:
            self._known[name] = self._everywhere(name)
        value = self._known[name]
        return sites.take(value) if jnp.ndim(value) else value

    def given(self, names: tuple[str, ...], sites: Sites) -> dict[str, Any]:
        """Return the values of several names at the sites."""
        return {name: self.at(name, sites) for name in names}

    def _everywhere(self, name: str) -> Any:
        """Return a reading at every CV of the model: a scalar where it is one, else zero where nobody provides it."""
        species, kind = reading(name) or ("", "")
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
