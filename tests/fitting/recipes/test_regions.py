"""Regions of a morphology, and the stub that stands for an axon."""

import numpy as np
import pytest

import cajax as cx
from cajax.fitting.recipes.regions import regions_of, with_stub
from cajax.morph import Branch


def tree(*branches: tuple[str, int]) -> cx.Morphology:
    """Branches of 10 µm, each with its tag and its parent."""
    points = np.array([[0.0, 0.0, 0.0, 2.0], [10.0, 0.0, 0.0, 1.0]])
    return cx.Morphology.of([Branch(points, parent, 1.0, tag) for tag, parent in branches])


MIXED = tree(
    ("soma", -1), ("axon", 0), ("apical", 0), ("axon", 1), ("basal", 0), ("custom5", 3), ("custom5", 2)
)


def test_every_branch_belongs_to_one_region():
    r = regions_of(MIXED)
    assert [list(x) for x in (r.soma, r.axon, r.basal, r.apical, r.other)] == [[0], [1, 3], [4], [2], [5, 6]]
    assert list(r.dendrites) == [2, 4, 5, 6] and r.notes == ()


def test_labels_agree_with_the_branches():
    r = regions_of(MIXED)
    cvs = r.cell().discretize(cx.PerBranch(2)).cvs
    for name, region in r.labels().items():
        assert sorted(set(cvs.branch[region.mask(cvs)])) == list(getattr(r, name)), name


@pytest.mark.parametrize("tag", ["axon", "basal", "custom5"])
def test_without_a_soma_the_root_is_taken_for_it(tag):
    r = regions_of(tree((tag, -1), ("axon", 0), ("apical", 0)))
    assert list(r.soma) == [0] and list(r.axon) == [1] and len(r.basal) == len(r.other) == 0
    assert "no soma" in r.notes[0]
    cvs = r.cell().discretize(cx.PerBranch(1)).cvs
    assert list(cvs.branch[r.labels()["soma"].mask(cvs)]) == [0]
    assert list(cvs.branch[r.labels()["axon"].mask(cvs)]) == [1]


def test_a_stub_replaces_the_axon_and_what_grows_on_it():
    stubbed = with_stub(MIXED)
    assert stubbed.tags == ("soma", "apical", "basal", "custom5", "axon", "axon")
    assert list(stubbed.parent) == [-1, 0, 0, 1, 0, 4]
    np.testing.assert_allclose(stubbed.lengths, [10.0, 10.0, 10.0, 10.0, 30.0, 30.0])
    np.testing.assert_allclose(stubbed.areas[4:], np.pi * 30.0)  # 1 µm thick
    assert list(stubbed.attach[4:]) == [0.5, 1.0]
    start = stubbed.xyz[stubbed.offsets[4]]
    np.testing.assert_allclose(start, [5.0, 0.0, 0.0])  # the middle of the soma


def test_a_root_is_kept_even_if_it_is_called_axon():
    assert with_stub(tree(("axon", -1), ("axon", 0))).tags == ("axon", "axon", "axon")


def test_a_stub_of_a_morphology_without_an_axon_changes_nothing_else():
    morph = cx.pyramidal(0, tips=8, stems=2, axon=False)
    stubbed = with_stub(morph)
    n = len(morph.tags)
    assert stubbed.tags[:n] == morph.tags and len(stubbed.tags) == n + 2
    np.testing.assert_array_equal(stubbed.xyz[: len(morph.xyz)], morph.xyz)
    np.testing.assert_array_equal(stubbed.parent[:n], morph.parent)
