"""Blocks of coupled differential equations, such as a DERIVATIVE block of NMODL."""

from collections.abc import Callable, Mapping
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp

from ..base.errors import ParameterError
from .implicit import implicit_step
from .kinetics import Kinetics, States


@final
class Coupled(Kinetics):
    """States of any coupled differential equations dx/dt = rates(x) at a fixed voltage, with the values of `start`.

    `rates` takes a dict of all states and returns d/dt of each (per ms); it closes over the voltage, concentrations and
    parameters. One step is linearly implicit with the exact Jacobian J of `rates`, for h = dt:

        (1 − γ h J) k₁ = rates(x),    x ← x + h k₁                                first order, γ = 1
        (1 − γ h J) k₂ = rates(x + h k₁) − 2 k₁,    x ← x + h (3 k₁ + k₂)/2       second order, γ = 1 − 1/√2

    Both are L-stable, so stiff blocks need no smaller step, and keep linear invariants of `rates`. A temperature scales
    all rates. Source: ROS2 of Verwer, Spee, Blom & Hundsdorfer (1999), SIAM J Sci Comput 20:1456. It does what NMODL's
    `METHOD derivimplicit` is for. `Staggered` takes `start` for half a step before the first voltage: where it is no
    steady state, the whole run is late by that, which is first order.

    Raises `ParameterError` where there is no state, or where `rates` gives others than `start` has.
    """

    start: dict[str, Any]
    rates: Callable[[States], Mapping[str, Any]] = eqx.field(static=True)

    def __check_init__(self):
        if not isinstance(self.start, dict) or not self.start:
            raise ParameterError(
                "Coupled needs the states to start from by name, as in Coupled({'a': 0.0 * v}, rates)"
            )
        if not callable(self.rates):
            raise ParameterError(f"Coupled needs a function from states to their d/dt, not {self.rates!r}")

    def names(self, own: str) -> tuple[str, ...]:
        return tuple(self.start)

    def rest(self, own: str) -> States:
        return dict(self.start)

    def advance(self, own: str, now: States, dt: Any, order: int) -> States:
        return implicit_step(self.derivative, {name: now[name] for name in self.start}, dt, order)

    def derivative(self, now: States) -> States:
        """Return d/dt of every state (per ms), in its shape."""
        change = self.rates(dict(now))
        if stray := sorted(set(change) ^ set(self.start)):
            raise ParameterError(
                f"Coupled has states {', '.join(self.start)}; '{stray[0]}' is not in both start and rates"
            )
        return {name: jnp.broadcast_to(change[name], jnp.shape(x)).astype(x.dtype) for name, x in now.items()}

    def scaled(self, factor: Any) -> "Coupled":
        if isinstance(factor, float) and factor == 1.0:
            return self
        return Coupled(self.start, lambda now: {name: factor * x for name, x in self.rates(now).items()})

    def needed(self, own: str) -> tuple[str, ...]:
        """Return nothing: a state may serve the other states of its block alone."""
        return ()
