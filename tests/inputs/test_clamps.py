import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cajax as cx
from cajax.base.errors import ParameterError, ProtocolError, UnitError

from ..helpers import raises

times = st.floats(0.0, 3.0)


def drive(source, t, dt):
    return source.drive(jnp.asarray(t), jnp.asarray(dt), None)


@given(times, times, st.sampled_from([0.025, 0.1, 0.37]))
def test_clamp_injects_its_charge_exactly(delay, dur, dt):
    """Whatever the step: delay and duration need not be multiples of it."""
    clamp = cx.IClamp("soma", delay, dur, 0.7)
    starts = np.arange(round(7.0 / dt)) * dt
    charge = sum(float(drive(clamp, t, dt)[0]) * dt for t in starts)
    assert charge == pytest.approx(0.7 * dur, abs=1e-12)


def test_clamp_has_gradients_in_time():
    def charge(delay, dur):
        steps = jnp.arange(20) * 0.1
        return jax.vmap(lambda t: drive(cx.IClamp("soma", delay, dur, 2.0), t, 0.1)[0])(steps) * 0.1 @ steps

    by_delay, by_dur = jax.grad(charge, (0, 1))(0.33, 0.51)
    numeric = (charge(0.3301, 0.51) - charge(0.3299, 0.51)) / 2e-4
    assert by_delay == pytest.approx(float(numeric), rel=1e-6) and by_dur > 0


def test_waveform_is_interpolated_and_held():
    wave = cx.Current("soma", [0.0, 1.0, 3.0], 1.0)
    middle = [float(drive(wave, t, 0.5)[0]) for t in (0.0, 0.75, 1.25, 5.0)]
    assert middle == pytest.approx([0.25, 1.0, 2.0, 3.0])
    several = cx.Current("soma", np.ones((4, 3)), "0.5 ms")
    assert drive(several, 0.0, 0.1)[0].shape == (3,) and float(several.dt) == 0.5
    assert float(drive(cx.Current("soma", [2.0], 1.0), 0.0, 0.1)[0]) == 2.0


def test_voltage_clamp_is_a_conductance():
    i, g, e = drive(cx.VClamp("soma", "-0.02 V", rs="1 kohm"), 0.0, 0.1)
    assert i is None and float(g) == pytest.approx(1e3) and float(e) == pytest.approx(-20.0)
    _, _, e = drive(cx.VClamp("soma", [-70.0, -50.0], dt=1.0), 0.25, 0.25)
    assert float(e) == pytest.approx(-60.0)


def test_numbers_are_strong_floats():
    for amp in (1, 0.5, "500 pA", np.float32(1), jnp.asarray(0.3), jnp.arange(3)):
        x = cx.IClamp("soma", 0, 1, amp).amp
        assert jnp.issubdtype(x.dtype, jnp.floating) and not x.weak_type


MISTAKES = {
    "negative duration": (
        lambda: cx.IClamp("soma", 1.0, -1.0, 0.1),
        ParameterError,
        ("dur = -1", "negative"),
    ),
    "unit": (lambda: cx.IClamp("soma", 1.0, 1.0, "3 mV"), UnitError, ("amp", "nA")),
    "nan": (lambda: cx.IClamp("soma", 1.0, 1.0, np.nan), ParameterError, ("amp", "finite")),
    "text": (lambda: cx.IClamp("soma", "soon", 1.0, 0.1), UnitError, ("delay", "1 ms")),
    "object": (lambda: cx.IClamp("soma", 1.0, 1.0, [None, 3]), ParameterError, ("amp",)),
    "rs": (lambda: cx.VClamp("soma", -40.0, rs=0.0), ParameterError, ("rs = 0", "positive")),
    "v": (lambda: cx.VClamp("soma", "1 nA"), UnitError, ("mV",)),
    "no samples": (lambda: cx.Current("soma", [], 0.1), ParameterError, ("sample",)),
    "one number": (lambda: cx.Current("soma", 1.0, 0.1), ParameterError, ("sample",)),
    "dt": (lambda: cx.Current("soma", [1.0], 0.0), ParameterError, ("dt", "positive")),
    "clamp dt": (lambda: cx.VClamp("soma", [1.0], -1.0), ParameterError, ("dt", "positive")),
    "late": (lambda: cx.IClamp("soma", 5.0, 1.0, 0.1).check(0.0, 5.0), ProtocolError, ("5 ms", "ends at 5")),
    "early": (
        lambda: cx.IClamp("soma", -5.0, 1.0, 0.1).check(0.0, 5.0),
        ProtocolError,
        ("-4 ms", "starts at 0"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake):
    function, kind, parts = MISTAKES[mistake]
    raises(function, *parts, kind=kind)
