"""What a part is: one thing that acts on the voltage in a run, with what it remembers."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ..base.errors import unknown
from ..base.objects import optional
from ..base.types import Array, Float
from .links import Drive, Link
from .moment import Moment

Load = tuple[Any, Float[Array, "cv"] | None, Float[Array, "cv"] | None]
"""A part's state, the outward current (nA) that it adds, and the slope of it (µS); None where it adds none."""


class Part(eqx.Module):
    """One thing that acts on the voltage: the channels, the ions, a projection, the electrodes, or one of your own.

    A step calls `load` of every part, adds what they return, solves for the voltage, and calls `settle` of every part.
    What a part remembers is a pytree of arrays of fixed shapes, kept in the run's state under the part's name. A part
    of your own is a subclass of `Part` and `Mechanism` with parameters: give it to a model by `model.with_part(name,
    part)`; its state, its recordings (`"name.what"`) and its parameters (`"name.parameter"`) go by that name.
    """

    @optional
    def bind(self, model: Any) -> "Part":
        """Return the part with what it needs of a model; called once per run, with the parameters' values in place."""
        return self

    @abstractmethod
    def start(self, moment: Moment) -> Any:
        """Return what the part remembers at the start of a run; `moment.parts` has the parts before it."""

    @abstractmethod
    def load(self, state: Any, moment: Moment, dt: Array) -> Load:
        """Return the state as it acts in this step, and the outward current (nA) [cv] with its slope (µS) [cv].

        `moment` is the start of the step. The current is that at `moment.v`; the solve takes it as current + slope ·
        (v′ − v). Return None for both where the part adds nothing.
        """

    @abstractmethod
    def settle(self, state: Any, before: Moment, after: Moment, dt: Array) -> Any:
        """Return the state at the end of the step, from that of `load` and the voltages `before.v` and `after.v`."""

    @abstractmethod
    def observe(self, what: str, state: Any, moment: Moment) -> Array:
        """Return a quantity of the part at `moment`, `state` being that of `present`; see `observed`."""

    @optional
    def observed(self) -> tuple[str, ...]:
        """Return the names of the quantities that `observe` knows."""
        return ()

    @optional
    def present(self, state: Any, moment: Moment, lag: Array) -> Any:
        """Return the state at the time of the voltage; what is kept `lag` ms behind it is brought forward."""
        return state

    @optional
    def drives(self, state: Any, moment: Moment, dt: Array) -> tuple[Drive, ...]:
        """Return what drives the voltage from outside in this step."""
        return ()

    @optional
    def resume(self, state: Any, moment: Moment, same: Array) -> Any:
        """Return the memory as a run takes it up that goes on from another, at `moment`.

        `same`: whether the new run has the same step, `moment.dt`.
        """
        return state

    @optional
    def flow(self, state: Any, moment: Moment) -> Float[Array, "cv"] | None:
        """Return the outward current (nA) [cv] at `moment`, `state` being that of `present`; None where there is none.

        Recordings of total currents ask for it; by default it is the current of a `load` of no length.
        """
        return self.load(state, moment, jnp.zeros_like(moment.t))[1]

    @optional
    def links(self) -> tuple[Link, ...]:
        """Return the conductances that join control volumes beside the trees."""
        return ()

    @optional
    def wake(self, moment: Moment) -> Moment:
        """Return the start of a step after what sets a voltage there; called before any part loads."""
        return moment

    @optional
    def jump(self, moment: Moment) -> Moment:
        """Return the end of the step after what is discontinuous, such as a reset; called when all have settled."""
        return moment


def checked(what: str, known: tuple[str, ...], part: str) -> str:
    """Return `what` if a part knows a quantity of that name; raises `UnknownNameError` otherwise."""
    if what not in known:
        raise unknown("quantity", what, known, where=f"part '{part}'")
    return what
