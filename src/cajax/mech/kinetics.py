"""What kinetics are: states that run at a fixed voltage; gates, schemes, coupled equations are kinds of it."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import equinox as eqx

from ..base.objects import optional
from ..base.types import Array

States = dict[str, Array]


class Kinetics(eqx.Module):
    """How one or several states run while voltage and concentrations stand still; `gates` returns them by name.

    The name that a mechanism gives its kinetics is `own`. States have the shape of the voltage that `gates` was given,
    or broadcast to it. Subclass it for kinetics of your own; what it holds are arrays made from that voltage.
    """

    @abstractmethod
    def names(self, own: str) -> tuple[str, ...]:
        """Return the names of the states."""

    @abstractmethod
    def rest(self, own: str) -> States:
        """Return the states at the start of a run."""

    @abstractmethod
    def advance(self, own: str, now: States, dt: Any, order: int) -> States:
        """Return the states `dt` ms after they were `now`, by a step of `order` 1 or 2 in dt, or exactly.

        `now` may hold the states of other kinetics too.
        """

    @abstractmethod
    def scaled(self, factor: Any) -> Self:
        """Return the same kinetics `factor` times faster (a number, or one per place), as a temperature does."""

    @optional
    def needed(self, own: str) -> tuple[str, ...]:
        """Return the states that a mechanism must use: to leave one of them out is a slip. All, by default."""
        return self.names(own)

    @optional
    def instant(self, own: str) -> States:
        """Return those states that are functions of the present voltage and concentrations; none by default.

        A channel's current takes them at the voltage that it is asked for, so the slope dI/dV includes theirs.
        """
        return {}


def initial_states(kinetics: Mapping[str, Kinetics]) -> States:
    """Return all states at the start of a run."""
    states: States = {}
    for own, kind in kinetics.items():
        states |= kind.rest(own)
    return states


def advanced(kinetics: Mapping[str, Kinetics], now: States, dt: Any, order: int) -> States:
    """Return all states `dt` ms later, by steps of first or second order where a kind of kinetics is not exact."""
    states: States = {}
    for own, kind in kinetics.items():
        states |= kind.advance(own, now, dt, order)
    return states


def instant_states(kinetics: Mapping[str, Kinetics]) -> States:
    """Return the states that are functions of the present voltage and concentrations."""
    states: States = {}
    for own, kind in kinetics.items():
        states |= kind.instant(own)
    return states
