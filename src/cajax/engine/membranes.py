"""The channels of a model: their gates, and the one place where the current of a channel is computed."""

from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from ..base.types import Array, Float
from ..mech import Channel, Outline, advanced, initial_states, instant_states
from ..model.inserted import ChannelSites
from ..model.model import Model
from .geometry import NA_PER_MA_CM2_UM2, Geometry
from .moment import Moment
from .part import Load, Part, checked
from .readings import Readings, States
from .sites import Sites

Gates = Mapping[str, Array]


@final
class Membrane(eqx.Module):
    """One channel on its CVs: parameters per CV (or shared), area in units that turn mA/cm² into nA, rate factor."""

    path: str = eqx.field(static=True)
    channel: Channel
    outline: Outline = eqx.field(static=True)
    sites: Sites = eqx.field(static=True)
    scale: Float[Array, "site"]
    q10: Float[Array, ""] | Float[Array, "site"] | float

    def kinetics(self, v: Float[Array, "cv"], readings: Readings) -> dict[str, Any]:
        """Return the gates and other kinetics at a voltage, their rates at the model's temperature."""
        return self._kinetics(self.sites.take(v), readings)

    def _kinetics(self, v: Float[Array, "site"], readings: Readings) -> dict[str, Any]:
        read = readings.given(self.outline.gates_read, self.sites)
        return {k: g.scaled(self.q10) for k, g in self.channel.gates(v, **read).items()}

    def currents(self, v: Float[Array, "site"], gates: Gates, readings: Readings) -> dict[str, Array]:
        """Return the outward current density (mA/cm²) by the ion that carries it, "" for what none does.

        States without memory are taken at `v` and the concentrations read, whatever `gates` has.
        """
        return self._carried(v, gates, readings, readings.given(self.outline.current_reads, self.sites))

    def _carried(
        self, v: Array, gates: Gates, readings: Readings, read: Mapping[str, Any]
    ) -> dict[str, Array]:
        if self.outline.instant:
            gates = {**gates, **instant_states(self._kinetics(v, readings))}
        return self.channel.carried(v, **gates, **read)

    def recorded(self, v: Float[Array, "site"], gates: Gates, readings: Readings) -> dict[str, Array]:
        """Return the outward current density (mA/cm²) by what it can be recorded by."""
        return self.channel.parts(v, **gates, **readings.given(self.outline.current_reads, self.sites))

    def total(
        self, v: Float[Array, "site"], gates: Gates, readings: Readings, order: int = 2
    ) -> tuple[Array, Array]:
        """Return the outward current density (mA/cm²) and its slope dI/dv (S/cm² · 1e-3 mV⁻¹).

        The slope is exact, but for a channel that takes a secant in steps of first `order`.
        """
        read = readings.given(self.outline.current_reads, self.sites)

        def current(v: Array) -> Array:
            return sum(self._carried(v, gates, readings, read).values())  # pyright: ignore[reportReturnType]

        apart = self.channel.secant if order == 1 and v.dtype == jnp.float64 else 0.0
        if apart:
            value = current(v)
            slope = (current(v + apart) - value) / apart
        else:
            value, slope = jax.jvp(current, (v,), (jnp.ones_like(v),))
        runaway = self.channel.runaway(v, **gates)
        return value if runaway is None else value + runaway, slope


@final
class Membranes(Part):
    """All channels. Their gates are kept half a step behind the voltage (`Staggered`), or a whole one."""

    channels: tuple[Membrane, ...]

    @staticmethod
    def of(model: Model, shape: Geometry, temperature: Any) -> "Membranes":
        """Return the channels of a model with their parameters."""
        return Membranes(tuple(_bound(model, m, shape, temperature) for m in model.structure.channels))

    def named(self, path: str) -> Membrane | None:
        """Return the channel of that path, None where there is none."""
        return next((m for m in self.channels if m.path == path), None)

    def start(self, moment: Moment) -> dict[str, dict[str, Array]]:
        return {
            m.path: {
                k: jnp.broadcast_to(x, m.scale.shape)
                for k, x in initial_states(m.kinetics(moment.v, moment.readings)).items()
            }
            for m in self.channels
        }

    def present(self, state: States, moment: Moment, lag: Array) -> dict[str, dict[str, Array]]:
        """Return all gates `lag` ms later, at the voltage and the concentrations of the moment."""
        gates = {}
        for m in self.channels:
            now = dict(state[m.path])
            kinetics = m.kinetics(moment.v, moment.readings) if now else {}
            gates[m.path] = advanced(kinetics, now, lag, moment.order) if now else {}
        return gates

    def load(self, state: States, moment: Moment, dt: Array) -> Load:
        """Advance the gates by the step, and return the current at the concentrations and the time of its middle."""
        gates, v = self.present(state, moment, dt), moment.v
        ahead = moment.physics.ahead(moment, gates, dt)
        readings = moment.physics.readings(ahead, moment.t + 0.5 * dt, dt)
        total, slope = jnp.zeros_like(v), jnp.zeros_like(v)
        for m in self.channels:
            i, di = m.total(m.sites.take(v), gates[m.path], readings, moment.order)
            total = m.sites.add(total, m.scale * i)
            slope = m.sites.add(slope, m.scale * di)
        if pumped := moment.physics.pumped(v, readings):
            total, slope = total + pumped[0], slope + pumped[1]
        return gates, total, slope

    def settle(self, state: Any, before: Moment, after: Moment, dt: Array) -> Any:
        return state

    def carried(self, species: str, v: Array, gates: States, readings: Readings) -> Float[Array, "cv"]:
        """Return the outward current density (mA/cm²) that an ion carries through every CV."""
        total = jnp.zeros_like(v)
        for m in self.channels:
            if species in m.outline.carriers:
                total = m.sites.add(total, m.currents(m.sites.take(v), gates[m.path], readings)[species])
        return total

    def observe(self, what: str, state: States, moment: Moment) -> Array:
        """Return "i": the outward current (nA) [cv] through all channels and the ions' own."""
        checked(what, ("i",), "membranes")
        return self.flow(state, moment)

    def flow(self, state: States, moment: Moment) -> Float[Array, "cv"]:
        total = jnp.zeros_like(moment.v)
        for m in self.channels:
            i, _ = m.total(m.sites.take(moment.v), state[m.path], moment.readings)
            total = m.sites.add(total, m.scale * i)
        pumped = moment.physics.pumped(moment.v, moment.readings)
        return total if pumped is None else total + pumped[0]


def _bound(model: Model, mechanism: ChannelSites, shape: Geometry, temperature: Any) -> Membrane:
    sites = Sites(mechanism.index, model.structure.size)
    values = {k: field.assemble(model.params) for k, field in mechanism.fields.items()}
    channel = mechanism.template.with_params(values)
    if temperature is not None and jnp.ndim(temperature):
        temperature = sites.take(temperature)
    scale, factor = NA_PER_MA_CM2_UM2 * sites.take(shape.area), channel.temperature_factor(temperature)
    return Membrane(mechanism.path, channel, mechanism.outline, sites, scale, factor)
