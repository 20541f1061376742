"""The compiled loop under every transformation of JAX equals the scan under it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import random_programs as programs
from jax import lax
from random_programs import close, compiled

from cajax.program import executor, primitive
from cajax.program.loop import made
from cajax.program.run import Runner
from cajax.solve.adjoint import Nested

pytestmark = pytest.mark.skipif(executor.missing() is not None, reason="programs cannot be compiled here")

N = 6
RNG = np.random.default_rng(7)
W, G, X, Y = (
    jnp.asarray(RNG.uniform(-1, 1, shape)) for shape in ((N,), (), (N,), (2, N))
)  # two thetas, two states
OPERANDS = W, G, X, Y
TANGENTS = tuple(jnp.asarray(RNG.normal(size=jnp.shape(x))) for x in OPERANDS)


def step_of(w: Any, g: Any) -> Callable[[Any], tuple[Any, Any]]:
    def step(carry: Any) -> tuple[Any, Any]:
        x, y, k, up = carry
        drive = jnp.where(up, jnp.tanh(x * w), jnp.sin(y[0] * g))
        new = 0.8 * x + 0.2 * drive + 0.1 * jnp.mean(y)
        y = 0.9 * y + 0.1 * jnp.outer(jnp.array([1.0, 2.0]), x * w) + 0.05 * x.at[k % 3].get(mode="clip")
        return (new, y, k + 1, ~up), {"x": new * w, "k": k, "total": jnp.sum(y**2), "up": up}

    return step


def runs(steps: int = 5, levels: int = 1) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the run natively and as a scan, of the operands."""

    def native(w: Any, g: Any, x: Any, y: Any) -> Any:
        return compiled(step_of(w, g), (x, y, jnp.int32(0), jnp.asarray(True)), steps, levels)

    def scan(w: Any, g: Any, x: Any, y: Any) -> Any:
        step = step_of(w, g)
        return lax.scan(lambda c, _: step(c), (x, y, jnp.int32(0), jnp.asarray(True)), None, length=steps)

    return native, scan


def moving(run: Callable[..., Any]) -> Callable[..., Any]:
    """Leave the results that have derivatives."""

    def function(*operands: Any) -> Any:
        (x, y, _, _), outs = run(*operands)
        return x, y, outs["x"], outs["total"]

    return function


def loss(run: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *operands: sum(jnp.sum(jnp.sin(x) * (1 + k)) for k, x in enumerate(moving(run)(*operands)))


def equal(form: Callable[[Callable[..., Any]], Any], rel: float = 1e-12, **options: Any) -> None:
    native, scan = runs(**options)
    close(form(native), form(scan), np.float64, rel)


def stacked(n: int, *which: int) -> tuple[Any, ...]:
    """The operands, those of these numbers in n versions."""
    return tuple(
        jnp.stack([x * (1 + 0.1 * k) for k in range(n)]) if i in which else x for i, x in enumerate(OPERANDS)
    )


def axes(*which: int) -> tuple[int | None, ...]:
    return tuple(0 if i in which else None for i in range(4))


FORMS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "run": lambda f: f(*OPERANDS),
    "jit": lambda f: jax.jit(f)(*OPERANDS),
    "jvp": lambda f: jax.jvp(moving(f), OPERANDS, TANGENTS),
    "jvp of jvp": lambda f: jax.jvp(lambda *x: jax.jvp(moving(f), x, TANGENTS)[1], OPERANDS, TANGENTS),
    "vjp": lambda f: jax.vjp(moving(f), *OPERANDS)[1](moving(f)(*OPERANDS)),
    "grad": lambda f: jax.grad(loss(f), (0, 1, 2, 3))(*OPERANDS),
    "grad of one theta": lambda f: jax.grad(loss(f), 1)(*OPERANDS),
    "grad of one state": lambda f: jax.grad(loss(f), 2)(*OPERANDS),
    "jvp of grad": lambda f: jax.jvp(jax.grad(loss(f), (0, 1, 2, 3)), OPERANDS, TANGENTS),
    "grad of jvp": lambda f: jax.grad(lambda *x: jax.jvp(loss(f), x, TANGENTS)[1], (0, 2))(*OPERANDS),
    "grad of grad": lambda f: jax.grad(lambda w: jnp.sum(jax.grad(loss(f))(w, G, X, Y) ** 2))(W),
    "hessian": lambda f: jax.hessian(loss(f))(*OPERANDS),
    "jacfwd": lambda f: jax.jacfwd(moving(f), (0, 1))(*OPERANDS),
    "jacrev": lambda f: jax.jacrev(moving(f), (0, 1, 3))(*OPERANDS),
    "jit of grad": lambda f: jax.jit(jax.grad(loss(f), (0, 1, 2, 3)))(*OPERANDS),
    "grad of jit": lambda f: jax.grad(jax.jit(loss(f)), (0, 1, 2, 3))(*OPERANDS),
    "vmap of all": lambda f: jax.vmap(f)(*stacked(5, 0, 1, 2, 3)),
    "vmap of a theta": lambda f: jax.vmap(f, axes(1))(*stacked(5, 1)),
    "vmap of a state": lambda f: jax.vmap(f, axes(3))(*stacked(17, 3)),
    "vmap along another axis": lambda f: jax.vmap(f, (None, None, None, 2))(W, G, X, jnp.stack([Y] * 3, 2)),
    "vmap of grad": lambda f: jax.vmap(jax.grad(loss(f), (0, 1, 2, 3)), axes(0, 2))(*stacked(5, 0, 2)),
    "vmap of grad, theta only": lambda f: jax.vmap(jax.grad(loss(f), (1, 2)), axes(0))(*stacked(3, 0)),
    "grad of vmap": lambda f: jax.grad(lambda *x: jnp.sum(jax.vmap(loss(f), axes(2))(*x)), (0, 1, 2, 3))(
        *stacked(5, 2)
    ),
    "grad of vmap of a theta": lambda f: jax.grad(lambda *x: jnp.sum(jax.vmap(loss(f), axes(1))(*x)), (0, 1))(
        *stacked(17, 1)
    ),
    "vmap of vmap": lambda f: jax.vmap(jax.vmap(f, axes(0)), axes(2))(
        stacked(3, 0)[0], G, stacked(2, 2)[2], Y
    ),
    "vmap of vmap of one": lambda f: jax.vmap(jax.vmap(f, axes(2)), axes(2))(
        W, G, jnp.stack([stacked(3, 2)[2]] * 2), Y
    ),
    "vmap of vmap of grad": lambda f: jax.vmap(jax.vmap(jax.grad(loss(f), (0, 1, 2)), axes(0)), axes(2))(
        stacked(3, 0)[0], G, stacked(2, 2)[2], Y
    ),
    "grad of vmap of vmap": lambda f: jax.grad(
        lambda *x: jnp.sum(jax.vmap(jax.vmap(loss(f), axes(0)), axes(2))(*x)), (0, 1, 2, 3)
    )(stacked(3, 0)[0], G, stacked(2, 2)[2], Y),
    "vmap of jvp, shared primals": lambda f: jax.vmap(
        lambda t: jax.jvp(lambda w: moving(f)(w, G, X, Y), (W,), (t,))[1]
    )(jnp.eye(N)),
    "vmap of jvp, shared tangents": lambda f: jax.vmap(
        lambda w: jax.jvp(lambda w: moving(f)(w, G, X, Y), (w,), (TANGENTS[0],))
    )(stacked(3, 0)[0]),
    "grad of vmap of jvp": lambda f: jax.grad(
        lambda w: jnp.sum(
            jax.vmap(lambda t: jax.jvp(lambda x: loss(f)(x, G, X, Y), (w,), (t,))[1])(jnp.eye(N)) ** 2
        )
    )(W),
    "vmap of jvp of grad": lambda f: jax.vmap(
        lambda t: jax.jvp(lambda w: jax.grad(loss(f))(w, G, X, Y), (W,), (t,))[1]
    )(jnp.eye(N)[:3]),
    "vmap of vjp, shared primals": lambda f: jax.vmap(
        jax.vjp(lambda w: jnp.ravel(moving(f)(w, G, X, Y)[1]), W)[1]
    )(jnp.eye(2 * N)),
    "vmap of vjp, 20 cotangents": lambda f: jax.vmap(
        jax.vjp(lambda w, x: jnp.ravel(moving(f)(w, G, x, Y)[2]), W, X)[1]
    )(jnp.eye(5 * N)[:20]),
    "checkpoint": lambda f: jax.grad(jax.checkpoint(loss(f)), (0, 3))(*OPERANDS),
    "grad in scan": lambda f: lax.scan(
        lambda w, _: (w - 0.1 * jax.grad(loss(f))(w, G, X, Y),) * 2, W, None, length=3
    ),
    "scan in grad": lambda f: jax.grad(
        lambda w: lax.scan(lambda c, _: (f(w, G, c, Y)[0][0], loss(f)(w, G, c, Y)), X, None, length=3)[
            1
        ].sum()
    )(W),
    "cond": lambda f: jax.grad(lambda w, c: lax.cond(c, lambda: loss(f)(w, G, X, Y), lambda: jnp.sum(w)), 0)(
        W, jnp.asarray(True)
    ),
    "linearize": lambda f: jax.linearize(moving(f), *OPERANDS)[1](*TANGENTS),
    "transpose of the tangent map": lambda f: jax.linear_transpose(
        jax.linearize(moving(f), *OPERANDS)[1], *OPERANDS
    )(moving(f)(*OPERANDS)),
    "vmap of linearize": lambda f: jax.vmap(jax.linearize(moving(f), *OPERANDS)[1], axes(0))(
        jnp.stack([TANGENTS[0]] * 3), *TANGENTS[1:]
    ),
    "map": lambda f: lax.map(lambda w: f(w, G, X, Y), stacked(3, 0)[0]),
    "value and grad with aux": lambda f: jax.value_and_grad(
        lambda w: (loss(f)(w, G, X, Y), f(w, G, X, Y)), has_aux=True
    )(W),
}
# Their derivatives are taken of a derivative: what the machine adds up in another order counts twice.
HIGHER = (
    "hessian",
    "jvp of grad",
    "grad of grad",
    "grad of vmap of jvp",
    "vmap of jvp of grad",
    "grad in scan",
)


@pytest.mark.parametrize("name", FORMS)
def test_transformation(name: str) -> None:
    equal(FORMS[name], 1e-11 if name in HIGHER else 1e-12)


@pytest.mark.parametrize("name", ["run", "grad", "vmap of grad", "jacfwd"])
@pytest.mark.parametrize(("steps", "levels"), [(1, 1), (1, 2), (2, 2), (7, 2), (12, 3), (33, 3), (65, 1)])
def test_any_number_of_steps_and_checkpoints(name: str, steps: int, levels: int) -> None:
    equal(FORMS[name], 1e-11, steps=steps, levels=levels)


@pytest.mark.parametrize(
    "name", ["grad", "vmap of grad", "grad of vmap", "vmap of vmap of grad", "vmap of vjp, 20 cotangents"]
)
def test_reverse_is_native(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    programs.forbid_reference(monkeypatch)
    FORMS[name](runs()[0])


def test_empty_outs_and_unused_operands() -> None:
    def run(form: Callable[..., Any]) -> Any:
        return jax.value_and_grad(lambda w, x: jnp.sum(form(lambda c: (c * 0.5 + w, ()), x, 4)[0]), (0, 1))(
            W, X
        )

    scan = run(lambda step, c, n: lax.scan(lambda c, _: step(c), c, None, length=n))
    close(run(compiled), scan, np.float64)


def test_state_that_no_step_reads_or_changes() -> None:
    def step(c: Any) -> Any:
        a, b, kept = c
        return (b, a * 0.5, kept), (kept, a)

    carry = X, Y[0], jnp.arange(3)
    found, wanted = compiled(step, carry, 5), lax.scan(lambda c, _: step(c), carry, None, length=5)
    close(found, wanted, np.float64)
    form = lambda run: jax.grad(lambda x: jnp.sum(run((x, Y[0], jnp.arange(3)))[1][1]))(X)  # noqa: E731
    wanted = form(lambda c: lax.scan(lambda c, _: step(c), c, None, length=5))
    close(form(lambda c: compiled(step, c, 5)), wanted, np.float64)


def test_zero_tangents_stay_zero() -> None:
    native, _ = runs()
    zeros = tuple(jnp.zeros_like(x) for x in OPERANDS)
    assert all(not np.any(x) for x in jax.tree.leaves(jax.jvp(moving(native), OPERANDS, zeros)[1]))
    grads = jax.vjp(moving(native), *OPERANDS)[1](jax.tree.map(jnp.zeros_like, moving(native)(*OPERANDS)))
    assert all(not np.any(x) for x in grads)


def test_rules_of_a_step_count() -> None:
    """What a step says of its own derivatives holds in the loop: custom rules, both ways, and cut gradients."""

    @jax.custom_jvp
    def spike(x: Any) -> Any:
        return (x > 0.2).astype(x.dtype)

    spike.defjvp(lambda p, t: (spike(p[0]), t[0] / (1 + jnp.abs(p[0])) ** 2))

    @jax.custom_vjp
    def clipped(x: Any) -> Any:
        return x * 1.0

    clipped.defvjp(lambda x: (x * 1.0, x), lambda x, ct: (jnp.clip(ct, -0.5, 0.5) * jnp.cos(x),))

    def step(w: Any) -> Any:
        def step(c: Any) -> Any:
            x = 0.5 * c + spike(w * c) + 0.3 * clipped(c * w)
            return x, x * lax.stop_gradient(c)

        return step

    def form(run: Callable[..., Any]) -> Any:
        def total(w: Any, x: Any) -> Any:
            last, outs = run(step(w), x)
            return jnp.sum(last**2) + jnp.sum(outs)

        return jax.grad(total, (0, 1))(W, X), jax.vmap(jax.grad(total, (0, 1)))(Y, Y)

    wanted = form(lambda step, x: lax.scan(lambda c, _: step(c), x, None, length=6))
    close(form(lambda step, x: compiled(step, x, 6)), wanted, np.float64)


def test_broadcast_of_axes_of_length_one() -> None:
    def step(c: Any) -> Any:
        a, b = c  # [N, 1] and [1, N]
        table = jnp.where(a > b, a * b, a - b)
        return (0.9 * a + 0.1 * jnp.mean(table, 1, keepdims=True), 0.8 * b), table

    carry = X[:, None], Y[:1]
    wanted = lax.scan(lambda c, _: step(c), carry, None, length=3)
    close(compiled(step, carry, 3), wanted, np.float64)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32])
def test_whole_numbers_divide_as_in_jax(dtype: Any) -> None:
    least = np.iinfo(dtype).min
    x, y = (
        jnp.asarray([7, least, least, 5, 0, 9], dtype),
        jnp.asarray([2, 0, -1 if least else 3, 0, 0, 4], dtype),
    )

    def step(c: Any) -> Any:
        return (c[0], c[1]), (lax.div(*c), lax.rem(*c), lax.div(c[0], dtype(3)), lax.rem(c[0], dtype(5)))

    def moved(c: Any) -> Any:  # so that they are not taken out of the loop
        x, y = c
        (_, _), out = step(c)
        return (x + dtype(0) * lax.rem(x, dtype(2)), lax.max(y, y)), out

    wanted = lax.scan(lambda c, _: moved(c), (x, y), None, length=2)
    close(compiled(moved, (x, y), 2), wanted, np.float64)
    batch = (
        jnp.stack([x] * 3),
        jnp.stack([y] * 3),
    )  # fewer than a vector: the lanes beyond must not divide by zero
    found = jax.vmap(lambda a, b: compiled(moved, (a, b), 2))(*batch)
    wanted = jax.vmap(lambda a, b: lax.scan(lambda c, _: moved(c), (a, b), None, length=2))(*batch)
    close(found, wanted, np.float64)


def test_a_product_that_lanes_share_goes_into_a_sum_of_lanes():
    """Contracted, it is computed where the lanes are, though its operands are not."""

    def step(carry):
        x, shared = carry
        return (x + (shared + 1.0) * jnp.array([0.5, 0.25]), 0.9 * shared), x

    def run(x):
        loop, operands, results = made(step, (x, jnp.ones(2)), 5, 1, ())
        return results(primitive.run(loop, operands))[1]

    x = jnp.arange(6.0).reshape(3, 2)
    expected = jnp.stack([jax.lax.scan(lambda c, _: step(c), (row, jnp.ones(2)), None, 5)[1] for row in x])
    np.testing.assert_allclose(jax.jit(jax.vmap(run))(x), expected, rtol=1e-14)


def test_extremes_of_unsigned_numbers() -> None:
    def step(carry: Any) -> tuple[Any, Any]:
        x, total = carry
        x = x * jnp.uint32(1664525) + jnp.uint32(1013904223)
        square = x.reshape(4, 5)
        return (x, total + square.max(1)[0]), (square.max(1), square.min(0), x.max())

    x = jnp.arange(20, dtype=jnp.uint32)
    runner, zero = Runner(Nested(1)), jnp.uint32(0)
    for run in (
        lambda f, x: f(x),
        lambda f, x: jax.vmap(f)(x[None] + jnp.arange(5, dtype=jnp.uint32)[:, None]),
    ):
        found = run(lambda x: runner(step, (x, zero), 6), x)
        assert runner.chosen.executor == "native"
        wanted = run(lambda x: Nested(1).run(step, (x, zero), 6), x)
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_array_equal(a, b)
