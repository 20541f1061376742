"""Signals cut off by their converter are found; what rests, or peaks smoothly, is left alone."""

import numpy as np
import pytest

from cajax.fitting.recordings.clipping import clipped

FREE = (-np.inf, np.inf)
T = np.arange(5000) * 0.05
NOISE = np.random.default_rng(0).normal(0.0, 0.1, len(T))


def spikes(width=1.0, dt=0.05):
    t = np.arange(round(250.0 / dt)) * dt
    return sum(100.0 * np.exp(-0.5 * ((t - at) / width) ** 2) for at in (50.0, 120.0, 200.0)) - 70.0


def test_the_limits_of_the_converter_count():
    v = np.minimum(spikes() + NOISE, 10.0)
    assert "limit in" in clipped(v, (-500.0, 10.0))
    assert "limit in" in clipped(-v, (-10.0, 500.0))
    assert clipped(spikes() + NOISE, (-500.0, 500.0)) == ""
    one = spikes() + NOISE
    one[100] = 500.0  # one sample is an artefact
    assert clipped(one, (-500.0, 500.0)) == ""


@pytest.mark.parametrize("quantum", [0.0, 0.03, 0.3])
def test_cut_spikes_are_found_without_known_limits(quantum):
    v = spikes() + NOISE
    v = np.round(v / quantum) * quantum if quantum else v
    assert "largest value" in clipped(np.minimum(v, 10.0), FREE)
    assert "smallest value" in clipped(np.maximum(-v, -10.0), FREE)
    assert clipped(v, FREE) == ""


@pytest.mark.parametrize("quantum", [0.0, 0.03, 0.5])
@pytest.mark.parametrize("dt", [0.02, 0.1, 0.25])
def test_smooth_peaks_are_not_clipped(quantum, dt):
    v = spikes(dt=dt)
    assert clipped(np.round(v / quantum) * quantum if quantum else v, FREE) == ""


def test_rest_saturation_of_a_membrane_and_steps_are_not_clipped():
    t = np.arange(4000) * 0.1
    rest = -70.0 + 10.0 * (t > 100.0) * (1.0 - np.exp(-(t - 100.0).clip(0.0) / 5.0))
    assert clipped(rest, FREE) == ""
    assert clipped(rest[::-1], FREE) == ""
    assert clipped(0.1 * ((t > 100.0) & (t < 300.0)), FREE) == ""
    assert clipped(np.full(100, -65.0), FREE) == ""


def test_real_sweeps_are_not_clipped(shared):
    for path in sorted((shared / "ephys").glob("*.npz")):
        with np.load(path) as file:
            assert clipped(file["v_mV"].astype(float), FREE) == ""
            assert "largest" in clipped(np.minimum(file["v_mV"].astype(float), 20.0), FREE)
