"""Random numbers in a mechanism: NEURON's streams become an explicit key."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, final

import jax
import jax.numpy as jnp

CHANCE = "chance'"
"""The variable of a mechanism that random numbers come from: `mech.ports.CHANCE`, or the `Draws` made from it."""
SEED = "seed"
"""The choice that a class with random numbers has."""


@final
class Draws:
    """The random numbers of one method in one step; every call in the text takes the next ones."""

    def __init__(self, seed: int, chance: Any, method: int, shape: tuple[int, ...]):
        # Where only shapes are asked for, what stands for the number is no whole one.
        word = jnp.ravel(chance)[0].astype(jnp.uint32)
        self.key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), method), word)
        self.shape, self.taken = shape, 0

    def next(self) -> Any:
        """Return the key of the next numbers."""
        self.taken += 1
        return jax.random.fold_in(self.key, self.taken)

    def again(self, words: Any, turn: Any) -> "Draws":
        """Return the random numbers of a turn of a loop; `words` are those of `jax.random.key_data` of its key."""
        found = copy(self)
        found.key, found.taken = jax.random.fold_in(jax.random.wrap_key_data(words), turn), 0
        return found

    def uniform(self) -> Any:
        return jax.random.uniform(self.next(), self.shape, _dtype())

    def exponential(self) -> Any:
        return jax.random.exponential(self.next(), self.shape, _dtype())

    def normal(self) -> Any:
        return jax.random.normal(self.next(), self.shape, _dtype())

    def binomial(self, chance: Any, count: Any) -> Any:
        """Return how many of `count` happen, each with the probability `chance`."""
        p = jnp.broadcast_to(jnp.clip(jnp.asarray(chance, _dtype()), 0.0, 1.0), self.shape)
        n = jnp.broadcast_to(jnp.maximum(jnp.asarray(count, _dtype()), 0.0), self.shape)
        drawn = jax.random.binomial(
            self.next(), jax.lax.stop_gradient(n), jax.lax.stop_gradient(p), self.shape
        )
        return drawn.astype(_dtype())


def _dtype() -> Any:
    return jnp.result_type(float)


DRAWN: Mapping[str, tuple[tuple[int, ...], Callable[..., Any]]] = {
    "scop_random": ((0, 1), lambda d, *_: d.uniform()),
    "exprand": ((1,), lambda d, mean: mean * d.exponential()),
    "normrand": ((2,), lambda d, mean, deviation: mean + deviation * d.normal()),
    "random_uniform": ((0, 2), lambda d, low=0.0, high=1.0: low + (high - low) * d.uniform()),
    "random_negexp": ((0, 1), lambda d, mean=1.0: mean * d.exponential()),
    "random_normal": ((0, 2), lambda d, mean=0.0, deviation=1.0: mean + deviation * d.normal()),
    "random_binomial": ((2,), lambda d, chance, count: d.binomial(chance, count)),
}
"""Name → how many arguments a function that draws takes, beside its stream, and what it is."""
