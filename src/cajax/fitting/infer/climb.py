"""Climbing to the modes of a density, all lanes at once: Levenberg–Marquardt on its Gauss–Newton model."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from ...base.errors import NonFiniteError
from ...base.types import Array, Float
from .likelihood import FAILED, Local
from .transport import Transport, laplace, stacked

LONGEST = 1.0
"""Longest step in a coordinate z."""
TRIALS, MOST = 8, 12
"""Trials of one call of the compiled program, and calls."""
GAIN = 0.02
"""Gain in log density by a call below which a climb is over."""
NEAR = 10.0
"""Modes this far below the best one, in log density, are not looked at."""
SCATTER, FALL = (0.02, 0.1, 0.3, 0.6), 2.0
"""Distances from a mode at which chains may begin; the log density may fall by this and one a parameter there."""


@final
class Modes(NamedTuple):
    """Where climbs ended: z, log density and curvature there, the best start of every problem first."""

    z: Float[np.ndarray, "problem start parameter"]
    value: Float[np.ndarray, "problem start"]
    curvature: Float[np.ndarray, "problem start parameter parameter"]

    def maps(self) -> list[Transport]:
        """Return the Laplace approximation at the best mode of every problem."""
        return [laplace(z[0], c[0]) for z, c in zip(self.z, self.curvature, strict=True)]

    def spread(
        self, density: Callable[[Array, Any], Array], maps: list[Transport], data: Any, chains: int, seed: int
    ) -> np.ndarray:
        """Return places [problem, chain, parameter] to begin chains at: around all modes that are near the best one.

        As far around as the log density allows: where it is bent, the normal approximation soon leaves it.
        """
        rng = np.random.default_rng(seed)
        problems, _, d = self.z.shape
        begin, level = np.zeros((problems, chains, d)), np.zeros((problems, chains))
        for k, value in enumerate(self.value):
            near = np.flatnonzero(value > value[0] - NEAR)[
                np.arange(chains) % int((value > value[0] - NEAR).sum())
            ]
            begin[k], level[k] = self.z[k, near], value[near]
        dtype = jax.tree.leaves(data)[0].dtype
        transport = stacked(maps, dtype)
        forward = jax.jit(jax.vmap(jax.vmap(Transport.forward, (None, 0))))
        lanes = jax.jit(jax.vmap(jax.vmap(density, (0, None))))
        w, found = rng.standard_normal(begin.shape), begin.copy()
        for scale in SCATTER:  # from near to far: what is still likely is taken
            off = np.asarray(forward(transport, jnp.asarray(scale * w, dtype)), float) - self.z[:, :1]
            there = np.asarray(lanes(jnp.asarray(begin + off, dtype), data), float)
            fine = there > level - d - FALL
            found[fine] = (begin + off)[fine]
        return found


def climbed(
    local: Callable[[Array, Any], Local],
    z: Float[np.ndarray, "problem start parameter"],
    data: Any,
    told: Callable[[float], bool] = lambda share: False,
) -> Modes:
    """Return the modes that climbs from z lead to; `data` [problem, …] is that of every problem.

    A trial costs one run and its tangents. `told` a share of the most that it may take, says to stop. Raises
    `NonFiniteError` where every start of a problem fails.
    """
    lanes = jax.jit(jax.vmap(jax.vmap(lambda at, d: _tried(local, at, d), (0, None))))
    first = jax.jit(jax.vmap(jax.vmap(local, (0, None))))
    dtype = jax.tree.leaves(data)[0].dtype
    z_now = jnp.asarray(z, dtype)
    at = (z_now, first(z_now, data), jnp.full(z_now.shape[:2], 1e-2, dtype))
    for k in range(MOST):
        before = np.asarray(at[1].value, float)
        at = lanes(at, data)
        after = np.asarray(at[1].value, float)
        if (
            told((k + 1) / MOST)
            or not (after - before > GAIN)[after > after.max(1, keepdims=True) - NEAR].any()
        ):
            break
    found = Modes(*(np.asarray(x, float) for x in (at[0], at[1].value, at[1].curvature)))
    if (found.value.max(1) <= FAILED).any():
        raise NonFiniteError(
            "posterior: every run from every start fails; begin with the result of a search, start=result"
        )
    order = np.argsort(-found.value, 1, kind="stable")
    return Modes(*(np.stack([x[o] for x, o in zip(leaf, order, strict=True)]) for leaf in found))


def _tried(local: Any, at: tuple[Array, Local, Array], data: Any) -> tuple[Array, Local, Array]:
    """Make some trials of one lane. Damping as Marquardt has it: a fifth after a gain, fourfold else."""

    def trial(at: tuple[Array, Local, Array], _: None) -> tuple[tuple[Array, Local, Array], None]:
        z, here, damping = at
        size = jnp.diag(here.curvature)
        step = jnp.linalg.solve(here.curvature + damping * jnp.diag(size), here.slope)
        step = jnp.where(jnp.isfinite(step), jnp.clip(step, -LONGEST, LONGEST), 0.0)
        there = local(z + step, data)
        better = there.value > here.value
        z = jnp.where(better, z + step, z)
        here = jax.tree.map(lambda new, old: jnp.where(better, new, old), there, here)
        return (z, here, jnp.clip(damping * jnp.where(better, 0.2, 4.0), 1e-7, 1e7)), None

    return jax.lax.scan(trial, at, None, length=TRIALS)[0]
