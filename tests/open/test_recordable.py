"""A recordable of the user's own, written in one file: the power that channels turn into heat. The package has no name
for it."""

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.mech import HH, Leak
from cajax.record import Bound, Recordable


@final
@dataclass(frozen=True)
class Dissipated(Recordable):
    """The electric power (pW) of the ionic current at a place, Σ i (v − rest); `rest` in mV."""

    at: Any
    rest: float = -70.0
    every: int = 1

    def reader(self, bound: Bound):
        take, membranes = bound.at(self.at), bound.physics.membranes

        def read(moment):
            current = membranes.flow(moment.parts["membranes"], moment)
            return take(current * (moment.v - self.rest))

        return read

    def finished(self, samples, ts):
        return {"power": samples, "energy": jnp.sum(samples[1:], axis=0) * (ts[1] - ts[0])}


@pytest.fixture(scope="module")
def model():
    cell = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("soma", hh=HH())
    return cell.discretize(cx.PerBranch(2))


CLAMP = cx.IClamp("soma", 0.5, 20.0, 0.3)


def run(model, t1=8.0, every=1, **more):
    record = {"p": Dissipated("soma", every=every), "v": "soma", "i": "soma.hh.i", "l": "soma.leak.i"}
    return cx.simulate(model, t1, 0.05, [CLAMP], record, **more)


def test_values(model):
    sol = run(model)
    soma = model.structure.sites("soma")
    expected = 1e-2 * float(model.area[soma]) * (sol["i"] + sol["l"]) * (sol["v"] + 70.0)
    np.testing.assert_allclose(sol["p"]["power"], expected, rtol=1e-12)
    assert float(sol["p"]["energy"]) == pytest.approx(float(expected[1:].sum()) * 0.05)


def test_thinned(model):
    dense, thin = run(model), run(model, every=8)
    np.testing.assert_array_equal(thin["p"]["power"], dense["p"]["power"][::8])
    np.testing.assert_array_equal(thin["v"], dense["v"])
    np.testing.assert_allclose(thin.times("p"), dense.ts[::8])


def test_jit_grad_vmap(model):
    def energy(gna):
        return run(model.replace({"soma.hh.gna": gna}))["p"]["energy"]

    step = 1e-6
    difference = (energy(0.12 + step) - energy(0.12 - step)) / (2 * step)
    assert float(jax.jit(jax.grad(energy))(0.12)) == pytest.approx(float(difference), rel=1e-6)
    np.testing.assert_allclose(
        jax.vmap(energy)(jnp.array([0.1, 0.12])), [energy(0.1), energy(0.12)], rtol=1e-11
    )


def test_restart(model):
    whole, half = run(model), run(model, 4.0)
    rest = run(model, 4.0, state=half.state, continued=True)
    np.testing.assert_array_equal(rest["p"]["power"], whole["p"]["power"][80:])
