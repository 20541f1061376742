"""Steps of a loop that hold what no program can be compiled from: they must fall back to JAX's scan, and run right.

`python tests/fuzz/jaxprs.py` checks them all, each also deep inside calls, branches and beside operations that compile.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cajax.program import executor
from cajax.program.loop import made
from cajax.program.nodes import UnsupportedError
from cajax.program.run import Runner
from cajax.solve.adjoint import Nested

N, STEPS = 6, 4
Function = Callable[[Any], Any]

# Functions [N] → [N] with derivatives; none of them compiles, each for a reason of its own.
PARTS: dict[str, Function] = {
    "sort": jnp.sort,
    "argsort": lambda x: x[jnp.argsort(x)],
    "fft": lambda x: jnp.real(jnp.fft.fft(x)) / N,
    "cumsum": lambda x: jnp.cumsum(x) / N,
    "cumprod": lambda x: jnp.cumprod(0.5 + 0.1 * x),
    "cummax": lax.cummax,
    "convolution": lambda x: jnp.convolve(x, jnp.array([0.2, 0.5, 0.3]), mode="same"),
    "complex": lambda x: jnp.abs(x + 1j * (1.0 + x * x)),
    "while": lambda x: lax.stop_gradient(lax.while_loop(lambda y: jnp.max(y) > 0.1, lambda y: 0.5 * y, x)) * x,
    "scan": lambda x: lax.scan(lambda c, y: (0.5 * c + y, c), jnp.float64(0.0), x)[1],
    "callback": lambda x: x + lax.stop_gradient(
        jax.pure_callback(
            lambda y: np.tanh(np.asarray(y)), jax.ShapeDtypeStruct(x.shape, x.dtype), lax.stop_gradient(x),
            vmap_method="sequential",
        )
    ),
    "argmax": lambda x: x * (jnp.argmax(x) == jnp.arange(N)),
    "linear algebra": lambda x: jnp.linalg.solve(jnp.diag(2.0 + x * x) + 0.1, x),
    "cholesky": lambda x: jnp.diag(jnp.linalg.cholesky(jnp.diag(2.0 + x * x))),
    "product": lambda x: x * jnp.prod(1.0 + 0.1 * x),
    "half precision": lambda x: x.astype(jnp.float16).astype(x.dtype),
    "small whole numbers": lambda x: x + (4.0 * x).astype(jnp.int8).astype(x.dtype),
    "top k": lambda x: jnp.concatenate([lax.top_k(x, 2)[0], x[2:]]),
    "many ways": lambda x: lax.switch(jnp.int32(jnp.sum(x) > 0) + 1, [jnp.sin, jnp.cos, jnp.tanh], x),
    "special functions": lambda x: jax.scipy.special.gammaln(3.0 + x),
    "nextafter": lambda x: x * jnp.nextafter(lax.stop_gradient(x), 2.0),
    "scatter of extremes": lambda x: x.at[jnp.array([1, 1, 4])].max(0.3),
    "no entries": lambda x: jnp.concatenate([x, jnp.zeros(0)]) + jnp.sum(x[:0]),
}  # fmt: skip

# Where a part may hide.
PLACES: dict[str, Callable[[Function], Function]] = {
    "plain": lambda f: f,
    "call": lambda f: jax.jit(f),
    "checkpoint": lambda f: jax.checkpoint(f),  # pyright: ignore
    "branch": lambda f: lambda x: lax.cond(jnp.sum(x) > -100.0, f, jnp.tanh, x),
    "beside": lambda f: lambda x: 0.5 * jnp.tanh(f(jnp.sin(x))) + 0.1 * x,
    "batched": lambda f: lambda x: jnp.mean(jax.vmap(f)(jnp.stack([x, 0.5 * x])), 0),
}


def step_of(part: Function) -> Callable[[Any], Callable[[Any], tuple[Any, Any]]]:
    """Return the step, of a parameter, that holds a part."""

    def with_parameter(w: Any) -> Callable[[Any], tuple[Any, Any]]:
        def step(carry: Any) -> tuple[Any, Any]:
            x, k = carry
            return (0.7 * x + 0.2 * part(x * w), k + 1), (jnp.sum(x), k)

        return step

    return with_parameter


def is_compiled(step: Callable[[Any], tuple[Any, Any]], carry: Any) -> bool:
    """Whether the loop of a step can be compiled; any error but the one that says no is a fault."""
    try:
        loop, _, _ = made(step, carry, STEPS, 1, ())
    except UnsupportedError:
        return False
    return executor.unsupported(loop) is None


def check(part: Function) -> bool:
    """Check that a step runs as by the scan, with its gradient; return whether it was compiled."""
    carry = jnp.linspace(-0.9, 0.8, N), jnp.int32(0)
    w = jnp.linspace(0.5, 1.5, N)

    def loss(run: Callable[..., Any], w: Any) -> Any:
        (x, _), (total, count) = run(step_of(part)(w), carry, STEPS)
        return jnp.sum(x**2) + jnp.sum(total), (x, total, count)

    def scan(step: Any, carry: Any, n: int) -> Any:
        return lax.scan(lambda c, _: step(c), carry, None, length=n)

    wanted, found = (
        jax.jit(jax.value_and_grad(lambda w, run=run: loss(run, w), has_aux=True))(w)
        for run in (scan, Runner(Nested(1)))
    )
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    return is_compiled(step_of(part)(w), carry)


def main() -> None:
    """Check every part in every place."""
    jax.config.update("jax_enable_x64", True)
    for place, put in PLACES.items():
        compiled = [name for name, part in PARTS.items() if check(put(part))]
        print(
            f"{place}: {len(PARTS)} steps run right, {len(compiled)} of them compiled: {', '.join(compiled)}"
        )


if __name__ == "__main__":
    main()
