"""Igor waves: pairs by their names and units, two dimensions, old versions, and damaged files."""

import struct

import numpy as np
import pytest

from cajax.fitting.recordings import RecordingError, read_recording
from tests.helpers import raises

pytest.importorskip("igor2")

T = np.arange(1000) * 0.2
I = 100.0 * ((T >= 50.0) & (T < 150.0))
V = -70.0 + 0.1 * I


def wave(values, unit, step=0.2, time="ms", version=5, order="<"):
    """The bytes of a wave of 64-bit numbers, by Igor's technical note 3."""
    x = np.asarray(values)
    data = x.astype(f"{order}f8").tobytes(order="F")
    if version == 5:
        head = bytearray(320)
        struct.pack_into(f"{order}i", head, 12, x.size)
        struct.pack_into(f"{order}h", head, 16, 4)  # 64-bit numbers
        struct.pack_into(f"{order}h", head, 26, 1)
        head[28:32] = b"wave"
        struct.pack_into(f"{order}{x.ndim}i", head, 68, *x.shape)
        struct.pack_into(f"{order}4d", head, 84, step, 1.0, 1.0, 1.0)
        head[148 : 148 + len(unit)] = unit.encode()
        head[152 : 152 + len(time)] = time.encode()
        first = struct.pack(f"{order}hhi14i", 5, 0, 320 + len(data), *[0] * 14)
        return first + bytes(head) + data
    head = bytearray(110)
    struct.pack_into(f"{order}h", head, 0, 4)
    head[6:10] = b"wave"
    head[34 : 34 + len(unit)] = unit.encode()
    head[38 : 38 + len(time)] = time.encode()
    struct.pack_into(f"{order}i", head, 42, x.size)
    struct.pack_into(f"{order}d", head, 48, step)
    first = struct.pack(f"{order}hiiih", 2, 110 + len(data) + 16, 0, 0, 0)
    return first + bytes(head) + data + bytes(16)


@pytest.fixture
def write(tmp_path):
    def write(name, *args, **kwargs):
        (tmp_path / name).write_bytes(wave(*args, **kwargs))
        return tmp_path / name

    return write


@pytest.mark.parametrize("version", [2, 5])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pair_of_any_version_and_byte_order(write, version, order):
    v = write("cell_Ch1_7.ibw", V, "mV", version=version, order=order)
    write("cell_Ch0_7.ibw", I, "pA", version=version, order=order)
    (sweep,) = read_recording(v)
    assert np.array_equal(sweep.v, V) and np.allclose(sweep.i, I * 1e-3)
    assert (sweep.name, sweep.dt, sweep.on, sweep.off) == ("cell_7", 0.2, 50.0, 150.0)


@pytest.mark.parametrize(
    ("v", "i"),
    [
        ("a_v.ibw", "a_i.ibw"),
        ("AD0_12.ibw", "DA0_12.ibw"),
        ("x voltage 3.ibw", "x current 3.ibw"),
        ("Vm1.ibw", "Im1.ibw"),
    ],
)
def test_names_that_make_a_pair(write, v, i):
    v = write(v, V, "V")
    i = write(i, I, "A")
    raises(lambda: read_recording(v), "reaches")  # −70 V
    (sweep,) = read_recording(i, units={"v": "mV", "i": "pA"})
    assert np.array_equal(sweep.v, V)


def test_a_folder_keeps_the_pairs_that_are_whole(write, tmp_path):
    for k in (10, 9, 2):
        write(f"c_Ch0_{k}.ibw", I * k, "pA")
        write(f"c_Ch1_{k}.ibw", V, "mV")
    write("c_Ch1_3.ibw", V, "mV")
    with pytest.warns(UserWarning, match="1 of 4 sweeps left out"):
        recording = read_recording(tmp_path)
    assert [sweep.name for sweep in recording] == ["c_2", "c_9", "c_10"]
    assert "a voltage and a current make a sweep, found c_Ch1_3.ibw" in recording.report.refused[0]


def test_columns_are_sweeps(write):
    v = write("c_v.ibw", np.stack([V, V + 1.0, V + 2.0], axis=1), "mV")
    write("c_i.ibw", np.stack([I, 2 * I, 3 * I], axis=1), "pA")
    recording = read_recording(v)
    assert [sweep.name for sweep in recording] == ["c_0", "c_1", "c_2"]
    assert np.array_equal(recording[2].v, V + 2.0) and recording[1].amplitude == pytest.approx(0.2)


def test_a_missing_unit_of_time_is_taken_to_be_seconds(write):
    v = write("c_v.ibw", V, "mV", step=2e-4, time="")
    write("c_i.ibw", I, "pA", step=2e-4, time="")
    recording = read_recording(v)
    assert recording[0].dt == pytest.approx(0.2) and "taken to be s" in recording.report.approximated[0]
    raises(lambda: read_recording(v, strict=True), "strict=True")
    exact = read_recording(v, units={"t": "ms"}, strict=True)
    assert exact[0].dt == pytest.approx(2e-4)


def test_pairs_that_do_not_fit(write):
    v = write("c_v.ibw", V, "mV")
    raises(lambda: read_recording(v), "found c_v.ibw (mV)", "current=i", kind=RecordingError)
    i = write("c_i.ibw", I, "", step=0.2)
    raises(lambda: read_recording(v), "has no unit", "units={'c_i'", kind=RecordingError)
    assert read_recording(v, units={"c_i": "pA"})[0].amplitude == pytest.approx(0.1)
    write("c_i.ibw", I, "pA", step=0.1)
    raises(lambda: read_recording(v), "a sample each 0.2 ms, c_i.ibw each 0.1 ms")
    write("c_i.ibw", I[:-1], "pA")
    raises(lambda: read_recording(v), "v has 1,000 samples and i 999")
    raises(lambda: read_recording(v, current=v), "found c_v.ibw (mV), c_v.ibw (mV)")
    raises(lambda: read_recording(v, current=v.with_name("no.ibw")), "No such file")
    raises(lambda: read_recording(v, current=[1.0]), "must be the path of the wave")
    assert i.exists()


def test_files_that_are_cut_short_or_claim_too_much(write, tmp_path):
    write("c_i.ibw", I, "pA")
    content = wave(V, "mV")
    path = tmp_path / "c_v.ibw"
    for length in (1, 20, 100, 384, len(content) - 8):
        path.write_bytes(content[:length])
        raises(lambda: read_recording(path), "c_v.ibw", kind=RecordingError)
    huge = bytearray(content)
    struct.pack_into("<i", huge, 64 + 12, 2**31 - 1)
    path.write_bytes(huge)
    raises(lambda: read_recording(path), "damaged or no Igor wave")
    text = bytearray(content)
    struct.pack_into("<h", text, 64 + 16, 0)
    path.write_bytes(text)
    raises(lambda: read_recording(path), "c_v.ibw")


def test_nothing_is_written_to_the_terminal(write, tmp_path, capfd):
    test_files_that_are_cut_short_or_claim_too_much(write, tmp_path)
    assert capfd.readouterr() == ("", "")
