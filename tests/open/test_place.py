"""A location and a rule of distribution of the user's own, each a class of a few lines in this file."""

from dataclasses import dataclass
from typing import ClassVar, final

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.distributions import Distribution, Laid
from cajax.mech import HH, ExpSyn, Leak
from cajax.morph import Location


@final
@dataclass(frozen=True)
class Thinnest(Location):
    """The `count` thinnest control volumes of a cell, thinnest first."""

    count: int = 1
    single: ClassVar[bool] = False

    def resolve(self, cvs, labels=None):
        return np.argsort(cvs.radius, kind="stable")[: self.count]


@final
@dataclass(frozen=True)
class Drawn(Distribution):
    """A log-normal value for every control volume, its `median` and spread fixed by a seed."""

    median: float
    spread: float = 0.3
    seed: int = 0

    def over(self, ground):
        z = np.random.default_rng(self.seed).normal(size=ground.size)
        return Laid("cv", self.median * np.exp(self.spread * z))


@final
@dataclass(frozen=True)
class Tapered(Distribution):
    """From `base` at the nearest to `tip` at the farthest control volume, both trainable."""

    base: float
    tip: float

    def over(self, ground):
        distance = ground.measure(cx.path_distance())
        share = (distance - distance.min()) / (np.ptp(distance) or 1.0)
        return Laid(measure=share, fn=_between, coefficients={"base": self.base, "tip": self.tip})


def _between(share, base, tip):
    return base + (tip - base) * share


@pytest.fixture(scope="module")
def cell():
    return (
        cx.Cell(cx.pyramidal(seed=3), cm=Drawn(1.0, 0.1))
        .paint("all", leak=Leak(g=Tapered(1e-4, 3e-4)))
        .paint("soma", hh=HH())
        .paint("apical", hh=HH(gna=Drawn(0.05)))
    )


@pytest.fixture(scope="module")
def model(cell):
    return cell.discretize(cx.PerBranch(1))


RECORD = {"v": "soma", "thin": Thinnest(3)}


def run(model, t1=5.0, **more):
    return cx.simulate(model, t1, 0.05, [cx.IClamp(Thinnest(2), 0.5, 3.0, 0.1)], RECORD, **more)


def test_a_rule_lays_out_values(model):
    assert model.params["apical.hh.gna"].shape == (int((model.cvs.tag == "apical").sum()),)
    assert model.params["all.cm"].shape == (model.structure.size,)
    assert {"all.leak.g.base", "all.leak.g.tip"} <= model.params.keys()
    assert cx.Free({"apical.hh.gna": cx.positive()}).count(model) == model.params["apical.hh.gna"].size


def test_a_location_addresses_sites(model):
    sol = run(model)
    assert sol["thin"].shape == (101, 3)
    radius = np.asarray(model.cvs.radius)
    assert sorted(model.structure.sites(Thinnest(3))) == sorted(np.argsort(radius, kind="stable")[:3])
    assert float(jnp.ptp(sol["thin"][:, 0])) > 1.0


def test_gradients_vmap_and_restart(model):
    def loss(tip):
        return jnp.mean(run(model.replace({"all.leak.g.tip": tip}))["v"])

    step = 1e-8
    difference = (loss(3e-4 + step) - loss(3e-4 - step)) / (2 * step)
    assert float(jax.jit(jax.grad(loss))(3e-4)) == pytest.approx(float(difference), rel=1e-5)
    np.testing.assert_allclose(jax.vmap(loss)(jnp.array([2e-4, 3e-4])), [loss(2e-4), loss(3e-4)], rtol=1e-11)
    whole, half = run(model), run(model, 2.0)
    np.testing.assert_array_equal(run(model, 3.0, state=half.state, continued=True)["v"], whole["v"][40:])


def test_saved_and_in_a_network(cell, tmp_path):
    drawn = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak(g=Drawn(1e-4)))
    model = drawn.discretize(cx.PerBranch(2))
    again = cx.load(cx.save(tmp_path / "model", model))
    np.testing.assert_array_equal(again.params["all.leak.g"], model.params["all.leak.g"])
    net = cx.Network().add("a", drawn, 2).connect("a", "a", ExpSyn(), at=Thinnest(2), weight=1e-3)
    sol = cx.simulate(net.discretize(cx.PerBranch(2)), 2.0, record={"v": ("a", Thinnest(2))})
    assert sol["v"].shape == (81, 2, 2)
