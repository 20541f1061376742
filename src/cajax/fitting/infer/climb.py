"""Climbing to the modes of a density, all lanes at once: Levenberg–Marquardt on its Gauss–Newton model."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from ...base.errors import NonFiniteError
from ...base.types import Array, Float
from .likelihood import FAILED, Local
from .transport import Transport, laplace

LONGEST = 1.0
"""Longest step in a coordinate z."""
TRIALS, MOST = 8, 12
"""Trials of one call of the compiled program, and calls."""
GAIN = 0.02
"""Gain in log density by a call below which a climb is over."""
NEAR = 10.0
"""Modes this far below the best one, in log density, are not looked at."""


@final
class Modes(NamedTuple):
    """Where climbs ended: z, log density and curvature there, the best start of every problem first."""

    z: Float[np.ndarray, "problem start parameter"]
    value: Float[np.ndarray, "problem start"]
    curvature: Float[np.ndarray, "problem start parameter parameter"]

    def maps(self) -> list[Transport]:
        """Return the Laplace approximation at the best mode of every problem."""
        return [laplace(z[0], c[0]) for z, c in zip(self.z, self.curvature, strict=True)]

    def spread(self, maps: list[Transport], chains: int, seed: int) -> np.ndarray:
        """Return places [problem, chain, parameter] to begin chains at: around all modes that are near the best one."""
        rng = np.random.default_rng(seed)
        found = np.zeros((len(self.z), chains, self.z.shape[-1]))
        for own, z, value, m in zip(found, self.z, self.value, maps, strict=True):
            near = np.flatnonzero(value > value[0] - NEAR)
            off = np.stack(
                [np.asarray(m.forward(jnp.asarray(w))) for w in 0.5 * rng.standard_normal(own.shape)]
            )
            own[:] = z[near[np.arange(chains) % len(near)]] + off - z[0]
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
