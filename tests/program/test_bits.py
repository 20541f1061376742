"""The same bits for any number of threads, split of a batch, plan of checkpoints and processor, and after a restart."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bits import digest, gradient, lanes_of
from random_programs import Program, pulled, random_program

import cajax as cx
from cajax.mech import HH, STDP, ExpSyn, GapJunction, Graded
from cajax.program import executor
from cajax.program.executor import THREADS_VARIABLE

pytestmark = pytest.mark.skipif(executor.missing() is not None, reason="programs cannot be compiled here")

SEEDS = (0, 3, 7, 12)
MORE = range(100, 160)
HERE = Path(__file__).parent


# What depends on operands alone XLA computes before the loop, and the last entries of an array it may round otherwise.
ROUNDED = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "exp",
        "exp2",
        "log",
        "log1p",
        "expm1",
        "tanh",
        "logistic",
        "pow",
        "erf",
        "erfc",
        "atan2",
    ]
)


def equal(found: Any, wanted: Any, rounded: bool = False) -> None:
    for k, (a, b) in enumerate(zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True)):
        if rounded and np.issubdtype(a.dtype, np.inexact):
            limit = 100 * np.finfo(a.dtype).eps
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), limit, limit, err_msg=f"result {k}")
            continue
        # Zeros may differ in their sign where a sum began with one.
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=f"result {k}")


def check_threads(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    program = random_program(seed)
    operands, cts = lanes_of(program, 67)
    found = []
    for threads in ("1", "2", "4"):
        monkeypatch.setenv(THREADS_VARIABLE, threads)
        found.append(gradient(program)(operands, cts))
        found.append(shared_gradient(program)(operands, cts))
    for k in (2, 4):
        equal(found[k], found[0])
        equal(found[k + 1], found[1])


def shared_gradient(program: Program) -> Any:
    """The gradient of operands that all lanes share, but for the last."""
    count = len(program.thetas)

    def function(operands: Any, cts: Any) -> Any:
        *shared, last = operands
        alone = [x[0] for x in shared]

        def batch(thetas: Any, states: Any) -> Any:
            each = lambda x: program.native(thetas, [*states[:-1], x])  # noqa: E731
            return jax.vmap(each)(states[-1])

        return pulled(batch, count)([*alone, last], cts)

    return jax.jit(function)


def functions_before_the_loop(program: Program) -> bool:
    jaxpr = jax.make_jaxpr(program.native)(program.thetas, program.states)
    return any(e.primitive.name in ROUNDED for e in jaxpr.jaxpr.eqns)


def check_splits(seed: int) -> None:
    program = random_program(seed)
    operands, cts = lanes_of(program, 64)
    run, rounded = gradient(program), functions_before_the_loop(program)
    whole = run(operands, cts)
    for splits in ((40, 24), (1, 2, 3, 4, 5, 49), (17, 47)):
        ends = np.cumsum((0, *splits))
        parts = [run([x[a:b] for x in operands], [x[a:b] for x in cts]) for a, b in pairwise(ends)]
        equal(jax.tree.map(lambda *xs: jnp.concatenate(xs), *parts), whole, rounded)
    alone = jax.jit(pulled(program.native, len(program.thetas)))
    for k in (0, 1, 31, 63):
        one = alone([x[k] for x in operands], [x[k] for x in cts])
        equal(one[0], jax.tree.map(lambda x, k=k: x[k], whole[0]), rounded)


def check_checkpoints(seed: int) -> None:
    program = random_program(seed)
    operands, cts = lanes_of(program, 5)
    found = []
    for levels in (1, 2, 3):
        program.levels = levels
        found.append(gradient(program)(operands, cts))
    equal(found[1], found[0])
    equal(found[2], found[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_threads(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check_threads(seed, monkeypatch)


def graded() -> Any:
    cells = cx.Cell(cx.pyramidal(seed=1)).paint("all", hh=HH())
    net = cx.Network().add("cells", cells, 40)
    net = net.connect("cells", "cells", Graded(), rule=cx.bernoulli(0.9, seed=1), weight=1e-5)
    return net.discretize(cx.PerBranch(1)), "cells.all.hh.gna", "cells"


def spiking() -> Any:
    cells = cx.Cell(cx.ball_and_stick()).paint("all", hh=HH())
    net = cx.Network().add("a", cells, 60).add("b", cells, 60)
    net = net.connect("a", "b", ExpSyn(), rule=cx.bernoulli(0.4, seed=1), weight=2e-4, plasticity=STDP())
    net = net.connect("b", "b", GapJunction(), rule=cx.bernoulli(0.05, seed=2), weight=1e-4)
    return net.discretize(cx.PerBranch(12)), "a->b.expsyn.weight", "a"


def dense() -> Any:
    """So many synapses that one thread takes them in another order than several."""
    cells = cx.Cell(cx.ball_and_stick()).paint("all", hh=HH())
    net = cx.Network().add("cells", cells, 150)
    weight = cx.each("edge", np.random.default_rng(0).uniform(0.0, 1e-5, 22_350))
    net = net.connect("cells", "cells", Graded(), rule=cx.edges(PAIRS), weight=weight)
    return net.discretize(cx.PerBranch(1)), "cells->cells.graded.weight", "cells"


def forked() -> Any:
    """Cells with one junction each, which the shares of the threads have to leave to one another."""
    start, end = [0.0, 20.0, 20.0], [20.0, 120.0, 120.0]
    points = np.zeros((3, 2, 3))
    points[:, 0, 0], points[:, 1, 0] = start, end
    morph = cx.Morphology(
        xyz=points.reshape(-1, 3), radius=np.repeat([8.0, 1.0, 0.5], 2), offsets=np.arange(0, 8, 2),
        parent=np.array([-1, 0, 0]), attach=np.ones(3), tags=("soma", "basal", "basal"),
    )  # fmt: skip
    cells = cx.Cell(morph).paint("all", hh=HH())
    net = cx.Network().add("cells", cells, 400)
    net = net.connect("cells", "cells", Graded(), rule=cx.bernoulli(0.01, seed=1), weight=1e-5)
    return net.discretize(cx.PerBranch(3)), "cells.all.hh.gna", "cells"


PAIRS = [(i, j) for i in range(150) for j in range(150) if i != j]


@pytest.mark.parametrize("make", [graded, spiking, dense, forked])
def test_threads_of_a_wide_model(make: Any) -> None:
    model, path, driven = make()
    clamp = cx.IClamp(driven, delay=0.1, dur=5.0, amp=0.5)

    def run(threads: int) -> Any:
        def loss(x: Any) -> Any:
            sol = cx.simulate(model.replace({path: x}), 1.5, inputs=[clamp], threads=threads)
            return sum(jnp.mean(v**2) for v in sol.records.values()), sol.records

        return jax.jit(jax.grad(loss, has_aux=True))(model.params[path])

    alone = run(1)
    for threads in (2, 3, 5):
        equal(run(threads), alone)


@pytest.mark.parametrize("seed", SEEDS)
def test_splits_of_a_batch(seed: int) -> None:
    check_splits(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_checkpoints(seed: int) -> None:
    check_checkpoints(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MORE)
def test_many(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check_threads(seed, monkeypatch)
    check_splits(seed)
    check_checkpoints(seed)


def narrower(cpu: str, seeds: Any) -> str:
    """What another machine code for the same programs gives."""
    environment = os.environ | {"CAJAX_CPU": cpu, "CAJAX_CACHE": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(HERE / "bits.py"), *map(str, seeds)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def here(seeds: Any) -> str:
    programs = {seed: random_program(seed) for seed in seeds}
    return "".join(f"{seed} {digest(gradient(p)(*lanes_of(p, 7)))}\n" for seed, p in programs.items())


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="for x86-64")
def test_processors() -> None:
    assert narrower("x86-64-v3,", SEEDS) == here(SEEDS)


@pytest.mark.slow
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="for x86-64")
def test_processors_of_many() -> None:
    wanted = here(MORE)
    assert narrower("x86-64-v3,", MORE) == wanted
    assert narrower("skylake-avx512,", MORE) == wanted or "avx512f" not in Path("/proc/cpuinfo").read_text()


def test_restart() -> None:
    cell = cx.Cell(cx.cylinder(300.0, 2.0)).paint("all", hh=HH()).discretize(cx.PerBranch(7))
    inputs = [cx.IClamp("soma", 1.0, 3.0, 0.3)]
    options: dict[str, Any] = {"dt": 0.025, "inputs": inputs, "record": {"v": "all"}, "backend": "native"}
    whole = cx.simulate(cell, 5.0, **options)
    first = cx.simulate(cell, 2.0, **options)
    second = cx.simulate(cell, 3.0, state=first.state, continued=True, **options)
    equal(jnp.concatenate([first["v"], second["v"][1:]]), whole["v"])
    equal(second.state, whole.state)
