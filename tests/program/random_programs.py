"""Random steps of a loop, well conditioned, over every operation that a compiled program knows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
import random_choices as random_choices
import random_operations as ops
from random_operations import Kind, Pool

from cajax.program import executor, lowerings, primitive
from cajax.program.loop import made
from cajax.solve.loop import lengths, loop


@final
@dataclass(frozen=True)
class Instruction:
    """One operation: which values it takes, and what it does to them."""

    args: tuple[int, ...]
    function: Callable[..., Any]


@final
@dataclass
class Program:
    """A step as a list of instructions, operands for it, and how the loop around it runs."""

    dtype: Any
    thetas: list[Any]
    states: list[Any]
    instructions: list[Instruction]
    updates: list[Instruction]
    outs: list[int]
    steps: int
    levels: int
    names: list[str] = field(default_factory=list)

    def step(self, thetas: Sequence[Any]) -> Callable[[Any], tuple[Any, Any]]:
        """Return the step (states → states, outs) for these thetas."""

        def step(states: Any) -> tuple[Any, Any]:
            values = [*thetas, *states]
            for x in self.instructions:
                values.append(x.function(*(values[i] for i in x.args)))
            new = [x.function(*(values[i] for i in x.args)) for x in self.updates]
            new = [jnp.asarray(a, b.dtype) for a, b in zip(new, states, strict=True)]
            return new, [values[i] for i in self.outs]

        return step

    def reference(self, thetas: Sequence[Any], states: Sequence[Any]) -> list[Any]:
        """Return last states and outs by a scan of the step as it is written."""
        last, outs = loop(self.step(thetas), list(states), self.steps, 0)
        return [*last, *outs]

    def native(self, thetas: Sequence[Any], states: Sequence[Any]) -> list[Any]:
        """Return the same by the compiled loop; fails where it cannot be compiled."""
        last, outs = compiled(self.step(thetas), list(states), self.steps, self.levels)
        return [*last, *outs]


def compiled(step: Any, carry: Any, steps: int, levels: int = 1) -> tuple[Any, Any]:
    """Run a loop by the native machine: what cannot be compiled is an error here."""
    found, operands, results = made(step, carry, steps, levels, lengths(steps, levels))
    why = executor.unsupported(found)
    if why is not None:
        raise NotImplementedError(why)
    return results(primitive.run(found, operands))


def forbid_reference(monkeypatch: Any) -> None:
    """Let it be an error that a compiled loop takes the reference in some direction."""

    def taken(*_: Any, **__: Any) -> Any:
        raise NotImplementedError("the reference was taken")

    for name in ("_loop_reference", "reference_cotangents"):
        monkeypatch.setattr(lowerings, name, taken)


def random_program(seed: int, least: int = 5, most: int = 30) -> Program:
    """Return the program of a seed."""
    rng = np.random.default_rng(seed)
    dtype = np.float64 if rng.random() < 0.6 else np.float32
    sizes = [int(n) for n in rng.choice([1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33], 3)]
    pool = Pool(rng, sizes, dtype)
    thetas = [_operand(pool) for _ in range(int(rng.integers(1, 6)))]
    states = [_operand(pool) for _ in range(int(rng.integers(1, 6)))]
    if not any(x.dtype == dtype for x in thetas):
        thetas.append(_operand(pool, "f"))
    if not any(x.dtype == dtype for x in states):
        states.append(_operand(pool, "f"))
    kinds = [Kind.of(x) for x in (*thetas, *states)]
    pool.kinds, pool.inputs = kinds, len(kinds)
    program = Program(dtype, thetas, states, [], [], [], int(rng.integers(1, 9)), int(rng.integers(1, 4)))
    for _ in range(int(rng.integers(least, most))):
        _extend(pool, program)
    for i, x in enumerate(states):
        program.updates.append(_update(pool, len(thetas) + i, x))
    count = len(pool.kinds)
    program.outs = [int(i) for i in rng.integers(0, count, int(rng.integers(0, 5)))]
    return program


def _extend(pool: Pool, program: Program) -> None:
    name, maker = ops.MAKERS[int(pool.rng.integers(len(ops.MAKERS)))]
    made_of = maker(pool)
    if made_of is None:
        return
    args, function, bound = made_of
    shapes = [jax.ShapeDtypeStruct(pool.kinds[i].shape, pool.kinds[i].dtype(pool.dtype)) for i in args]
    result = jax.eval_shape(function, *shapes)
    if result.size > 300 or result.size == 0:
        return
    if bound is not None and bound > 2.0:
        function, bound = _scaled(function, 2.0 / bound), 2.0
    program.instructions.append(Instruction(args, function))
    program.names.append(name)
    pool.kinds.append(Kind(result.shape, ops.kind_of(result.dtype), bound or 0.0))


def _scaled(function: Callable[..., Any], by: float) -> Callable[..., Any]:
    return lambda *xs: function(*xs) * by


def _operand(pool: Pool, kind: str | None = None) -> Any:
    rng, shape = pool.rng, pool.shape()
    kind = kind or str(rng.choice(["f", "f", "f", "f", "i", "b", "u"]))
    if kind == "f":
        return rng.uniform(-1.0, 1.0, shape).astype(pool.dtype)
    if kind == "b":
        return rng.random(shape) < 0.5
    return rng.integers(0, 6, shape).astype(np.int32 if kind == "i" else np.uint32)


def _update(pool: Pool, i: int, x: Any) -> Instruction:
    """A new state: a leak towards a value, a value, what it was, a count."""
    rng, kind = pool.rng, Kind.of(x)
    other = pool.pick(kind.type, kind.shape, skip=i)
    if kind.type == "f":
        if rng.random() < 0.1 or other is None:
            return Instruction((i,), (lambda s: s) if rng.random() < 0.5 else (lambda s: 0.9 * s))
        if rng.random() < 0.3:
            return Instruction((other,), lambda v: 0.5 * v)
        keep = float(rng.uniform(0.2, 0.9))
        return Instruction((i, other), lambda s, v: keep * s + (0.5 * (1.0 - keep)) * v)
    if kind.type == "b":
        return (
            Instruction((i,), jnp.logical_not) if other is None else Instruction((i, other), jnp.logical_xor)
        )
    return Instruction((i,), lambda s: (s * 3 + 1) % 7)


# Comparing


def close(found: Any, wanted: Any, dtype: Any, rel: float | None = None) -> None:
    """Check results: whole numbers exactly, others within rounding of the largest."""
    rel = rel or (1e-12 if dtype == np.float64 else 1e-5)
    for k, (a, b) in enumerate(zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True)):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape and a.dtype == b.dtype, (k, a.shape, b.shape, a.dtype, b.dtype)
        if a.dtype.kind != "f":
            assert np.array_equal(a, b), (k, a, b)
        elif a.size:
            assert np.isfinite(b).all(), f"the reference of result {k} is not finite"
            worst = np.abs(a - b).max() / (1.0 + np.abs(b).max())
            assert worst <= rel, f"result {k}: {worst:.2e} of its size"


def floats(xs: Sequence[Any]) -> list[int]:
    """Return which have derivatives."""
    return [i for i, x in enumerate(xs) if jnp.issubdtype(x.dtype, jnp.floating)]


def pulled(run: Callable[..., list[Any]], count: int) -> Callable[..., Any]:
    """Return a function of operands and a seed of cotangents: results, and gradients of all floats among operands."""

    def function(operands: Sequence[Any], cts: Sequence[Any]) -> Any:
        free = floats(operands)

        def of(*xs: Any) -> Any:
            given = list(operands)
            for i, x in zip(free, xs, strict=True):
                given[i] = x
            found = run(given[:count], given[count:])
            return [found[i] for i in floats(found)], found

        _, pull, found = jax.vjp(of, *(operands[i] for i in free), has_aux=True)
        return found, pull(list(cts))

    return function
