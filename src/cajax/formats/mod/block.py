"""The kinetics of imported blocks that are more than gates."""

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp

from ...mech import Kinetics, States

FRESH = "begun"
"""The state that says whether a run has begun; 0 before its first step."""


@final
class Block(Kinetics):
    """States that SOLVE advances, and variables that keep their values from one block to the next.

    `run` takes all of them, dt (ms) and the order of the method. With the state "begun" the first step is as long as
    states lag behind the voltage: nothing of a step in `BackwardEuler`, half of one in `Staggered`.
    """

    start: dict[str, Any]
    run: Callable[[States, Any, int], States] = eqx.field(static=True)

    def names(self, own: str) -> tuple[str, ...]:
        return tuple(self.start)

    def rest(self, own: str) -> States:
        return dict(self.start)

    def advance(self, own: str, now: States, dt: Any, order: int) -> States:
        states = {n: now[n] for n in self.start}
        if FRESH not in states:
            return _shaped(self.run(states, dt, order), states)
        # It is the same everywhere; a step of one length is a plain number for the block.
        fresh = states[FRESH].reshape(-1)[0] < 0.5
        found = self.run(states, jnp.where(fresh, 0.5 * dt if order == 2 else 1e-12 * dt, dt), order)
        if order == 1:
            found = {n: jnp.where(fresh, states[n], x) for n, x in found.items()}
        return _shaped({**found, FRESH: jnp.ones_like(states[FRESH])}, states)

    def scaled(self, factor: Any) -> "Block":
        """Return the same block: a file says itself what temperature does."""
        return self

    def needed(self, own: str) -> tuple[str, ...]:
        """Return nothing: a state may serve other states alone."""
        return ()


def _shaped(found: States, like: States) -> States:
    return {n: jnp.broadcast_to(jnp.asarray(found[n], x.dtype), jnp.shape(x)) for n, x in like.items()}
