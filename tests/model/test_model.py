import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ParameterError, RegionError, UnknownNameError
from cajax.mech import Leak

from ..helpers import active, joined, passive, raises


def test_every_leaf_is_an_array():
    assert all(isinstance(x, jax.Array) for model in (active(), joined()) for x in jax.tree.leaves(model))


def test_paths_and_units():
    assert set(active().params) == {
        "all.leak.g", "all.leak.e", "soma.kd.g", "soma.kd.e", "soma.kd.vt", "all.cm", "all.ra", "all.v0",
    }  # fmt: skip
    assert active().units["soma.kd.g"] == "S/cm2" and active().units.keys() == active().params.keys()
    assert {"a.all.leak.g", "b.all.cm", "a->b.graded.k"} <= set(joined().params)


def test_replace():
    model = active().replace({"soma.kd.g": "20 mS/cm2", "all.cm": 2})
    assert float(model.params["soma.kd.g"]) == pytest.approx(0.02)
    assert model.params["all.cm"].dtype == active().params["all.cm"].dtype
    assert model.structure is active().structure and float(active().params["all.cm"]) == 1.0
    assert active().replace({}).params == active().params


def test_widened():
    model = active().widened("all.leak.g", "cv")
    assert model.params["all.leak.g"].shape == (4,)
    assert active().widened("all.leak.g", "branch").params["all.leak.g"].shape == (2,)
    assert active().widened("all.cm", "cell").params["all.cm"].shape == (1,)
    assert active().widened("soma.kd.g", "cv").params["soma.kd.g"].shape == (2,)
    assert joined().widened("b.all.leak.g", "cell").params["b.all.leak.g"].shape == (3,)
    assert model.widened("all.leak.g", "cv") is model
    assert model.structure != active().structure


def test_equal_recipes_give_equal_structures():
    twin = passive().paint("soma", kd=active().structure.channels[0].template).discretize(cx.PerBranch(2))
    assert twin.structure == active().structure and hash(twin.structure) == hash(active().structure)
    assert passive().discretize(cx.PerBranch(2)).structure != active().structure


def test_structure_is_compared_with_anything():
    assert active().structure != 3 and active().structure != joined().structure


@pytest.mark.parametrize("through", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies(through):
    twin = through(joined())
    assert twin.structure == joined().structure
    assert all(np.array_equal(twin.params[k], v) for k, v in joined().params.items())


def test_sites():
    s, net = active().structure, joined().structure
    assert s.sites("soma").shape == () and int(s.sites("soma")) == 1
    assert s.sites(cx.every_cv()).tolist() == [0, 1, 2, 3]
    assert s.sites(cx.tag("apical") & (cx.path_distance() > 100.0)).shape == ()
    assert net.sites("a").shape == (2,) and net.sites("b.apical").shape == (3,)
    assert net.sites(("b", cx.every_cv())).shape == (3, 4)
    assert net.sites(("b", cx.tag("apical"))).tolist() == net.sites("b.apical").tolist()


def test_repr_is_short():
    assert repr(active()) == "Model(1 cells, 4 CVs, 8 parameters, mechanisms kd, leak)"
    assert "5 cells" in repr(joined())


def graded(fn, measure=None, **coefficients):
    value = cx.along(cx.path_distance() if measure is None else measure, fn, **coefficients)
    return cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak(g=value)).discretize(cx.PerBranch(2))


MISTAKES = {
    "parameter": (lambda: active().replace({"soma.kd.gg": 1.0}), UnknownNameError, ("'soma.kd.g'",)),
    "shape": (lambda: active().replace({"soma.kd.g": jnp.ones(2)}), ParameterError, ("()", "(2,)")),
    "unit": (lambda: active().replace({"soma.kd.g": "1 mV"}), cx.CajaxError, ("S/cm2",)),
    "wide parameter": (lambda: active().widened("x", "cv"), UnknownNameError, ("'x'",)),
    "wide place": (lambda: active().widened("all.cm", "cvs"), UnknownNameError, ("'cv'",)),
    "wide twice": (lambda: active().widened("all.cm", "cv").widened("all.cm", "cell"), ParameterError, ("by cv",)),
    "wide weight": (lambda: joined().widened("a->b.graded.k", "cv"), ParameterError, ("projection",)),
    "wide graded": (
        lambda: graded(lambda x, a: a + x, a=1e-4).widened("all.leak.g.a", "cv"), ParameterError, ("graded",)
    ),
    "population": (lambda: joined().structure.sites("c"), UnknownNameError, ("'c'", "'a'")),
    "region": (lambda: joined().structure.sites("b.apicl"), UnknownNameError, ("'apical'", "'b'")),
    "bare region": (lambda: joined().structure.sites(cx.tag("soma")), cx.CajaxError, ("('a', ",)),
    "cell region": (lambda: active().structure.sites("apicl"), UnknownNameError, ("'apical'",)),
    "empty": (lambda: active().structure.sites("axon"), RegionError, ("'axon'", "empty")),
    "tuple": (lambda: active().structure.sites(("soma", "apical")), RegionError, ("location",)),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake):
    function, kind, parts = MISTAKES[mistake]
    raises(function, *parts, kind=kind)
