"""What a parameter accepts, converts and refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cajax.base.errors import ParameterError, UnitError, UnknownNameError
from cajax.mech import Channel, Graded, Na, Param, ParamSpec, param


class Probe(Channel):
    g: Param = param("2 mS/cm2", "S/cm2")
    x: Param = param(0.5, "1", lo=0.0, hi=1.0)

    def current(self, v):
        return self.g * v


@given(st.floats(1e-6, 1e3))
def test_text_is_converted_to_the_unit_of_the_field(value):
    assert Probe(g=f"{value!r} mS/cm2").g == pytest.approx(value * 1e-3, rel=1e-12)
    assert Probe(g=f"{value!r} S/m2").g == pytest.approx(value * 1e-4, rel=1e-12)
    assert Na(e=f"-{value!r}mV").e == pytest.approx(-value, rel=1e-12)


def test_a_text_default_is_in_the_unit_of_the_field():
    assert Probe().g == pytest.approx(2e-3)
    assert Probe.specs()[0].default == pytest.approx(2e-3)


def test_numbers_arrays_tracers_and_foreign_objects_pass_unchanged():
    class Each:
        pass

    for x in (
        0.1,
        1,
        np.float32(0.1),
        np.array([0.1, 0.2]),
        jnp.ones(3),
        Each(),
        jax.ShapeDtypeStruct((3,), float),
    ):
        assert Probe(g=x).g is x
    assert jax.jit(lambda x: Probe(g=x).current(2.0))(-1.0) == -2.0  # a tracer's value is not known


def test_specs_name_unit_and_bounds_in_order():
    assert Probe.specs() == (ParamSpec("g", 2e-3, "S/cm2", 0.0, None), ParamSpec("x", 0.5, "1", 0.0, 1.0))
    assert {s.name: s.unit for s in Graded.specs()} == {
        "e": "mV",
        "k": "1/ms",
        "threshold": "mV",
        "slope": "mV",
    }


def test_conductances_start_at_zero_in_any_spelling():
    class Shunt(Channel):
        a: Param = param(1.0, "uS")
        b: Param = param(1.0, "S/cm^2")
        c: Param = param(1.0, "S/cm2", lo=-1.0)
        d: Param = param(1.0, "mV")

        def current(self, v):
            return v

    assert [s.lo for s in Shunt.specs()] == [0.0, 0.0, -1.0, None]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Na(g=-0.1), ParameterError, "Na.g = -0.1 S/cm2 is below its lower bound 0"),
        (
            lambda: Na(g=jnp.array([0.1, -0.2])),
            ParameterError,
            "Na.g = -0.2 S/cm2 is below its lower bound 0",
        ),
        (lambda: Probe(x=2), ParameterError, "Probe.x = 2 1 is above its upper bound 1"),
        (
            lambda: Na(g=np.array([0.1, np.nan])),
            ParameterError,
            "Na.g = NaN is not a number; give a value in S/cm2",
        ),
        (lambda: Na(e=float("nan")), ParameterError, "Na.e = NaN is not a number; give a value in mV"),
        (lambda: Na(g=None), ParameterError, "Na.g = None is not a number; give a number, an array or text"),
        (
            lambda: Na(g=[0.1, 0.2]),
            ParameterError,
            "Na.g = [0.1, 0.2] is not a number; give a number, an array",
        ),
        (lambda: Na(g=np.array(["a"])), ParameterError, "Na.g has dtype <U1; give real numbers in S/cm2"),
        (
            lambda: Na(g=jnp.array([1 + 1j])),
            ParameterError,
            "Na.g has dtype complex128; give real numbers in S/cm2",
        ),
        (lambda: Na(g="-1 mS/cm2"), ParameterError, "Na.g = -0.001 S/cm2 is below its lower bound 0"),
        (lambda: Na(g="80 mV"), UnitError, "Na.g = '80 mV': 'mV' is not a unit of the kind needed here"),
        (lambda: Na(g="lots"), UnitError, "Na.g = 'lots' is not a number with a unit"),
        (lambda: Na(gbar=1), UnknownNameError, "no parameter 'gbar' in Na; did you mean 'g'?"),
        (
            lambda: Graded(treshold=1),
            UnknownNameError,
            "no parameter 'treshold' in Graded; did you mean 'threshold'?",
        ),
        (lambda: Na(1, 2, 3, 4), ParameterError, "Na takes 3 values (g, e, vt), not 4"),
        (lambda: Graded(slope=0), ParameterError, "Graded.slope = 0 mV is below its lower bound 0.001"),
        (lambda: param(1.0, "S/furlong"), UnitError, "unknown unit 'S/furlong'"),
        (
            lambda: param("1 mV", "S/cm2"),
            UnitError,
            "default = '1 mV': 'mV' is not a unit of the kind needed here",
        ),
    ],
)
def test_mistakes_are_one_line_that_names_the_field(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_field_without_a_unit_is_refused_when_the_class_is_written():
    with pytest.raises(ParameterError, match=r"Bad.g has no unit; write 'g: Param = param\(0.1, \"mV\"\)'"):

        class Bad(Channel):
            g: float = 0.1

            def current(self, v):
                return self.g * v

    with pytest.raises(ParameterError, match=r"Worse.g has no type; write 'g: Param = param\(...\)'"):

        class Worse(Channel):
            g = param(0.1, "mV")

            def current(self, v):
                return self.g * v
