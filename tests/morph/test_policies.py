"""How many CVs a branch gets."""

from typing import final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base.errors import ParameterError
from cajax.morph import Branch, DLambda, MaxLength, Morphology, PerBranch, cylinder, discretize


def counts(policy, length=100.0, radius=1.0, ra=100.0, cm=1.0):
    return int(policy.counts(cylinder(length, radius), ra, cm)[0])


def test_per_branch():
    assert counts(PerBranch(7)) == 7


@given(length=st.floats(0.1, 1e4), um=st.floats(0.5, 1e3))
def test_max_length_is_kept_with_as_few_as_possible(length: float, um: float):
    n = counts(MaxLength(um), length)
    assert length / n <= um * (1 + 1e-8)
    assert n == 1 or length / (n - 1) > um * (1 - 1e-8)


def test_max_length_of_multiples_and_text():
    assert counts(MaxLength(0.1), 0.7) == 7
    assert counts(MaxLength("0.02 mm"), 100) == 5


@given(length=st.floats(0.1, 5e3), radius=st.floats(0.05, 20), ra=st.floats(20, 400), cm=st.floats(0.3, 5))
def test_d_lambda_of_a_cylinder(length: float, radius: float, ra: float, cm: float):
    """Hines & Carnevale (2001): λ100 = 1e5 sqrt(d / (4π f Ra cm))."""
    n = counts(DLambda(0.1), length, radius, ra, cm)
    space = 1e5 * np.sqrt(2 * radius / (4 * np.pi * 100 * ra * cm))
    exact = (length / (0.1 * space) + 0.9) / 2
    assert n % 2 == 1
    assert n == int(exact * (1 + 1e-12)) * 2 + 1 or n == int(exact * (1 - 1e-12)) * 2 + 1


def test_d_lambda_takes_one_value_per_branch(random_morph):
    morph = random_morph(5)
    rng = np.random.default_rng(0)
    ra, cm = rng.uniform(50, 300, (2, len(morph.parent)))
    together = DLambda(0.02).counts(morph, ra, cm)
    alone = [DLambda(0.02).counts(morph, ra[k], cm[k])[k] for k in range(len(ra))]
    assert together.tolist() == alone


@pytest.mark.parametrize("wrong", [0, -3, 1.5, True, "2"])
def test_wrong_counts(wrong):
    with pytest.raises(ParameterError, match=r"PerBranch\(n\): n = .* must be a whole number of at least 1"):
        PerBranch(wrong)


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan"), float("inf"), None, True])
def test_wrong_lengths(wrong):
    with pytest.raises(ParameterError, match=r"MaxLength\(um\) needs a positive number"):
        MaxLength(wrong)
    with pytest.raises(ParameterError, match=r"DLambda\(fraction\) needs a positive number"):
        DLambda(wrong)
    with pytest.raises(ParameterError, match=r"DLambda\(frequency\) needs a positive number"):
        DLambda(0.1, wrong)


@final
class Everything:
    """A user's own policy."""

    def counts(self, morph: Morphology, ra, cm) -> np.ndarray:
        return np.full(len(morph.parent), np.iinfo(int).max)


HAIRS = Morphology.of([Branch(np.array([[0, 0, 0, 1e-6], [1e6, 0, 0, 1e-6]]))] * 2)


@pytest.mark.parametrize(
    ("policy", "count"),
    [
        (DLambda(), "50,13"),
        (DLambda(1e-300), "inf|e+"),
        (PerBranch(10**6), "2,000,000"),
        (MaxLength(1e-12), "2e+18"),
        (MaxLength(1e-320), "inf"),
        (Everything(), "1.8e+19"),
    ],
    ids=lambda x: str(x)[:20],
)
def test_too_many_cvs_are_refused_with_their_count(policy, count: str):
    with pytest.raises(
        ParameterError, match="at most 1,000,000 are possible; most of them lie in branch"
    ) as e:
        discretize(HAIRS, policy, 100.0, 1.0)
    assert any(c in str(e.value) for c in count.split("|")) and "\n" not in str(e.value)


@pytest.mark.parametrize("n", [10**9, 10**400])
def test_too_many_cvs_per_branch_are_refused_at_once(n: int):
    with pytest.raises(ParameterError, match=r"PerBranch\(n\) would take .* choose a smaller n"):
        PerBranch(n)
