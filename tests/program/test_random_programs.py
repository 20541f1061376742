"""Compiled loops equal the scan for random steps: results and gradients, one by one and in batches."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import random_programs as programs
from random_programs import Program, close, floats, pulled, random_program

from cajax.program import executor

pytestmark = pytest.mark.skipif(executor.missing() is not None, reason="programs cannot be compiled here")

QUICK, MANY = 40, 2000
AT_ONCE = 50
BATCHES = (1, 3, 5, 17)


@pytest.fixture(autouse=True)
def _native_only(monkeypatch: pytest.MonkeyPatch) -> None:
    programs.forbid_reference(monkeypatch)


def cotangents(program: Program, rng: np.random.Generator, operands: list[Any]) -> list[Any]:
    count = len(program.thetas)
    shapes = jax.eval_shape(program.reference, operands[:count], operands[count:])
    return [jnp.asarray(rng.normal(size=shapes[i].shape), shapes[i].dtype) for i in floats(shapes)]


def check(seed: int) -> None:
    """One program: alone, then as a batch in which some operands are shared."""
    program, rng = random_program(seed), np.random.default_rng(seed + 1_000_000)
    operands = [jnp.asarray(x) for x in (*program.thetas, *program.states)]
    cts, count = cotangents(program, rng, operands), len(program.thetas)
    wanted, found = (
        jax.jit(pulled(run, count))(operands, cts) for run in (program.reference, program.native)
    )
    close(found, wanted, program.dtype)
    size = BATCHES[seed % len(BATCHES)]
    own = [bool(rng.random() < 0.5) for _ in operands]
    own[-1] |= not any(own)
    batch = [_varied(x, size) if o else x for x, o in zip(operands, own, strict=True)]
    seeds = [_varied(x, size) for x in cts]
    form = _vmap_of_grad if seed % 2 else _grad_of_vmap
    wanted, found = (form(run, count, own)(batch, seeds) for run in (program.reference, program.native))
    close(found, wanted, program.dtype)


def _varied(x: Any, size: int) -> Any:
    return jnp.stack([x * (1.0 - 0.02 * k) if floats([x]) else x for k in range(size)]).astype(x.dtype)


def _vmap_of_grad(run: Callable[..., Any], count: int, own: list[bool]) -> Callable[..., Any]:
    return jax.jit(jax.vmap(pulled(run, count), ([0 if o else None for o in own], 0)))


def _grad_of_vmap(run: Callable[..., Any], count: int, own: list[bool]) -> Callable[..., Any]:
    def batch(thetas: Any, states: Any) -> Any:
        each = jax.vmap(lambda xs: run(xs[:count], xs[count:]), ([0 if o else None for o in own],))
        return each([*thetas, *states])

    return jax.jit(pulled(batch, count))


@pytest.mark.parametrize("seed", range(QUICK))
def test_compiled_equals_scan(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(QUICK, MANY, AT_ONCE))
def test_compiled_equals_scan_of_many(first: int) -> None:
    for seed in range(first, min(first + AT_ONCE, MANY)):
        try:
            check(seed)
        except Exception as error:
            raise AssertionError(f"random program {seed}: {error}") from error
    jax.clear_caches()


def test_programs_hold_every_operation() -> None:
    names: set[str] = set()
    for seed in range(QUICK):
        names |= set(random_program(seed).names)
    missed = {name for name, _ in programs.ops.MAKERS} - names
    assert not missed, f"no quick program has {sorted(missed)}"
