"""A number that asks for everything is refused in one line with the count and the cure."""

import pytest

from cajax.base.errors import ParameterError, ProtocolError
from cajax.base.limits import affordable


@pytest.mark.parametrize("count", [0, 7, 1e6, 1_000_000])
def test_what_is_affordable_passes(count):
    affordable("PerBranch(7)", count, "CVs", 10**6, "give less")


@pytest.mark.parametrize(
    ("count", "shown"),
    [(1_000_001, "1,000,001"), (1e30, "1e+30"), (10**400, "over 1e308"), (float("inf"), "inf"), (float("nan"), "nan")],
)  # fmt: skip
def test_what_is_not_names_the_count_and_the_cure(count, shown: str):
    with pytest.raises(ParameterError) as error:
        affordable("simulate(t1)", count, "steps", 10**6, "choose a larger dt")
    assert str(error.value) == (
        f"simulate(t1) would take {shown} steps, at most 1,000,000 are possible; choose a larger dt"
    )


def test_the_kind_of_error_may_be_chosen():
    with pytest.raises(ProtocolError):
        affordable("t1", 9, "steps", 8, "choose a smaller t1", ProtocolError)
