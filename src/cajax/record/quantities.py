"""Recordables of states: voltages, gates, concentrations, signals of projections, quantities of parts."""

from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp

from ..base.errors import ProtocolError, unknown
from ..base.types import Array
from ..engine.moment import Moment
from ..model.inserted import path_of
from .recordable import Bound, Reader, Recordable


@final
@dataclass(frozen=True)
class Voltage(Recordable):
    """The membrane voltage (mV) at a place."""

    at: Any
    every: int = 1

    def reader(self, bound: Bound) -> Reader:
        take = bound.at(self.at)
        return lambda moment: take(moment.v)


@final
@dataclass(frozen=True)
class ChannelState(Recordable):
    """A gate, or a state of a scheme, of a channel at a place."""

    at: Any
    channel: str
    state: str
    every: int = 1

    def reader(self, bound: Bound) -> Reader:
        population, _ = bound.structure.located(self.at)
        path, channels = path_of(population, self.channel), bound.physics.membranes
        membrane = channels.named(path)
        if membrane is None:
            raise unknown("channel", path, [m.path for m in channels.channels])
        if self.state not in membrane.outline.states:
            raise unknown("state", self.state, membrane.outline.states, where=f"mechanism '{path}'")
        index = membrane.sites.index
        entry = bound.entries(self.at, index, f"{self.channel}.{self.state}")

        def read(moment: Moment) -> Array:
            return jnp.broadcast_to(moment.parts["membranes"][path][self.state], index.shape)[entry]

        return read


@final
@dataclass(frozen=True)
class Concentration(Recordable):
    """What an ion has at a place: "i" or "o" (mM inside and outside), "e" (mV), or one of its states ("c1")."""

    at: Any
    ion: str
    what: str = "i"
    every: int = 1

    def reader(self, bound: Bound) -> Reader:
        population, _ = bound.structure.located(self.at)
        path, ions = path_of(population, self.ion), bound.physics.ions.ions
        ion = next((x for x in ions if x.path == path), None)
        if ion is None:
            raise unknown("ion", path, [x.path for x in ions])
        index, what, celsius = ion.sites.index, self.what, bound.physics.celsius
        start = ion.ion.example()
        if what not in start and what not in ("i", "o", "e"):
            names = [f"{ion.species}i", f"{ion.species}o", f"e{ion.species}", *start]
            raise unknown("quantity", what, names, where=f"ion '{path}'")
        if what not in start and ion.reading(what, start, celsius) is None:
            raise ProtocolError(
                f"cannot record '{path}.{ion.species}{what}': {type(ion.ion).__name__} has no concentrations"
            )
        entry = bound.entries(self.at, index, f"{self.ion}.{what}")

        def read(moment: Moment) -> Array:
            states = moment.parts["ions"][path]
            value = states[what] if what in states else ion.reading(what, states, celsius)
            return jnp.broadcast_to(value, index.shape)[entry]

        return read


@final
@dataclass(frozen=True)
class Signal(Recordable):
    """A quantity of a projection ("pre->post.name").

    `what` is a signal [pre], a synaptic state, a trace, the weights "w" (µS), or at the postsynaptic sites "current"
    (nA) or "conductance" (µS).
    """

    projection: str
    what: str
    every: int = 1

    def reader(self, bound: Bound) -> Reader:
        paths = [p.wires.path for p in bound.structure.projections]
        if self.projection not in paths:
            raise unknown("projection", self.projection, paths)
        return _of_part(bound, self.projection, self.what, "signal")


@final
@dataclass(frozen=True)
class PartQuantity(Recordable):
    """A quantity that a part of the user's own observes."""

    part: str
    what: str
    every: int = 1

    def reader(self, bound: Bound) -> Reader:
        names = [p.name for p in bound.structure.parts]
        if self.part not in names:
            raise unknown("part", self.part, names)
        return _of_part(bound, self.part, self.what, "quantity")


def _of_part(bound: Bound, name: str, what: str, kind: str) -> Reader:
    part = bound.physics.part(name)
    known = part.observed()
    if what not in known:
        raise unknown(kind, what, known, where=name)
    return lambda moment: part.observe(what, moment.parts[name], moment)
