"""The electrical tree: Hines order, junctions only where two branches meet at an end, and the right resistances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.morph import Branch, CVs, Morphology, PerBranch, discretize

ROD = np.array([[0.0, 0, 0, 1], [100, 0, 0, 2]])


def cut(*links: tuple[int, float], n: int = 3) -> CVs:
    """Equal rods, each attached to (parent, x)."""
    morph = Morphology.of([Branch(ROD, p, x) for p, x in [(-1, 1.0), *links]])
    return discretize(morph, PerBranch(n), 100.0, 1.0)


def edges(cvs: CVs) -> dict[tuple[int, int], tuple[float, float]]:
    """(CV, parent CV) → the two resistances; a junction is named by minus one minus its number of order."""
    name = np.where(cvs.node_cv >= 0, cvs.node_cv, -np.cumsum(cvs.node_cv < 0))
    return {
        (int(name[k]), int(name[p])): (cvs.res_child[k], cvs.res_parent[k])
        for k, p in enumerate(cvs.node_parent)
        if p >= 0
    }


@given(seed=st.integers(0, 10**6), n=st.integers(1, 4))
def test_hines_order(random_morph, seed: int, n: int):
    morph = random_morph(seed)
    cvs = discretize(morph, PerBranch(n), 100.0, 1.0)
    assert (cvs.node_parent < np.arange(len(cvs.node_parent))).all()
    assert (cvs.node_parent == -1).sum() == (morph.parent == -1).sum()
    np.testing.assert_array_equal(cvs.node_cv[cvs.node_cv >= 0], np.arange(len(cvs)))


@given(seed=st.integers(0, 10**6), n=st.integers(1, 4))
def test_edges(random_morph, seed: int, n: int):
    """Only roots have no resistance, halves belong to the CVs named, and junctions join at least three edges."""
    cvs = discretize(random_morph(seed), PerBranch(n), 100.0, 1.0)
    joined = cvs.node_parent >= 0
    assert ((cvs.res_child + cvs.res_parent > 0) == joined).all()
    halves = np.concatenate([cvs.resist_in, cvs.resist_out, [0.0]])
    assert np.isin(cvs.res_child, halves).all() and np.isin(cvs.res_parent, halves).all()
    for cv in (cvs.cv_child, cvs.cv_parent):
        assert (cv >= 0).all() and (cv < len(cvs)).all()
    own = cvs.node_cv >= 0
    np.testing.assert_array_equal(cvs.cv_child[own], cvs.node_cv[own])
    degree = np.bincount(cvs.node_parent[joined], minlength=len(own)) + joined
    assert (degree[~own] >= 3).all()
    assert not ((cvs.node_cv[joined] < 0) & (cvs.node_cv[cvs.node_parent[joined]] < 0)).any()


def test_inside_a_branch():
    cvs = cut()
    assert edges(cvs) == {
        (1, 0): (cvs.resist_in[1], cvs.resist_out[0]),
        (2, 1): (cvs.resist_in[2], cvs.resist_out[1]),
    }


def test_a_chain_has_no_junction():
    cvs = cut((0, 1.0))
    assert len(cvs.node_parent) == len(cvs)
    assert edges(cvs)[3, 2] == (cvs.resist_in[3], cvs.resist_out[2])


def test_a_fork_is_a_junction():
    cvs = cut((0, 1.0), (0, 1.0))
    assert (cvs.node_cv == -1).sum() == 1
    found = edges(cvs)
    assert found[-1, 2] == (0.0, cvs.resist_out[2])
    assert found[3, -1] == (cvs.resist_in[3], 0.0)
    assert found[6, -1] == (cvs.resist_in[6], 0.0)
    junction = int(np.flatnonzero(cvs.node_cv == -1)[0])
    assert cvs.cv_child[junction] == cvs.cv_parent[junction] == 2


@pytest.mark.parametrize(("x", "cv"), [(0.5, 1), (0.01, 0), (0.99, 2), (1 / 3 + 1e-9, 1)])
def test_inside_another_branch_it_joins_the_centre(x: float, cv: int):
    cvs = cut((0, x), (0, x))
    assert (cvs.node_cv >= 0).all()
    assert edges(cvs)[3, cv] == (cvs.resist_in[3], 0.0)
    assert edges(cvs)[6, cv] == (cvs.resist_in[6], 0.0)


def test_one_branch_on_the_start_of_the_root_is_in_series():
    cvs = cut((0, 0.0))
    assert edges(cvs)[3, 0] == (cvs.resist_in[3], cvs.resist_in[0])
    assert (cvs.node_cv >= 0).all()


def test_two_branches_on_the_start_of_the_root_meet_above_it():
    cvs = cut((0, 0.0), (0, 0.0))
    assert cvs.node_cv[0] == -1 and cvs.node_parent[0] == -1
    found = edges(cvs)
    assert found[0, -1] == (cvs.resist_in[0], 0.0)
    assert found[3, -1] == (cvs.resist_in[3], 0.0)
    assert found[6, -1] == (cvs.resist_in[6], 0.0)


def test_on_the_start_of_a_child_is_where_the_child_starts():
    cvs = cut((0, 1.0), (1, 0.0))
    assert set(edges(cvs)) == set(edges(cut((0, 1.0), (0, 1.0))))
    cvs = cut((0, 0.5), (1, 0.0))
    assert edges(cvs)[6, 1] == (cvs.resist_in[6], 0.0)


@given(seed=st.integers(0, 10**6))
def test_order_of_siblings_does_not_matter(seed: int):
    """Swapping two tips of one fork gives the same multiset of edges."""
    radii = np.random.default_rng(seed).uniform(0.5, 3, 2)
    rods = [Branch(ROD * [1, 1, 1, r], 0, 1.0) for r in radii]
    a, b = (
        discretize(Morphology.of([Branch(ROD), *order]), PerBranch(2), 100.0, 1.0)
        for order in (rods, rods[::-1])
    )
    np.testing.assert_allclose(np.sort(a.res_child + a.res_parent), np.sort(b.res_child + b.res_parent))
