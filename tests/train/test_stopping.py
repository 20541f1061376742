import pytest

from cajax.base.errors import ParameterError
from cajax.train import History, plateau, reached


def history(losses, aux=()):
    return History(losses=list(losses), aux=list(aux))


def test_reached_looks_at_the_last_steps_only():
    enough = reached(accuracy=0.9, loss=0.5, over=2)
    assert enough(history([9.0, 0.4, 0.6], [0.0, 0.8, 1.0]))
    assert not enough(history([9.0, 0.4, 0.7], [0.0, 0.8, 1.0]))  # the loss is too high
    assert not enough(history([0.1, 0.1, 0.1], [1.0, 0.7, 1.0]))  # the accuracy too low
    assert not enough(history([0.1], [1.0]))  # too few steps to tell
    assert reached(loss=0.5, over=1)(history([0.4]))


def test_plateau_compares_two_stretches():
    enough = plateau(over=2, by=0.1)
    assert not enough(history([1.0, 1.0, 0.8, 0.8]))
    assert enough(history([1.0, 1.0, 0.95, 0.95]))
    assert enough(history([1.0, 1.0, 2.0, 2.0]))
    assert not enough(history([1.0, 1.0, 1.0]))
    assert not enough(history([-1.0, -1.0, -1.2, -1.2]))  # a loss may be negative


def test_equal_conditions_are_equal():
    assert reached(accuracy=0.9) == reached(accuracy=0.9) != reached(accuracy=0.8)
    assert hash(plateau()) == hash(plateau())


def test_senseless_goals_are_refused():
    with pytest.raises(ParameterError, match="no goal"):
        reached()
    with pytest.raises(ParameterError, match="at least one step"):
        reached(loss=1.0, over=0)
    with pytest.raises(ParameterError, match="at least one step"):
        plateau(over=0)
