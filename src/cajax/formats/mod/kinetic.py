"""KINETIC blocks: reactions between states, their implicit step with the exact Jacobian, and their steady state."""

from collections.abc import Callable
from typing import Any, final

import jax.numpy as jnp

from ...mech.implicit import eliminated, pivoted, rosenbrock, stage
from . import tree as t
from .evaluate import Machine, Scope
from .faults import AtLine
from .maths import Mask

States = dict[str, Any]
TURNS = 3
"""Newton's turns of a step of a scheme that is not linear; the first one is exact for a linear scheme."""
STEADY_TURNS = 30


def flat(name: str, index: int | None) -> str:
    """Return the name of a state, or of an element of an array of states."""
    return name if index is None else f"{name}_{index}"


@final
class Reactions:
    """One run through a KINETIC block at given states: d/dt of each, the Jacobian, and what is conserved."""

    def __init__(self, machine: Machine, states: dict[str, Any]):
        self.machine, self.states = machine, states
        self.names = list(states)
        self.rates: States = {n: 0.0 for n in self.names}
        self.jacobian: dict[tuple[str, str], Any] = {}
        self.volume: dict[str, Any] = {}
        self.conserved: list[tuple[dict[str, float], Any, int]] = []

    def run(self, body: t.Body, scope: Scope) -> "Reactions":
        """Return itself after the statements of the block."""
        for _, compartment in of_kind(body, t.Compartment):
            self._compartment(compartment, scope)
        inner = Machine(self.machine.file, {**self.machine.hooks, t.Reaction: self._react, t.Conserve: self._conserve,
                                            t.Compartment: _nothing, t.Diffusion: _nothing})  # fmt: skip
        inner.run(body, scope)
        return self

    def _name(self, name: t.Name, scope: Scope, mask: Mask) -> str:
        if name.index is None:
            return name.id
        k = self.machine.number(name.index, scope, mask)
        if not isinstance(k, float):
            raise AtLine(name.line, f"the index of '{name.id}' is computed; only fixed ones are taken over")
        return flat(name.id, int(k))

    def _compartment(self, s: t.Compartment, scope: Scope) -> None:
        # Volumes may be computed from what INITIAL has set; they stand before everything else.
        for name in s.species:
            for k, n in enumerate(self._elements(name)):
                there = scope.copy()
                if s.index:
                    there.local[s.index] = float(k)
                self.volume[n] = self.machine.number(s.volume, there, None)

    def _elements(self, name: str) -> list[str]:
        """Return the states that a name stands for: itself, or the elements of an array."""
        length = self.machine.file.states.get(name, 0)
        return [n for n in ([flat(name, k) for k in range(length)] if length else [name]) if n in self.states]

    def _react(self, s: t.Reaction, scope: Scope, mask: Mask) -> None:
        def weighted(x: Any) -> Any:
            return x if mask is None else jnp.where(mask, x, 0.0)

        left = [(c, self._name(n, scope, mask), n) for c, n in s.left]
        right = [(c, self._name(n, scope, mask), n) for c, n in s.right]
        kf = weighted(self.machine.number(s.forward, scope, mask))
        if s.op == "<<":
            for _, n, _ in left:
                if n in self.rates:
                    self._gain(n, kf, {})
            return
        forward, slopes = self._flux(kf, left, scope, mask)
        backward: Any = 0.0
        if s.backward is not None:
            kb = weighted(self.machine.number(s.backward, scope, mask))
            backward, back = self._flux(kb, right, scope, mask)
            for n, x in back.items():
                slopes[n] = slopes.get(n, 0.0) - x
        scope.shared["f_flux"], scope.shared["b_flux"] = forward, backward
        for sign, side in ((-1.0, left), (1.0, right)):
            for c, n, _ in side:
                if n in self.rates:
                    self._gain(
                        n, sign * c * (forward - backward), {k: sign * c * x for k, x in slopes.items()}
                    )

    def _flux(self, k: Any, side: Any, scope: Scope, mask: Mask) -> tuple[Any, dict[str, Any]]:
        """Return k Π x^n and its derivatives by the states among them."""
        powers: dict[str, int] = {}
        values: dict[str, Any] = {}
        for c, n, name in side:
            powers[n] = powers.get(n, 0) + c
            values[n] = self.states[n] if n in self.states else self.machine.number(name, scope, mask)
        whole: Any = k
        for n, p in powers.items():
            whole = whole * values[n] ** p
        slopes = {}
        for n in powers:
            if n in self.states:
                slope: Any = k
                for m, p in powers.items():
                    slope = slope * (
                        p * values[m] ** (p - 1) if m == n and p > 1 else 1.0 if m == n else values[m] ** p
                    )
                slopes[n] = slope
        return whole, slopes

    def _gain(self, name: str, flow: Any, slopes: dict[str, Any]) -> None:
        volume = self.volume.get(name)
        self.rates[name] = self.rates[name] + (flow if volume is None else flow / volume)
        for by, x in slopes.items():
            x = x if volume is None else x / volume
            self.jacobian[name, by] = self.jacobian[name, by] + x if (name, by) in self.jacobian else x

    def _conserve(self, s: t.Conserve, scope: Scope, mask: Mask) -> None:
        weights: dict[str, float] = {}
        for c, name in s.terms:
            indexed = name.index is not None
            for n in [self._name(name, scope, mask)] if indexed else self._elements(name.id):
                weights[n] = c * self.volume.get(n, 1.0)
        self.conserved.append((weights, self.machine.number(s.total, scope, mask), s.line))

    def matrix(self, h: Any) -> list[list[Any]]:
        """Return 1 − h J as rows; entries that vanish are the number 0.0."""
        rows: list[list[Any]] = []
        for i in self.names:
            row: list[Any] = []
            for j in self.names:
                x: Any = 1.0 if i == j else 0.0
                if (i, j) in self.jacobian:
                    x = x - h * self.jacobian[i, j]
                row.append(x)
            rows.append(row)
        return rows

    def held(self, rows: list[list[Any]], rhs: list[Any]) -> None:
        """Put every CONSERVE in the place of the equation of the state that it names last, as NEURON does."""
        for weights, total, _ in self.conserved:
            if known := [n for n in weights if n in self.names]:
                k = self.names.index(known[-1])
                rows[k] = [weights.get(n, 0.0) for n in self.names]
                rhs[k] = total - sum(weights[n] * self.states[n] for n in known)


Through = Callable[[States], Reactions]


def stepped(through: Through, now: States, dt: Any, order: int, linear: bool) -> States:
    """Return the states `dt` ms later: the implicit Euler step by Newton's method, or ROS2."""
    if order == 2:
        return _second_order(through, now, dt)
    at = now
    for _ in range(1 if linear else TURNS):
        found = through(at)
        rows = found.matrix(dt)
        rhs = [now[n] - at[n] + dt * found.rates[n] for n in found.names]
        found.held(rows, rhs)
        change = eliminated(rows, rhs)
        at = {n: at[n] + change[k] for k, n in enumerate(found.names)}
    return at


def _second_order(through: Through, now: States, dt: Any) -> States:
    first = through(now)
    rows = first.matrix(stage(2) * dt)

    def solve(rhs: States) -> States:
        return dict(zip(first.names, eliminated(rows, [rhs[n] for n in first.names]), strict=True))

    return rosenbrock(
        lambda at: {n: x + 0.0 * at[n] for n, x in through(at).rates.items()}, solve, now, dt, 2
    )


def steady(through: Through, start: States, shape: tuple[int, ...], linear: bool) -> States:
    """Return the steady state, by Newton's method from `start`; a very long step decides what nothing else does."""
    at = {n: jnp.broadcast_to(jnp.asarray(x, dtype=float), shape) for n, x in start.items()}
    first = dict(at)
    for _ in range(2 if linear else STEADY_TURNS):
        found = through(at)
        names = found.names
        rows: list[list[Any]] = [
            [-found.jacobian.get((i, j), 0.0) + (1e-9 if i == j else 0.0) for j in names] for i in names
        ]
        rhs = [found.rates[n] + 1e-9 * (first[n] - at[n]) for n in names]
        found.held(rows, rhs)
        full = [[jnp.broadcast_to(jnp.asarray(x, dtype=float), shape) for x in row] for row in rows]
        change = pivoted(full, [jnp.broadcast_to(jnp.asarray(x, dtype=float), shape) for x in rhs])
        at = {n: at[n] + change[k] for k, n in enumerate(names)}
    return at


def is_linear(body: t.Body, states: set[str]) -> bool:
    """Whether every reaction has one state at most on each side, so that the scheme is linear."""
    for _, s in of_kind(body, t.Reaction):
        for side in (s.left, s.right if s.op == "<->" else ()):
            if sum(c for c, n in side if n.id in states) > 1:
                return False
    return True


def every(body: t.Body) -> list[t.Stmt]:
    """Return the statements of a body with those inside others."""
    return [s for _, s in of_kind(body, object)]


def of_kind(body: t.Body, wanted: type) -> list[tuple[int, Any]]:
    """Return (line, statement) of one kind in a body, those inside loops and conditions too."""
    found: list[tuple[int, Any]] = []
    for s in body:
        if isinstance(s, wanted):
            found.append((s.line, s))
        if isinstance(s, t.From):
            found += of_kind(s.body, wanted)
        if isinstance(s, t.If):
            for inner in (*(b for _, b in s.branches), s.otherwise):
                found += of_kind(inner, wanted)
    return found


def _nothing(s: t.Stmt, scope: Scope, mask: Mask) -> None:
    """Compartments have been looked at before; what diffuses along the cell, the engine steps."""
