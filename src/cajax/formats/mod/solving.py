"""SOLVE: one step of a block by the method that the file names."""

from collections.abc import Callable, Mapping
from typing import Any, final

import jax
import jax.numpy as jnp

from ...mech.implicit import implicit_step, pivoted
from . import kinetic, linear
from . import tree as t
from .evaluate import Machine, Scope
from .faults import AtLine
from .kinetic import flat
from .maths import Mask

EXPONENTIAL = ("cnexp", "", "after_cvode", "cvode_t", "cvode_v", "cvode_t_v", "adeuler", "adrunge", "simeq")
IMPLICIT = ("derivimplicit", "sparse", "newton")
EXPLICIT = ("euler", "runge", "runga")
NEWTON = 9
"""Newton's turns for an implicit step: a pump that is driven far from its balance takes eight."""
FIRST, NEXT = 12, 5
"""Newton's turns for a NONLINEAR block in INITIAL, and in a step, which begins at the solution before."""

Hooks = Mapping[type, Callable[..., None]]
NO_HOOKS: Hooks = {}


def prime(state: str) -> str:
    """Return the variable that holds the derivative of a state while a block runs."""
    return f"{state}'"


@final
class Solver:
    """Runs SOLVE statements of one file in scopes that hold its variables.

    `is_linear` says which blocks are linear in all that depends on states, `is_diagonal` in which every equation is
    linear in its own state as it is spelt.
    """

    def __init__(self, file: t.File, is_linear: Mapping[str, bool]):
        self.file, self.is_linear, self.is_diagonal = file, is_linear, is_linear
        self.machine = Machine(file, {})

    def routine(self, s: t.Solve) -> t.Routine:
        found = self.file.routines.get(s.block)
        if found is None:
            raise AtLine(s.line, f"SOLVE {s.block}: there is no block of that name")
        return found

    def initial(self, scope: Scope, shape: tuple[int, ...], hooks: Hooks = NO_HOOKS) -> None:
        """Run INITIAL; `hooks` say what more special statements do."""

        def solve(s: t.Solve, scope: Scope, mask: Mask) -> None:
            routine = self.routine(s)
            if s.steady and routine.kind in ("KINETIC", "DERIVATIVE"):
                self._steady(routine, scope, shape)
            elif routine.kind in ("LINEAR", "NONLINEAR"):
                self._algebraic(routine, scope, shape, FIRST)
            elif routine.kind == "PROCEDURE":
                self.machine.run(routine.body, scope, mask)
            else:
                raise AtLine(s.line, f"SOLVE {s.block} in INITIAL is not taken over without STEADYSTATE")

        Machine(self.file, {**hooks, t.Solve: solve}).run(self.file.initial, scope)

    def step(self, s: t.Solve, scope: Scope, dt: Any, order: int) -> None:
        """Take one step of a block; its states are in the scope before and after."""
        routine = self.routine(s)
        match routine.kind:
            case "PROCEDURE" | "FUNCTION":
                self.machine.run(routine.body, Scope(scope.shared))
            case "DERIVATIVE":
                self._derivative(s, routine, scope, dt, order)
            case "KINETIC":
                self._kinetic(routine, scope, dt, order)
            case _:
                self._algebraic(routine, scope, (), NEXT)

    def _derivative(self, s: t.Solve, routine: t.Routine, scope: Scope, dt: Any, order: int) -> None:
        # As NEURON's cnexp does, to first order what a block computes before its equations stands still.
        exact = self.is_diagonal if order == 1 else self.is_linear
        if s.method in EXPONENTIAL and exact.get(routine.name, True):
            self._exponential(routine, scope, dt)
            return
        if s.method not in (*EXPONENTIAL, *IMPLICIT, *EXPLICIT):
            raise AtLine(s.line, f"METHOD {s.method} is not known; write cnexp, derivimplicit or sparse")
        names = self.ruled(routine)
        if not names:
            raise AtLine(
                routine.line, f"DERIVATIVE {routine.name} has no equation; write x' = … or a PROCEDURE"
            )
        now = {n: _floating(self.value(n, scope)) for n in names}
        shape = jnp.broadcast_shapes(*(jnp.shape(x) for x in now.values()), _shape(scope))
        now = {n: jnp.broadcast_to(x, shape) for n, x in now.items()}

        def rates(at: Mapping[str, Any]) -> dict[str, Any]:
            return {n: jnp.broadcast_to(x, shape) for n, x in self.rates(routine, at, scope).items()}

        if s.method in EXPLICIT and order == 1:
            after = _explicit(rates, now, dt, s.method == "euler")
        else:
            after = implicit_step(rates, now, dt, order)
            if order == 1 and not self.is_linear.get(routine.name, True):
                after = _newton(rates, now, after, dt)
        # The explicit Euler method runs the block once, at the states before the step.
        is_euler = s.method == "euler" and order == 1
        self.rates(routine, now if is_euler else after, scope, keep=True)
        for name, x in after.items():
            self.put(name, x, scope)

    def rates(
        self, routine: t.Routine, at: Mapping[str, Any], scope: Scope, keep: bool = False
    ) -> dict[str, Any]:
        """Return d/dt of the states of a DERIVATIVE or KINETIC block; `keep` leaves what it assigns in the scope."""
        there = scope if keep else scope.copy()
        for name, x in at.items():
            self.put(name, x, there)
        if routine.kind == "KINETIC":
            return kinetic.Reactions(self.machine, dict(at)).run(routine.body, there).rates

        def rate(s: t.Rate, scope: Scope, mask: Mask) -> None:
            value = self.machine.number(s.value, scope, mask)
            scope.shared[prime(self._state(s.state, scope, mask))] = value

        Machine(self.file, {t.Rate: rate}).run(routine.body, Scope(there.shared))
        return {n: _floating(there.shared.pop(prime(n), 0.0)) for n in at}

    def _exponential(self, routine: t.Routine, scope: Scope, dt: Any) -> None:
        def rate(s: t.Rate, scope: Scope, mask: Mask) -> None:
            machine = self.machine
            x = machine.number(s.state, scope, mask)
            after = linear.exponential(machine, s, x, scope, mask, dt)
            machine.assign(s.state, after, scope, mask)

        Machine(self.file, {t.Rate: rate}).run(routine.body, Scope(scope.shared))

    def _kinetic(self, routine: t.Routine, scope: Scope, dt: Any, order: int) -> None:
        names = self.ruled(routine)
        now = {n: _floating(self.value(n, scope)) for n in names}

        def through(at: Mapping[str, Any]) -> kinetic.Reactions:
            there = scope.copy()
            for name, x in at.items():
                self.put(name, x, there)
            return kinetic.Reactions(self.machine, dict(at)).run(routine.body, there)

        after = kinetic.stepped(through, now, dt, order, self.is_linear.get(routine.name, True))
        self.rates(routine, after, scope, keep=True)

    def _steady(self, routine: t.Routine, scope: Scope, shape: tuple[int, ...]) -> None:
        names = self.ruled(routine)
        start = {n: _floating(self.value(n, scope)) for n in names}
        is_linear = self.is_linear.get(routine.name, True)
        if routine.kind == "KINETIC":

            def through(at: Mapping[str, Any]) -> kinetic.Reactions:
                there = scope.copy()
                for name, x in at.items():
                    self.put(name, x, there)
                return kinetic.Reactions(self.machine, dict(at)).run(routine.body, there)

            after = kinetic.steady(through, start, shape, is_linear)
        else:
            start = {n: jnp.broadcast_to(x, shape) for n, x in start.items()}

            def rates(at: Mapping[str, Any]) -> dict[str, Any]:
                return {n: jnp.broadcast_to(x, shape) for n, x in self.rates(routine, at, scope).items()}

            after = implicit_step(rates, start, 1e9, 1)
            for _ in range(0 if is_linear else 10):
                after = _newton(rates, start, after, 1e9)
        self.rates(routine, after, scope, keep=True)

    def _algebraic(self, routine: t.Routine, scope: Scope, shape: tuple[int, ...], turns: int) -> None:
        """Solve a LINEAR or NONLINEAR block by Newton's method, whose first turn is exact for a LINEAR one."""
        names = self.ruled(routine)
        shape = jnp.broadcast_shapes(shape, _shape(scope))
        count: list[int] = []

        def residuals(at: Mapping[str, Any]) -> list[Any]:
            there, found = scope.copy(), []
            for name, x in at.items():
                self.put(name, x, there)

            def equation(s: t.Equation, scope: Scope, mask: Mask) -> None:
                found.append(
                    self.machine.number(s.left, scope, mask) - self.machine.number(s.right, scope, mask)
                )

            Machine(self.file, {t.Equation: equation}).run(routine.body, Scope(there.shared))
            count.append(len(found))
            return [jnp.broadcast_to(_floating(x), shape) for x in found]

        at = {n: jnp.broadcast_to(_floating(self.value(n, scope)), shape) for n in names}
        for _ in range(1 if routine.kind == "LINEAR" else turns):
            still, slope = jax.linearize(residuals, at)
            if count[-1] != len(names):
                raise AtLine(routine.line, f"{count[-1]} equations for {len(names)} states")
            columns = [slope({n: jnp.full(shape, float(n == m)) for n in names}) for m in names]
            rows = [[column[i] for column in columns] for i in range(len(names))]
            change = pivoted(rows, [-x for x in still])
            at = {n: at[n] + x for n, x in zip(names, change, strict=True)}
        for name, x in at.items():
            self.put(name, x, scope)

    def ruled(self, routine: t.Routine) -> list[str]:
        """Return the states that a block rules, in the order of their declaration."""
        mentioned: set[str] = set()
        for s in kinetic.every(routine.body):
            match s:
                case t.Rate():
                    mentioned.add(s.state.id)
                case t.Reaction():
                    mentioned |= {n.id for _, n in (*s.left, *s.right)}
                case t.Equation():
                    mentioned |= set(linear.names(s.left)) | set(linear.names(s.right))
        found: list[str] = []
        for name, length in self.file.states.items():
            if name in mentioned:
                found += [flat(name, k) for k in range(length)] if length else [name]
        return found

    def _state(self, name: t.Name, scope: Scope, mask: Mask) -> str:
        if name.index is None:
            return name.id
        return flat(name.id, int(self.machine.number(name.index, scope, mask)))

    def value(self, name: str, scope: Scope) -> Any:
        """Return a state, or a variable, by its flat name."""
        base, k = self._place(name)
        if base not in scope.shared:
            raise AtLine(1, f"'{base}' keeps a value and is not declared; add it to ASSIGNED")
        return scope.shared[base] if k is None else scope.shared[base][k]

    def put(self, name: str, x: Any, scope: Scope) -> None:
        """Give a state, by its flat name, a value."""
        base, k = self._place(name)
        if k is None:
            scope.shared[base] = x
        else:
            whole = scope.shared[base]
            scope.shared[base] = [*whole[:k], x, *whole[k + 1 :]]

    def _place(self, name: str) -> tuple[str, int | None]:
        if name in self.file.states and not self.file.states[name]:
            return name, None
        base, _, k = name.rpartition("_")
        if (
            base
            and k.isdigit()
            and int(k) < max(self.file.states.get(base, 0), self.file.assigned.get(base, 0))
        ):
            return base, int(k)
        return name, None


def _floating(x: Any) -> Any:
    return jnp.asarray(x, dtype=jnp.result_type(float, x))


def _shape(scope: Scope) -> tuple[int, ...]:
    v = scope.shared.get("v", 0.0)
    return jnp.shape(v)


def _newton(rates: Any, now: dict[str, Any], at: dict[str, Any], dt: Any) -> dict[str, Any]:
    """Return the implicit Euler step from `now` after more turns of Newton's method from `at`."""

    def residual(x: dict[str, Any]) -> dict[str, Any]:
        f = rates(x)
        return {n: f[n] + (now[n] - x[n]) / dt for n in x}

    # A linearly implicit step of endless length for a residual is a turn of Newton's method for it.
    # At the solution one turn has its whole derivative, so that only the last is differentiated.
    for _ in range(NEWTON - 1):
        at = implicit_step(residual, jax.lax.stop_gradient(at), 1e12 * dt, 1)
    return at


def _explicit(rates: Any, now: dict[str, Any], dt: Any, euler: bool) -> dict[str, Any]:
    first = rates(now)
    if euler:
        return {n: x + dt * first[n] for n, x in now.items()}

    def ahead(f: dict[str, Any], share: float) -> dict[str, Any]:
        return rates({n: x + share * dt * f[n] for n, x in now.items()})

    second = ahead(first, 0.5)
    third = ahead(second, 0.5)
    fourth = ahead(third, 1.0)
    return {
        n: x + dt / 6.0 * (first[n] + 2.0 * second[n] + 2.0 * third[n] + fourth[n]) for n, x in now.items()
    }
