"""The procedural pyramidal cell: reproducible, varied, and of realistic proportions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base.errors import MorphologyError
from cajax.morph import Morphology, PerBranch, discretize, pyramidal, terminals

SEEDS = range(8)


def tips(morph: Morphology, tag: str) -> int:
    leaf = np.setdiff1d(np.arange(len(morph.parent)), morph.parent)
    return sum(morph.tags[k] == tag for k in leaf)


def length(morph: Morphology, tag: str) -> float:
    return morph.lengths[np.array(morph.tags) == tag].sum()


def test_same_seed_same_cell():
    a, b = pyramidal(3), pyramidal(3)
    for field in ("xyz", "radius", "parent", "attach"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def test_different_seeds_differ():
    assert len({round(pyramidal(seed).areas.sum(), 6) for seed in SEEDS}) == len(SEEDS)


@given(seed=st.integers(0, 10**6), stems=st.integers(1, 6), more=st.integers(2, 40))
def test_number_of_stems_and_tips(seed: int, stems: int, more: int):
    morph = pyramidal(seed, tips=max(stems + more, 4), stems=stems)
    on_soma = [tag for tag, p in zip(morph.tags, morph.parent, strict=True) if p == 0]
    assert on_soma.count("basal") == stems
    assert on_soma.count("apical") == on_soma.count("axon") == 1
    assert tips(morph, "basal") + tips(morph, "apical") == max(stems + more, 4)
    cvs = discretize(morph, PerBranch(1), 100.0, 1.0)
    assert len(terminals("basal").resolve(cvs)) == tips(morph, "basal")


@given(seed=st.integers(0, 10**6))
def test_radii_follow_ralls_law(seed: int):
    morph = pyramidal(seed, tips=20, stems=3)
    first, last = morph.radius[morph.offsets[:-1]], morph.radius[morph.offsets[1:] - 1]
    children = np.bincount(morph.parent[1:], minlength=len(last))
    for k in np.flatnonzero(children == 2):
        share = (first[morph.parent == k] ** 1.5).sum() / last[k] ** 1.5
        assert 0.99 < share <= 1.15**1.5  # the children's base is a little wider than their end
    assert (first[1:] >= last[1:]).all()


def test_proportions():
    cells = [pyramidal(seed) for seed in SEEDS]
    total = np.array([length(m, "basal") + length(m, "apical") for m in cells])
    basal = np.array([length(m, "basal") for m in cells])
    assert (total > 5_000).all() and (total < 20_000).all()
    assert 0.3 < (basal / total).mean() < 0.6
    assert all(14.0 <= m.lengths[0] <= 20.0 for m in cells)


def test_scale_and_axon():
    assert "axon" not in pyramidal(0, axon=False).tags
    assert length(pyramidal(0, scale=2.0), "basal") == pytest.approx(
        2 * length(pyramidal(0), "basal"), rel=0.02
    )


def test_small_cells_are_small():
    assert len(pyramidal(0, tips=6, stems=2).parent) < 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed = -1"),
        ({"seed": 0.5}, "seed = 0.5 must be a whole number"),
        ({"seed": 0, "tips": 3}, "tips = 3 must be a whole number of at least 4"),
        ({"seed": 0, "stems": 0}, "stems = 0"),
        ({"seed": 0, "tips": 5, "stems": 4}, "tips = 5 is too few for 4 basal stems; give at least 6"),
        ({"seed": 0, "scale": 0.0}, "scale = 0 must be positive"),
        ({"seed": 0, "scale": [1.0]}, "scale must be"),
        ({"seed": 0, "scale": None}, "scale must be a number, not None"),
        ({"seed": 0, "scale": 10**400}, "scale must be a number"),
        ({"seed": 0, "tips": 10**9}, r"pyramidal\(tips\) would take 2,000,000,000 branches, at most 500,000"),
        ({"seed": 0, "tips": 10**400}, "tips = a whole number above 1e30"),
        ({"seed": 0, "scale": 1e12}, r"pyramidal\(tips, scale\) would take 875,000,000,000,140 points"),
    ],
)
def test_wrong_arguments(arguments: dict, message: str):
    with pytest.raises(MorphologyError, match=message):
        pyramidal(**arguments)
