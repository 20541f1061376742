"""Derivatives of derivatives through a run: Hessian times vector in every order of modes, and forward sensitivities."""

from collections.abc import Callable
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import HH, Graded, Leak
from cajax.solve import Adjoint, Nested

Params = dict[str, jax.Array]
Loss = Callable[[Params], jax.Array]
ADJOINTS = {
    "direct": cx.Direct(),
    "states": cx.Checkpointed(memory=1e9),
    "segments": cx.Checkpointed(memory=1500),
}


def cell(adjoint: Adjoint) -> tuple[Callable[[Params], jax.Array], Params]:
    """The voltage [time] of a soma with HH and a dendrite, driven into a spike."""
    shape = cx.ball_and_stick()
    model = cx.Cell(shape, v0=-65.0).paint("soma", hh=HH()).paint("all", leak=Leak(e=-65.0))
    model = model.discretize(cx.MaxLength(100.0))
    names = ("soma.hh.gna", "soma.hh.gk", "all.leak.g", "all.cm", "all.ra")

    def run(params: Params) -> jax.Array:
        clamp = cx.IClamp("soma", params["delay"], 2.0, params["amp"])
        model_ = model.replace({k: params[k] for k in names})
        return cx.simulate(model_, 4.0, 0.05, [clamp], adjoint=adjoint)["v"]

    start = {k: model.params[k] for k in names}
    return run, start | {"amp": jnp.asarray(0.9), "delay": jnp.asarray(0.312)}


def network(adjoint: Adjoint) -> tuple[Callable[[Params], jax.Array], Params]:
    """The voltages [time, cell] of two HH cells that excite three others."""
    point = cx.Cell(cx.cylinder(20.0, 10.0), v0=-65.0).paint("all", hh=HH())
    weight = np.random.default_rng(0).uniform(2e-3, 1e-2, (2, 3))
    net = cx.Network().add("a", point, 2).add("b", point, 3).connect("a", "b", Graded(e=0.0), weight=weight)
    model = net.discretize(cx.PerBranch(1))
    clamp = cx.IClamp("a", 0.2, 3.0, jnp.array([0.3, 0.2]))
    names = ("a.all.hh.gna", "b.all.hh.gk", "a->b.graded.weight", "a->b.graded.slope")

    def run(params: Params) -> jax.Array:
        return cx.simulate(model.replace(params), 4.0, 0.05, [clamp], {"v": "b"}, adjoint=adjoint)["v"]

    return run, {k: model.params[k] for k in names}


MODELS = {"cell": cell, "network": network}


def mean_square(run: Callable[[Params], jax.Array]) -> Loss:
    return lambda params: jnp.mean((run(params) / 50.0) ** 2)


def direction(params: Params, seed: int = 0) -> Params:
    """Every entry moves at random, in proportion to its size."""
    rng = np.random.default_rng(seed)
    return {
        k: jnp.asarray(rng.uniform(0.5, 1.5, p.shape) * rng.choice([-1, 1], p.shape) * p)
        for k, p in params.items()
    }


def differences(
    function: Callable[[Params], Params], params: Params, along: Params, h: float = 1e-3
) -> Params:
    """The derivative of a tree of arrays along a direction: central differences, extrapolated to order h⁴."""
    compiled = jax.jit(lambda s: function({k: p + s * along[k] for k, p in params.items()}))

    def central(h: float) -> Params:
        return jax.tree.map(lambda up, down: (up - down) / (2 * h), compiled(h), compiled(-h))

    return jax.tree.map(lambda fine, coarse: (4 * fine - coarse) / 3, central(h / 2), central(h))


def close(found: Params, expected: Params, rtol: float, what: str) -> None:
    scale = {k: np.abs(np.asarray(x)).max() for k, x in expected.items()}
    worst = max(float(np.abs(np.asarray(found[k] - expected[k])).max() / scale[k]) for k in expected)
    print(f"\n{what}: worst relative difference {worst:.1e}")
    assert worst < rtol and all(s > 0 for s in scale.values())


def test_the_adjoints_are_what_they_are_called() -> None:
    assert [a.plan(80, 90) for a in ADJOINTS.values()] == [Nested(0), Nested(1), Nested(3)]


def products(loss: Loss, along: Params) -> dict[str, Callable[[Params], Params]]:
    """Three ways to the Hessian times a direction."""

    def slope(p: Params) -> jax.Array:
        return jax.jvp(loss, (p,), (along,))[1]

    def projection(p: Params) -> jax.Array:
        gradient = jax.grad(loss)(p)
        return sum((jnp.vdot(gradient[k], along[k]) for k in along), jnp.zeros(()))

    return {
        "jvp of grad": lambda p: jax.jvp(jax.grad(loss), (p,), (along,))[1],
        "grad of jvp": jax.grad(slope),
        "grad of grad": jax.grad(projection),
    }


QUICK = {("cell", "segments", "jvp of grad"), ("network", "states", "grad of jvp")}
CASES = [
    pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow)
    for case in product(MODELS, ADJOINTS, ("jvp of grad", "grad of jvp", "grad of grad"))
]


@pytest.mark.parametrize(("name", "adjoint", "order"), CASES)
def test_hessian_vector_products_equal_differences_of_the_gradient(
    name: str, adjoint: str, order: str
) -> None:
    run, params = MODELS[name](ADJOINTS[adjoint])
    loss, along = mean_square(run), direction(params)
    found = jax.jit(products(loss, along)[order])(params)
    close(found, differences(jax.grad(loss), params, along), 1e-6, f"{name}, {adjoint}, {order}")


@pytest.mark.parametrize("name", ["cell", pytest.param("network", marks=pytest.mark.slow)])
def test_a_second_derivative_in_forward_mode_only(name: str) -> None:
    """jvp of jvp along one direction twice is the curvature along it."""
    run, params = MODELS[name](cx.Checkpointed())
    loss, along = mean_square(run), direction(params, 1)

    def slope(p: Params) -> jax.Array:
        return jax.jvp(loss, (p,), (along,))[1]

    curvature = jax.jit(lambda p: jax.jvp(slope, (p,), (along,))[1])(params)
    expected = differences(lambda p: {"": slope(p)}, params, along)
    close({"": curvature}, expected, 1e-6, f"{name}, jvp of jvp")


@pytest.mark.parametrize("name", [*MODELS])
def test_sensitivities_over_time_in_forward_mode(name: str) -> None:
    """The derivative of every recorded sample, in one forward run, equals central differences and reverse mode."""
    run, params = MODELS[name](cx.Checkpointed())
    along = direction(params, 2)
    found = jax.jit(lambda p: jax.jvp(run, (p,), (along,))[1])(params)
    close({"": found}, differences(lambda p: {"": run(p)}, params, along), 1e-6, f"{name}, sensitivities")
    weights = jnp.asarray(np.random.default_rng(3).normal(size=found.shape))
    back = jax.jit(jax.grad(lambda p: jnp.vdot(run(p), weights)))(params)
    reverse = sum(float(jnp.vdot(back[k], along[k])) for k in along)
    assert float(jnp.vdot(found, weights)) == pytest.approx(reverse, rel=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MODELS])
def test_the_hessian_is_symmetric(name: str) -> None:
    run, params = MODELS[name](cx.Checkpointed())
    loss = mean_square(run)
    paths = [k for k, p in params.items() if p.ndim == 0]
    times = jax.jit(lambda t: jax.jvp(jax.grad(loss), (params,), (t,))[1])
    zero = jax.tree.map(jnp.zeros_like, params)
    hessian = np.array([[float(times(zero | {k: params[k]})[m] * params[m]) for m in paths] for k in paths])
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-9, atol=1e-11 * np.abs(hessian).max())
