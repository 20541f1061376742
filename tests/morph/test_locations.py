"""Locations: where the middle of a region is, tips, roots, and every error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base.errors import RegionError, UnknownNameError
from cajax.morph import (
    Branch,
    Morphology,
    PerBranch,
    as_location,
    at,
    ball_and_stick,
    center,
    cylinder,
    discretize,
    every_cv,
    path_distance,
    pyramidal,
    region,
    root,
    tag,
    terminals,
)

ROD = np.array([[0.0, 0, 0, 1], [100, 0, 0, 1]])


def cut(morph: Morphology, n: int = 3):
    return discretize(morph, PerBranch(n), 100.0, 1.0)


@given(n=st.integers(1, 30))
def test_center_of_one_branch_is_neurons_half(n: int):
    assert center("all").resolve(cut(cylinder(100, 1), n)).tolist() == [n // 2]
    stick = cut(ball_and_stick(), n)
    assert center("soma").resolve(stick).tolist() == [n // 2]
    assert center("apical").resolve(stick).tolist() == [n + n // 2]


@given(seed=st.integers(0, 10**6), n=st.integers(1, 4))
def test_center_halves_the_length(random_morph, seed: int, n: int):
    """Of a single tree, no part that is left without the centre holds more than half."""
    morph = random_morph(seed)
    if (morph.parent < 0).sum() > 1:
        return
    cvs = cut(morph, n)
    (c,) = center("all").resolve(cvs)
    node = int(np.flatnonzero(cvs.node_cv == c)[0])
    part = np.arange(len(cvs.node_parent))
    for k, p in enumerate(cvs.node_parent):
        if p >= 0 and node not in (k, p):
            part[k] = part[p]
    own = np.zeros(len(part))
    own[cvs.node_cv >= 0] = cvs.length
    own[node] = 0.0
    # A junction may be the balance point; then the best CV lies next to it and a little more than half remains.
    sides = np.bincount(part, own)
    others = [_largest_side(cvs, k) for k in range(len(cvs))]
    assert sides.max() <= min(others) * (1 + 1e-9)


def _largest_side(cvs, cv: int) -> float:
    node = int(np.flatnonzero(cvs.node_cv == cv)[0])
    part = np.arange(len(cvs.node_parent))
    for k, p in enumerate(cvs.node_parent):
        if p >= 0 and node not in (k, p):
            part[k] = part[p]
    own = np.zeros(len(part))
    own[cvs.node_cv >= 0] = cvs.length
    own[node] = 0.0
    return np.bincount(part, own).max()


def test_center_lies_in_the_region():
    cvs = cut(pyramidal(2))
    for name in ("soma", "axon", "basal", "apical"):
        (c,) = center(name).resolve(cvs)
        assert cvs.tag[c] == name
    (c,) = center(tag("apical") & (path_distance() > 200)).resolve(cvs)
    assert cvs.distance[c] > 200


def test_center_of_a_forest_lies_in_the_fuller_tree():
    morph = Morphology.of([Branch(ROD), Branch(ROD), Branch(ROD, 1)])
    assert cut(morph).branch[center("all").resolve(cut(morph))[0]] in (1, 2)


@given(n=st.integers(1, 9), x=st.floats(0, 1))
def test_at(n: int, x: float):
    assert at(1, x).resolve(cut(ball_and_stick(), n)).tolist() == [n + min(int(x * n), n - 1)]


def test_root_is_where_distances_start():
    cvs = cut(pyramidal(0))
    assert cvs.distance[root().resolve(cvs)[0]] == 0.0


def test_terminals():
    morph = Morphology.of(
        [Branch(ROD), Branch(ROD, 0, 1.0, "basal"), Branch(ROD, 0, 0.5, "apical"), Branch(ROD, 2, 1)]
    )
    cvs = cut(morph, 2)
    assert terminals("all").resolve(cvs).tolist() == [3, 7]
    assert terminals("basal").resolve(cvs).tolist() == [3]
    assert terminals().resolve(cvs).tolist() == [3, 7]
    with pytest.raises(RegionError, match="no branch ends in the region 'apical'"):
        terminals("apical").resolve(cvs)


def test_every_cv():
    cvs = cut(ball_and_stick())
    assert every_cv("apical").resolve(cvs).tolist() == [3, 4, 5]
    assert every_cv().resolve(cvs).tolist() == list(range(6))


def test_single():
    assert center("soma").single and at(0, 0.5).single and root().single
    assert not terminals("all").single and not every_cv("all").single


def test_as_location():
    cvs = cut(ball_and_stick())
    assert as_location(root()) == root()
    assert as_location("apical") == center("apical") == as_location(region("apical"))
    np.testing.assert_array_equal(as_location(tag("apical")).resolve(cvs), center("apical").resolve(cvs))
    with pytest.raises(RegionError, match="a location is a label name, a region or one of center"):
        as_location(3)


def test_labels_reach_locations():
    cvs = cut(ball_and_stick())
    assert every_cv("mine").resolve(cvs, {"mine": tag("soma")}).tolist() == [0, 1, 2]


@pytest.mark.parametrize("location", [center, terminals, every_cv])
def test_empty_and_unknown_regions(location):
    cvs = cut(ball_and_stick())
    with pytest.raises(RegionError, match="the region 'axon' is empty in this morphology"):
        location("axon").resolve(cvs)
    with pytest.raises(UnknownNameError, match="no region 'somma'; did you mean 'soma'"):
        location("somma").resolve(cvs)


@pytest.mark.parametrize(
    ("branch", "x", "message"),
    [
        (-1, 0.5, "branch number"),
        (0.5, 0.5, "branch number"),
        (0, 1.5, "between 0 and 1"),
        (0, "a", "between 0 and 1"),
    ],
)
def test_wrong_positions(branch, x, message: str):
    with pytest.raises(RegionError, match=message):
        at(branch, x)


def test_a_branch_that_does_not_exist():
    with pytest.raises(RegionError, match="no branch 2; this morphology has 2 branches, 0 to 1"):
        at(2, 0.5).resolve(cut(ball_and_stick()))


def test_text():
    assert (
        str(center("soma")) == "center('soma')"
        and str(at(3, 0.5)) == "at(3, 0.5)"
        and str(root()) == "root()"
    )
    assert str(terminals("axon")) == "terminals('axon')" and str(every_cv()) == "every_cv('all')"
