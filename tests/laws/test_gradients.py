"""The derivative of a run: equal to central differences for every parameter, and the same in both modes."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx

from .random_models import noise, random_cell, random_network

Params = dict[str, jax.Array]
MORE = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6)]


def cell_loss(
    seed: int, method: cx.Staggered | cx.BackwardEuler
) -> tuple[Callable[[Params], jax.Array], Params]:
    """A smooth number from a run of a random cell with a clamp and a waveform, and the parameters it depends on."""
    cell = random_cell(np.random.default_rng(seed), channels=2 + (seed > 0))
    model = cell.discretize(cx.PerBranch(1))
    sodium = next(paint.label for paint in cell.paints if paint.name == "na")
    weight = noise(model, seed)
    wave = cx.Current("apical", 0.05 * np.sin(np.arange(9.0)), 0.3)

    def loss(params: Params) -> jax.Array:
        clamp = cx.IClamp("soma", params["delay"], params["dur"], params["amp"])
        model_ = model.replace({k: v for k, v in params.items() if k in model.params})
        record = {"v": cx.every_cv(), "i": "soma.leak.i", "m": cx.Probe(cx.every_cv(sodium), "na.m")}
        sol = cx.simulate(model_, 2.0, 0.05, [clamp, wave], record, method, adjoint=cx.Checkpointed())
        return (
            jnp.mean(weight[None] * (sol["v"] / 50) ** 2) + jnp.mean(sol["m"] ** 2) + jnp.mean(sol["i"] * 1e2)
        )

    clamp = {"delay": 0.217, "dur": 1.013, "amp": 0.7}
    return loss, {**model.params, **{k: jnp.asarray(x) for k, x in clamp.items()}}


def network_loss(seed: int) -> tuple[Callable[[Params], jax.Array], Params]:
    model = random_network(np.random.default_rng(seed)).discretize(cx.PerBranch(1))
    clamp = cx.IClamp("input", 0.1, 2.0, jnp.array([2.0, 1.0, 0.0]))
    record = {"tree": ("tree", cx.every_cv()), "mixed": "mixed", "s": "input->tree.graded.s"}

    def loss(params: Params) -> jax.Array:
        sol = cx.simulate(model.replace(params), 2.0, 0.05, [clamp], record)
        return sum(jnp.mean((sol[k] / scale) ** 2) for k, scale in (("tree", 50), ("mixed", 50), ("s", 0.1)))

    return loss, model.params


def central_differences(
    loss: Callable[[Params], jax.Array], params: Params, tangents: list[Params], step: float
) -> np.ndarray:
    """Return the directional derivatives `[tangent]`: central differences extrapolated twice, all in one batch."""
    scales = step * 0.5 ** np.arange(3)
    moves = np.concatenate([scales, -scales])
    batch = {k: jnp.stack([p + h * t[k] for t in tangents for h in moves]) for k, p in params.items()}
    values = np.asarray(jax.jit(jax.vmap(loss))(batch)).reshape(len(tangents), 2, 3)
    d = (values[:, 0] - values[:, 1]) / (2 * scales)
    d = (4 * d[:, 1:] - d[:, :-1]) / 3  # error h⁴
    return (16 * d[:, 1] - d[:, 0]) / 15  # error h⁶


def directions(params: Params, seed: int) -> list[Params]:
    """One direction per path (every entry of it at random, in proportion to its size), and three over all paths."""
    rng = np.random.default_rng(seed)
    whole = [
        {
            k: jnp.asarray(rng.choice([-1.0, 1.0], p.shape) * np.abs(p) * (0.1 if i else 1.0))
            for k, p in params.items()
        }
        for i in range(4)
    ]
    zero = {k: jnp.zeros_like(p) for k, p in params.items()}
    return [
        {**zero, k: whole[0][k] if params[k].any() else jnp.ones_like(params[k])} for k in params
    ] + whole[1:]


def check_forward_mode(loss: Callable[[Params], jax.Array], params: Params, seed: int) -> None:
    """⟨u, J t⟩ in forward mode is the gradient times t, for every direction."""
    tangents = directions(params, seed)
    gradient = jax.jit(jax.grad(loss))(params)
    reverse = [sum(float(jnp.vdot(gradient[k], t[k])) for k in t) for t in tangents]
    stacked = {k: jnp.stack([t[k] for t in tangents]) for k in params}
    forward = jax.jit(jax.vmap(lambda t: jax.jvp(loss, (params,), (t,))[1]))(stacked)
    error = np.abs(np.asarray(forward) - reverse).max() / np.abs(reverse).max()
    print(f"\njvp = vjp: largest difference {error:.1e} of the largest derivative")
    np.testing.assert_allclose(forward, reverse, rtol=1e-10, atol=1e-13 * np.abs(reverse).max())


def check(loss: Callable[[Params], jax.Array], params: Params, seed: int) -> None:
    tangents = directions(params, seed)
    gradient = jax.jit(jax.grad(loss))(params)
    reverse = np.array([sum(float(jnp.vdot(gradient[k], t[k])) for k in t) for t in tangents])
    step = 1e-3
    numeric = central_differences(loss, params, tangents, step)
    # Values carry some 1e-16 of noise, which the smallest step divides.
    noise_floor = 20 * np.finfo(float).eps * max(1.0, abs(float(loss(params)))) / (step / 4)
    excess = np.abs(reverse - numeric) - noise_floor
    clear = np.abs(numeric) > 1e7 * noise_floor
    relative = np.abs(reverse - numeric)[clear] / np.abs(numeric)[clear]
    print(
        f"\ngradient against central differences: {clear.sum()} of {len(clear)} above noise, worst {relative.max():.1e}"
    )
    names = [*params, "all (1)", "all (2)", "all (3)"]
    wrong = [
        (n, r, c) for n, r, c, e in zip(names, reverse, numeric, excess, strict=True) if e > 1e-6 * abs(c)
    ]
    assert not wrong, wrong


@pytest.mark.parametrize("seed", [0, *MORE])
def test_gradient_of_a_cell(seed: int) -> None:
    method = cx.Staggered() if seed % 2 == 0 else cx.BackwardEuler()
    loss, params = cell_loss(seed, method)
    check(loss, params, seed)
    check_forward_mode(loss, params, seed)


@pytest.mark.parametrize("seed", [0, *MORE[:2]])
def test_gradient_of_a_network(seed: int) -> None:
    check(*network_loss(seed), seed)
