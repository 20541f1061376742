"""The contract of kinetics: kinds mix, names decide what a current must use, and misfits are reported in one line."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import cajax.mech as mech
from cajax.base.errors import ParameterError
from cajax.mech import Channel, Coupled, Gate, Instant, Kinetics, Scheme, Timer, advanced, initial_states

from ..helpers import raises

V = jnp.array([-70.0, -20.0])


def kinds() -> dict[str, Kinetics]:
    ones = jnp.ones(2)
    return {
        "m": Gate.rates(ones, ones),
        "na": Scheme.of({"C <-> O": (ones, 3.0)}),
        "left": Timer(0.0 * ones),
        "x": Instant(0.3 * ones),
        "block": Coupled({"a": ones, "b": 0.0 * ones}, lambda s: {"a": -s["a"], "b": s["a"]}),
    }


def test_gates_and_schemes_mix():
    kinetics = {"m": Gate.rates(jnp.ones(2), jnp.ones(2)), "na": Scheme.of({"C <-> O": (jnp.ones(2), 3.0)})}
    now = initial_states(kinetics)
    assert sorted(now) == ["C", "O", "m"]
    np.testing.assert_allclose(now["O"], 0.25)
    later = advanced(kinetics, {**now, "m": jnp.zeros(2)}, 0.1, 2)
    np.testing.assert_allclose(later["m"], 0.5 * (1.0 - np.exp(-0.2)), rtol=1e-12)
    np.testing.assert_allclose(later["C"], 0.75, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
def test_every_kind_keeps_the_contract(order):
    kinetics = kinds()
    now = initial_states(kinetics)
    assert list(now) == ["m", "C", "O", "left", "x", "a", "b"]
    assert list(now) == [n for own, kind in kinetics.items() for n in kind.names(own)]
    later = advanced(kinetics, now, 0.1, order)
    assert list(later) == list(now) and all(x.shape == (2,) for x in later.values())
    for own, kind in kinetics.items():
        alone = kind.advance(own, now, 0.1, order)
        assert set(alone) == set(kind.names(own)) and set(kind.needed(own)) <= set(alone)
        assert kind.scaled(1.0) is kind
        faster, twice = kind.scaled(2.0).advance(own, now, 0.05, order), kind.advance(own, now, 0.1, order)
        if own not in ("left",):  # time runs at one speed
            for name in alone:
                np.testing.assert_allclose(faster[name], twice[name], rtol=1e-12)
    assert mech.instant_states(kinetics).keys() == {"x"}


def test_kinetics_are_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Kinetics()  # pyright: ignore[reportAbstractUsage]


class OneState(Channel):
    """A channel with the kinetics that the test gives it."""

    def gates(self, v):
        return KINETICS(v)

    def current(self, v, x=0.0):
        return x + 0.0 * v


KINETICS: Any = None


class Slip(Kinetics):
    """Starts with one state and returns another."""

    def names(self, own):
        return (own,)

    def rest(self, own):
        return {own: jnp.zeros(3)}

    def advance(self, own, now, dt, order):
        return {"y": now[own]}

    def scaled(self, factor):
        return self


@pytest.mark.parametrize(
    ("kinetics", "parts"),
    [
        (lambda v: {"x": Slip()}, ("OneState.gates", "Slip", "names x", "has y")),
        (lambda v: {"x": 0.5}, ("does not return gates by name",)),
        (lambda v: {"y": Instant(v)}, ("gives gate 'y'", "does not take it")),
        (lambda v: {"x": Instant(v), "b": Coupled({"x": v}, lambda s: s)}, ("the state 'x' twice",)),
        (lambda v: {"b": Coupled({"x": v}, lambda s: {"z": s["x"]})}, ("Coupled", "'x'", "start and rates")),
    ],
)
def test_misfits_are_reported(kinetics, parts, monkeypatch):
    monkeypatch.setitem(globals(), "KINETICS", kinetics)
    raises(OneState().check, *parts, kind=ParameterError)


def test_a_state_that_no_current_needs_is_no_slip_in_a_block(monkeypatch):
    monkeypatch.setitem(globals(), "KINETICS", lambda v: {"b": Coupled({"x": v, "z": v}, lambda s: s)})
    OneState().check()
    assert OneState().outline().states == ("x", "z")
