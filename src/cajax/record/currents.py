"""Recordables of currents: through a channel, through synapses, through the whole membrane, from clamps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax.numpy as jnp

from ..base.errors import unknown
from ..base.types import Array, Float
from ..engine.moment import Moment
from ..model.inserted import path_of
from ..solve import matvec
from .recordable import Bound, Reader, Recordable


@final
@dataclass(frozen=True)
class ChannelCurrent(Recordable):
    """The outward current density (mA/cm²) through a channel: of one `carrier` ("na"; "l" for a leak), or all."""

    at: Any
    channel: str
    carrier: str = ""
    every: int = 1

    def reader(self, bound: Bound) -> Reader:
        population, _ = bound.structure.located(self.at)
        path, every = path_of(population, self.channel), bound.physics.membranes
        membrane = every.named(path)
        if membrane is None:
            raise unknown("channel", path, [m.path for m in every.channels])
        if self.carrier and self.carrier not in membrane.outline.parts:
            known = [f"i{x}" for x in membrane.outline.parts]
            raise unknown("quantity", f"i{self.carrier}", ["i", *known], where=f"mechanism '{path}'")
        entry = bound.entries(self.at, membrane.sites.index, f"{self.channel}.i{self.carrier}")

        def read(moment: Moment) -> Array:
            v, gates = membrane.sites.take(moment.v), moment.parts["membranes"][path]
            if self.carrier:
                current = membrane.recorded(v, gates, moment.readings)[self.carrier]
            else:
                current = membrane.total(v, gates, moment.readings)[0]
            return jnp.broadcast_to(current, membrane.sites.index.shape)[entry]

        return read


@final
@dataclass(frozen=True)
class SynapticCurrent(Recordable):
    """The outward current (nA) that synapses pass at a place: of one `projection` ("a->b.name"), or of all."""

    at: Any
    projection: str = ""
    every: int = 1

    def reader(self, bound: Bound) -> Reader:
        structure, take = bound.structure, bound.at(self.at)
        paths = [p.wires.path for p in (*structure.graded, *structure.events)]
        if self.projection and self.projection not in paths:
            raise unknown("projection", self.projection, paths)
        chosen = [self.projection] if self.projection else paths

        def read(moment: Moment) -> Array:
            return take(_flows(bound, moment, chosen))

        return read


@final
@dataclass(frozen=True)
class MembraneCurrent(Recordable):
    """The whole current (nA) that leaves through the membrane at a place, as extracellular fields are computed from.

    Capacitive, ionic and synaptic currents together: by the balance of charge what flows in along the cell, through gap
    junctions and from electrodes. Summed over a cell it is what its electrodes bring in.
    """

    at: Any
    every: int = 1
    metered: ClassVar[bool] = True

    def reader(self, bound: Bound) -> Reader:
        take = bound.at(self.at)
        return lambda moment: take(_through_membrane(bound, moment))


@final
@dataclass(frozen=True)
class CapacitiveCurrent(Recordable):
    """The capacitive current C dv/dt (nA) at a place: the membrane current less those of channels and synapses."""

    at: Any
    every: int = 1
    metered: ClassVar[bool] = True

    def reader(self, bound: Bound) -> Reader:
        take = bound.at(self.at)

        def read(moment: Moment) -> Array:
            return take(_through_membrane(bound, moment) - _flows(bound, moment, bound.physics.names))

        return read


@final
@dataclass(frozen=True)
class ClampCurrent(Recordable):
    """The current (nA) that voltage and dynamic clamps bring in at a place, over the step that ends at each time.

    By the balance of charge at the site: exact for an ideal clamp too, where g (e − v) cancels. At the start of a run,
    before any step, it is g (e − v).
    """

    at: Any
    every: int = 1
    metered: ClassVar[bool] = True

    def reader(self, bound: Bound) -> Reader:
        take, electrodes = bound.at(self.at), bound.physics.electrodes
        return lambda moment: take(electrodes.observe("clamp", moment.parts["electrodes"], moment))


def _flows(bound: Bound, moment: Moment, names: Any) -> Float[Array, "cv"]:
    """Return the sum of the outward currents (nA) of some parts."""
    total, parts = jnp.zeros_like(moment.v), moment.parts
    for name in names:
        flow = bound.physics.part(name).flow(parts[name], moment)
        if flow is not None:
            total = total + flow
    return total


def _through_membrane(bound: Bound, moment: Moment) -> Float[Array, "cv"]:
    """Return what leaves every CV through its membrane (nA): electrodes − flow along the tree − gap junctions."""
    physics, v = bound.physics, moment.v
    parts: Mapping[str, Any] = moment.parts
    driven = physics.electrodes.observe("all", parts["electrodes"], moment)
    out = matvec(physics.forest, jnp.zeros_like(v), physics.axial, v)
    for part in physics.parts:
        for link in part.links():
            out = link.add_outflow(out, v)
    return driven - out
