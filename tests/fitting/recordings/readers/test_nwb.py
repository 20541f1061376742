"""NWB 2 files: how stimuli are found, bias currents, electrodes, modes, units, and files that are no NWB 2."""

from datetime import UTC, datetime

import h5py
import numpy as np
import pytest

from cajax.fitting.recordings import RecordingError, read_recording
from tests.helpers import raises

pynwb = pytest.importorskip("pynwb")
icephys = pytest.importorskip("pynwb.icephys")

T = np.arange(1000) * 0.1
I = 0.1 * ((T >= 20.0) & (T < 70.0))
V = -70.0 + 100.0 * I
RATE = 1e4


class Maker:
    """Collects series and writes a file."""

    def __init__(self, path):
        self.path = path
        self.nwb = pynwb.NWBFile("a cell", "1", datetime(2024, 1, 1, tzinfo=UTC))
        self.device = self.nwb.create_device(name="rig")
        self.electrodes = {}

    def electrode(self, name):
        if name not in self.electrodes:
            self.electrodes[name] = self.nwb.create_icephys_electrode(
                name=name, device=self.device, description="glass"
            )
        return self.electrodes[name]

    def response(self, name, v=V, kind="CurrentClampSeries", electrode="e0", start=0.0, **more):
        options = {"data": np.asarray(v, "f4"), "conversion": 1e-3, "rate": RATE, "gain": 1.0} | more
        if options.get("timestamps") is not None:
            options.pop("rate")
        else:
            options["starting_time"] = start
        series = getattr(icephys, kind)(name=name, electrode=self.electrode(electrode), **options)
        self.nwb.add_acquisition(series)
        return series

    def stimulus(self, name, i=I, kind="CurrentClampStimulusSeries", electrode="e0", **more):
        options = {"data": np.asarray(i), "conversion": 1e-9, "rate": RATE, "gain": 1.0} | more
        series = getattr(icephys, kind)(name=name, electrode=self.electrode(electrode), **options)
        self.nwb.add_stimulus(series)
        return series

    def write(self):
        with pynwb.NWBHDF5IO(str(self.path), "w") as io:
            io.write(self.nwb)
        return self.path


@pytest.fixture
def maker(tmp_path):
    return Maker(tmp_path / "cell.nwb")


pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:pynwb", "ignore::UserWarning:hdmf", "ignore::DeprecationWarning"
)


def test_pairs_by_sweep_number_and_electrode(maker):
    for k in (2, 0, 1):
        for electrode, shift in (("e0", 0.0), ("e1", 5.0)):
            number = np.uint32(k)
            maker.response(
                f"r{k}_{electrode}", V + shift, electrode=electrode, start=10.0 * k, sweep_number=number
            )
            maker.stimulus(f"s{k}_{electrode}", I * (k + 1), electrode=electrode, sweep_number=number)
    path = maker.write()
    raises(lambda: read_recording(path), "has 2 channels, 'e0', 'e1'", "channel='e0'", kind=RecordingError)
    recording = read_recording(path, channel="e1")
    assert [sweep.name for sweep in recording] == ["r0_e1", "r1_e1", "r2_e1"]
    assert np.allclose([sweep.amplitude for sweep in recording], [0.1, 0.2, 0.3])
    assert np.allclose(recording[0].v, V + 5.0, atol=1e-5) and recording[0].dt == 0.1


def test_pairs_by_the_table_and_by_names(maker):
    # The numbers in the names would pair them wrongly; the table does not.
    for k, amplitude in ((1, 1.0), (2, 2.0)):
        response, stimulus = (
            maker.response(f"r_{k}", start=float(k)),
            maker.stimulus(f"s_{3 - k}", I * amplitude),
        )
        maker.nwb.add_intracellular_recording(
            electrode=maker.electrode("e0"), stimulus=stimulus, response=response,
            response_start_index=0, response_index_count=800, stimulus_start_index=0, stimulus_index_count=800,
        )  # fmt: skip
    one, two = read_recording(maker.write())
    assert (one.amplitude, two.amplitude) == (pytest.approx(0.1), pytest.approx(0.2))
    assert len(one.v) == len(one.i) == 800


def test_pairs_by_the_number_in_the_name(maker):
    for k in (1, 2, 10):
        maker.response(f"data_{k}", start=float(k))
        maker.stimulus(f"command_{k}", I * k)
    assert np.allclose([s.amplitude for s in read_recording(maker.write())], [0.1, 0.2, 1.0])


def test_bias_current_is_added_and_may_be_replaced(maker):
    maker.response("r_1", bias_current=-50e-12, bridge_balance=12e6)
    maker.stimulus("s_1")
    path = maker.write()
    recording = read_recording(path, strict=True)
    assert recording[0].holding == pytest.approx(-0.05) and recording[0].amplitude == pytest.approx(0.1)
    assert "bias current of -0.05 nA" in str(recording.report) and "bridge of 12 Mohm" in str(
        recording.report
    )
    assert read_recording(path, holding=0.0)[0].holding == 0.0


def test_voltage_clamp_and_rest(maker):
    maker.response("r_1", 0.2 * np.sin(T), "VoltageClampSeries", conversion=1e-9)
    maker.stimulus("s_1", V, "VoltageClampStimulusSeries", conversion=1e-3)
    maker.response("r_2", np.full(1000, -65.0), "IZeroClampSeries", start=5.0)
    path = maker.write()
    clamp, rest = read_recording(path)
    assert (clamp.mode, clamp.kind, clamp.amplitude, clamp.holding) == (
        "voltage",
        "step",
        pytest.approx(10.0),
        -70.0,
    )
    assert np.allclose(clamp.i, 0.2 * np.sin(T), atol=1e-6)
    assert (rest.mode, rest.kind) == ("current", "none") and not rest.i.any()
    assert [s.name for s in read_recording(path, mode="current")] == ["r_2"]


def test_times_instead_of_a_rate(maker):
    maker.response("r_1", timestamps=T * 1e-3)
    maker.stimulus("s_1")
    assert read_recording(maker.write())[0].dt == 0.1


def test_what_lacks_a_stimulus_is_refused_or_given(maker):
    maker.response("r_1")
    maker.response("r_2", start=1.0)
    maker.stimulus("s_2")
    path = maker.write()
    with pytest.warns(UserWarning, match="1 of 2"):
        recording = read_recording(path)
    assert "r_1: no stimulus belongs to it" in recording.report.refused[0]
    assert [round(s.amplitude, 9) for s in read_recording(path, current=np.stack([I, 2 * I]))] == [0.1, 0.2]


def test_sweeps_that_do_not_fit_are_refused(maker):
    maker.response("r_1")
    maker.stimulus("s_1", rate=2e4)
    maker.response("r_2", start=1.0)
    maker.stimulus("s_2", I[:-1])
    maker.response("r_3", np.where(T > 90.0, np.nan, V), start=2.0)
    maker.stimulus("s_3")
    maker.response("r_4", timestamps=1e-3 * T**1.2 + 3.0)
    maker.stimulus("s_4")
    maker.response("r_5", start=9.0)
    maker.stimulus("s_5")
    with pytest.warns(UserWarning, match="4 of 5"):
        recording = read_recording(maker.write())
    assert [s.name for s in recording] == ["r_5"]
    for says in (
        "its stimulus 's_1' each 0.05",
        "v has 1,000 samples and i 999",
        "not finite",
        "not sampled evenly",
    ):
        assert any(says in text for text in recording.report.refused), says


def test_a_converter_of_whole_numbers_shows_where_it_is_clipped(maker):
    wave = 60.0 * np.sin(T / 3.0)
    stored = np.clip(np.round((wave - 20.0) * 500.0), -32768, 32767).astype("i2")
    maker.response("r_1", stored, conversion=2e-6)
    maker.nwb.acquisition["r_1"].fields["data"] = stored
    maker.stimulus("s_1")
    path = maker.write()
    raises(lambda: read_recording(path), "r_1 is clipped", "converter's limit")
    assert read_recording(path, clipped="keep")[0].clipped


def test_the_unit_that_the_user_names_is_that_of_the_stored_numbers(maker):
    maker.response("r_1", V, conversion=1.0)  # numbers in mV, said to be V
    maker.stimulus("s_1", I * 1e3, conversion=1.0)
    path = maker.write()
    raises(lambda: read_recording(path), "which no cell does", "units={'v'")
    (sweep,) = read_recording(path, units={"v": "mV", "i": "pA"})
    assert np.allclose(sweep.v, V, atol=1e-5) and sweep.amplitude == pytest.approx(0.1)


def test_files_that_are_no_nwb_2(tmp_path):
    path = tmp_path / "x.nwb"
    with h5py.File(path, "w") as file:
        file["nwb_version"] = "NWB-1.0.5"
    raises(lambda: read_recording(path), "an NWB 1 file", kind=RecordingError)
    with h5py.File(path, "w") as file:
        file["x"] = 1.0
    raises(lambda: read_recording(path), "an HDF5 file, but not of NWB")
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.4.0"
    raises(lambda: read_recording(path), "no valid NWB file")


def test_a_file_without_patch_clamp_series(maker):
    maker.nwb.add_acquisition(pynwb.TimeSeries(name="lick", data=[1.0, 2.0], unit="V", rate=1.0))
    raises(lambda: read_recording(maker.write()), "holds no patch-clamp series, only 'lick' (TimeSeries)")


def test_numbers_in_another_file_and_claims_of_great_size_are_refused(maker, tmp_path):
    for k in (1, 2):
        maker.response(f"r_{k}", start=float(k))
        maker.stimulus(f"s_{k}")
    path = maker.write()
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = V
    with h5py.File(path, "a") as file:
        group = file["acquisition/r_1"]
        kept = dict(group["data"].attrs)
        del group["data"]
        group["data"] = h5py.ExternalLink("other.h5", "/secret")
        with h5py.File(tmp_path / "other.h5", "a") as other:
            other["secret"].attrs.update(kept)
    with pytest.warns(UserWarning, match="1 of 2"):
        found = read_recording(path)
    assert "lies in another file" in found.report.refused[0]
    with h5py.File(path, "a") as file:
        group = file["acquisition/r_2"]
        kept = dict(group["data"].attrs)
        del group["data"]
        group.create_dataset("data", (80_000_000,), "f8", chunks=(1000,)).attrs.update(kept)
    raises(lambda: read_recording(path, sweeps=["r_2"]), "times the file; it is damaged")
    with h5py.File(path, "a") as file:
        group = file["acquisition/r_2"]
        del group["data"]
        group.create_dataset("data", (10**12,), "f8", chunks=(1000,)).attrs.update(kept)
    raises(lambda: read_recording(path, sweeps=["r_2"]), "1,000,000,000,000 samples")
