import pickle

import numpy as np
import pytest

import cajax as cx
from cajax.base.errors import ParameterError, RegionError, UnitError, UnknownNameError
from cajax.mech import Graded, Kd, Leak

from .helpers import joined, pair, passive, raises

ONE = cx.PerBranch(1)


def build(**options):
    return pair().connect("a", "b", Graded(), **options).discretize(ONE)


def test_every_method_returns_a_new_recipe():
    empty = cx.Network()
    one = empty.add("a", passive(), 2)
    two = one.connect("a", "a", Graded())
    assert [len(n.populations) for n in (empty, one, two)] == [0, 1, 1]
    assert [len(n.projections) for n in (empty, one, two)] == [0, 0, 1]


def test_a_list_of_cells_may_differ_in_shape_only():
    other = cx.Cell(cx.cylinder(30.0, 5.0)).paint("all", leak=Leak())
    model = cx.Network().add("a", [passive(), other, passive()]).discretize(ONE)
    assert [layout.size for layout in model.structure.layouts] == [3]
    assert model.structure.size == 2 + 1 + 2


def test_weights():
    assert build(weight="2 nS").params["a->b.graded.weight"] == pytest.approx(2e-3)
    assert build(weight=cx.each("edge", 1e-3)).params["a->b.graded.weight"].shape == (2, 3)
    assert build(weight=np.ones((2, 3, 2)), at=cx.every_cv()).params["a->b.graded.weight"].shape == (2, 3, 2)
    sparse = build(rule=cx.edges([[0, 2], [1, 0]]), weight=np.ones(2), name="syn")
    assert sparse.params["a->b.syn.weight"].shape == (2,)
    assert joined().units["a->b.graded.weight"] == "uS"


def test_recipes_can_be_pickled():
    assert pickle.loads(pickle.dumps(pair())).discretize(ONE).structure == pair().discretize(ONE).structure


def connect(*args, **options):
    return lambda: pair().connect(*args, **options)


MISTAKES = {
    "name": (lambda: pair().add("a b", passive()), ParameterError, ("'a b'", "word")),
    "number as name": (lambda: pair().add(1, passive()), ParameterError, ("word",)),
    "twice": (lambda: pair().add("a", passive()), ParameterError, ("already", "'a'")),
    "no cell": (lambda: pair().add("c", cx.cylinder(9, 9)), ParameterError, ("'c'", "Cell")),
    "cell class": (lambda: pair().add("c", cx.Cell), ParameterError, ("'c'", "Cell")),
    "model": (lambda: pair().add("c", passive().discretize(ONE)), ParameterError, ("'c'", "Cell")),
    "none": (lambda: pair().add("c", passive(), 0), ParameterError, ("at least 1",)),
    "half": (lambda: pair().add("c", passive(), 2.5), ParameterError, ("2.5", "whole")),
    "count": (lambda: pair().add("c", [passive()] * 2, 3), ParameterError, ("lists 2", "count = 3")),
    "paint": (lambda: pair().add("c", [passive(), passive().paint("soma", kd=Kd())]), ParameterError, ("painted",)),
    "pre": (connect("aa", "b", Graded()), UnknownNameError, ("'aa'", "'a'")),
    "post": (connect("a", "bb", Graded()), UnknownNameError, ("'bb'", "'b'")),
    "synapse class": (connect("a", "b", Graded), ParameterError, ("Graded()",)),
    "channel": (connect("a", "b", Leak()), ParameterError, ("synapse",)),
    "rule function": (connect("a", "b", Graded(), rule=cx.all_to_all), ParameterError, ("all_to_all()",)),
    "rule text": (connect("a", "b", Graded(), rule="all"), ParameterError, ("all_to_all()",)),
    "region": (connect("a", "b", Graded(), at="apicl"), UnknownNameError, ("'apical'", "'b'")),
    "place": (connect("a", "b", Graded(), at=3), RegionError, ("location",)),
    "projection name": (connect("a", "b", Graded(), name="x.y"), ParameterError, ("'x.y'",)),
    "p": (lambda: cx.bernoulli(1.5, 0), ParameterError, ("1.5", "probability")),
    "again": (lambda: pair().connect("a", "b", Graded()).connect("a", "b", Graded()), ParameterError, ("name=",)),
    "empty net": (lambda: cx.Network().discretize(ONE), ParameterError, (".add(",)),
    "empty region": (lambda: build(at="axon"), RegionError, ("'axon'", "empty")),
    "one to one": (lambda: build(rule=cx.one_to_one()), ParameterError, ("2 and 3", "edges()")),
    "edges": (lambda: build(rule=cx.edges([[0, 3]])), ParameterError, ("outside", "2 and 3")),
    "float edges": (lambda: build(rule=cx.edges([[0.0, 1.0]])), ParameterError, ("integers",)),
    "negative": (lambda: build(weight=-1.0), ParameterError, ("a->b.graded.weight", "inhibition")),
    "nan weight": (lambda: build(weight=np.nan), ParameterError, ("finite",)),
    "weight shape": (lambda: build(weight=np.ones((3, 2))), ParameterError, ("(2, 3)", "(3, 2)")),
    "each shape": (lambda: build(weight=cx.each("edge", np.ones(3))), ParameterError, ("(2, 3)", "(3,)")),
    "weight unit": (lambda: build(weight="1 mV"), UnitError, ("uS",)),
    "many values": (
        lambda: pair().connect("a", "b", Graded(e=cx.each("edge", 0.0))).discretize(ONE), ParameterError,
        ("one number",),
    ),
    "temperature": (
        lambda: pair().add("c", cx.Cell(cx.cylinder(9, 9), temperature=20)).discretize(ONE), ParameterError,
        ("'temperature'",),
    ),
    "cvs": (lambda: joined().cvs, cx.CajaxError, ("layouts",)),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake):
    function, kind, parts = MISTAKES[mistake]
    raises(function, *parts, kind=kind)
