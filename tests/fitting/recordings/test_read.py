"""Reading recordings: real files of every format, options, what is refused, and what a wrong path says."""

import os
import warnings

import numpy as np
import pytest

import cajax as cx
from cajax.fitting.recordings import RecordingError, read_recording
from tests.helpers import raises

T = np.arange(3000) * 0.1
I = 0.1 * ((T >= 50.0) & (T < 250.0))
V = -70.0 + 100.0 * I + np.random.default_rng(0).normal(0.0, 0.05, len(T))


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write an archive of arrays, by default of one good sweep, and return its path."""
    monkeypatch.chdir(tmp_path)

    def write(name="cell.npz", **arrays):
        np.savez(name, **({"v_mV": V, "i_nA": I, "dt_ms": 0.1} | arrays))
        return name

    return write


def test_names_are_no_markup(write):
    assert "[bold]cell.npz: 1 sweep" in repr(read_recording(write("[bold]cell.npz")))


def test_the_allen_sweeps(shared):
    for path in sorted((shared / "ephys").glob("*.npz")):
        recording = read_recording(path)
        (sweep,) = recording.sweeps
        with np.load(path) as file:
            assert np.array_equal(sweep.v, file["v_mV"].astype(float))
            assert np.allclose(sweep.i, file["i_uA"].astype(float) * 1e3, rtol=1e-12)
        assert (sweep.dt, sweep.on, sweep.off, sweep.kind, sweep.holding) == (
            0.02,
            205.0,
            1204.98,
            "step",
            0.0,
        )
        assert 0.1 < sweep.amplitude < 0.3 and sweep.amplitude == pytest.approx(sweep.i.max())
        assert not recording.report.approximated and not recording.report.refused


def test_igor_pairs_of_a_folder_of_either_file_and_named(shared):
    pytest.importorskip("igor2")
    folder = shared / "recordings" / "l5pc_idrest"
    recording = read_recording(folder, junction=14.0)
    assert [sweep.name for sweep in recording] == [f"B6_IDRest_{k}" for k in range(181, 186)]
    amplitudes = [sweep.amplitude for sweep in recording.steps()]
    assert np.allclose(amplitudes, [0.118, 0.177, 0.237, 0.296, 0.354], atol=1e-3)
    assert all((sweep.on, sweep.off, sweep.dt) == (700.25, 2700.25, 0.25) for sweep in recording)
    assert all(abs(sweep.holding + 0.0125) < 5e-4 for sweep in recording)
    v, i = folder / "B6_Ch3_IDRest_183.ibw", folder / "B6_Ch0_IDRest_183.ibw"
    for found in (
        read_recording(v),
        read_recording(i),
        read_recording(v, current=i),
        read_recording(i, current=v),
    ):
        (sweep,) = found.sweeps
        assert np.array_equal(sweep.i, recording[2].i)
        assert np.allclose(sweep.v - 14.0, recording[2].v) and recording[2].junction == 14.0
    (only,) = read_recording(folder, sweeps=["B6_IDRest_182"])
    assert np.array_equal(only.i, recording[1].i)


def test_an_nwb_file_equals_what_pynwb_reads(shared):
    pynwb = pytest.importorskip("pynwb")
    path = shared / "recordings" / "nwb" / "99111002.nwb"
    recording = read_recording(path)
    assert len(recording) == 16 and {sweep.kind for sweep in recording} == {"step"}
    assert np.allclose([s.amplitude for s in recording], np.arange(-2.0, 1.01, 0.2), atol=1e-6)
    assert [s.name for s in recording][:3] == ["ic__Step__1", "ic__Step__2", "ic__Step__3"]
    assert {(s.on, s.off, s.dt) for s in recording} == {(31.2, 431.2, 0.1)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pynwb.NWBHDF5IO(str(path), "r", load_namespaces=True) as io:
            nwb = io.read()
            series = nwb.acquisition["ic__Step__13"]
            stimulus = nwb.stimulus["ics__Step__13"]
            assert np.allclose(recording["ic__Step__13"].v, series.get_data_in_units() * 1e3, atol=1e-12)
            assert np.allclose(recording["ic__Step__13"].i, stimulus.get_data_in_units() * 1e9, atol=1e-12)


def test_axon_files_of_a_ramp_and_of_steps(shared):
    pytest.importorskip("pyabf")
    folder = shared / "recordings" / "abf"
    none, ramp = read_recording(folder / "17o05027_ic_ramp.abf").sweeps
    assert none.kind == "none" and ramp.kind == "ramp"
    assert (ramp.on, ramp.off) == (pytest.approx(15.6, abs=0.1), pytest.approx(980.6, abs=0.1))
    assert ramp.amplitude == pytest.approx(0.01) and ramp.dt == 0.05
    steps = read_recording(folder / "File_axon_5.abf")
    assert np.allclose([s.amplitude for s in steps], np.arange(-0.1, 0.31, 0.05))
    assert {(s.on, s.off, s.kind) for s in steps} == {(215.6, 715.6, "step")}
    assert any("step of 0" in line for line in steps.report.exact)


def test_an_axon_file_of_four_channels(shared):
    pyabf = pytest.importorskip("pyabf")
    path = shared / "recordings" / "abf" / "2018_12_15_0000.abf"
    raises(
        lambda: read_recording(path),
        "has 4 channels",
        "'IN 0', 'IN 1'",
        "channel='IN 0'",
        kind=RecordingError,
    )
    recording = read_recording(path, channel="IN 3")
    abf = pyabf.ABF(str(path))
    abf.setSweep(4, channel=3)
    assert np.allclose(recording[4].i, abf.sweepY * 1e-3) and np.allclose(recording[4].v, abf.sweepC)
    assert (recording[4].mode, recording[4].kind, recording[4].amplitude) == ("voltage", "step", -120.0)
    raises(lambda: read_recording(path, channel="IN 7"), "no channel 'IN 7'", "'IN 0'")


def test_a_table_is_printed(write):
    text = repr(read_recording(write()))
    assert "cell.npz: 1 sweep" in text and "step" in text and "50 ms" in text and "0.1 nA" in text


def test_corrections_of_the_whole_recording(write):
    plain = read_recording(write())[0]
    found = read_recording("cell.npz", junction="14 mV", bridge=5.0, holding=-0.05)
    (sweep,) = found.sweeps
    assert np.allclose(sweep.i, plain.i - 0.05)
    assert np.allclose(sweep.v, plain.v - 14.0 - 5.0 * sweep.i)
    assert (sweep.junction, sweep.bridge, sweep.holding) == (14.0, 5.0, pytest.approx(-0.05))
    assert sweep.amplitude == pytest.approx(0.1)
    assert any("14 mV" in line for line in found.report.exact)


def test_what_the_user_knows_of_the_stimulus(write):
    write(v_mV=np.stack([V, V]), i_nA=np.stack([I, 2 * I]))
    one, two = read_recording("cell.npz", on=60.0, amplitude=[0.5, 0.7], kind="pulse")
    assert (one.on, one.off, one.amplitude, one.kind) == (60.0, 250.0, 0.5, "pulse")
    assert (two.on, two.amplitude) == (60.0, 0.7)
    raises(lambda: read_recording("cell.npz", amplitude=[0.5]), "amplitude has 1 entries", "each of 2 sweeps")
    raises(lambda: read_recording("cell.npz", on=400.0, off=500.0), "does not fit 300 ms")
    raises(lambda: read_recording("cell.npz", kind="steps"), "must be one of 'step'")


def test_a_known_time_finds_the_step_beside_a_larger_pulse(write):
    pulse = 2.0 * ((T >= 10.0) & (T < 40.0))
    write(i_nA=pulse + I)
    assert read_recording("cell.npz")[0].on == 10.0
    found = read_recording("cell.npz", on=50.0, off=250.0)[0]
    assert (found.kind, found.amplitude, found.holding) == ("step", pytest.approx(0.1), 0.0)


def test_bad_sweeps_are_left_out_and_the_good_ones_kept(write):
    bad, cut = V.copy(), np.minimum(V + 100.0 * np.sin(T), 20.0)
    bad[100] = np.nan
    write(v_mV=np.stack([V, bad, V, cut]), i_nA=I)
    with pytest.warns(cx.base.errors.CajaxWarning, match="2 of 4 sweeps left out"):
        found = read_recording("cell.npz")
    assert [s.name for s in found] == ["sweep 0", "sweep 2"]
    assert len(found.report.refused) == 2
    assert "not finite in 1 of 3,000" in found.report.refused[0] and "clipped" in found.report.refused[1]
    with pytest.warns(UserWarning, match="1 of 4"):
        kept = read_recording("cell.npz", clipped="keep")
    assert [s.clipped for s in kept] == [False, False, True] and "clipped" in kept.report.approximated[0]
    raises(lambda: read_recording("cell.npz", strict=True), "not finite", "strict=True")


def test_no_sweep_left_is_an_error(write):
    raises(lambda: read_recording(write(v_mV=V * np.nan)), "no sweep of cell.npz can be used", "not finite")
    raises(lambda: read_recording(write(v_mV=V[:-1])), "v has 2,999 samples and i 3,000")
    raises(lambda: read_recording(write(v_mV=V[:0], i_nA=I[:0])), "is empty")


def test_units_that_are_missing_or_wrong(write):
    path = write(v_mV=V * 1e3)
    raises(lambda: read_recording(path), "reaches 7.0", "units={'v'")
    assert np.allclose(read_recording(path, units={"v": "uV"})[0].v, V)
    np.savez("plain.npz", v=V, i=I, dt_ms=0.1)
    raises(lambda: read_recording("plain.npz"), "'v' has no unit", "units={'v': 'mV'}", kind=RecordingError)
    found = read_recording("plain.npz", units={"v": "mV", "i": "nA"})
    assert np.array_equal(found[0].v, V)
    raises(lambda: read_recording("plain.npz", units={"v": "nA", "i": "nA"}), "'nA', which is no voltage")
    raises(lambda: read_recording("plain.npz", units={"v": "x"}), "the unit of 'v', 'x', is none")
    small = read_recording(write(v_mV=V * 1e-3))
    assert "never exceeds 0.07" in small.report.approximated[0]


def test_a_pause_among_steps_is_a_step_of_zero(write):
    write(v_mV=np.stack([V] * 4), i_nA=np.stack([I, 0 * I, 2 * I, 3.0 * ((T > 10.0) & (T < 13.0))]))
    kinds = [(s.kind, s.on, s.off, round(s.amplitude, 9)) for s in read_recording("cell.npz")]
    assert kinds[1] == kinds[3] == ("step", 50.0, 250.0, 0.0)
    assert read_recording("cell.npz", kind=["step", "none", "step", "pulse"])[1].kind == "none"


def test_repeats_and_kinds(write):
    write(v_mV=np.stack([V] * 4), i_nA=np.stack([I, 2 * I, I * 1.001, np.clip((T - 50) / 100, 0, 1)]))
    recording = read_recording("cell.npz")
    assert [[s.name for s in group] for group in recording.repeats()] == [
        ["sweep 0", "sweep 2"], ["sweep 1"], ["sweep 3"]
    ]  # fmt: skip
    assert [s.name for s in recording.of_kind("ramp")] == ["sweep 3"]
    assert [s.name for s in recording.steps()] == ["sweep 0", "sweep 2", "sweep 1"]
    assert recording[-1] is recording["sweep 3"] and len(recording) == 4
    raises(lambda: recording["sweep 9"], "no sweep 'sweep 9'", "did you mean")


def test_chosen_sweeps(write):
    write(v_mV=np.stack([V, V - 1.0, V - 2.0]), i_nA=I)
    assert [s.name for s in read_recording("cell.npz", sweeps=[2, "sweep 0"])] == ["sweep 2", "sweep 0"]
    assert [s.name for s in read_recording("cell.npz", sweeps=range(2))] == ["sweep 0", "sweep 1"]
    assert [s.name for s in read_recording("cell.npz", sweeps=-1)] == ["sweep 2"]
    raises(lambda: read_recording("cell.npz", sweeps=[3]), "has sweeps 0 to 2, not 3")
    raises(lambda: read_recording("cell.npz", sweeps=["sweep 3"]), "no sweep 'sweep 3'")
    raises(lambda: read_recording("cell.npz", sweeps=[1.5]), "names or numbers")


def test_wrong_paths(tmp_path, write):
    raises(lambda: read_recording(tmp_path / "no.npz"), "No such file")
    raises(lambda: read_recording(tmp_path / "cell.mat"), "suffix must be one of .nwb, .abf")
    raises(lambda: read_recording(3), "must be the path")
    raises(lambda: read_recording("a\0.npz"), "zero character")
    (tmp_path / "empty").mkdir()
    raises(lambda: read_recording(tmp_path / "empty"), "a folder without .ibw files")
    (tmp_path / "folder.npz").mkdir()
    raises(lambda: read_recording(tmp_path / "folder.npz"), "a folder without .ibw files")
    os.mkfifo(tmp_path / "pipe.nwb")
    raises(lambda: read_recording(tmp_path / "pipe.nwb"), "a device or a pipe")


@pytest.mark.parametrize("suffix", [".nwb", ".abf", ".ibw", ".csv", ".npz"])
@pytest.mark.parametrize("content", [b"", b"hello\n", bytes(10_000)], ids=["empty", "text", "zeros"])
def test_files_of_another_kind(suffix, content, tmp_path):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    raises(lambda: read_recording(path), str(path))


@pytest.mark.parametrize(
    ("suffix", "package"), [(".nwb", "pynwb"), (".abf", "pyabf"), (".ibw", "igor2.binarywave")]
)
def test_a_missing_library_names_the_extra(suffix, package, shared, monkeypatch):
    path = next(iter(sorted((shared / "recordings").rglob(f"*{suffix}"))))
    monkeypatch.setitem(__import__("sys").modules, package, None)
    raises(
        lambda: read_recording(path),
        f"needs the package {package.split('.')[0]}",
        "pip install 'cajax[data]'",
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "vc"}, "must be one of 'current', 'voltage'"),
        ({"units": "mV"}, "such as {'v': 'mV'}"),
        ({"dt": -1.0}, "must be positive"),
        ({"junction": "x"}, "junction = 'x'"),
        ({"bridge": None}, "bridge must be a number"),
        ({"clipped": "no"}, "must be 'refuse' or 'keep'"),
        ({"strict": 1}, "must be True or False"),
        ({"channel": 1.0}, "the name of a channel"),
        ({"current": "x.ibw"}, "current"),
    ],
)
def test_wrong_options(options, says, write):
    raises(lambda: read_recording(write(), **options), says)
