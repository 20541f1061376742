"""Radius and length as parameters: the unpainted model when they are the measured ones, and true derivatives."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.engine.physics import bind
from cajax.mech import HH, Channel, Diffusive, Gate, Leak, Param, Pool, Shells, param

from .random_models import noise, random_morphology
from .test_gradients import check

TWO_SHELLS = pytest.param(Shells(shells=2), marks=pytest.mark.slow)


class Ca(Channel):
    """A calcium conductance with one gate that reverses at the Nernst potential."""

    g: Param = param(1e-3, "S/cm2")
    ion = "ca"

    def gates(self, v):
        return {"m": Gate.relax(1.0 / (1.0 + jnp.exp(-(v + 40.0) / 6.0)), 1.0 + 0.0 * v)}

    def current(self, v, m, eca):
        return self.g * m**2 * (v - eca)


@cache
def shape() -> cx.Morphology:
    return random_morphology(np.random.default_rng(2), 3)


def cell(ion: Any = None) -> cx.Cell:
    """A random tapering tree with a leak and, with an ion, calcium currents everywhere."""
    found = cx.Cell(shape(), v0=-65.0, temperature=30.0).paint("all", leak=Leak(g=2e-4, e=-65.0))
    return found if ion is None else found.paint("all", ca=ion, cav=Ca(g=2e-4))


def trace(model: cx.Model, t1: float = 3.0) -> dict[str, jax.Array]:
    record = {"v": cx.every_cv()}
    if model.structure.ions:
        record["c"] = cx.Probe(cx.every_cv(), "ca.cai")
    return cx.simulate(model, t1, 0.05, [cx.IClamp("soma", 0.117, 1.0, 0.8)], record).records


@pytest.mark.parametrize(
    "ion",
    [None, TWO_SHELLS, Diffusive(), Pool()],
    ids=["none", "shells", "diffusive", "pool"],
)
def test_measured_values_of_each_cv_are_the_unpainted_model(ion):
    what = {"radius": cx.each("cv", "measured"), "length": cx.each("cv", "measured")}
    plain = trace(cell(ion).discretize(cx.PerBranch(2)))
    painted = trace(cell(ion).paint("all", **what).discretize(cx.PerBranch(2)))
    for name, x in plain.items():
        np.testing.assert_allclose(painted[name], x, rtol=1e-14)


def test_measured_values_start_from_the_morphology():
    model = (
        cell().paint("all", radius=cx.each("cv", "measured")).paint("basal", length=cx.each("cv", "measured"))
    )
    model = model.discretize(cx.PerBranch(2))
    np.testing.assert_array_equal(model.params["all.radius"], model.cvs.radius)
    basal = model.cvs.tag == "basal"
    np.testing.assert_array_equal(model.params["basal.length"], model.cvs.length[basal])
    branch = cell().paint("all", radius=cx.each("branch", "measured")).discretize(cx.PerBranch(2))
    means = [model.cvs.radius[model.cvs.branch == b].mean() for b in range(model.cvs.branch.max() + 1)]
    np.testing.assert_allclose(branch.params["all.radius"], means)
    whole = cell().paint("all", radius=cx.each("cell", "measured")).discretize(cx.PerBranch(2))
    np.testing.assert_allclose(whole.params["all.radius"], [model.cvs.radius.mean()])


@pytest.mark.parametrize("policy", [cx.PerBranch(1), cx.PerBranch(3)])
def test_a_painted_cylinder_is_the_cylinder_of_that_size(policy):
    """Twice the radius and half the length, of the branch or of each CV, is what a morphology of that size does."""
    v = []
    for morph, paint in (
        (cx.cylinder(200.0, 2.0), {}),
        (cx.cylinder(400.0, 1.0), {"radius": 2.0, "length": 200.0}),
        (cx.cylinder(400.0, 1.0), {"radius": cx.each("cv", 2.0), "length": cx.each("cv", 200.0 / policy.n)}),
    ):
        model = cx.Cell(morph, v0=-65.0).paint("all", hh=HH(), **paint).discretize(policy)
        v.append(
            cx.simulate(model, 5.0, 0.05, [cx.IClamp(cx.at(0, 0.0), 0.1, 1.0, 0.3)], {"v": cx.every_cv()})[
                "v"
            ]
        )
    np.testing.assert_allclose(v[1], v[0], rtol=1e-9)
    np.testing.assert_allclose(v[2], v[0], rtol=1e-9)


def test_radius_and_length_act_as_geometry_does():
    """Area goes with radius and length, axial resistance with length / radius²."""
    each = cx.each("cv", "measured")
    model = cell().paint("all", radius=each, length=each).discretize(cx.PerBranch(2))
    base = bind(model)
    inner = np.asarray(model.res_child) + np.asarray(model.res_parent) > 0
    for path, factor, area, axial in (("all.radius", 2.0, 2.0, 4.0), ("all.length", 3.0, 3.0, 1 / 3.0)):
        found = bind(model.replace({path: factor * model.params[path]}))
        np.testing.assert_allclose(found.capacitance, area * base.capacitance, rtol=1e-12)
        np.testing.assert_allclose(found.axial[inner], axial * base.axial[inner], rtol=1e-12)


@pytest.mark.parametrize("of", [np.asarray, jnp.asarray])
def test_values_may_be_given_as_an_array(of):
    model = cell().discretize(cx.PerBranch(1))
    radius = of(2.0 * np.asarray(model.cvs.radius))
    painted = cell().paint("all", radius=cx.each("cv", radius)).discretize(cx.PerBranch(1))
    np.testing.assert_array_equal(painted.params["all.radius"], radius)


Loss = Callable[[dict[str, jax.Array]], jax.Array]


def loss_of(model: cx.Model) -> tuple[Loss, dict[str, jax.Array]]:
    """A smooth number from a run, and the geometric parameters it depends on."""
    weight = noise(model)

    def loss(params):
        found = trace(model.replace(params), 1.5)
        total = jnp.mean(weight[None] * ((found["v"] + 65.0) / 5) ** 2)
        return total if "c" not in found else total + jnp.mean(weight[None] * found["c"]) * 1e4

    return loss, {k: v for k, v in model.params.items() if k.endswith(("radius", "length"))}


PAINTS = {
    "each cv": [("all", {"radius": cx.each("cv", "measured"), "length": cx.each("cv", "measured")})],
    "each branch": [
        ("all", {"radius": cx.each("branch", "measured")}),
        ("apical", {"length": cx.each("branch", "measured")}),
    ],
    "shared in regions": [("apical", {"radius": 0.8}), ("basal", {"radius": 0.6, "length": 30.0})],
    "graded": [
        (
            "all",
            {
                "radius": cx.along(
                    cx.path_distance(), lambda x, a, b: a * jnp.exp(-b * x) + 0.3, a=2.0, b=0.01
                )
            },
        )
    ],
}


@pytest.mark.parametrize("paints", PAINTS.values(), ids=PAINTS)
def test_gradients_of_the_geometry(paints):
    found = cell()
    for label, what in paints:
        found = found.paint(label, **what)
    model = found.discretize(cx.PerBranch(1))
    loss, params = loss_of(model)
    if "all.radius" not in model.params and not params:
        params = {k: v for k, v in model.params.items() if ".radius." in k}
    assert params
    check(loss, params, 0)


@pytest.mark.parametrize("ion", [TWO_SHELLS, Diffusive()], ids=["shells", "diffusive"])
def test_gradients_with_an_ion(ion):
    """Volumes and the paths along which the ion diffuses change with the geometry too."""
    found = cell(ion).paint("all", radius=cx.each("branch", "measured")).paint("basal", length=40.0)
    loss, params = loss_of(found.discretize(cx.PerBranch(1)))
    check(loss, params, 0)


def test_a_model_with_painted_geometry_comes_back_from_disk(tmp_path):
    model = cell(Diffusive()).paint("all", radius=cx.each("cv", "measured")).paint("basal", length=40.0)
    model = model.discretize(cx.PerBranch(1))
    back = cx.load(cx.save(tmp_path / "m", model))
    for name, x in trace(model).items():
        np.testing.assert_array_equal(trace(back)[name], x)
    with pytest.raises(cx.CajaxError):
        model.replace({"basal.length": 0.0 * model.params["basal.length"] - 1.0})
