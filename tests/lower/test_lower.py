import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ParameterError, UnknownNameError
from cajax.engine.physics import bind
from cajax.mech import Leak

from ..helpers import passive, raises


def cell(**values):
    return cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak(**values))


def field(model, name="g", mechanism=0):
    return np.broadcast_to(
        getattr(bind(model).membranes.channels[mechanism].channel, name), model.structure.size
    )


def test_a_field_takes_the_last_paint():
    tip = (
        cell(g=1e-4)
        .label(tip=cx.path_distance() > 150.0)
        .paint("apical", leak=Leak(g=2e-4))
        .paint("tip", leak=Leak(g=3e-4))
    )
    model = tip.discretize(cx.PerBranch(4))
    far = model.cvs.distance > 150.0
    assert (
        field(model).tolist() == np.where(far, 3e-4, np.where(model.cvs.tag == "apical", 2e-4, 1e-4)).tolist()
    )


def test_each():
    values = np.array([1.0, 2.0, 3.0, 4.0]) * 1e-4
    model = cell(g=cx.each("cv", values)).discretize(cx.PerBranch(2))
    assert np.array_equal(field(model), values)
    assert np.array_equal(
        field(cell(g=cx.each("branch", values[:2])).discretize(cx.PerBranch(2))), values[[0, 0, 1, 1]]
    )
    assert cell(g=cx.each("cv", "1 mS/cm2")).discretize(cx.PerBranch(1)).params["all.leak.g"].tolist() == [
        1e-3,
        1e-3,
    ]
    cm = (
        cx.Cell(cx.ball_and_stick(), cm=cx.each("branch", [1.0, 2.0]))
        .discretize(cx.PerBranch(1))
        .params["all.cm"]
    )
    assert cm.tolist() == [1.0, 2.0]


def test_each_on_part_of_a_cell_counts_that_part():
    model = passive().paint("apical", leak=Leak(g=cx.each("cv", [2e-4, 3e-4]))).discretize(cx.PerBranch(2))
    assert field(model).tolist() == [1e-4, 1e-4, 2e-4, 3e-4]


def test_each_in_a_population():
    net = cx.Network().add("a", cell(g=cx.each("cell", [1e-4, 2e-4, 3e-4])), 3)
    model = net.discretize(cx.PerBranch(1))
    per_cell = field(model)[model.structure.sites(("a", cx.every_cv()))]
    assert per_cell.tolist() == [[1e-4] * 2, [2e-4] * 2, [3e-4] * 2]


def test_along():
    model = cell(g=cx.along(cx.path_distance(), lambda x, a, b: a + b * x, a=1e-4, b="1e-6")).discretize(
        cx.PerBranch(3)
    )
    assert set(model.params) >= {"all.leak.g.a", "all.leak.g.b"}
    np.testing.assert_allclose(field(model), 1e-4 + 1e-6 * model.cvs.distance, rtol=1e-12)
    flat = cell(g=cx.along(cx.radius(), lambda x, a: a, a=1e-4)).discretize(cx.PerBranch(2))
    assert field(flat).tolist() == [1e-4] * 4


def test_d_lambda_sees_painted_properties():
    sizes = [
        c.discretize(cx.DLambda(0.1)).structure.size
        for c in (passive(), passive().paint("apical", ra=1000.0), passive().paint("apical", cm=9.0))
    ]
    assert sizes[0] < min(sizes[1:])


MISTAKES = {
    "array": (lambda: cell(g=np.ones(3)), ParameterError, ("all.leak.g", "each('cv'")),
    "each length": (
        lambda: cell(g=cx.each("cv", [1.0, 2.0, 3.0])),
        ParameterError,
        ("needs one value or 2", "(3,)"),
    ),
    "each edge": (lambda: cell(g=cx.each("edge", 1.0)), UnknownNameError, ("'edge'", "all.leak.g")),
    "each negative": (lambda: cell(g=cx.each("cv", -1.0)), ParameterError, ("Leak.g", "below")),
    "each unit": (lambda: cell(g=cx.each("cv", "1 mV")), cx.CajaxError, ("Leak.g", "S/cm2")),
    "measure": (lambda: cell(g=cx.along("apical", lambda x: x)), ParameterError, ("path_distance()",)),
    "coefficient": (lambda: cell(g=cx.along(cx.radius(), lambda x, b: x, a=1.0)), ParameterError, ("'a'",)),
    "unit": (
        lambda: cell(g=cx.along(cx.radius(), lambda x, a: x, a="1 mS/cm2")),
        cx.CajaxError,
        ("leak.g.a",),
    ),
    "numpy": (
        lambda: cell(g=cx.along(cx.radius(), lambda x, a: np.exp(x) * float(a), a=1.0)),
        ParameterError,
        ("along()",),
    ),
    "shape": (lambda: cell(g=cx.along(cx.radius(), lambda x: jnp.ones(7))), ParameterError, ("(7,)",)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake):
    function, kind, parts = MISTAKES[mistake]
    raises(lambda: function().discretize(cx.PerBranch(1)), *parts, kind=kind)
