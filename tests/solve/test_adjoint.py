import inspect
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base.errors import ParameterError
from cajax.solve import Adjoint, Checkpointed, Direct, Nested, Schedule
from cajax.solve.loop import segments, stored


def test_contracts_are_abstract():
    for contract in (Adjoint, Schedule):
        with pytest.raises(TypeError, match="abstract"):
            contract()


def test_a_plan_is_static_and_says_what_it_stores():
    schedule = Checkpointed(memory=500.0).plan(10000, 1)
    assert schedule == Nested(2) and hash(schedule) == hash(Nested(2))
    assert schedule.segments(10000) == segments(10000, 2) and schedule.stored(10000) == stored(10000, 2)
    state = object()
    assert schedule.passed(state, 3) is state
    assert Direct().budget() is None and Checkpointed(7.0).budget() == 7.0


@given(st.integers(1, 10**6), st.integers(1, 10**9), st.integers(1, 10**12))
def test_less_memory_nests_deeper(n, state_bytes, memory):
    levels = Checkpointed(memory).levels(n, state_bytes)
    less = Checkpointed(memory / 2).levels(n, state_bytes)
    assert 1 <= levels <= 8 and stored(n, less) <= stored(n, levels)
    if stored(n, levels) * state_bytes > memory:
        assert stored(n, levels) == min(stored(n, k) for k in range(1, 9))
    elif levels > 1:
        assert stored(n, levels - 1) * state_bytes > memory


@given(st.integers(100, 10**6), st.integers(1, 10**6), st.integers(0, 10**6))
def test_recordings_count_but_do_not_nest_for_nothing(n, state_bytes, per_step):
    """With recordings the gradient keeps the budget too, or its states are small beside them."""
    records = n * per_step
    memory = n * state_bytes + 2 * records
    assert Checkpointed(memory).levels(n, state_bytes, records) == 1
    levels = Checkpointed(memory / 2).levels(n, state_bytes, records)
    states = stored(n, levels) * state_bytes
    assert states + 2 * records <= memory / 2 or states <= records / 2
    if per_step > 4 * state_bytes:
        assert Checkpointed(1.0).levels(n, state_bytes, records) == 1


def test_choices():
    assert Direct().plan(10**6, 10**6) == Nested(0) and Nested(0).stored(10) is None
    assert Checkpointed().levels(10, 10) == 1 and stored(10**4, Checkpointed(1).levels(10**4, 10**4)) < 40
    assert all(c == type(c)() for c in (Direct(), Checkpointed()))
    assert inspect.getdoc(Checkpointed)


def test_the_default_budget_is_a_quarter_of_what_is_free(monkeypatch):
    module = sys.modules[Checkpointed.__module__]  # in its package the name means the function
    monkeypatch.setattr(module, "free_memory", lambda: 4 * 10**9)
    assert Checkpointed().budget() == 10**9 and Checkpointed(5.0).budget() == 5.0
    assert [Checkpointed().levels(10**5, size) for size in (10**3, 10**4, 10**5, 10**7)] == [1, 1, 2, 4]
    monkeypatch.setattr(module, "free_memory", lambda: pytest.fail("asked for a small run"))
    assert Checkpointed().levels(1000, 1000) == 1


@pytest.mark.parametrize("memory", [0, -1, "1 GB", float("nan")])
def test_a_budget_is_a_number_of_bytes(memory):
    with pytest.raises(ParameterError, match="memory") as excinfo:
        Checkpointed(memory)
    assert "\n" not in str(excinfo.value)
