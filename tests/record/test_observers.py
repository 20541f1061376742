"""Recordings taken every few steps: the same samples as all of them, thinned; nothing else is stored."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ProtocolError
from cajax.mech import HH
from cajax.record import ChannelState, Voltage

from ..helpers import raises

MODEL = cx.Cell(cx.cylinder(20.0, 10.0)).paint("all", hh=HH()).discretize(cx.PerBranch(1))
DT = 0.05


def run(n, record, adjoint=cx.Checkpointed(), **more):
    clamp = cx.IClamp("soma", 0.0, 50.0, 0.3)
    return cx.simulate(MODEL, n * DT, DT, [clamp], record, adjoint=adjoint, **more)


@pytest.mark.parametrize("n", [1, 5, 10, 11, 79])
@pytest.mark.parametrize("every", [(10,), (5, 10), (1, 10, 40)])
def test_thinned_samples_are_those_of_all(n, every):
    dense = run(n, {"v": Voltage("soma"), "m": ChannelState("soma", "hh", "m")})
    thin = run(
        n,
        {f"{k}": Voltage("soma", every=k) for k in every} | {"m": ChannelState("soma", "hh", "m", every[-1])},
    )
    for k in every:
        np.testing.assert_allclose(thin[f"{k}"], dense["v"][::k], rtol=1e-12)
        np.testing.assert_allclose(thin.times(f"{k}"), dense.ts[::k])
        assert thin[f"{k}"].shape == (n // k + 1,)
    np.testing.assert_allclose(thin["m"], dense["m"][:: every[-1]], rtol=1e-11)
    np.testing.assert_allclose(thin.state.v, dense.state.v, rtol=1e-12)


@pytest.mark.parametrize(
    "adjoint", [cx.Checkpointed(), cx.Checkpointed(memory=500.0), cx.Direct(), cx.Truncated(7)]
)
def test_gradients_of_thinned_recordings(adjoint):
    def loss(gna, every):
        clamp = cx.IClamp("soma", 0.0, 50.0, 0.3)
        model = MODEL.replace({"all.hh.gna": gna})
        v = cx.simulate(model, 2.3, DT, [clamp], {"v": Voltage("soma", every)}, adjoint=adjoint)["v"]
        return jnp.mean((v[::10] if every == 1 else v) ** 2)

    thin, dense = (jax.grad(loss)(0.12, every) for every in (10, 1))
    assert float(thin) == pytest.approx(float(dense), rel=1e-10)


def test_mistakes():
    raises(
        lambda: run(10, {"a": Voltage("soma", 4), "b": Voltage("soma", 6)}),
        "every 4",
        "every 6",
        kind=ProtocolError,
    )
    for wrong in (0, True, -3):
        raises(lambda every=wrong: run(5, {"v": Voltage("soma", every)}), "whole number", kind=ProtocolError)
