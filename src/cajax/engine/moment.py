"""A moment of a run as parts see it, and the state that a run goes on from."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, final, runtime_checkable

import equinox as eqx
import jax.numpy as jnp

from ..base.types import Array, Float, Int
from ..solve import Tree
from .readings import Readings, States
from .sites import Sites
from .system import Stage


@final
class State(eqx.Module):
    """Everything a run needs to go on exactly: the voltage `v` [cv] mV, what every part remembers, the clock.

    `parts[name]` is the memory of a part: "membranes" (gates of every channel, `lag · dt` behind the voltage), "ions"
    (mM), a projection's path (its signal, or its spikes on their way, synaptic states and plastic weights),
    "electrodes", "resets". The time is `origin + n · dt` ms.
    """

    v: Float[Array, "cv"]
    parts: dict[str, Any]
    origin: Float[Array, ""]
    n: Int[Array, ""]
    dt: Float[Array, ""]

    @property
    def t(self) -> Float[Array, ""]:
        """The time, ms."""
        return self.origin + self.n * self.dt

    def begun(self) -> "State":
        """Return the state as a new run begins with it: at 0 ms, and with nothing of the inputs before."""
        parts = {**self.parts, "electrodes": {"memories": {}}}
        return State(self.v, parts, jnp.zeros_like(self.origin), jnp.zeros_like(self.n), self.dt)


@runtime_checkable
class Surroundings(Protocol):
    """What parts ask of one another, through the physics that they belong to."""

    @property
    def capacitance(self) -> Float[Array, "cv"]:
        """The capacitance (nF) of every control volume."""
        ...

    @property
    def forest(self) -> tuple[Tree, ...]:
        """The trees of control volumes."""
        ...

    def sites(self, at: Any) -> Sites:
        """Return the control volumes of a place, flat."""
        ...

    def readings(self, states: States, t: Any, dt: Any) -> Readings:
        """Return what mechanisms read of the place, of the ions in these states, of the time and the step (ms)."""
        ...

    def ahead(self, moment: "Moment", gates: States, dt: Array) -> States:
        """Return the states of the ions at which the currents of a step are taken."""
        ...

    def carried(self, species: str, v: Array, gates: States, readings: Readings) -> Float[Array, "cv"]:
        """Return the outward current density (mA/cm²) that an ion carries through every CV."""
        ...

    def pumped(self, v: Array, readings: Readings) -> tuple[Array, Array] | None:
        """Return the outward current (nA) [cv] of the ions themselves and its slope (µS), None where none has one."""
        ...

    def present(self, name: str, moment: "Moment", lag: Array) -> Any:
        """Return the memory of a part at the time of the voltage."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Moment:
    """The start or the end of a step, or a moment that is recorded.

    `v` [cv] mV, `t` ms, the number `n` of the step and its length `dt` ms, the `order` of the method (1 or 2), the
    memory of every part by its name. `stage` is the last solve of the step that ended here.
    """

    physics: "Surroundings"
    v: Float[Array, "cv"]
    t: Float[Array, ""]
    n: Int[Array, ""]
    dt: Float[Array, ""]
    order: int
    parts: Mapping[str, Any]
    stage: Stage | None = None

    @cached_property
    def readings(self) -> Readings:
        """What mechanisms read of the ions and the place at this moment."""
        return self.physics.readings(self.parts["ions"], self.t, self.dt)

    def sites(self, at: Any) -> Sites:
        """Return the control volumes of a place, flat; `at` as in recordings."""
        return self.physics.sites(at)

    def but(self, **changes: Any) -> "Moment":
        """Return the moment with some fields changed."""
        return dataclasses.replace(self, **changes)
