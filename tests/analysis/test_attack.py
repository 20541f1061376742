"""Attacks: exact on a linear network, where every step can be written down; on a biophysical one, that they work."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from cajax.analysis.attack import attack
from cajax.base.errors import ParameterError, UnknownNameError
from cajax.tasks.task import Batch

from ..helpers import raises
from ..tasks.tiny import Tiny, trained

TASK = Tiny(batch=4, t1=6.0, dt=0.2)
STAGE = TASK.stages()[0]
WEIGHTS = jnp.array([[3.0, 0.0], [0.0, 1.0]])


def linear(inputs: dict[str, Any]) -> Any:
    return inputs["light"] @ WEIGHTS


def trials(*light: list[float], labels: list[int]) -> Batch:
    return Batch({"light": np.array(light), "other": np.zeros(len(light))}, np.array(labels))


def test_steps_against_a_linear_network():
    """The gradient of logit 1 less logit 0 is (−3, 1): signs by `rate`, or a step of that direction and length."""
    batch = trials([0.5, 0.5], [0.1, 0.95], labels=[0, 1])
    found = attack(TASK, linear, batch, STAGE, steps=2, rate=0.1)
    np.testing.assert_allclose(found.inputs["light"], [[0.3, 0.7], [0.3, 0.75]], atol=1e-12)
    np.testing.assert_allclose(found.linf, [0.0, 0.1, 0.2], atol=1e-12)
    np.testing.assert_allclose(found.l2, np.array([0.0, 0.1, 0.2]) * np.sqrt(2.0), atol=1e-12)
    found = attack(TASK, linear, batch, STAGE, steps=1, rate=0.1, norm="l2")
    np.testing.assert_allclose(
        found.inputs["light"][0], np.array([0.5, 0.5]) + 0.1 * np.array([-3, 1]) / 10**0.5
    )
    assert found.l2[1] == pytest.approx(0.1) and set(found.inputs) == {"light", "other"}


def test_values_stay_between_0_and_1():
    found = attack(TASK, linear, trials([0.05, 0.98], labels=[0]), STAGE, steps=3, rate=0.2)
    np.testing.assert_array_equal(found.inputs["light"], [[0.0, 1.0]])


def test_accuracy_and_what_broke():
    """The first is right until 3x < y; the second is wrong from the start; the third cannot be reached in 4 steps."""
    batch = trials([0.3, 0.5], [0.1, 0.9], [1.0, 0.0], labels=[0, 0, 0])
    found = attack(TASK, linear, batch, STAGE, steps=4, rate=0.1)
    np.testing.assert_allclose(found.accuracy, [2 / 3, 2 / 3, 1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(found.broken["linf"], [0.2, 0.0, np.inf], atol=1e-12)
    np.testing.assert_allclose(found.surviving([0.0, 0.1, 0.25], "linf"), [2 / 3, 2 / 3, 1 / 3])
    raises(lambda: found.surviving([0.1], "l1"), "'l1'", kind=UnknownNameError)


def test_untargeted_goes_for_the_strongest_wrong_class():
    @dataclass(frozen=True)
    class Three(Tiny):
        classes = ("a", "b", "c")

    weights = jnp.array([[1.0, 0.0, 0.9], [0.0, 1.0, 0.0]])
    batch = trials([0.8, 0.1], labels=[0])
    found = attack(
        Three(), lambda x: x["light"] @ weights, batch, STAGE, steps=1, rate=0.1, targeted=False, norm="l2"
    )
    np.testing.assert_allclose(
        found.inputs["light"], [[0.7, 0.1]], atol=1e-9
    )  # c is next, and needs less of the first


def test_a_biophysical_network_is_fooled_through_its_own_gradient():
    _, model = trained(TASK)
    _, batch = TASK.checks()
    found = attack(TASK, model, batch, STAGE, steps=4, rate=0.1, chunk=3)
    assert found.accuracy.shape == found.l2.shape == (5,)
    assert found.accuracy[0] == 1.0 and found.accuracy[-1] <= 0.5
    light = np.asarray(found.inputs["light"])
    assert light.min() >= 0.0 and light.max() <= 1.0 and found.linf[-1] <= 0.4 + 1e-9


def test_mistakes():
    batch = trials([0.5, 0.5], labels=[0])

    @dataclass(frozen=True)
    class Closed(Tiny):
        attacked = ""

    @dataclass(frozen=True)
    class Odd(Tiny):
        attacked = "sound"

    raises(lambda: attack(Closed(), linear, batch, STAGE), "no input to attack", "light", kind=ParameterError)
    raises(lambda: attack(Odd(), linear, batch, STAGE), "'sound'", "'light'", kind=UnknownNameError)
    raises(lambda: attack(TASK, linear, batch, STAGE, norm="l1"), "'l1'", "'l2'", kind=UnknownNameError)
    raises(lambda: attack(TASK, linear, batch, STAGE, rate=0.0), "rate", kind=ParameterError)
