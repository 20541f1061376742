"""Mean and deviation of features over repeats, and their floors."""

import numpy as np
import pytest

from cajax.base.errors import ParameterError
from cajax.fitting import measure
from cajax.fitting.recordings import Sweep
from tests.helpers import raises

from .traces import trace

NAMES = ("Spikecount", "AP_amplitude", "voltage_base", "inv_fifth_ISI", "time_to_first_spike")


def sweep(times, amplitude=0.2, on=100.0, **more):
    v = np.asarray(trace(np.asarray(times)))
    i = np.where((np.arange(len(v)) * 0.05 >= on) & (np.arange(len(v)) * 0.05 < 300.0), amplitude, 0.0)
    return Sweep(
        v=v, i=i, dt=0.05, **{"on": on, "off": 300.0, "amplitude": amplitude, "kind": "step", **more}
    )


@pytest.fixture(scope="module")
def measured():
    return measure([sweep([120.0, 170.0, 230.0]), sweep([124.0, 176.0])], NAMES)


def test_mean_and_deviation_over_repeats(measured):
    assert list(measured) == [
        name for name in NAMES if name != "inv_fifth_ISI"
    ]  # no sweep has five intervals
    np.testing.assert_allclose(
        [measured[name][0] for name in ("Spikecount", "time_to_first_spike")], [2.5, 22.4], atol=0.1
    )
    assert measured["Spikecount"][1] == pytest.approx(np.sqrt(0.5), rel=1e-6)


def test_deviations_have_a_floor(measured):
    assert [measured[name][1] for name in ("AP_amplitude", "voltage_base", "time_to_first_spike")] == [
        2.0,
        2.0,
        5.0,
    ]
    single = measure(sweep([120.0]), NAMES, least={"AP_amplitude": 3.0})
    assert [single[name][1] for name in ("Spikecount", "AP_amplitude", "time_to_first_spike")] == [
        0.5,
        3.0,
        5.0,
    ]


def test_a_feature_that_some_repeats_lack_is_that_of_the_others():
    found = measure([sweep([120.0]), sweep([120.0, 150.0])], ["inv_first_ISI"])
    assert found["inv_first_ISI"][0] == pytest.approx(1000.0 / 30.0, rel=0.01)


def test_mistakes():
    first = sweep([120.0, 150.0])
    raises(lambda: measure([], NAMES), "no sweeps", kind=ParameterError)
    raises(
        lambda: measure([first, sweep([120.0], amplitude=0.3)], NAMES), "is no repeat of", kind=ParameterError
    )
    raises(lambda: measure([first, sweep([120.0], on=110.0)], NAMES), "is no repeat of", kind=ParameterError)
    raises(lambda: measure(sweep([120.0], mode="voltage"), NAMES), "current clamp", kind=ParameterError)
    raises(lambda: measure(sweep([], on=np.nan, off=np.nan), NAMES), "stimulus", kind=ParameterError)
    raises(lambda: measure([np.zeros(5)], NAMES), "sweeps", kind=ParameterError)
    raises(lambda: measure(sweep([120.0, 150.0, 190.0]), NAMES, most=2), "larger most=", kind=ParameterError)
    raises(lambda: measure(first, ["AP_amp"]), "AP1_amp")
