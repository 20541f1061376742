"""Axon files: versions 1 and 2, outputs and recorded commands, units, saturation, and headers that do not fit."""

import struct

import numpy as np
import pytest

from cajax.fitting.recordings import RecordingError, read_recording
from tests.helpers import raises

pytest.importorskip("pyabf")
from pyabf.abfWriter import writeABF1

N, RATE = 6400, 20_000
NOISE = np.random.default_rng(0).normal(-65.0, 2.0, (3, N))


def put(path, *fields):
    """Write numbers into a file: (format, offset, values …)."""
    content = bytearray(path.read_bytes())
    for form, at, *values in fields:
        struct.pack_into(form, content, at, *values)
    path.write_bytes(content)
    return path


@pytest.fixture
def one(tmp_path):
    """A version-1 file of three sweeps with a step of 50, 100, 150 pA from sample 100 + 1000 on, for 3000 samples."""
    path = tmp_path / "one.abf"
    writeABF1(NOISE, str(path), RATE, "mV")
    content = path.read_bytes()
    # The writer's header has four blocks, too few for the protocol: move the samples to block 16.
    path.write_bytes(content[:2048] + bytes(16 * 512 - 2048) + content[2048:])
    return put(
        path, ("<i", 40, 16), ("8s", 1346, b"pA      "), ("10s", 1306, b"Cmd 0     "),
        ("<2h", 2296, 1, 0), ("<2h", 2300, 1, 0), ("<3h", 2308, 1, 1, 1), ("<3f", 2348, 0.0, 50.0, 0.0),
        ("<3f", 2428, 0.0, 50.0, 0.0), ("<3i", 2508, 1000, 3000, 1000),
    )  # fmt: skip


def test_version_1_with_a_protocol(one):
    recording = read_recording(one)
    assert [sweep.name for sweep in recording] == ["sweep 0", "sweep 1", "sweep 2"]
    assert np.allclose([s.amplitude for s in recording], [0.05, 0.1, 0.15])
    assert {(s.on, s.off, s.dt, s.mode) for s in recording} == {(55.0, 205.0, 0.05, "current")}
    assert np.allclose(recording[1].v, NOISE[1], atol=0.01)
    assert "holding level of an ABF 1 file" in recording.report.approximated[0]


def test_a_command_without_a_unit_has_to_be_named(one):
    put(one, ("8s", 1346, bytes(8)))
    raises(lambda: read_recording(one), "'Cmd 0' has no unit", "units={'Cmd 0': 'nA'}", kind=RecordingError)
    assert read_recording(one, units={"Cmd 0": "pA"})[2].amplitude == pytest.approx(0.15)
    assert read_recording(one, units={"i": "pA"})[2].amplitude == pytest.approx(0.15)


def test_a_recording_without_a_unit_has_to_be_named(one):
    put(one, *(("8s", 602 + 8 * k, bytes(8)) for k in range(16)))
    raises(
        lambda: read_recording(one), "has no channel of voltage", "(no unit)", "units={'", kind=RecordingError
    )
    assert len(read_recording(one, units={"v": "mV"})) == 3


def test_voltage_clamp_by_the_unit_of_the_output(tmp_path, one):
    put(one, ("8s", 1346, b"mV      "), *(("8s", 602 + 8 * k, b"pA      ") for k in range(16)))
    recording = read_recording(one)
    assert {(s.mode, s.kind) for s in recording} == {("voltage", "step")}
    assert np.allclose([s.amplitude for s in recording], [50.0, 100.0, 150.0])


def test_a_constant_output_is_no_stimulus_and_may_be_replaced(one):
    put(one, ("<2h", 2296, 0, 0))
    assert {s.kind for s in read_recording(one)} == {"none"}
    i = np.zeros(N)
    i[2000:4000] = 0.3
    assert {round(s.amplitude, 9) for s in read_recording(one, current=i)} == {0.3}
    raises(lambda: read_recording(one, current=np.zeros((2, N))), "current has 2 rows")


def test_a_stimulus_from_another_file_is_not_looked_for(one):
    put(one, ("<2h", 2300, 2, 0), ("256s", 2736, b"/etc/passwd"))
    raises(lambda: read_recording(one), "came from another file", "current=[…]", kind=RecordingError)
    assert len(read_recording(one, current=np.zeros(N))) == 3


def test_a_recorded_current_is_the_command_where_the_output_rests(tmp_path):
    path = tmp_path / "two.abf"
    i = np.zeros((2, N // 2))
    i[0, 1000:2000], i[1, 1000:2000] = 20.0, 40.0
    both = np.stack([NOISE[:2, : N // 2], i], axis=-1).reshape(2, N)
    writeABF1(both, str(path), RATE, "mV")
    content = path.read_bytes()
    path.write_bytes(content[:2048] + bytes(16 * 512 - 2048) + content[2048:])
    put(
        path, ("<i", 40, 16), ("<h", 120, 2), ("<16h", 410, *range(16)), ("8s", 610, b"pA      "),
        ("10s", 442, b"Vm        "), ("10s", 452, b"Im        "), ("8s", 1346, b"pA      "), ("8s", 1354, b"pA      "),
    )  # fmt: skip
    recording = read_recording(path)
    assert np.allclose([s.amplitude for s in recording], [0.02, 0.04], atol=1e-5)
    assert recording[0].dt == 0.1 and len(recording[0].v) == N // 2
    assert any("the command is 'Im'" in text for text in recording.report.approximated)
    assert np.allclose(read_recording(path, channel="Vm", command="Im")[1].i, recording[1].i)
    raises(lambda: read_recording(path, command="Jm"), "no command 'Jm'", "'Im'")


def test_saturated_samples_are_clipped(one):
    high = struct.pack("<6h", *[32767] * 6)
    content = bytearray(one.read_bytes())
    content[16 * 512 + 2 * (N + 2500) :][:12] = high
    start = 16 * 512 + 2 * (N + 2500)
    content[start : start + 12] = high
    one.write_bytes(content)
    with pytest.warns(UserWarning, match="1 of 3"):
        recording = read_recording(one)
    assert [s.name for s in recording] == ["sweep 0", "sweep 2"]
    assert "sweep 1 is clipped" in recording.report.refused[0] and "6 samples" in recording.report.refused[0]


@pytest.mark.parametrize(
    ("field", "says"),
    [
        (("<i", 10, 10**9), "cut short or damaged"),
        (("<i", 10, -1), "cut short or damaged"),
        (("<i", 40, 10**6), "cut short or damaged"),
        (("<i", 48, 10**9), "cut short or damaged"),
        (("<h", 120, 0), "0 channels"),
        (("<h", 120, 500), "500 channels"),
        (("<i", 16, 10**8), "100,000,000 sweeps"),
        (("<f", 122, 0.0), "a sample each 0"),
        (("<f", 122, float("nan")), "a sample each nan"),
        (("<h", 8, 1), "by events"),
        (("<h", 100, 1), "floating-point"),
        (("<3i", 2508, 1000, 2**30, 1000), "does not fit its sweeps"),
        (("<3i", 2508, 1000, -500, 1000), "does not fit its sweeps"),
        (("4s", 0, b"ABFX"), "is no ABF file"),
        (("<f", 244, float("nan")), "not finite"),
    ],
)
def test_headers_that_do_not_fit(one, field, says):
    raises(lambda: read_recording(put(one, field)), says)


@pytest.mark.parametrize("name", ["File_axon_5.abf", "17o05027_ic_ramp.abf"])
def test_version_2_cut_short_or_with_huge_sections(name, shared, tmp_path):
    content = (shared / "recordings" / "abf" / name).read_bytes()
    path = tmp_path / name
    for length in (100, 600, 5000, len(content) - 600):
        path.write_bytes(content[:length])
        raises(lambda: read_recording(path), name)
    for place in (84, 100, 116, 132, 164, 180, 228, 244, 260, 324):  # the counts of its sections
        spoiled = bytearray(content)
        struct.pack_into("<q", spoiled, place, 2**31 - 1)
        path.write_bytes(spoiled)
        raises(lambda: read_recording(path), "cut short or damaged: its section")


def test_the_step_is_not_rounded_to_a_whole_rate(shared, tmp_path):
    content = bytearray((shared / "recordings" / "abf" / "File_axon_5.abf").read_bytes())
    protocol = struct.unpack_from("<I", content, 76)[0] * 512
    struct.pack_into("<f", content, protocol + 2, 24.0)  # 41,666.7 Hz
    path = tmp_path / "x.abf"
    path.write_bytes(content)
    assert read_recording(path)[0].dt == 0.024
