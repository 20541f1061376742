"""Stimuli are recognised from the command alone: with noise, holding currents, test pulses, filters, quantisation."""

import numpy as np
import pytest

from cajax.fitting.recordings.stimulus import stimulus_of, stimulus_within

DT = 0.1
N = 10_000


def step(amplitude=0.2, on=200.0, off=700.0, holding=0.0, n=N, dt=DT):
    t = np.arange(n) * dt
    return holding + amplitude * ((t >= on - 1e-9) & (t < off - 1e-9))


def white(std, seed=0, n=N):
    return std * np.random.default_rng(seed).standard_normal(n)


def ou(std, tau, seed=0, n=N, dt=DT):
    x, a = np.zeros(n), np.exp(-dt / tau)
    z = white(std * np.sqrt(1 - a * a), seed, n)
    for k in range(1, n):
        x[k] = a * x[k - 1] + z[k]
    return x


def test_a_clean_step_is_exact():
    found = stimulus_of(step(), DT)
    assert found == ("step", 200.0, 700.0, pytest.approx(0.2, abs=1e-15), 0.0, "")


@pytest.mark.parametrize("amplitude", [0.2, -0.2, 0.01])
@pytest.mark.parametrize("holding", [0.0, -0.05, 0.3])
@pytest.mark.parametrize("noise", [0.0, 0.001])
def test_steps_with_holding_and_noise(amplitude, holding, noise):
    found = stimulus_of(step(amplitude, holding=holding) + white(noise), DT)
    assert found.kind == "step"
    assert (found.on, found.off) == (200.0, 700.0)
    assert abs(found.amplitude - amplitude) < 1e-4 and abs(found.holding - holding) < 1e-4


def test_noise_is_averaged_out_below_the_steps_of_the_converter():
    c = np.round((step(0.12, holding=-0.011) + white(0.005)) / 0.003) * 0.003
    found = stimulus_of(c, DT)
    assert found.kind == "step" and (found.on, found.off) == (200.0, 700.0)
    assert abs(found.amplitude - 0.12) < 3e-4 and abs(found.holding + 0.011) < 3e-4


def test_flicker_of_the_last_digit_is_no_stimulus_beside_a_step():
    flicker = 0.001 * (np.random.default_rng(0).random(N) < 0.2)
    found = stimulus_of(step(0.05) + flicker, DT)
    assert found.kind == "step" and (found.on, found.off) == (200.0, 700.0)


@pytest.mark.parametrize("noise", [0.0, 0.002])
@pytest.mark.parametrize("pulse", [-0.1, 0.3])
def test_a_test_pulse_before_the_step_is_not_the_step(noise, pulse):
    found = stimulus_of(step(0.08) + step(pulse, 20.0, 60.0) + white(noise), DT)
    assert (found.kind, found.on, found.off) == ("step", 200.0, 700.0)
    assert abs(found.amplitude - 0.08) < 3e-4
    assert "from 20 to 60 ms" in found.note


def test_single_samples_off_are_glitches():
    c = step(0.1) + white(0.001)
    c[[500, 4000, 9000]] += 0.2
    found = stimulus_of(c, DT)
    assert (found.kind, found.on, found.off, found.note) == ("step", 200.0, 700.0, "")


def test_a_filtered_step_begins_where_it_is_half_way():
    c, x = step(0.2), np.zeros(N)
    for k in range(1, N):
        x[k] = x[k - 1] + (c[k] - x[k - 1]) * 0.4  # a time constant of 0.2 ms
    found = stimulus_of(x, DT)
    assert found.kind == "step"
    assert abs(found.on - 200.0) <= 2 * DT and abs(found.off - 700.0) <= 2 * DT
    assert abs(found.amplitude - 0.2) < 1e-3


def test_a_step_that_does_not_return_ends_with_the_sweep():
    found = stimulus_of(step(off=2000.0), DT)
    assert (found.kind, found.on, found.off, found.holding) == ("step", 200.0, N * DT, 0.0)


def test_a_step_from_the_first_sample_is_held_at_the_level_after_it():
    found = stimulus_of(step(on=0.0, off=300.0), DT)
    assert (found.kind, found.on, found.off, found.holding) == ("step", 0.0, 300.0, 0.0)


def test_a_short_step_is_a_pulse_and_so_is_a_train():
    found = stimulus_of(step(1.0, 200.0, 202.0), DT)
    assert (found.kind, found.on, found.off) == ("pulse", 200.0, 202.0)
    train = sum(step(1.0, at, at + 2.0) for at in (100.0, 150.0, 200.0, 250.0))
    found = stimulus_of(train, DT)
    assert (found.kind, found.on, found.off, found.amplitude) == ("pulse", 100.0, 252.0, 1.0)


def test_of_two_pulses_the_larger_charge_counts():
    found = stimulus_of(step(1.0, 50.0, 51.0) + step(-0.01, 200.0, 800.0), DT)
    assert (found.kind, found.on, found.off) == ("step", 200.0, 800.0)
    assert found.amplitude == pytest.approx(-0.01)


@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_nothing_but_noise_is_none(noise):
    found = stimulus_of(-0.02 + white(noise), DT)
    assert found.kind == "none" and np.isnan(found.on) and np.isnan(found.off)
    assert found.amplitude == 0.0 and abs(found.holding + 0.02) < 2e-4


@pytest.mark.parametrize("noise", [0.0, 0.004])
@pytest.mark.parametrize("returns", [True, False])
def test_ramps(noise, returns):
    t = np.arange(N) * DT
    c = 0.5 * np.clip((t - 150.0) / 600.0, 0.0, 1.0)
    if returns:
        c[t >= 750.0] = 0.0
    found = stimulus_of(-0.03 + c + white(noise), DT)
    assert found.kind == "ramp"
    assert abs(found.on - 150.0) < 2.0 and abs(found.off - 750.0) < 2.0
    assert abs(found.amplitude - 0.5) < 5e-3 and abs(found.holding + 0.03) < 2e-3


def test_a_falling_ramp():
    t = np.arange(N) * DT
    found = stimulus_of(-0.2 * np.clip((t - 100.0) / 300.0, 0.0, 1.0), DT)
    assert found.kind == "ramp" and found.amplitude == pytest.approx(-0.2, abs=1e-6)
    assert (found.on, found.off) == (pytest.approx(100.0, abs=0.2), pytest.approx(400.0, abs=0.2))


WINDOW = (np.arange(N) >= 2000) & (np.arange(N) < 7000)
T = np.arange(N) * DT


@pytest.mark.parametrize(
    "wave",
    [
        ou(0.05, 3.0) * WINDOW,
        (0.1 + ou(0.05, 3.0)) * WINDOW,
        white(0.05) * WINDOW,
        0.1 * np.sin(2 * np.pi * T / 100.0) * WINDOW,
        0.1 * np.sin(2 * np.pi * (T - 200.0) ** 2 / 5e4) * WINDOW,
        0.1 * np.exp(-(((T - 450.0) / 60.0) ** 2)),
        np.repeat(white(0.1, n=100), 100) * WINDOW,
        ou(0.05, 3.0) * WINDOW + white(0.001, 1),
    ],
    ids=["ou", "ou on a step", "white", "sine", "chirp", "bump", "held noise", "ou with noise"],
)
def test_other_waveforms_are_noise(wave):
    found = stimulus_of(wave, DT)
    assert found.kind == "noise"
    assert 150.0 <= found.on < 400.0 and 550.0 < found.off <= 760.0


def test_a_staircase_of_many_levels_is_noise():
    found = stimulus_of(sum(step(0.1, 100.0 * k, 900.0) for k in range(1, 9)), DT)
    assert found.kind == "noise" and (found.on, found.off) == (100.0, 900.0)


@pytest.mark.parametrize("c", [[0.0, 0.0], [0.1], [0.0, 1.0, 0.0]], ids=["two", "one", "three"])
def test_very_short_commands_do_not_fail(c):
    assert stimulus_of(np.array(c), DT).kind in ("none", "pulse", "noise")


@pytest.mark.parametrize("noise", [0.0, 0.002])
def test_a_step_whose_time_is_known_is_measured_there(noise):
    c = step(0.08, holding=-0.02) + step(1.0, 20.0, 60.0) + white(noise)
    found = stimulus_within(c, DT, 200.0, 700.0)
    assert (found.kind, found.on, found.off) == ("step", 200.0, 700.0)
    assert abs(found.amplitude - 0.08) < 3e-4 and abs(found.holding + 0.02) < 3e-4


def test_a_known_time_without_a_current_is_a_step_of_zero():
    found = stimulus_within(np.full(N, -0.01), DT, 200.0, 700.0)
    assert found[:5] == ("step", 200.0, 700.0, 0.0, -0.01)
    assert stimulus_within(np.full(N, -0.01), DT, 200.0, 205.0).kind == "pulse"


def test_what_is_not_flat_within_a_known_time():
    ramp = 0.5 * np.clip((T - 200.0) / 500.0, 0.0, 1.0) * (T < 700.0)
    found = stimulus_within(ramp, DT, 200.0, 700.0)
    assert found.kind == "ramp" and found.amplitude == pytest.approx(0.5, rel=1e-3)
    assert stimulus_within(ou(0.05, 3.0) * WINDOW, DT, 200.0, 700.0).kind == "noise"


def test_random_steps_with_noise_holding_and_test_pulses():
    chance = np.random.default_rng(1)
    for _ in range(200):
        dt, n = chance.choice([0.02, 0.05, 0.1, 0.25]), int(chance.integers(3000, 12_000))
        t, length = np.arange(n) * dt, n * dt
        on = chance.uniform(0.1, 0.4) * length
        off = on + chance.uniform(max(15.0 / length, 0.1), 0.5) * length
        size, holding = chance.choice([-1, 1]) * 10 ** chance.uniform(-2, 0), 0.1 * chance.normal()
        c = holding + size * ((t >= on) & (t < off))
        c += (
            chance.integers(2) * 0.5 * size * ((t >= 0.01 * length) & (t < 0.01 * length + 0.05 * (off - on)))
        )
        noise = abs(size) / chance.choice([20.0, 50.0, 1e3])
        c += noise * chance.standard_normal(n)
        c = np.round(c / noise) * noise if chance.random() < 0.3 else c
        found = stimulus_of(c, dt)
        assert found.kind == "step"
        assert abs(found.on - on) <= 3 * dt and abs(found.off - off) <= 3 * dt
        assert found.amplitude == pytest.approx(size, rel=0.03)
