"""The implicit step for states that drive one another, and the small linear systems in it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..base.types import Array
from .kinetics import States

# γ of the L-stable two-stage Rosenbrock method of Verwer, Spee, Blom & Hundsdorfer (1999), SIAM J Sci Comput 20:1456.
_GAMMA = 1.0 - 0.5**0.5


def stage(order: int) -> float:
    """Return γ, the share of a step that the implicit part of a stage of `implicit_step` takes."""
    return 1.0 if order == 1 else _GAMMA


def implicit_step(
    rates: Callable[[States], States],
    now: States,
    dt: Any,
    order: int,
    spread: Callable[[States, Any], States] | None = None,
) -> States:
    """Advance coupled states by `dt` ms; at every place they depend only on one another.

    `rates(states)` is d/dt of each. Order 1 is one step of the linearly implicit Euler method, order 2 the two-stage
    Rosenbrock method ROS2 of Verwer et al. (1999); both are L-stable, take the exact Jacobian, and keep every linear
    invariant of `rates`. ROS2 stays second order for an inexact Jacobian, so `spread(x, h)`, which solves
    (1 − h·transport) y = x for a transport between places that `rates` holds too, may follow as a factor.
    """
    names = list(now)
    gamma = stage(order)
    jacobian = _jacobian(rates, now)
    each = jnp.asarray(dt)[None, None] if jnp.ndim(dt) else dt  # places may take steps of different lengths
    factor = _unit(len(names), jacobian) - gamma * each * jacobian

    def solve(rhs: States) -> States:
        x = _gauss_jordan(factor, jnp.stack([rhs[n] for n in names]))
        solved = {n: x[k] for k, n in enumerate(names)}
        return solved if spread is None else spread(solved, gamma * dt)

    return rosenbrock(rates, solve, now, dt, order)


def rosenbrock(
    rates: Callable[[States], States], solve: Callable[[States], States], now: States, dt: Any, order: int
) -> States:
    """Take the linearly implicit Euler step, or ROS2; `solve` divides by 1 − gamma dt J."""
    first = solve(rates(now))
    if order == 1:
        return {n: x + dt * first[n] for n, x in now.items()}
    ahead = rates({n: x + dt * first[n] for n, x in now.items()})
    second = solve({n: ahead[n] - 2.0 * first[n] for n in now})
    return {n: x + dt * (1.5 * first[n] + 0.5 * second[n]) for n, x in now.items()}


def _jacobian(rates: Callable[[States], States], now: States) -> Array:
    """Return d(rate)/d(state) `[rate, state, place]`, in one pass however many states there are."""
    names = list(now)

    def stacked(x: Array) -> Array:
        change = rates({n: x[k] for k, n in enumerate(names)})
        return jnp.stack([change[n] for n in names])

    at = jnp.stack([now[n] for n in names])
    unit = jnp.broadcast_to(_unit(len(names), at[None]), (len(names), *at.shape))
    columns = jax.vmap(lambda d: jax.jvp(stacked, (at,), (d,))[1])(unit)
    return jnp.swapaxes(columns, 0, 1)


def _unit(n: int, like: Array) -> Array:
    """Return the unit matrix at every place of arrays `[n, n, place…]`."""
    return jnp.eye(n, dtype=like.dtype).reshape(n, n, *(1 for _ in like.shape[2:]))


def _gauss_jordan(matrix: Array, rhs: Array) -> Array:
    """Solve `[n, n, place]` systems without pivoting: 1 − hJ of a decaying system has a strong diagonal."""
    n = rhs.shape[0]
    if n == 1:
        return rhs / matrix[0]
    for p in range(n):
        row, value = matrix[p] / matrix[p, p][None], rhs[p] / matrix[p, p]
        mine = (np.arange(n) == p).reshape(n, *(1 for _ in rhs.shape[1:]))
        weight = matrix[:, p]
        matrix = jnp.where(mine[:, None], row[None], matrix - weight[:, None] * row[None])
        rhs = jnp.where(mine, value[None], rhs - weight * value[None])
    return rhs


def eliminated(matrix: list[list[Any]], rhs: list[Any]) -> list[Any]:
    """Solve small systems, one per place, without pivoting: 1 − hJ of a decaying system has a strong diagonal.

    Entries that are the number 0.0 are known to vanish, and cost nothing.
    """
    n, a, b = len(rhs), [list(row) for row in matrix], list(rhs)

    def vanishes(x: Any) -> bool:
        return isinstance(x, float) and x == 0.0

    for p in range(n):
        for i in range(p + 1, n):
            if vanishes(a[i][p]):
                continue
            f = a[i][p] / a[p][p]
            for j in range(p + 1, n):
                if not vanishes(a[p][j]):
                    a[i][j] = a[i][j] - f * a[p][j]
            b[i] = b[i] - f * b[p]
    for p in reversed(range(n)):
        for j in range(p + 1, n):
            if not vanishes(a[p][j]):
                b[p] = b[p] - a[p][j] * b[j]
        b[p] = b[p] / a[p][p]
    return b


def pivoted(matrix: list[list[Any]], rhs: list[Any]) -> list[Any]:
    """Solve small dense systems, one per place, by a solver that pivots; used once per run, so speed is no matter."""
    a = jnp.stack([jnp.stack(row, -1) for row in matrix], -2)
    return list(jnp.moveaxis(jnp.linalg.solve(a, jnp.stack(rhs, -1)[..., None])[..., 0], -1, 0))
