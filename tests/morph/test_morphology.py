"""The shape of a neuron: measures in closed form, and every way of building a wrong one."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base.errors import MorphologyError
from cajax.morph import Branch, Morphology, cylinder
from cajax.morph.morphology import pruned

SOMA = Branch(np.array([[0.0, 0, 0, 5], [10, 0, 0, 5]]))
CONE = Branch(np.array([[10.0, 0, 0, 2], [14, 3, 0, 1], [14, 3, 0, 1], [14, 3, 12, 1]]), 0, 1.0, "basal")


def test_lengths_and_areas_in_closed_form():
    morph = Morphology.of([SOMA, CONE])
    np.testing.assert_allclose(morph.lengths, [10, 5 + 12])
    np.testing.assert_allclose(morph.areas, [2 * np.pi * 5 * 10, np.pi * 3 * np.hypot(5, 1) + 2 * np.pi * 12])
    assert "2 branches: 1 soma, 1 basal" in repr(morph)


def test_a_radius_may_jump():
    """A repeated point with another radius adds the ring between the two, as in NEURON."""
    jump = Branch(np.array([[0.0, 0, 0, 2], [5, 0, 0, 2], [5, 0, 0, 1], [9, 0, 0, 1]]))
    ring = np.pi * (2**2 - 1**2)
    np.testing.assert_allclose(Morphology.of([jump]).areas, [2 * np.pi * (2 * 5 + 1 * 4) + ring])


@given(seed=st.integers(0, 10**6), factor=st.floats(0.1, 10))
def test_scaling(random_morph, seed: int, factor: float):
    small = random_morph(seed)
    large = replace(small, xyz=small.xyz * factor, radius=small.radius * factor)
    np.testing.assert_allclose(large.lengths, small.lengths * factor)
    np.testing.assert_allclose(large.areas, small.areas * factor**2)


@given(seed=st.integers(0, 10**6))
def test_moving_and_turning_change_nothing(random_morph, seed: int):
    morph = random_morph(seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    moved = replace(morph, xyz=morph.xyz @ turn + 7.0)
    np.testing.assert_allclose(moved.lengths, morph.lengths)
    np.testing.assert_allclose(moved.areas, morph.areas)


def test_frozen_and_pickled():
    morph = Morphology.of([SOMA, CONE])
    with pytest.raises(ValueError, match="read-only"):
        morph.radius[0] = 1.0
    again = pickle.loads(pickle.dumps(morph))
    np.testing.assert_array_equal(again.areas, morph.areas)
    assert again.tags == morph.tags


def test_the_callers_arrays_stay_writeable():
    xyz = np.array([[0.0, 0, 0], [1, 0, 0]])
    Morphology(xyz, np.ones(2), np.array([0, 2]), np.array([-1]), np.ones(1), ("soma",))
    xyz[0] = 1.0


def test_pruned_moves_children_of_branches_without_length():
    point = Branch(np.array([[10.0, 0, 0, 1], [10, 0, 0, 1]]), 0, 0.5, "basal")
    kept = pruned([SOMA, point, CONE._replace(parent=1, attach=1.0), CONE._replace(parent=2)])
    assert [b.parent for b in kept] == [-1, 0, 1]
    assert [b.attach for b in kept] == [1.0, 0.5, 1.0]


def test_a_root_without_length_stays_and_joins_its_children():
    """As in NEURON, where it is 1e-9 µm long; far from the origin as long as doubles allow."""
    for far in (0.0, 290.0, 1e8):
        point = Branch(np.array([[far, far, far, 1]] * 3))
        child = CONE._replace(parent=0)
        morph = Morphology.of(pruned([point, child, child]))
        assert morph.parent.tolist() == [-1, 0, 0]
        assert 0 < morph.lengths[0] < 2e-7
    assert Morphology.of(pruned([Branch(np.ones((2, 4))), CONE])).lengths[0] == pytest.approx(1e-9)
    with pytest.raises(MorphologyError, match=r"branch 0 \('soma'\) has length 0"):  # it joins nothing
        Morphology.of(pruned([Branch(np.ones((2, 4)))]))


def _with(points: list, **changes) -> list[Branch]:
    return [Branch(np.array(points, float), **changes)]


@pytest.mark.parametrize(
    ("branches", "message"),
    [
        ([], "at least one branch"),
        (_with([[0, 0, 0, 1]]), "branch 0 has 1 points; a branch needs at least two"),
        (_with([[0, 0, 0, 1], [1, 0, 0, -2]]), "branch 0 has radius -2 µm at point 1; a radius must be positive"),
        (_with([[0, 0, 0, 0], [1, 0, 0, 1]]), "radius 0 µm at point 0"),
        ([SOMA._replace(points=SOMA.points * [1, 1, 1, 0])], "radius 0 µm"),
        (_with([[0, 0, 0, 1], [np.nan, 0, 0, 1]]), "not finite"),
        (_with([[0, 0, 0, 1], [1e200, 0, 0, 1]]), "beyond 1e\\+09 µm: .1e\\+200, 0.0, 0.0., radius 1"),
        (_with([[0, 0, 0, 1], [1, 0, 0, 1e30]]), "beyond 1e\\+09 µm"),
        (_with([[0, 0, 0, 1], [1, 0, 0, 1e-30]]), "radius 1e-30 µm at point 1; .* at least 1e-09"),
        (_with([[0, 0, 0], [1, 0, 0]]), "points of branch 0 have shape .2, 3., not .n, 4."),
        ([Branch("text")], "points of branch 0 must be an array of numbers, not 'text'"),
        ([Branch([[0, 0, 0, 1], [1, 0, 0]])], "points of branch 0 must be an array of numbers"),
        (_with([[1, 1, 1, 1], [1, 1, 1, 1]]), "branch 0 .'soma'. has length 0"),
        (_with([[0, 0, 0, 1], [1, 0, 0, 1]], parent=0), "branch 0 has parent 0; a parent comes before"),
        ([CONE._replace(parent=1), SOMA], "branch 0 has parent 1"),
        ([SOMA, CONE._replace(attach=1.5)], "branch 1 attaches at 1.5"),
        ([SOMA, CONE._replace(attach=np.nan)], "branch 1 attaches at nan"),
        (
            [SOMA, CONE._replace(points=CONE.points * [1, 1, 1, 0] + [0, 0, 0, 1] * (np.arange(4) < 3)[:, None]),
             CONE._replace(parent=1)],
            "branch 1 has radius 0 µm at point 3",
        ),
    ],
)  # fmt: skip
def test_wrong_geometry(branches: list[Branch], message: str):
    with pytest.raises(MorphologyError, match=message) as error:
        Morphology.of(branches)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"xyz": np.zeros((2, 2))}, "xyz has shape"),
        ({"tags": ("soma", "axon")}, "tags describes 2 branches, but parent describes 1"),
        ({"offsets": np.array([0, 3])}, "offsets run from 0 to 3, not from 0 to 2"),
        ({"parent": [0.5]}, "parent must be an array of whole numbers, not .0.5."),
        ({"parent": [1e30]}, "parent must be an array of whole numbers"),
        ({"parent": [np.nan]}, "parent must be an array of whole numbers"),
        ({"radius": "thin"}, "radius must be an array of numbers, not 'thin'"),
        ({"attach": [None]}, "attach must be an array of numbers"),
        ({"parent": np.zeros(0, int), "attach": np.zeros(0), "tags": ()}, "at least one branch"),
    ],
)
def test_arrays_that_do_not_fit(changes: dict, message: str):
    with pytest.raises(MorphologyError, match=message):
        replace(cylinder(10, 1), **changes)


def test_the_tip_of_a_cone_may_have_radius_zero():
    cone = Morphology.of(_with([[0, 0, 0, 3], [4, 0, 0, 0]]))
    np.testing.assert_allclose(cone.areas, [np.pi * 3 * 5])
