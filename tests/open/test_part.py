"""A part of the user's own, written in one file: an astrocyte-like pool that takes up what a cell's activity releases,
and gives back a current that depolarises it. Nothing in the package knows of it."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.engine import Moment, Part, Sites
from cajax.mech import HH, Leak, Mechanism, Param, param

from ..helpers import raises


@final
class Astrocyte(Part, Mechanism):
    """dx/dt = uptake · σ((v − half)/5 mV) − x/tau; the pool passes the inward current gain · x − slope · x (v − e)."""

    at: Any = eqx.field(static=True, default="soma")
    uptake: Param = param(0.05, "1/ms", lo=0.0)
    half: Param = param(-40.0, "mV")
    tau: Param = param(20.0, "ms", lo=1e-3)
    gain: Param = param(0.2, "nA")
    slope: Param = param(1e-3, "uS")
    e: Param = param(-70.0, "mV")
    sites: Sites | None = eqx.field(static=True, default=None)

    def bind(self, model):
        bound = self.with_params({})
        object.__setattr__(bound, "sites", Sites.of(model.structure, self.at))
        return bound

    def start(self, moment: Moment):
        return {"x": jnp.zeros(len(self.sites), moment.v.dtype)}

    def load(self, state, moment, dt):
        v = self.sites.take(moment.v)
        current = -self.gain * state["x"] + self.slope * state["x"] * (v - self.e)
        return state, self.sites.spread(current), self.sites.spread(self.slope * state["x"])

    def settle(self, state, before, after, dt):
        v = self.sites.take(0.5 * (before.v + after.v))
        target = self.uptake * self.tau * jax.nn.sigmoid((v - self.half) / 5.0)
        return {"x": target + (state["x"] - target) * jnp.exp(-dt / self.tau)}

    def observed(self):
        return ("x", "i")

    def observe(self, what, state, moment):
        return state["x"] if what == "x" else self.sites.take(self.flow(state, moment))


@pytest.fixture(scope="module")
def plain():
    cell = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("soma", hh=HH())
    return cell.discretize(cx.PerBranch(2))


@pytest.fixture(scope="module")
def model(plain):
    return plain.with_part("astro", Astrocyte(gain="150 pA"))


CLAMP = cx.IClamp("soma", 1.0, 20.0, 0.3)
RECORD = {"v": "soma", "x": "astro.x", "i": "astro.i"}


def run(model, t1=10.0, **more):
    return cx.simulate(model, t1, 0.05, [CLAMP], RECORD, **more)


def test_it_acts_and_is_recorded(plain, model):
    sol = run(model)
    v = cx.simulate(plain, 10.0, 0.05, [CLAMP])["v"]
    assert sol["x"].shape == (201, 1) and float(sol["x"][-1, 0]) > 0.05
    assert np.abs(np.asarray(sol["v"] - v)).max() > 0.2
    x, at = np.asarray(sol["x"])[:, 0], np.asarray(sol["v"])
    np.testing.assert_allclose(np.asarray(sol["i"])[:, 0], x * (-0.15 + 1e-3 * (at + 70.0)), rtol=1e-12)


def test_its_parameters_train(model):
    assert model.units["astro.gain"] == "nA" and float(model.params["astro.gain"]) == pytest.approx(0.15)

    def loss(model):
        return jnp.mean(run(model)["v"] ** 2)

    free = cx.Free({"astro.*": cx.unbounded(), "soma.hh.gna": cx.positive()})
    check = cx.check_gradient(loss, model, free)
    assert check.ok, str(check)


def test_jit_and_vmap(model):
    alone = jnp.stack([run(model.replace({"astro.gain": g}))["v"] for g in (0.1, 0.2)])
    batched = jax.jit(jax.vmap(lambda g: run(model.replace({"astro.gain": g}))["v"]))(jnp.array([0.1, 0.2]))
    np.testing.assert_allclose(batched, alone, rtol=0, atol=1e-11)


@pytest.mark.parametrize("method", [cx.Staggered(), cx.BackwardEuler()])
def test_restart_is_exact(model, method):
    whole, half = run(model, method=method), run(model, 5.0, method=method)
    rest = run(model, 5.0, state=half.state, continued=True, method=method)
    np.testing.assert_array_equal(rest["v"], whole["v"][100:])
    np.testing.assert_array_equal(rest["x"], whole["x"][100:])


def test_it_is_saved_with_the_model(model, tmp_path):
    again = cx.load(cx.save(tmp_path / "model", model))
    np.testing.assert_array_equal(run(again)["v"], run(model)["v"])
    assert again.structure == model.structure


def test_it_works_in_a_network(plain):
    cell = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("soma", hh=HH())
    net = cx.Network().add("a", cell, 3).discretize(cx.PerBranch(1)).with_part("astro", Astrocyte(at="a"))
    sol = cx.simulate(net, 5.0, 0.05, record={"x": "astro.x"})
    assert sol["x"].shape == (101, 3)


def test_mistakes(plain, model):
    raises(lambda: run_with(model, "astro.y"), "'y'", "'x'")
    for taken in ("astro", "ions", "electrodes", "soma"):
        raises(lambda name=taken: model.with_part(name, Astrocyte()), f"'{taken}'", "already")
    raises(lambda: cx.simulate(plain.with_part("leaky", Leak()), 1.0), "'leaky'", "Part")
    raises(lambda: plain.with_part("my pool", Astrocyte()), "my pool", "word")
    raises(lambda: plain.with_part("astro", 3), "int")
    raises(lambda: run(plain.with_part("astro", Astrocyte(at="somma"))), "'somma'", "'soma'")


def run_with(model, what):
    return cx.simulate(model, 1.0, record={"x": what})
