"""Writing a channel: what the base class gives, and what it says when something is missing."""

import copy
import pickle

import jax
import jax.numpy as jnp
import pytest

from cajax import mech
from cajax.base.errors import CajaxError, ParameterError, UnknownNameError
from cajax.mech import Q10, Channel, Gate, Na, Param, Synapse, param, vtrap


class Kd(Channel):
    """Delayed-rectifier potassium, as a user would write it."""

    g: Param = param(5e-3, "S/cm2")
    e: Param = param(-90.0, "mV")
    vt: Param = param(-60.0, "mV")

    def gates(self, v):
        a = 0.032 * vtrap(-(v - self.vt - 15.0), 5.0)
        b = 0.5 * jnp.exp(-(v - self.vt - 10.0) / 40.0)
        return {"n": Gate.rates(a, b)}

    def current(self, v, n):
        return self.g * n**4 * (v - self.e)


def test_a_channel_of_twelve_lines_equals_the_library():
    v = jnp.linspace(-100.0, 50.0, 31)
    mine, ours = Kd(g=0.01), mech.Kd(g=0.01)
    mine.check()
    for a, b in zip(jax.tree.leaves(mine.gates(v)), jax.tree.leaves(ours.gates(v)), strict=True):
        assert jnp.allclose(a, b, rtol=1e-13)
    n = ours.gates(v)["n"].inf
    assert jnp.allclose(mine.current(v, n), ours.current(v, n=n), rtol=1e-14)


def test_a_channel_is_a_pytree_of_its_parameters():
    kd = Kd(g=jnp.array(0.01))
    assert jax.tree.leaves(kd) == [0.01, -90.0, -60.0]
    assert kd.params() == {"g": 0.01, "e": -90.0, "vt": -60.0}
    grad = jax.grad(lambda kd: kd.current(0.0, 0.5))(Kd())
    assert grad.g == pytest.approx(0.5**4 * 90.0)
    assert jax.tree.structure(grad) == jax.tree.structure(Kd())
    for twin in (pickle.loads(pickle.dumps(kd)), copy.copy(kd), copy.deepcopy(kd)):
        assert twin.params() == kd.params()
    with pytest.raises(AttributeError):
        kd.g = 1.0  # frozen


def test_with_params_replaces_and_takes_anything_traced():
    kd, marker = Kd(), object()
    new = kd.with_params({"g": "10 mS/cm2", "e": marker})
    assert type(new) is Kd and new.g == pytest.approx(0.01) and new.e is marker and new.vt == -60.0
    assert kd.g == 5e-3
    assert kd.with_params({}).params() == kd.params()
    assert kd.with_params(kd.params()) == kd
    assert jax.jit(lambda g: kd.with_params({"g": g}).current(0.0, 1.0))(0.1) == pytest.approx(9.0)
    assert kd.with_params({"g": jnp.array(-1.0)}).g == -1.0  # arrays come from traced code: not checked
    with pytest.raises(UnknownNameError, match="no parameter 'gk' in Kd; did you mean 'g'"):
        kd.with_params({"gk": 1.0})
    with pytest.raises(ParameterError, match=r"Kd.g = -1 S/cm2 is below its lower bound 0"):
        kd.with_params({"g": -1.0})


def test_temperature():
    class Warm(Kd):
        q10 = Q10(3.0, at=20.0)

    assert Kd().temperature_factor(30.0) == 1.0
    assert Warm().temperature_factor(None) == 1.0
    assert Warm().temperature_factor(30.0) == pytest.approx(3.0)
    assert [s.name for s in Warm.specs()] == ["g", "e", "vt"]


def test_a_static_choice_is_no_parameter():
    import equinox as eqx

    class Power(Kd):
        n_gates: int = eqx.field(default=4, static=True)

        def current(self, v, n):
            return self.g * n**self.n_gates * (v - self.e)

    assert [s.name for s in Power.specs()] == ["g", "e", "vt"]
    assert Power(n_gates=2).with_params({"g": 1.0}).n_gates == 2


class _Missing(Kd):
    def current(self, v, m):
        return self.g * m * (v - self.e)


class _Unused(Kd):
    def current(self, v):
        return self.g * (v - self.e)


class _NotAGate(Kd):
    def gates(self, v):
        return {"n": v}


class _NoDict(Kd):
    def gates(self, v):
        return Gate(v, v)


class _Scalar(Kd):
    def current(self, v, n):
        return jnp.sum(n)


class _Gateless(Kd):
    def gates(self, v):
        return {}


class _Mute(Synapse):
    e: Param = param(0.0, "mV")

    def gates(self, v_pre):
        return {"s": Gate(v_pre, v_pre)}

    def release(self, r):
        return r

    def current(self, v, g):
        return g * (v - self.e)


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        (_Missing(), "_Missing.current takes gate 'm', but _Missing.gates gives n"),
        (_Unused(), "_Unused.gates gives gate 'n', but _Unused.current does not take it"),
        (_Gateless(), "_Gateless.current takes gate 'n', but _Gateless.gates gives no gate"),
        (_NotAGate(), "_NotAGate.gates does not return gates by name; return a dict such as"),
        (_NoDict(), "_NoDict.gates does not return gates by name; return a dict such as"),
        (_Scalar(), "_Scalar.current has shape () at a voltage of shape (3,)"),
        (_Mute(), "_Mute.release takes gate 'r', but _Mute.gates gives s"),
    ],
)
def test_check_names_the_gate_that_does_not_fit(mechanism, message):
    with pytest.raises(ParameterError) as caught:
        mechanism.check()
    assert str(caught.value).startswith(message)


def test_check_works_with_values_that_are_not_numbers_yet():
    Na(g=object()).check()


def test_a_channel_without_a_current_says_so():
    class Empty(Channel):
        g: Param = param(1.0, "S/cm2")

    with pytest.raises(CajaxError, match="Empty has no current; define it in a subclass"):
        Empty()
    with pytest.raises(CajaxError, match="Synapse has no current and no gates and no release"):
        Synapse()


def test_keyword_gates_are_accepted():
    class Any(Kd):
        def current(self, v, **gates):
            return self.g * gates["n"] ** 4 * (v - self.e)

    Any().check()
