"""The loop of a run as a value: one step as a flat program, how often it is taken, what of it is stored for a reverse.

What a step computes of parameters alone is taken out of it first and computed once, by JAX; so is what the step hands
on unchanged. What remains are `thetas`, which stay the same in all steps, and `states`, which change.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend import core

from ..solve.loop import loop as stepwise
from . import keys
from .constants import MOST
from .flat import Equation, Flat, Numbering, Value, flatten, pruned
from .indexing import MOVES
from .interpret import bound, function, interpreted, of_some


@final
class Loop:
    """`steps` steps of a program: inputs are thetas and states, outputs the new states and what is put out.

    An out is taken at step 0, `every`, 2 · `every`, …

    `levels` is how deeply the reverse nests segments, as in `cajax.solve.Checkpointed`; `lengths` are those of the
    segments, outermost first. `threads` is how many may take it, None if it is not said. Of a loop that carries
    tangents, `dual` is the loop it is the derivative of, and of which operands. Static: compared by identity.
    """

    def __init__(
        self, step: "Flat | Callable[[], Flat]", inputs: Sequence[Value], outputs: Sequence[Value], n_theta: int,
        steps: int, levels: int, lengths: tuple[int, ...], every: tuple[int, ...], threads: int | None = None,
        dual: "Dual | None" = None,
    ):  # fmt: skip
        self._step = step
        self.inputs, self.n_theta = tuple(inputs), n_theta
        self.thetas, self.states = self.inputs[:n_theta], self.inputs[n_theta:]
        self.n_state = len(self.states)
        self.outs = tuple(outputs[self.n_state :])
        self.n_out = len(self.outs)
        self.every = every
        self.steps, self.levels, self.lengths, self.threads, self.dual = steps, levels, lengths, threads, dual
        self._duals: dict[tuple[bool, ...], Loop] = {}
        self._reverses: dict[tuple[bool, ...], Reverse] = {}

    @cached_property
    def step(self) -> Flat:
        """The program of one step; that of a loop with tangents is only made where it is run."""
        return self._step if isinstance(self._step, Flat) else self._step()

    @cached_property
    def moving(self) -> tuple[int, ...]:
        """The states that have derivatives."""
        return tuple(i for i, x in enumerate(self.states) if is_float(x))

    @cached_property
    def told(self) -> tuple[int, ...]:
        """The outs that have derivatives."""
        return tuple(i for i, x in enumerate(self.outs) if is_float(x))

    def free(self, nonzero: Sequence[bool]) -> list[int]:
        """Return the operands that have tangents: the thetas that are `nonzero`, and all moving states."""
        chosen = [i for i, nz in enumerate(nonzero) if nz]
        return [*chosen, *(self.n_theta + i for i in self.moving)]

    @cached_property
    def derived(self) -> list[int]:
        """The results that have tangents."""
        return [*self.moving, *(self.n_state + i for i in self.told)]

    def like(self, step: Flat, n_theta: int) -> "Loop":
        """Return a loop of another step, taken as often."""
        lasting = self.steps, self.levels, self.lengths, self.every, self.threads
        return Loop(step, step.inputs, step.outputs, n_theta, *lasting)

    def run(self, *operands: Any) -> list[Any]:
        """Return the last states and the outs, [sample, …], by a scan: the reference."""
        thetas, states = operands[: self.n_theta], list(operands[self.n_theta :])

        def step(states: list[Any]) -> tuple[list[Any], list[Any]]:
            found = interpreted(self.step, [*thetas, *states])
            return found[: self.n_state], found[self.n_state :]

        last, outs = stepwise(step, states, self.steps, self.levels)
        return [*last, *(x[::k] for x, k in zip(outs, self.every, strict=True))]

    def wide(self, flags: Sequence[bool]) -> tuple[bool, ...]:
        """Return which thetas and states, and then which outs, differ between lanes, where operands do."""
        if self.dual is not None:
            return self._dual_wide(self.dual, flags)
        wide = {id(v): f for v, f in zip(self.step.inputs, flags, strict=True)}
        while True:
            for e in self.step.equations:
                any_wide = any(wide.get(id(x), False) for x in e.ins)
                wide.update((id(x), any_wide) for x in e.outs)
            new = [wide.get(id(x), False) for x in self.step.outputs]
            grown = False
            for v, becomes in zip(self.step.inputs[self.n_theta :], new, strict=False):
                if becomes and not wide[id(v)]:
                    wide[id(v)] = grown = True
            if not grown:
                return (*(wide[id(v)] for v in self.step.inputs), *new[self.n_state :])

    def with_tangents(self, nonzero: tuple[bool, ...]) -> "Loop":
        """Return the loop that carries tangents too, of the thetas that are `nonzero` and of all moving states.

        Its thetas are those of this loop and their tangents, its states and outs likewise.
        """
        if nonzero not in self._duals:
            self._duals[nonzero] = self._dual(nonzero)
        return self._duals[nonzero]

    def _dual(self, nonzero: tuple[bool, ...]) -> "Loop":
        chosen = [i for i, nz in enumerate(nonzero) if nz]
        thetas = [*self.thetas, *(self.thetas[i] for i in chosen)]
        states = [*self.states, *(self.states[i] for i in self.moving)]
        outputs = [*states, *self.outs, *(self.outs[i] for i in self.told)]
        inputs = [*thetas, *states]
        every = (*self.every, *(self.every[i] for i in self.told))
        lasting = self.steps, self.levels, self.lengths, every, self.threads

        def step() -> Flat:
            closed = jax.make_jaxpr(self._both(chosen))(
                *(jax.ShapeDtypeStruct(v.shape, v.dtype) for v in inputs)
            )
            own = [v.key for v in self.step.inputs]
            keys = [*own[: self.n_theta], *[None] * len(chosen), *own[self.n_theta :]]
            return flatten(closed, self.step.numbering, keys)

        return Loop(step, inputs, outputs, len(thetas), *lasting, Dual(self, nonzero))

    def _both(self, chosen: Sequence[int]) -> Callable[..., list[Any]]:
        """Return the step with tangents as a function."""

        def both(*operands: Any) -> list[Any]:
            it = iter(operands)
            values = [next(it) for _ in self.thetas]
            changes = {i: next(it) for i in chosen}
            values += [next(it) for _ in self.states]
            changes |= {self.n_theta + i: next(it) for i in self.moving}

            of = of_some(function(self.step), values, list(changes))
            primal, tangent = jax.jvp(of, tuple(values[i] for i in changes), tuple(changes.values()))
            return [
                *primal[: self.n_state],
                *(tangent[i] for i in self.moving),
                *primal[self.n_state :],
                *(tangent[self.n_state + i] for i in self.told),
            ]

        return both

    def _dual_wide(self, dual: "Dual", flags: Sequence[bool]) -> tuple[bool, ...]:
        """Tangents differ between lanes where their values do, or else where any tangent does; values as without."""
        base, n, c = dual.loop, dual.loop.n_theta, dual.loop.n_state
        tangents = self.n_theta - n
        own = base.wide([*flags[:n], *flags[n + tangents : n + tangents + c]])
        theta_tangents, state_tangents = flags[n : n + tangents], flags[n + tangents + c :]
        chosen = [i for i, nz in enumerate(dual.nonzero) if nz]
        given = [*zip(theta_tangents, chosen, strict=True)]
        given += [*zip(state_tangents, (n + i for i in base.moving), strict=True)]
        apart = any(t and not own[i] for t, i in given)
        moving = [apart or own[n + i] for i in base.moving]
        outs = [*own[n + c :], *(apart or own[n + c + i] for i in base.told)]
        return (*own[:n], *theta_tangents, *own[n : n + c], *moving, *outs)

    def reversed(self, nonzero: tuple[bool, ...]) -> "Reverse":
        """Return the program of one step back, for the thetas that are `nonzero`."""
        if nonzero not in self._reverses:
            self._reverses[nonzero] = self._reverse(nonzero)
        return self._reverses[nonzero]

    def _reverse(self, nonzero: tuple[bool, ...]) -> "Reverse":
        chosen = [i for i, nz in enumerate(nonzero) if nz]
        free, kept = self.free(nonzero), self.derived

        def back(*operands: Any) -> list[Any]:
            count = self.n_theta + self.n_state
            values, cts = list(operands[:count]), list(operands[count:])

            def results(*given: Any) -> list[Any]:
                found = interpreted(self.step, given)
                return [found[i] for i in kept]

            _, pull = jax.vjp(of_some(results, values, free), *(values[i] for i in free))
            return list(pull(cts))

        inputs = [*self.step.inputs, *(self.step.outputs[i] for i in kept)]
        closed = jax.make_jaxpr(back)(*(jax.ShapeDtypeStruct(v.shape, v.dtype) for v in inputs))
        keys = [v.key for v in self.step.inputs]
        return Reverse(flatten(closed, self.step.numbering, keys), tuple(chosen))


@final
class Dual(NamedTuple):
    """What a loop with tangents is the derivative of: the loop, and which of its thetas have tangents."""

    loop: Loop
    nonzero: tuple[bool, ...]


@final
class Reverse(NamedTuple):
    """One step back: thetas, states, cotangents of states and outs → those of `chosen` thetas and of states."""

    step: Flat
    chosen: tuple[int, ...]


def is_float(x: Value) -> bool:
    """Whether a value has derivatives."""
    return bool(jnp.issubdtype(x.dtype, jnp.floating))


# From a step as a function


def made(
    step: Callable[[Any], tuple[Any, Any]], carry: Any, steps: int, levels: int, lengths: tuple[int, ...],
    every: Mapping[str, int] | None = None, threads: int | None = None,
) -> tuple[Loop, list[Any], Callable[[Sequence[Any]], tuple[Any, Any]]]:  # fmt: skip
    """Return the loop of a step (carry → carry, out), its operands, and what makes its results carry and outs.

    `every` says of outs by name how many steps apart they are taken, `threads` how many may take the loop.
    """
    typed, tree = jax.tree.flatten(carry)
    leaves = [keys.data(x) for x in typed]
    shapes = [jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)) for x in leaves]

    def of_words(*xs: Any) -> tuple[Any, Any]:
        values = [keys.like(x, before) for x, before in zip(xs, typed, strict=True)]
        return jax.tree.map(keys.data, step(jax.tree.unflatten(tree, values)))

    closed, out = jax.make_jaxpr(of_words, return_shape=True)(*shapes)
    out_tree = jax.tree.structure(out[1])
    if every is None:
        apart = jax.tree.map(lambda _: 1, out[1])
    else:
        apart = {name: jax.tree.map(lambda _, k=every[name]: k, x) for name, x in out[1].items()}
    flat, thetas = _lifted(closed)
    n_theta = len(thetas)
    thetas, flat, changing = _hoisted(flat, n_theta, [*thetas, *leaves])
    taken = tuple(jax.tree.leaves(apart))
    loop = Loop(flat, flat.inputs, flat.outputs, len(thetas), steps, levels, lengths, taken, threads)
    operands = [*thetas, *(leaves[i] for i in changing)]

    def results(found: Sequence[Any]) -> tuple[Any, Any]:
        last = list(typed)
        for i, x in zip(changing, found, strict=False):
            last[i] = keys.like(x, typed[i])
        return jax.tree.unflatten(tree, last), jax.tree.unflatten(out_tree, found[len(changing) :])

    return loop, operands, results


def _lifted(closed: Any) -> tuple[Flat, list[Any]]:
    """Return a program whose first inputs are the constants of the jaxpr, and these; indices stay known numbers."""
    jaxpr = closed.jaxpr
    pairs = [*zip(jaxpr.constvars, closed.consts, strict=True)]
    known = [(v, x) for v, x in pairs if _is_index(x)]
    inputs = [(v, x) for v, x in pairs if not _is_index(x)]
    lifted = jaxpr.replace(constvars=[v for v, _ in known], invars=[*(v for v, _ in inputs), *jaxpr.invars])
    program = flatten(core.ClosedJaxpr(lifted, [np.asarray(x) for _, x in known]), Numbering())
    return program, [keys.data(x) for _, x in inputs]


def _is_index(x: Any) -> bool:
    """Whether a constant consists of whole numbers or bits that are known."""
    known = isinstance(x, np.ndarray | np.generic | jax.Array) and not isinstance(x, Tracer)
    return known and not keys.is_key(x) and x.size <= MOST and np.dtype(x.dtype).kind in "iub"


def _hoisted(flat: Flat, n_theta: int, operands: Sequence[Any]) -> tuple[list[Any], Flat, list[int]]:
    """Take out of a step what stays the same in all steps.

    Returns the values taken out, the remaining program and which of the carried states remain.
    """
    states, outputs = flat.inputs[n_theta:], flat.outputs
    same = {id(v) for v in flat.inputs[:n_theta]}
    changing = [i for i, v in enumerate(states) if outputs[i] is not v]
    same |= {id(v) for i, v in enumerate(states) if i not in changing}
    arrays = {id(v): x for v, x in zip(flat.inputs, operands, strict=True)}
    remaining: list[Equation] = []
    fixed: set[int] = set(same)
    for e in flat.equations:
        if all(id(x) in fixed or x.data is not None for x in e.ins):
            fixed |= {id(x) for x in e.outs}
        else:
            remaining.append(e)
    needed: dict[int, Value] = {}
    moves: list[Equation] = []
    wanted = [x for e in remaining for x in e.ins]
    wanted += [x for i, x in enumerate(outputs) if i >= len(states) or i in changing]
    stack, seen = wanted[::-1], set()
    while stack:
        x = stack.pop()
        if id(x) in seen or id(x) not in fixed or x.data is not None:
            continue
        seen.add(id(x))
        if id(x) not in same and x.equation is not None and _grows(x.equation):
            moves.append(x.equation)
            stack += x.equation.ins
        else:
            needed[id(x)] = x
    _compute(flat, arrays, list(needed.values()), fixed)
    # What the remaining program begins with counts as its input, whatever computed it.
    order = {id(e): k for k, e in enumerate(flat.equations)}
    moves.sort(key=lambda e: order[id(e)])
    thetas = list(needed.values())
    inputs = (*thetas, *(states[i] for i in changing))
    kept = tuple(outputs[i] for i in changing) + outputs[len(states) :]
    program = pruned(Flat(inputs, kept, (*moves, *remaining), flat.numbering))
    return [arrays[id(v)] for v in thetas], program, changing


def _grows(e: Equation) -> bool:
    """Whether an equation only moves entries, to as many places or more: that is free within a step."""
    return e.name in MOVES and sum(x.size for x in e.ins) <= sum(x.size for x in e.outs)


def _compute(flat: Flat, arrays: dict[int, Any], wanted: Sequence[Value], fixed: set[int]) -> None:
    needed = {id(v) for v in wanted}
    chosen = []
    for e in reversed(flat.equations):
        if id(e.outs[0]) in fixed and any(id(x) in needed for x in e.outs):
            chosen.append(e)
            needed |= {id(x) for x in e.ins}
    for e in reversed(chosen):
        ins = [arrays[id(x)] if x.data is None else jnp.asarray(x.data) for x in e.ins]
        arrays.update((id(v), x) for v, x in zip(e.outs, bound(e, ins), strict=True))


def unfolded(loop: Loop, nonzero: Sequence[bool]) -> tuple[Loop, Callable[..., list[Any]], list[int]]:
    """Let broadcasts of thetas that are `nonzero` be thetas themselves: their cotangents then add up entry by entry.

    Returns the loop, the function from this loop's thetas to that one's, and from which theta each of them comes.
    """
    asked = {id(v): i for i, (v, nz) in enumerate(zip(loop.thetas, nonzero, strict=True)) if nz}
    moved = [
        e for e in loop.step.equations
        if e.name in MOVES and id(e.ins[0]) in asked and e.outs[0].size > e.ins[0].size
    ]  # fmt: skip
    if not moved:
        return loop, lambda *thetas: list(thetas), list(range(loop.n_theta))
    left = [e for e in loop.step.equations if e not in moved]
    used = {id(x) for e in left for x in e.ins} | {id(x) for x in loop.step.outputs}
    kept = [v for v in loop.thetas if id(v) not in asked or id(v) in used]
    new = [e.outs[0] for e in moved]
    sources = [
        next(i for i, v in enumerate(loop.thetas) if v is x) for x in (*kept, *(e.ins[0] for e in moved))
    ]
    inputs = (*kept, *new, *loop.states)
    step = Flat(inputs, loop.step.outputs, tuple(left), loop.step.numbering)
    moving = function(Flat(loop.thetas, (*kept, *new), tuple(moved), loop.step.numbering))
    return loop.like(step, len(inputs) - loop.n_state), moving, sources
