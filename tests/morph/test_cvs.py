"""Control volumes: nothing is lost by cutting, and a cone is cut as calculus says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base.errors import ParameterError
from cajax.morph import (
    Branch,
    CVs,
    DLambda,
    MaxLength,
    Morphology,
    PerBranch,
    ball_and_stick,
    cylinder,
    discretize,
    pyramidal,
)

POLICIES = st.one_of(
    st.integers(1, 9).map(PerBranch), st.floats(0.7, 40).map(MaxLength), st.floats(0.005, 1).map(DLambda)
)


def cut(morph: Morphology, policy) -> CVs:
    return discretize(morph, policy, 100.0, 1.0)


def integral(morph: Morphology) -> np.ndarray:
    """∫dx/(πr²) along each branch [B]."""
    branch, length, r0, r1 = morph.frusta
    return np.bincount(branch, length / (np.pi * r0 * r1), len(morph.parent))


@given(seed=st.integers(0, 10**6), policy=POLICIES)
def test_area_length_and_resistance_are_conserved(random_morph, seed: int, policy):
    morph = random_morph(seed)
    cvs = cut(morph, policy)
    size = len(morph.parent)
    np.testing.assert_allclose(np.bincount(cvs.branch, cvs.area, size), morph.areas)
    np.testing.assert_allclose(np.bincount(cvs.branch, cvs.length, size), morph.lengths)
    np.testing.assert_allclose(np.bincount(cvs.branch, cvs.resist_in + cvs.resist_out, size), integral(morph))
    np.testing.assert_allclose(cvs.radius, cvs.area / (2 * np.pi * cvs.length))
    assert (cvs.area > 0).all() and (cvs.resist_in > 0).all() and (cvs.resist_out > 0).all()


@given(seed=st.integers(0, 10**6), n=st.integers(1, 5))
def test_cutting_finer_refines(random_morph, seed: int, n: int):
    """Each CV of n per branch is the union of three of 3n per branch."""
    morph = random_morph(seed)
    coarse, fine = cut(morph, PerBranch(n)), cut(morph, PerBranch(3 * n))
    np.testing.assert_allclose(fine.area.reshape(-1, 3).sum(1), coarse.area)
    np.testing.assert_allclose(fine.xyz[1::3], coarse.xyz, atol=1e-9)
    np.testing.assert_allclose(fine.distance[1::3], coarse.distance, atol=1e-9)


def test_a_cylinder():
    cvs = cut(cylinder(100, 2), PerBranch(5))
    np.testing.assert_allclose(cvs.area, 2 * np.pi * 2 * 20)
    np.testing.assert_allclose(cvs.radius, 2)
    np.testing.assert_allclose(cvs.resist_in, 10 / (np.pi * 4))
    np.testing.assert_allclose(cvs.resist_out, 10 / (np.pi * 4))
    np.testing.assert_allclose(cvs.x, [0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(cvs.xyz[:, 0], [10, 30, 50, 70, 90])
    np.testing.assert_allclose(cvs.distance, [40, 20, 0, 20, 40])


def test_a_cone():
    """Area of a slice: π (r0 + r1) s; resistance of a half: dx / (π r0 r1)."""
    cone = Morphology.of([Branch(np.array([[0.0, 0, 0, 4], [60, 0, 0, 1]]))])
    cvs = cut(cone, PerBranch(3))
    np.testing.assert_allclose(cvs.area, np.pi * np.array([7, 5, 3]) * np.hypot(20, 1))
    np.testing.assert_allclose(cvs.resist_in, 10 / np.pi / np.array([4 * 3.5, 3 * 2.5, 2 * 1.5]))
    np.testing.assert_allclose(cvs.resist_out, 10 / np.pi / np.array([3.5 * 3, 2.5 * 2, 1.5 * 1]))


def test_the_point_of_a_cone_has_finite_resistance():
    cone = Morphology.of([Branch(np.array([[0.0, 0, 0, 4], [60, 0, 0, 0]]))])
    assert np.isfinite(cut(cone, PerBranch(2)).resist_out).all()


@given(seed=st.integers(0, 10**6), turn=st.integers(1, 4))
def test_more_points_on_a_line_change_nothing(seed: int, turn: int):
    rng = np.random.default_rng(seed)
    ends = np.column_stack([rng.normal(0, 50, (2, 3)), rng.uniform(0.5, 5, 2)])
    at = np.sort(np.concatenate([[0, 1], rng.random(turn)]))[:, None]
    a = cut(Morphology.of([Branch(ends)]), PerBranch(4))
    b = cut(Morphology.of([Branch((1 - at) * ends[0] + at * ends[1])]), PerBranch(4))
    for field in ("area", "resist_in", "resist_out", "length"):
        np.testing.assert_allclose(getattr(a, field), getattr(b, field), rtol=1e-9)
    np.testing.assert_allclose(a.xyz, b.xyz, atol=1e-9)


def test_distance_and_order_run_from_the_middle_of_the_soma():
    soma = Branch(np.array([[0.0, 0, 0, 5], [20, 0, 0, 5]]))
    rod = np.array([[0.0, 0, 0, 1], [0, 100, 0, 1]])
    morph = Morphology.of(
        [soma, Branch(rod, 0, 0.5, "basal"), Branch(rod, 0, 1.0, "axon"), Branch(rod, 1, 1.0, "basal"),
         Branch(rod, 1, 0.25, "basal"), Branch(rod, 2, 0.0, "axon")]
    )  # fmt: skip
    cvs = cut(morph, PerBranch(1))
    np.testing.assert_allclose(cvs.distance, [0, 50, 60, 150, 75, 60])
    assert cvs.order.tolist() == [0, 1, 1, 2, 2, 2]
    assert cvs.tag.tolist() == ["soma", "basal", "axon", "basal", "basal", "axon"]


def test_table_shapes_and_frozen_arrays():
    cvs = cut(pyramidal(1), MaxLength(30))
    assert cvs.xyz.shape == (len(cvs), 3)
    assert cvs.offsets[-1] == len(cvs)
    assert (np.diff(cvs.branch) >= 0).all()
    assert f"{len(cvs)} CVs" in repr(cvs)
    with pytest.raises(ValueError, match="read-only"):
        cvs.area[0] = 1.0


@given(n=st.integers(1, 20), x=st.floats(0, 1))
def test_containing_is_neurons_rule(n: int, x: float):
    cvs = cut(ball_and_stick(), PerBranch(n))
    assert cvs.containing(1, x) == n + min(int(x * n), n - 1)


class _Odd:
    def __init__(self, counts):
        self.answer = counts

    def counts(self, morph, ra, cm):
        return self.answer


@pytest.mark.parametrize(
    ("policy", "ra", "cm", "message"),
    [
        (PerBranch(1), [1.0, 2.0, 3.0], 1.0, r"ra has shape \(3,\); give one value or one per branch \(2\)"),
        (PerBranch(1), 100.0, 0.0, "cm must be positive"),
        (PerBranch(1), -100.0, 1.0, "ra must be positive"),
        (_Odd([1]), 100.0, 1.0, "at least 1 CV for each of 2 branches"),
        (_Odd([1, 0]), 100.0, 1.0, "at least 1 CV for each of 2 branches"),
        (_Odd([1, 1.5]), 100.0, 1.0, "at least 1 CV for each of 2 branches"),
    ],
)
def test_wrong_arguments(policy, ra, cm, message: str):
    with pytest.raises(ParameterError, match=message):
        discretize(ball_and_stick(), policy, ra, cm)


@pytest.mark.parametrize("radius", [1e-2, 1e-4, 1e-8])
def test_thin_cylinders_are_exact(radius: float):
    cvs = discretize(cylinder(10.0, radius), PerBranch(2), 100.0, 1.0)
    np.testing.assert_allclose(cvs.area, 2 * np.pi * radius * 5.0)
    np.testing.assert_allclose(cvs.resist_in, 2.5 / (np.pi * radius**2))


def test_a_thin_cone_is_exact():
    cone = Morphology.of([Branch(np.array([[0, 0, 0, 4e-4], [9.0, 0, 0, 1e-4]]))])
    cvs = discretize(cone, PerBranch(3), 100.0, 1.0)
    total = cvs.resist_in.sum() + cvs.resist_out.sum()
    np.testing.assert_allclose(total, 9.0 / (np.pi * 4e-4 * 1e-4))
