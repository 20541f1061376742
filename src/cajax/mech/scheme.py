"""Markov schemes: states that exchange occupancy."""

import re
from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..base.checks import numeric, of_kind, word
from ..base.errors import ParameterError
from .implicit import eliminated, pivoted, rosenbrock, stage
from .kinetics import Kinetics, States

_ROWS = tuple | list | np.ndarray | jax.Array


def _length(rows: Any) -> int:
    """Return how many rows or columns there are; 0 for what is no list of them."""
    return len(rows) if isinstance(rows, _ROWS) and (isinstance(rows, tuple | list) or np.ndim(rows)) else 0


@final
class Scheme(Kinetics):
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
        of_kind(transitions, Mapping, "Scheme.of", "a dictionary such as {'C <-> O': (a, b)}")
        states: dict[str, int] = {}
        ends: list[tuple[int, int]] = []
        rates: list[Any] = []
        for text, value in transitions.items():
            match = re.fullmatch(r"\s*(\w+)\s*(<->|->)\s*(\w+)\s*", text) if isinstance(text, str) else None
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
            rates += [numeric(rate, f"a rate of '{text}'") for _, _, rate in pairs]
        if not states:
            raise ParameterError("a scheme needs at least one transition, such as 'C <-> O': (a, b)")
        return Scheme(tuple(states), tuple(ends), tuple(rates))

    @staticmethod
    def matrix(states: tuple[str, ...] | list[str], q: Any) -> "Scheme":
        """Return the scheme of a generator `q[to][from]` (1/ms): off-diagonal rates, each column summing to zero.

        Raises `ParameterError` where the shape is wrong or the columns are known not to sum to zero: such a scheme
        makes or loses occupancy.
        """
        of_kind(states, (tuple, list), "Scheme.matrix states", "names such as ('C', 'O')")
        n = len(states)
        if not n or _length(q) != n or any(_length(row) != n for row in q):
            raise ParameterError(f"the matrix of a scheme of {n} states needs {n} rows and {n} columns")
        for name in states:
            word(name, "Scheme.matrix state")
        for j in range(n):
            column = [numeric(q[i][j], f"the rate from '{states[j]}' to '{states[i]}'") for i in range(n)]
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

    def names(self, own: str) -> tuple[str, ...]:
        return self.states

    def rest(self, own: str) -> States:
        return self.steady()

    def advance(self, own: str, now: States, dt: Any, order: int) -> States:
        return self.step(now, dt, order)

    def needed(self, own: str) -> tuple[str, ...]:
        """Return nothing: a current names its open states, and the closed ones are there all the same."""
        return ()

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
        return dict(zip(self.states, pivoted(rows, rhs), strict=True))

    def step(self, now: States, dt: Any, order: int) -> States:
        """Return the states `dt` ms later for a voltage that stands still, by the methods of `implicit_step`.

        The rates are constants here, so the Jacobian is read off them; states that do not meet cost nothing.
        """
        h = stage(order) * dt
        names = _elimination_order(self.states, self.ends)
        at = {name: k for k, name in enumerate(names)}
        matrix: list[list[Any]] = [[float(i == j) for j in range(len(names))] for i in range(len(names))]
        for (i, j), rate in zip(self.ends, self.rates, strict=True):
            a, b = at[self.states[i]], at[self.states[j]]
            matrix[b][a] = matrix[b][a] - h * rate
            matrix[a][a] = matrix[a][a] + h * rate

        def solve(rhs: States) -> States:
            return dict(zip(names, eliminated(matrix, [rhs[n] for n in names]), strict=True))

        return rosenbrock(self.derivative, solve, {n: now[n] for n in self.states}, dt, order)


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
