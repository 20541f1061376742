"""Coupled states: Markov schemes, and the implicit step for anything whose states drive one another."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..base.errors import ParameterError
from ..base.types import Array
from .gating import Gate

States = dict[str, Array]

# γ of the L-stable two-stage Rosenbrock method of Verwer, Spee, Blom & Hundsdorfer (1999), SIAM J Sci Comput 20:1456.
_GAMMA = 1.0 - 0.5**0.5


class Scheme(eqx.Module):
    """States that exchange occupancy at given rates (1/ms) at a fixed voltage; the occupancies sum to one.

    Made by `Scheme.of`. Every transition moves occupancy from one state to another, so nothing is gained or lost.
    """

    states: tuple[str, ...] = eqx.field(static=True)
    ends: tuple[tuple[int, int], ...] = eqx.field(static=True)
    rates: tuple[Any, ...]

    @staticmethod
    def of(transitions: Mapping[str, Any]) -> "Scheme":
        """Return the scheme of `transitions`: "C <-> O": (opening, closing), or "O -> I": rate, in 1/ms.

        Raises `ParameterError` for text that is no transition, for a state that reaches itself, and for rates that do
        not fit the arrow.
        """
        states: dict[str, int] = {}
        ends: list[tuple[int, int]] = []
        rates: list[Any] = []
        for text, value in transitions.items():
            match = re.fullmatch(r"\s*(\w+)\s*(<->|->)\s*(\w+)\s*", text)
            if not match or match[1] == match[3]:
                raise ParameterError(
                    f"'{text}' is not a transition between two states; write 'C <-> O': (a, b) or 'O -> I': rate"
                )
            a, b = (states.setdefault(match[k], len(states)) for k in (1, 3))
            both = match[2] == "<->"
            if isinstance(value, tuple | list) != both or (both and len(value) != 2):
                raise ParameterError(
                    f"transition '{text}' needs {'a pair of rates (there, back)' if both else 'one rate'}"
                )
            pairs = [(a, b, value[0]), (b, a, value[1])] if both else [(a, b, value)]
            ends += [(i, j) for i, j, _ in pairs]
            rates += [rate for _, _, rate in pairs]
        if not states:
            raise ParameterError("a scheme needs at least one transition, such as 'C <-> O': (a, b)")
        return Scheme(tuple(states), tuple(ends), tuple(rates))

    @staticmethod
    def matrix(states: tuple[str, ...] | list[str], q: Any) -> "Scheme":
        """Return the scheme of a generator `q[to][from]` (1/ms): off-diagonal rates, each column summing to zero.

        Raises `ParameterError` where the shape is wrong or the columns are known not to sum to zero: such a scheme
        makes or loses occupancy.
        """
        n = len(states)
        if len(q) != n or any(len(row) != n for row in q):
            raise ParameterError(f"the matrix of a scheme of {n} states needs {n} rows and {n} columns")
        for j in range(n):
            column = [q[i][j] for i in range(n)]
            if any(isinstance(x, Tracer) for x in column):
                continue
            total, scale = np.asarray(sum(column)), np.max(np.abs(np.stack(np.broadcast_arrays(*column))))
            if not (np.abs(total) <= 1e-5 * scale).all():  # so that NaN is refused too
                raise ParameterError(
                    f"the scheme does not conserve: the rates out of '{states[j]}' miss its diagonal by"
                    f" {np.abs(total).max():g} 1/ms; let each column sum to zero, or write Scheme.of(transitions)"
                )
        ends = tuple((j, i) for j in range(n) for i in range(n) if i != j)
        return Scheme(tuple(states), ends, tuple(q[i][j] for j, i in ends))

    def scaled(self, factor: Any) -> "Scheme":
        """Return the scheme with all rates times `factor`, as a temperature does."""
        if isinstance(factor, float) and factor == 1.0:
            return self
        return Scheme(self.states, self.ends, tuple(rate * factor for rate in self.rates))

    def derivative(self, now: States) -> States:
        """Return d/dt of every state (1/ms)."""
        change: States = {name: jnp.zeros_like(now[name]) for name in self.states}
        for (i, j), rate in zip(self.ends, self.rates, strict=True):
            flow = rate * now[self.states[i]]
            change[self.states[i]] = change[self.states[i]] - flow
            change[self.states[j]] = change[self.states[j]] + flow
        return change

    def steady(self) -> States:
        """Return the occupancies at rest at this voltage."""
        n, shape = len(self.states), jnp.broadcast_shapes(*(jnp.shape(r) for r in self.rates))
        dtype = jnp.result_type(*self.rates)
        rows = [[jnp.zeros(shape, dtype) for _ in range(n)] for _ in range(n)]
        for (i, j), rate in zip(self.ends, self.rates, strict=True):
            rows[j][i] = rows[j][i] + rate
            rows[i][i] = rows[i][i] - rate
        # One balance follows from the others; that the sum is one takes its place. The last state eliminates last.
        rows[n - 1] = [jnp.ones(shape, dtype)] * n
        rhs = [jnp.zeros(shape, dtype)] * (n - 1) + [jnp.ones(shape, dtype)]
        return dict(zip(self.states, _pivoted(rows, rhs), strict=True))

    def step(self, now: States, dt: Any, order: int) -> States:
        """Return the states `dt` ms later for a voltage that stands still, by the methods of `implicit_step`.

        The rates are constants here, so the Jacobian is read off them; states that do not meet cost nothing.
        """
        h = (1.0 if order == 1 else _GAMMA) * dt
        names = _elimination_order(self.states, self.ends)
        at = {name: k for k, name in enumerate(names)}
        matrix: list[list[Any]] = [[float(i == j) for j in range(len(names))] for i in range(len(names))]
        for (i, j), rate in zip(self.ends, self.rates, strict=True):
            a, b = at[self.states[i]], at[self.states[j]]
            matrix[b][a] = matrix[b][a] - h * rate
            matrix[a][a] = matrix[a][a] + h * rate

        def solve(rhs: States) -> States:
            return dict(zip(names, _eliminated(matrix, [rhs[n] for n in names]), strict=True))

        return _rosenbrock(self.derivative, solve, {n: now[n] for n in self.states}, dt, order)


def _elimination_order(states: tuple[str, ...], ends: tuple[tuple[int, int], ...]) -> list[str]:
    """Return the states so that eliminating one after the other couples few that were not: least neighbours first."""
    near = {i: {b if a == i else a for a, b in ends if i in (a, b)} for i in range(len(states))}
    order = []
    while near:
        i = min(near, key=lambda k: (len(near[k]), k))
        joined = near.pop(i)
        for k in joined:
            near[k] = (near[k] | joined) - {i, k}
        order.append(states[i])
    return order


class Timer(eqx.Module):
    """A state that counts down to zero, in ms, wherever a reset has set it; `start` gives its shape."""

    start: Array

    def scaled(self, factor: Any) -> "Timer":
        """Return the timer: time runs at one speed at every temperature."""
        return self

    def step(self, x: Array, dt: Any) -> Array:
        """Return what is left of `x` after `dt` ms."""
        return jnp.maximum(x - dt, 0.0)


Kinetics = Gate | Scheme | Timer


def initial_states(kinetics: Mapping[str, Kinetics]) -> States:
    """Return every gate and every state of every scheme at rest."""
    found: States = {}
    for name, kinetic in kinetics.items():
        if isinstance(kinetic, Scheme):
            found |= kinetic.steady()
        else:
            found[name] = kinetic.inf if isinstance(kinetic, Gate) else kinetic.start
    return found


def advanced(kinetics: Mapping[str, Kinetics], now: States, dt: Any, order: int) -> States:
    """Return gates and states `dt` ms later: gates exactly, schemes by a step of first or second order."""
    found: States = {}
    for name, kinetic in kinetics.items():
        if isinstance(kinetic, Scheme):
            found |= kinetic.step(now, dt, order)
        else:
            found[name] = kinetic.step(now[name], dt)
    return found


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
    gamma = 1.0 if order == 1 else _GAMMA
    jacobian = _jacobian(rates, now)
    factor = _unit(len(names), jacobian) - gamma * dt * jacobian

    def solve(rhs: States) -> States:
        x = _gauss_jordan(factor, jnp.stack([rhs[n] for n in names]))
        found = {n: x[k] for k, n in enumerate(names)}
        return found if spread is None else spread(found, gamma * dt)

    return _rosenbrock(rates, solve, now, dt, order)


def _rosenbrock(
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
        found = rates({n: x[k] for k, n in enumerate(names)})
        return jnp.stack([found[n] for n in names])

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
        row, value = matrix[p] / matrix[p, p], rhs[p] / matrix[p, p]
        mine = (np.arange(n) == p).reshape(n, *(1 for _ in rhs.shape[1:]))
        weight = matrix[:, p]
        matrix = jnp.where(mine[:, None], row, matrix - weight[:, None] * row)
        rhs = jnp.where(mine, value, rhs - weight * value)
    return rhs


def _eliminated(matrix: list[list[Any]], rhs: list[Any]) -> list[Any]:
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


def _pivoted(matrix: list[list[Any]], rhs: list[Any]) -> list[Any]:
    """Solve small dense systems, one per place, by a solver that pivots; used once per run, so speed is no matter."""
    a = jnp.stack([jnp.stack(row, -1) for row in matrix], -2)
    return list(jnp.moveaxis(jnp.linalg.solve(a, jnp.stack(rhs, -1)[..., None])[..., 0], -1, 0))
