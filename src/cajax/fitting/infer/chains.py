"""Chains of Hamiltonian Monte Carlo as lanes of one compiled program, by `blackjax`."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from ...base.types import Array, Float
from .packages import needed
from .transport import Transport, learned, stacked

BLOCK = 25
"""Draws of one call of the compiled program."""
WARM = (2, 2, 2, 4, 4)
"""Blocks of every round of the warm-up; after each the map is learned anew."""
ACCEPTED = 0.8
"""Share of proposals that step sizes are fitted to."""
REACH = 1.5
"""Mean length of a trajectory, in standard deviations: about a quarter of a period."""
MOST = 64
"""Most steps of a trajectory on average."""
SHORT, EVERY = 0.3, 4
"""Every fourth trajectory takes steps this much shorter: where a posterior is narrow, chains would else stand still."""
BEHIND = 10.0
"""A chain whose log density stays this far below the best chain's is begun again where another one is."""


@final
class Drawn(NamedTuple):
    """What chains drew: z, log densities in z, shares of accepted proposals and of diverged ones, steps."""

    z: Float[np.ndarray, "problem chain draw parameter"]
    density: Float[np.ndarray, "problem chain draw"]
    accepted: float
    diverged: float
    gradients: float


@final
class Chains:
    """Chains that draw from densities of z given data: one for each of several problems, several chains for each.

    `density` of (z, data) is the log density, `data` [problem, …] that of every problem. `method` is "hmc" or "nuts":
    trajectories of as many steps for all lanes, or as long as each one needs, when all wait for the longest.
    """

    def __init__(self, density: Callable[[Array, Any], Array], data: Any, method: str, seed: int) -> None:
        blackjax = needed("blackjax", "drawing from a posterior")
        self._kernel = (blackjax.nuts if method == "nuts" else blackjax.hmc).build_kernel()
        self._adapt = blackjax.adaptation.step_size.dual_averaging_adaptation(ACCEPTED)
        self._begin = blackjax.hmc.init
        self._density, self._data, self._method = density, data, method
        self._key = jax.random.key(seed)
        self._block = jax.jit(self._blocked)
        first = jax.tree.leaves(data)[0]
        self.dtype = first.dtype
        self.step = np.full(first.shape[0], 0.3)
        """Size of a step [problem], in standard coordinates."""
        self._count = 0

    def warmed(
        self,
        maps: list[Transport],
        z: Float[np.ndarray, "problem chain parameter"],
        told: Callable[[float], bool],
    ) -> tuple[list[Transport], np.ndarray]:
        """Return maps and places that the chains end at, from first maps and places z. `told` a share, says to stop."""
        for number, blocks in enumerate(WARM):
            found = []
            for k in range(blocks):
                drawn, z = self._advanced(maps, z, adapt=True)
                found.append(drawn)
                if told((sum(WARM[:number]) + k + 1) / sum(WARM)):
                    return maps, z
            late = found[len(found) // 2 :] if len(found) > 2 else found[-1:]
            draws = np.concatenate([x.z for x in late], 2)
            density = np.concatenate([x.density for x in late], 2)
            z, kept = self._gathered(z, density)
            maps = [learned(x[keep]) for x, keep in zip(draws, kept, strict=True)]
            self.step = np.maximum(self.step, 0.2)
        for _ in range(2):
            _, z = self._advanced(maps, z, adapt=True)
        return maps, z

    def drawn(
        self, maps: list[Transport], z: Float[np.ndarray, "problem chain parameter"], draws: int,
        told: Callable[[float], bool],
    ) -> Drawn:  # fmt: skip
        """Return `draws` of every chain, fewer where `told` (a share) says to stop."""
        found, blocks = [], -(-draws // BLOCK)
        for k in range(blocks):
            drawn, z = self._advanced(maps, z, adapt=False)
            found.append(drawn)
            if told((k + 1) / blocks):
                break
        z_all, density = (np.concatenate([x[i] for x in found], 2)[:, :, :draws] for i in (0, 1))
        means = [float(np.mean([x[i] for x in found])) for i in (2, 3, 4)]
        return Drawn(z_all, density, *means)

    def _advanced(self, maps: list[Transport], z: np.ndarray, adapt: bool) -> tuple[Drawn, np.ndarray]:
        """Run one block of draws; return them, and where the chains are now."""
        transport = stacked(maps, self.dtype)
        steps = np.ceil(2.0 * self._reach() * _halton(self._count, BLOCK))
        key = jax.random.fold_in(self._key, self._count)
        self._count += BLOCK
        z_now, step, z, density, accepted, diverged, made = self._block(
            key, jnp.asarray(z, self.dtype), transport, jnp.asarray(self.step, self.dtype),
            jnp.asarray(np.maximum(steps, 1), jnp.int32), jnp.asarray(adapt), self._data,
        )  # fmt: skip
        if adapt:
            self.step = np.asarray(step, float)
        z, density = np.moveaxis(np.asarray(z), 0, 2), np.moveaxis(np.asarray(density), 0, 2)
        return Drawn(z, density, float(accepted), float(diverged), float(made)), np.asarray(z_now)

    def _reach(self) -> float:
        """Return the mean number of steps of a trajectory, which is that of all lanes: as most of them need."""
        return float(np.clip(REACH / np.quantile(self.step, 0.2), 1.0, MOST))

    def _gathered(self, z: np.ndarray, density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return places, those of chains left behind replaced by others', and which [problem, chain] were not."""
        level = density.mean(2)
        kept = level > level.max(1, keepdims=True) - BEHIND
        rng = np.random.default_rng(self._count)
        z = z.copy()
        for own, keep in zip(z, kept, strict=True):
            own[~keep] = own[rng.choice(np.flatnonzero(keep), int((~keep).sum()))]
        return z, kept

    def _blocked(
        self, key: Array, z: Array, transport: Transport, step: Array, lengths: Array, adapt: Array, data: Any
    ) -> tuple[Array, ...]:
        start, update, final_step = self._adapt
        w = jax.vmap(jax.vmap(Transport.inverse, (None, 0)))(transport, z)
        states = self._lanes(lambda w, f: self._begin(w, f), w, transport, data)

        def draw(
            at: tuple[Any, Any], x: tuple[Array, Array, Array]
        ) -> tuple[tuple[Any, Any], tuple[Array, ...]]:
            states, fitted = at
            now = x[2] * jnp.where(adapt, jnp.exp(fitted.log_step_size), step)
            keys = jax.random.split(x[0], z.shape[:2])
            states, info = self._lanes(partial(self._moved, length=x[1]), states, transport, data, keys, now)
            rate = info.acceptance_rate.mean(1)
            better = jax.vmap(update)(fitted, jnp.where(jnp.isfinite(rate), rate, 0.0))
            fitted = jax.tree.map(lambda new, old: jnp.where(x[2] == 1.0, new, old), better, fitted)
            counts = (rate.mean(), info.is_divergent.mean(), info.num_integration_steps.max())
            return (states, fitted), (states.position, states.logdensity, *counts)

        share = jnp.where(jnp.arange(len(lengths)) % EVERY == EVERY - 1, SHORT, 1.0).astype(z.dtype)
        carry = (states, jax.vmap(start)(step))
        (states, fitted), (ws, density, *counts) = jax.lax.scan(
            draw, carry, (jax.random.split(key, len(lengths)), lengths, share)
        )
        back = jax.vmap(jax.vmap(Transport.forward, (None, 0)))
        zs = jax.vmap(back, (None, 0))(transport, ws)
        means = [jnp.asarray(x, z.dtype).mean() for x in counts]
        return back(transport, states.position), jax.vmap(final_step)(fitted), zs, density, *means

    def _lanes(
        self, function: Any, x: Any, transport: Transport, data: Any, keys: Any = None, steps: Any = None
    ) -> Any:
        """Call `function` with the lane's own x, density, key and step in every lane [problem, chain]."""

        def one(x: Any, transport: Transport, data: Any, key: Any, step: Any) -> Any:
            def density(w: Array) -> Array:
                return self._density(transport.forward(w), data)

            return function(x, density) if key is None else function(x, density, key, step)

        own = None if keys is None else 0
        inner = jax.vmap(one, (0, None, None, own, None))
        return jax.vmap(inner, (0, 0, 0, own, None if steps is None else 0))(x, transport, data, keys, steps)

    def _moved(self, state: Any, density: Any, key: Array, step: Array, length: Array) -> Any:
        ones = jnp.ones_like(state.position)
        if self._method == "nuts":
            return self._kernel(key, state, density, step, ones)
        return self._kernel(key, state, density, step, ones, length)


def _halton(begin: int, count: int) -> np.ndarray:
    """Return members of van der Corput's sequence from 0 to 1: every stretch of it covers the interval evenly."""
    found = np.zeros(count)
    for k in range(count):
        n, share = begin + k + 1, 0.5
        while n:
            found[k] += share * (n % 2)
            n, share = n // 2, share / 2.0
    return found
