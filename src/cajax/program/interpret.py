"""The flat program run equation by equation: the oracle for compiled programs, and what runs in their stead."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from .flat import Equation, Flat, Value


def interpreted(program: Flat, operands: Sequence[Any]) -> list[Any]:
    """Return the outputs of a program; traceable, so that it can be differentiated, batched and compiled by JAX."""
    values: dict[int, Any] = {id(v): x for v, x in zip(program.inputs, operands, strict=True)}

    def read(v: Value) -> Any:
        if id(v) not in values:
            values[id(v)] = jnp.asarray(v.data)
        return values[id(v)]

    for equation in program.equations:
        found = bound(equation, [read(v) for v in equation.ins])
        values.update((id(v), x) for v, x in zip(equation.outs, found, strict=True))
    return [read(v) for v in program.outputs]


def bound(equation: Equation, operands: Sequence[Any]) -> Sequence[Any]:
    """Return what an equation puts out for these operands."""
    found = equation.primitive.bind(*operands, **equation.primitive.get_bind_params(equation.params))
    return found if equation.primitive.multiple_results else [found]


def of_some(function: Callable[..., Any], values: Sequence[Any], free: Sequence[int]) -> Callable[..., Any]:
    """Return a function of only those operands that are `free`; the others keep their `values`."""

    def of(*changed: Any) -> Any:
        given = list(values)
        for i, x in zip(free, changed, strict=True):
            given[i] = x
        return function(*given)

    return of


def function(program: Flat) -> Callable[..., list[Any]]:
    """Return the program as a function of its inputs."""
    return lambda *operands: interpreted(program, operands)
