import copy
import pickle

import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ParameterError, RegionError, UnitError, UnknownNameError
from cajax.mech import Graded, Kd, Leak, Na

from .helpers import passive, raises

ONE = cx.PerBranch(1)


def test_every_method_returns_a_new_recipe():
    cell = cx.Cell(cx.ball_and_stick())
    painted = cell.label(tip=cx.path_distance() > 100.0).paint("tip", leak=Leak())
    assert not cell.labels and not cell.paints
    assert list(painted.labels) == ["tip"] and len(painted.paints) == 1
    with pytest.raises(TypeError):
        painted.labels["x"] = cx.tag("soma")


def test_text_with_a_unit():
    cell = cx.Cell(cx.cylinder(9, 9), cm="0.01 F/m2", ra="1 ohm m", v0="-0.07 V", temperature="20 degC")
    assert [cell.cm, cell.ra, cell.v0, cell.temperature] == pytest.approx([1.0, 100.0, -70.0, 20.0])
    assert cell.paint("all", cm="2 uF/cm2").paints[0].value == pytest.approx(2.0)


def test_same_name_last_wins_and_different_names_add():
    cell = (
        passive()
        .label(tip=cx.path_distance() > 100.0)
        .paint("apical", leak=Leak(g=2e-4))
        .paint("tip", leak=Leak(g=3e-4))
    )
    model = cell.paint("soma", other=Leak(g=5e-4)).discretize(cx.PerBranch(2))
    params = {k: float(v) for k, v in model.params.items() if k.endswith(".g")}
    assert params == {"all.leak.g": 1e-4, "apical.leak.g": 2e-4, "tip.leak.g": 3e-4, "soma.other.g": 5e-4}
    covered = passive().paint("all", leak=Leak(g=7e-4)).discretize(ONE)
    assert float(covered.params["all.leak.g"]) == 7e-4


def test_a_hidden_paint_has_no_parameter():
    model = passive().paint("soma", cm=3.0).paint("all", cm=2.0).discretize(ONE)
    assert "soma.cm" not in model.params and float(model.params["all.cm"]) == 2.0


def test_copies():
    cell = passive().label(tip=cx.path_distance() > 100.0)
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        assert twin.discretize(ONE).structure == cell.discretize(ONE).structure


MISTAKES = {
    "region": (lambda: passive().paint("apicl", na=Na()), UnknownNameError, ("'apicl'", "'apical'")),
    "expression": (lambda: passive().paint(cx.tag("soma"), na=Na()), RegionError, (".label(",)),
    "class": (lambda: passive().paint("all", na=Na), ParameterError, ("call it",)),
    "synapse": (lambda: passive().paint("all", g=Graded()), ParameterError, ("not a mechanism",)),
    "property": (lambda: passive().paint("all", Cm=1.0), ParameterError, ("'cm'",)),
    "negative cm": (lambda: passive().paint("all", cm=-1.0), ParameterError, ("cm = -1", "positive")),
    "zero ra": (lambda: cx.Cell(cx.cylinder(9, 9), ra=0.0), ParameterError, ("ra = 0", "positive")),
    "each negative cm": (lambda: passive().paint("all", cm=cx.each("cv", [1.0, -1.0])), ParameterError, ("-1",)),
    "nan": (lambda: cx.Cell(cx.cylinder(9, 9), v0=np.nan), ParameterError, ("v0", "finite")),
    "array": (lambda: cx.Cell(cx.cylinder(9, 9), cm=np.ones(3)), ParameterError, ("each('cv'",)),
    "no number": (lambda: cx.Cell(cx.cylinder(9, 9), cm=object()), ParameterError, ("uF/cm2",)),
    "mechanism as property": (lambda: passive().paint("all", cm=Leak()), ParameterError, ("uF/cm2",)),
    "unit": (lambda: passive().paint("all", cm="1 mV"), UnitError, ("cm = '1 mV'", "uF/cm2")),
    "unknown unit": (lambda: cx.Cell(cx.cylinder(9, 9), v0="3 mVolt"), UnitError, ("mVolt",)),
    "no morphology": (lambda: cx.Cell("ca1.swc"), ParameterError, ("read_morphology",)),
    "label": (lambda: passive().label(tip=3.0), RegionError, ("tip", "tag('apical')")),
    "label measure": (lambda: passive().label(tip=cx.path_distance()), RegionError, ("tip",)),
    "label name": (lambda: passive().label(tip="somma"), UnknownNameError, ("'soma'",)),
    "negative g": (lambda: Leak(g=-1.0), ParameterError, ("Leak.g", "below")),
    "parameter": (lambda: Leak(gbar=1.0), UnknownNameError, ("gbar", "Leak")),
    "radius": (lambda: cx.cylinder(10.0, -1.0), cx.CajaxError, ("radius",)),
    "policy": (lambda: passive().discretize(4), ParameterError, ("PerBranch(n)",)),
    "policy class": (lambda: passive().discretize(cx.PerBranch), ParameterError, ("PerBranch(n)",)),
    "empty": (lambda: passive().paint("axon", na=Na()).discretize(ONE), RegionError, ("'axon'", "'na'", "empty")),
    "cycle": (lambda: passive().label(x=cx.region("x")).paint("x", kd=Kd()).discretize(ONE), RegionError, ("x -> x",)),
    "two kinds": (lambda: passive().paint("soma", leak=Na()).discretize(ONE), ParameterError, ("Leak, Na",)),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake):
    function, kind, parts = MISTAKES[mistake]
    raises(function, *parts, kind=kind)
