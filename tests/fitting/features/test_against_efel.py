"""Every feature against eFEL itself: on all shared recordings, and on traces made here, where these are absent.

eFEL is a black box here. Where the values differ on purpose, `EXPLAINED` says where and why.
"""

import warnings
from pathlib import Path

import numpy as np
import pytest

from cajax.fitting import FEATURES, efeatures, read_recording

from .traces import trace

efel = pytest.importorskip("efel")
DATA = Path(__file__).resolve().parents[3] / "../shared/data"
FILES = {
    "ephys/*.npz": None,
    "recordings/nwb/*.nwb": "pynwb",
    "recordings/abf/File_axon_5.abf": "pyabf",
    "recordings/l5pc_idrest/*Ch3*.ibw": "igor2",
}
NAMES = tuple(FEATURES)

# eFEL pairs the n-th begin with the n-th peak. Where a spike has no begin (it never reaches 10 V/s, as noise across the
# threshold), every later pair is of two spikes, or the feature fails; here that spike is NaN and the others are right.
BEGINS = {
    *(
        "AP_begin_time",
        "AP_begin_voltage",
        "AP_duration",
        "AP_duration_half_width",
        "AP_rise_time",
        "AP_rise_rate",
    ),
    *("AP_peak_upstroke", "AP_amplitude", "AP1_amp", "APlast_amp", "mean_AP_amplitude", "fast_AHP"),
}
# Widths of spikes that do not fall to half between this peak and the next: infinite in eFEL.
WIDTHS = {"spike_half_width", "AP1_width"}
# Two peaks at one sample: ISIs of zero.
ZERO = {
    "inv_ISI_values",
    "inv_fifth_ISI",
    "ISI_log_slope",
    "ISI_semilog_slope",
    "AP_fall_time",
    "AP_fall_rate",
}
# A line through a single point has no slope; eFEL returns the one of least norm.
POINT = {"ISI_semilog_slope"}

# The electrode of this recording is noisy at the threshold of −20 mV in five sweeps, of which eFEL makes spikes.
EXPLAINED = {
    "99111002 ic__Step__6": BEGINS,
    "99111002 ic__Step__7": BEGINS | WIDTHS | POINT,
    "99111002 ic__Step__8": BEGINS | WIDTHS,
    "99111002 ic__Step__9": BEGINS,
    "99111002 ic__Step__10": BEGINS | ZERO,
    "File_axon_5 sweep 8": POINT,
}


def theirs(v, dt, on, off, amplitude, names=NAMES) -> dict:
    trace = {"T": np.arange(len(v)) * dt, "V": np.asarray(v, float), "stim_start": [on], "stim_end": [off]}
    efel.reset()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # eFEL warns of its own old names, and of features that are not there
        [found] = efel.get_feature_values(
            [trace | {"stimulus_current": [amplitude]}], list(names), raise_warnings=False
        )
    return found


def wrong(v, dt, on, off, amplitude, names=NAMES) -> dict[str, str]:
    """Return the features that differ from eFEL's by more than 1e-6 relative, with both values."""
    t, own, found = np.arange(len(v)) * dt, theirs(v, dt, on, off, amplitude, names), {}
    for name, ours in efeatures(v, t, names, on, off, amplitude=amplitude).items():
        ours, values = np.asarray(ours), own[name]
        expected = np.full(ours.shape, np.nan)
        if values is not None and len(values):
            if ours.ndim:
                expected[: len(values)] = values
            else:
                expected = np.asarray(values, float)[0]
        if not np.allclose(ours, expected, rtol=1e-6, atol=1e-12, equal_nan=True):
            found[name] = f"{np.ravel(ours)[:3]} for {np.ravel(expected)[:3]}"
    return found


@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data, which is not beside this checkout")
@pytest.mark.parametrize("pattern", FILES)
def test_features_are_those_of_efel_on_every_shared_sweep_with_a_step(pattern):
    if FILES[pattern]:
        pytest.importorskip(FILES[pattern])
    faults, count, explained = {}, 0, set()
    for path in sorted(DATA.glob(pattern)):
        for s in read_recording(path).sweeps:
            name = f"{path.stem} {s.name}"
            found = wrong(s.v, s.dt, s.on, s.off, s.amplitude or 0.1)
            explained |= {name} & set(EXPLAINED) if found else set()
            found = {k: x for k, x in found.items() if k not in EXPLAINED.get(name, set())}
            faults |= {name: found} if found else {}
            count += 1
    assert count and not faults, f"{len(faults)} of {count} sweeps: {list(faults.items())[:3]}"
    there = {k for k in EXPLAINED if k.split()[0] in {p.stem for p in DATA.glob(pattern)}}
    assert explained == there, "a difference that is explained no longer exists"


@pytest.mark.parametrize("count", [0, 1, 2, 4, 9, 20])
@pytest.mark.parametrize("dt", [0.025, 0.03, 0.25])
def test_features_are_those_of_efel_on_traces_made_here(count, dt):
    rng = np.random.default_rng(count)
    times = (
        102.0 + np.cumsum(rng.uniform(6.0, 9.0, count))
        if count > 9
        else np.sort(rng.uniform(105, 330, count))
    )
    v = np.asarray(
        trace(times, rng.uniform(110.0, 140.0, count), dt=dt, off=290.13, step=rng.uniform(-5.0, 15.0))
    )
    noise = rng.normal(0.0, 0.03, len(v)) * (count % 2)
    found = wrong(np.round((v + noise) * 64.0) / 64.0, dt, 100.02, 290.13, -0.2)
    assert not {k: x for k, x in found.items() if k not in (POINT if count in (2, 3, 4) else ())}


def test_windows_next_to_the_ends_of_a_trace():
    rng = np.random.default_rng(0)
    v = -70.0 + np.cumsum(rng.normal(0.0, 0.05, 3000))
    for on, off in ((0.0, 100.0), (0.3, 299.95), (20.0, 299.9), (33.3, 66.6), (20.1, 70.1), (299.0, 299.85)):
        found = wrong(v, 0.1, on, off, 0.3, [name for name in NAMES if FEATURES[name].of == "voltage"])
        assert not found, (on, off, found)


def test_crossings_that_touch_the_threshold_are_paired_as_in_efel():
    rng, names = np.random.default_rng(1), ["peak_time", "peak_voltage", "min_AHP_values", "Spikecount"]
    for _ in range(60):
        v = rng.integers(-22, -17, 40).astype(float)
        own = theirs(v, 0.1, 1.0, 3.0, 0.1, names)
        ours = efeatures(v, 0.1, names, 1.0, 3.0, most=32)
        for name in names:
            values = np.asarray(ours[name], float)
            values = values[np.isfinite(values)] if values.ndim else values[None]
            np.testing.assert_allclose(values, [] if own[name] is None else own[name], rtol=1e-9)


def test_spikes_before_the_stimulus_are_left_out_where_efel_pairs_wrongly():
    """eFEL has no half-width then, and takes the AHP of one spike and the begin of another; the rest is equal."""
    v = np.asarray(trace(np.array([50.0, 80.0, 130.0, 170.0, 220.0])))
    found = wrong(v, 0.05, 100.0, 300.0, 0.1)
    assert set(found) <= {"AP_duration_half_width", "fast_AHP", "spike_half_width", "AP1_width"}
    ours = efeatures(v, 0.05, ["AP_begin_time", "fast_AHP", "AP_duration_half_width"], 100.0, 300.0)
    assert {k: int(np.isfinite(x).sum()) for k, x in ours.items()} == {
        "AP_begin_time": 3,
        "fast_AHP": 2,
        "AP_duration_half_width": 3,
    }


@pytest.mark.parametrize(
    ("plateaus", "blocked"),
    [
        ([(150, 200, -40)], 0),
        ([(150, 200.1, -40)], 1),
        ([(0, 5, -40), (150, 230, -40)], 0),
        ([(340, 400.1, -40)], 0),
        ([(130, 180.1, -80)], 1),
        ([(130, 180, -80)], 0),
        ([(260, 350, -80)], 0),
        ([(240, 350, -80)], 1),
    ],
)
def test_blocks(plateaus, blocked):
    v = np.array(trace(np.array([120.0]), dt=0.1, end=400.1))
    t = np.arange(len(v)) * 0.1
    for start, stop, height in plateaus:
        v[(t >= start - 1e-6) & (t < stop - 1e-6)] = height
    own = theirs(v, 0.1, 100.0, 300.0, 0.1)["depol_block_bool"]
    assert (
        own == [blocked] == [float(efeatures(v, 0.1, "depol_block_bool", 100.0, 300.0)["depol_block_bool"])]
    )
