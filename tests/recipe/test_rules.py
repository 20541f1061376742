import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cajax as cx
from cajax.base.errors import ParameterError
from cajax.recipe.paints import PROPERTIES
from cajax.recipe.rules import Rule

from ..helpers import raises

sizes = st.integers(1, 12)


def test_all_to_all_has_no_list_of_edges():
    assert cx.all_to_all().pairs(3, 4) is None


@given(sizes)
def test_one_to_one_joins_equal_numbers(n):
    assert cx.one_to_one().pairs(n, n).tolist() == [[i, i] for i in range(n)]


@given(sizes, sizes, st.integers(0, 99))
def test_bernoulli_is_repeatable_and_inside(n_pre, n_post, seed):
    pairs = cx.bernoulli(0.5, seed).pairs(n_pre, n_post)
    assert np.array_equal(pairs, cx.bernoulli(0.5, seed).pairs(n_pre, n_post))
    assert pairs.shape == (len(pairs), 2) and len(np.unique(pairs, axis=0)) == len(pairs)
    assert (pairs < [n_pre, n_post]).all() and (pairs >= 0).all()
    assert len(cx.bernoulli(1.0, seed).pairs(n_pre, n_post)) == n_pre * n_post


def test_bernoulli_has_its_probability():
    assert len(cx.bernoulli(0.2, 1).pairs(200, 200)) == pytest.approx(8000, rel=0.05)


def test_edges_are_kept_in_order():
    assert cx.edges([[2, 0], [0, 1]]).pairs(3, 2).tolist() == [[2, 0], [0, 1]]
    assert len(cx.edges(np.zeros((0, 2), int)).pairs(3, 2)) == 0


@pytest.mark.parametrize(
    "pairs", [[[0, 0, 1]], [[0, 0, 0, 0]], [0, 1], [[0.0, 1.0]], [[-1, 0]], [[0, 2]], [[3, 0]], "01"]
)
def test_wrong_edges(pairs):
    raises(lambda: cx.edges(pairs).pairs(3, 2), "edges()", kind=ParameterError)


def test_wrong_sizes():
    raises(lambda: cx.one_to_one().pairs(3, 2), "3 and 2", kind=ParameterError)


def test_properties_have_units():
    assert set(PROPERTIES) == {"cm", "ra", "v0", "temperature", "radius", "length"}
    assert Rule("all_to_all") == cx.all_to_all()


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("autapses", [False, True])
def test_within_a_population(autapses, mutual):
    pairs = cx.bernoulli(1.0, autapses=autapses).pairs(3, 3, within=True, mutual=mutual)
    wanted = [(i, j) for i in range(3) for j in range(3) if (autapses or i != j) and (i <= j or not mutual)]
    assert pairs.tolist() == [list(pair) for pair in wanted]
    every = cx.all_to_all(autapses).pairs(3, 3, within=True, mutual=mutual)
    assert every is None if autapses and not mutual else every.tolist() == pairs.tolist()


def test_leaving_out_autapses_draws_the_other_pairs_alike():
    inside, apart = (cx.bernoulli(0.4, 7).pairs(9, 9, within=within) for within in (True, False))
    assert inside.tolist() == [[i, j] for i, j in apart.tolist() if i != j]
