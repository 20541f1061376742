"""Time steps: how the voltage of the end of a step follows from the system that the parts have put together."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, final

import jax.numpy as jnp

from ..base.types import Array, Float
from .system import Stage, System

# γ of Alexander's L-stable second-order step.
_DAMPED = 1.0 - 0.5**0.5


class Method(ABC):
    """A way to step in time.

    `order`, 1 or 2, is that of the kinetics within a step; `lag` is how far gates and signals stay behind the voltage,
    as a share of the step.
    """

    order: ClassVar[int]
    lag: ClassVar[float]

    @abstractmethod
    def voltage(self, system: System) -> tuple[Float[Array, "cv"], Stage]:
        """Return the voltage (mV) at the end of the step, and the solve that tells the currents of electrodes there."""


@final
@dataclass(frozen=True)
class BackwardEuler(Method):
    """First order in time, NEURON's default and its order within a step, for parity with published models.

    The gates follow the voltage by one step; ions take in what flowed at its start; a spike counts from the end of the
    step in which it happens, though its gradient is that of its true moment.
    """

    order: ClassVar[int] = 1
    lag: ClassVar[float] = 1.0

    def voltage(self, system: System) -> tuple[Float[Array, "cv"], Stage]:
        """(C/dt + dI/dV + A) v′ = C/dt v − I(v) + dI/dV v + drives."""
        stage = system.solve(system.capacitance / (1.0 * system.dt))
        return stage.v, stage


@final
@dataclass(frozen=True)
class Staggered(Method):
    """Second order in time: gates live half a step off the voltage and step exactly, the voltage by Crank–Nicolson.

    Source: Hines (1984), Int J Biomed Comput 15:69.
    """

    order: ClassVar[int] = 2
    lag: ClassVar[float] = 0.5

    def voltage(self, system: System) -> tuple[Float[Array, "cv"], Stage]:
        """v + (v* − v)/θ, where v* is backward Euler's voltage after θ dt: its midpoint for θ = ½.

        Crank–Nicolson hardly damps the stiff modes that a voltage clamp excites: next to the electrode the voltage
        would ring by tens of mV. With a voltage clamp the step is therefore the L-stable one of second order of
        Alexander (1977, SIAM J Numer Anal 14:1006): two solves with h = (1 − 1/√2) dt, the second from
        v + (1/√2) dt v*′.
        """
        if system.is_clamped:
            inertia = system.capacitance / (_DAMPED * system.dt)
            first = system.solve(inertia)
            second = system.solve(inertia, inertia * (1.0 / _DAMPED - 1.0) * (first.v - system.v))
            return second.v, second
        theta = damping(system.slope * system.dt / system.capacitance)
        stage = system.solve(system.capacitance / (theta * system.dt))
        return system.v + (stage.v - system.v) / theta, stage


def damping(z: Array) -> Array:
    """Return the theta of every CV whose membrane would decay by exp(−z) in the step: ½ where that resolves it.

    Where z > 2 Crank–Nicolson overshoots, from z = ∞ on without damping: there 1 − 1/z lets the membrane's own mode
    end at rest instead (Liniger & Willoughby 1970, SIAM J Numer Anal 7:47, for the limit).
    """
    return jnp.maximum(0.5, 1.0 - 1.0 / jnp.maximum(z, 1.0))
