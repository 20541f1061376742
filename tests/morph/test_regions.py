"""Region algebra: the laws of sets, labels, measures, and every error."""

from functools import reduce
from operator import or_

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base.errors import RegionError, UnitError, UnknownNameError
from cajax.morph import (
    DEFAULT_LABELS,
    MaxLength,
    PerBranch,
    Region,
    as_region,
    at,
    ball_and_stick,
    branch_order,
    discretize,
    path_distance,
    pyramidal,
    radius,
    region,
    tag,
    volume,
)

CVS = discretize(pyramidal(1, tips=20, stems=3), MaxLength(25), 100.0, 1.0)
LABELS = {**DEFAULT_LABELS, "far": path_distance() > 150.0, "tuft": region("apical") & "far"}
LEAVES = st.one_of(
    st.sampled_from(["soma", "axon", "basal", "apical"]).map(tag),
    st.sampled_from(sorted(LABELS)).map(region),
    st.floats(0, 500).map(lambda d: path_distance() > d),
    st.floats(0, 3).map(lambda r: radius() <= r),
    st.integers(0, 6).map(lambda k: branch_order() >= k),
)
REGIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda ab: ab[0] & ab[1]),
        st.tuples(inner, inner).map(lambda ab: ab[0] | ab[1]),
        inner.map(lambda a: ~a),
    ),
    max_leaves=5,
)


def same(a: Region, b: Region) -> bool:
    return np.array_equal(a.mask(CVS, LABELS), b.mask(CVS, LABELS))


@given(a=REGIONS, b=REGIONS, c=REGIONS)
def test_laws_of_sets(a: Region, b: Region, c: Region):
    everything = region("all")
    assert same(~(a & b), ~a | ~b) and same(~(a | b), ~a & ~b)  # De Morgan
    assert same(a & b, b & a) and same(a | b, b | a)
    assert same(a & (b & c), (a & b) & c) and same(a | (b | c), (a | b) | c)
    assert same(a & (b | c), (a & b) | (a & c)) and same(a | (b & c), (a | b) & (a | c))
    assert same(a | (a & b), a) and same(~~a, a) and same(a & everything, a) and same(a | ~a, everything)
    assert a.mask(CVS, LABELS).shape == (len(CVS),)


@pytest.mark.parametrize("name", ["soma", "axon", "basal", "apical"])
def test_default_labels(name: str):
    np.testing.assert_array_equal(region(name).mask(CVS), CVS.tag == name)
    assert same(region(name), tag(name))


def test_all_is_everything():
    assert region("all").mask(CVS).all()


def test_names_on_either_side():
    far = path_distance() > 100.0
    assert same("apical" & far, far & "apical")
    assert same("apical" | far, far | "apical")
    assert same("apical" & far, tag("apical") & far)


@pytest.mark.parametrize(("branch", "x"), [(0, 0.5), (3, 0.0), (3, 1.0)])
def test_a_volume_is_where_at_finds_it(branch, x):
    (there,) = np.flatnonzero(volume(branch, x).mask(CVS))
    assert at(branch, x).resolve(CVS).tolist() == [there]
    assert (volume(branch, x) == volume(branch, x), str(volume(3, 0.5))) == (True, "volume(3, 0.5)")


@pytest.mark.parametrize(
    ("branch", "x", "says"),
    [(-1, 0.5, "a branch number of at least 0"), (True, 0.5, "a branch number"), (0, 1.5, "between 0 and 1")],
)
def test_a_volume_that_is_none(branch, x, says):
    with pytest.raises(RegionError, match=says):
        volume(branch, x)
    with pytest.raises(RegionError, match="no branch 99"):
        volume(99, 0.5).mask(CVS)


def test_measures():
    np.testing.assert_array_equal(path_distance().values(CVS), CVS.distance)
    np.testing.assert_array_equal(radius().values(CVS), CVS.radius)
    np.testing.assert_array_equal(branch_order().values(CVS), CVS.order.astype(float))
    assert same(path_distance() < "0.1 mm", path_distance() < 100.0)
    assert same(~(radius() < 1.0), radius() >= 1.0)
    assert same(150 < path_distance(), path_distance() > 150)  # noqa: SIM300


def test_labels_are_looked_up_when_used():
    tuft = region("tuft")
    np.testing.assert_array_equal(tuft.mask(CVS, LABELS), (CVS.tag == "apical") & (CVS.distance > 150))
    assert not tuft.mask(CVS, {"tuft": tag("axon") & tag("soma")}).any()
    assert tuft.mask(CVS, {"tuft": "soma"}).sum() == (CVS.tag == "soma").sum()


def test_text():
    assert str(tag("apical") & ~(path_distance() > 200)) == "(tag('apical') & ~(path_distance() > 200))"
    assert str("tuft" | (radius() <= 0.5)) == "('tuft' | (radius() <= 0.5))"


def test_values_are_hashable_and_equal():
    assert len({tag("soma"), tag("soma"), path_distance() > 3, path_distance() > 3.0}) == 2


def test_unknown_names():
    with pytest.raises(UnknownNameError, match=r"no region 'apcial'; did you mean 'apical'"):
        region("apcial").mask(CVS, LABELS)
    with pytest.raises(UnknownNameError, match=r"no tag 'bassal' in this morphology; did you mean 'basal'"):
        tag("bassal").mask(CVS)
    assert not tag("axon").mask(discretize(ball_and_stick(), PerBranch(1), 100.0, 1.0)).any()


def test_labels_that_need_themselves():
    labels = {"a": region("b") & "soma", "b": ~region("a")}
    with pytest.raises(RegionError, match="the label 'a' needs itself: a -> b -> a"):
        region("a").mask(CVS, labels)


def test_a_region_has_no_truth_value():
    with pytest.raises(RegionError, match=r"write a < d < b as \(a < d\) & \(d < b\)"):
        _ = 10 < path_distance() < 20


@pytest.mark.parametrize("wrong", [None, [1.0], True])
def test_wrong_bounds(wrong):
    with pytest.raises(RegionError, match=r"path_distance\(\) > .*: compare with a number in µm"):
        _ = path_distance() > wrong


def test_wrong_units_and_kinds():
    with pytest.raises(UnitError):
        _ = path_distance() > "3 mV"
    with pytest.raises(RegionError, match="a region is a label name or a region expression"):
        as_region(3)
    with pytest.raises(RegionError, match="a region is a label name or a region expression"):
        _ = tag("soma") & path_distance()


def test_a_region_of_thousands_joined_one_by_one_is_refused():
    many = reduce(or_, [tag("soma") & (path_distance() > float(k)) for k in range(100)])
    assert many.mask(CVS).tolist() == (tag("soma") & (path_distance() > 0.0)).mask(CVS).tolist()
    too_many = reduce(or_, [tag("soma")] * 100_000)
    with pytest.raises(RegionError, match="joins too many others one by one; give parts of it labels"):
        too_many.mask(CVS)
