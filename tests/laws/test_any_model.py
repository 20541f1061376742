"""Laws of any model: Hypothesis draws cells, networks, methods and clamps, and shrinks what breaks a law.

A few examples, the same ones, in every run; others by `--hypothesis-profile=rotating --hypothesis-seed=N`.
"""

from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

import cajax as cx

from .random_models import noise, random_cell, random_network

DT, STEPS = 0.05, 12
# Every example compiles its programs.
FEW = max(1, settings().max_examples // 7)


@st.composite
def runs(draw: Any) -> tuple[cx.Model, Any, Any]:
    """A model, a clamp on it, a method."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cvs = cx.PerBranch(draw(st.integers(1, 3)))
    if draw(st.booleans()):
        model, place = (
            random_cell(rng, draw(st.integers(0, 6)), draw(st.integers(2, 4))).discretize(cvs),
            "soma",
        )
    else:
        model, place = random_network(rng).discretize(cvs), "input"
    amp, delay = draw(st.floats(-0.5, 2.0)), draw(st.sampled_from([0.0, 0.05, 0.1, 0.113]))
    method = draw(st.sampled_from([cx.Staggered(), cx.BackwardEuler()]))
    return model, cx.IClamp(place, delay, 0.3, amp), method


def simulated(model: cx.Model, clamp: Any, method: Any, steps: int = STEPS, **options: Any) -> cx.Solution:
    record = {"v": cx.every_cv()} if model.structure.is_cell else {x: x for x in ("input", "tree", "mixed")}
    return cx.simulate(model, steps * DT, DT, [clamp], record, method, **options)


@pytest.mark.slow
@settings(max_examples=FEW)
@given(runs())
def test_a_run_and_its_continuation(run: tuple[Any, ...]) -> None:
    """Bit for bit."""
    whole, first = simulated(*run), simulated(*run, STEPS // 3)
    rest = simulated(*run, STEPS - STEPS // 3, state=first.state, continued=True)
    for name, x in whole.records.items():
        np.testing.assert_array_equal(np.concatenate([first[name], rest[name][1:]]), x)
    for a, b in zip(jax.tree.leaves(rest.state), jax.tree.leaves(whole.state), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@settings(max_examples=FEW)
@given(runs())
def test_batches_of_any_size(run: tuple[Any, ...]) -> None:
    """Bit for bit among batches of two or more; alone, to rounding."""
    model, clamp, method = run

    def one(amp: jax.Array) -> dict[str, jax.Array]:
        return simulated(model, cx.IClamp(clamp.at, clamp.delay, clamp.dur, amp), method).records

    amps = clamp.amp + jnp.linspace(0.0, 0.1, 5)
    five, two = jax.vmap(one)(amps), jax.vmap(one)(amps[:2])
    for name, x in five.items():
        np.testing.assert_array_equal(x[:2], two[name])
        np.testing.assert_allclose(x[0], one(amps[0])[name], rtol=1e-11, atol=1e-11)


@pytest.mark.slow
@settings(max_examples=FEW)
@given(runs())
def test_both_modes_and_central_differences(run: tuple[Any, ...]) -> None:
    model, clamp, method = run
    weight = noise(model)

    def loss(params: dict[str, jax.Array]) -> jax.Array:
        v = simulated(model.replace(params), clamp, method).state.v
        return jnp.mean(weight * (v / 50.0) ** 2)

    params = dict(model.params)
    rng = np.random.default_rng(0)
    along = {path: np.asarray(x) * rng.normal(size=np.shape(x)) for path, x in params.items()}
    gradient = jax.jit(jax.grad(loss))(params)
    backward = sum(float(np.vdot(gradient[path], along[path])) for path in params)
    forward = float(jax.jit(lambda p: jax.jvp(loss, (p,), (along,))[1])(params))
    assert backward == pytest.approx(forward, rel=1e-9, abs=1e-12)
    at = jax.jit(lambda h: loss({path: x + h * along[path] for path, x in params.items()}))
    h = 1e-6
    differences = float(8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    assert backward == pytest.approx(differences, rel=1e-5, abs=1e-7)
