"""Images of many sites: what they hold, reading them, and what a simulation would look like on them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cajax as cx
from cajax.fitting.recordings import Imaging, Indicator, RecordingError, read_imaging
from cajax.mech import HH, Leak
from tests.helpers import raises

VALUES = np.random.default_rng(0).normal(0.5, 0.1, (20, 3))


def test_fields_times_and_sites():
    x = Imaging(VALUES, 50.0, indicator=Indicator(5.0, 100.0), sites=("a", "b", "c"), start=4.0, name="run 1")
    assert np.allclose(x.t, 4.0 + 20.0 * np.arange(20)) and x.values.dtype == np.float64
    assert "run 1: calcium imaging of 3 sites, 20 frames at 50 Hz" in repr(x)
    some = x.of_sites(["c", 0])
    assert some.sites == ("c", "a") and np.array_equal(some.values, VALUES[:, [2, 0]])
    assert some.indicator is x.indicator and some.start == 4.0
    with pytest.raises(ValueError, match="read-only"):
        x.values[0, 0] = 1.0


def test_a_simulated_cell_is_observed_and_differentiated():
    cell = cx.Cell(cx.ball_and_stick()).paint("all", leak=Leak()).paint("soma", hh=HH())
    model = cell.discretize(cx.PerBranch(2))
    clamp = cx.IClamp("soma", 1.0, 10.0, 0.4)
    images = Imaging(
        np.zeros((3, 4)), 250.0, kind="voltage", indicator=Indicator(0.0, 2.0), exposure=3.0, start=3.0
    )

    def observed(gna):
        run = cx.simulate(
            model.replace({"soma.hh.gna": gna}), 11.0, dt=0.05, inputs=[clamp], record={"v": cx.every_cv()}
        )
        return images.observe(run["v"], 0.05)

    observed = jax.jit(observed)
    found = observed(0.12)
    assert found.shape == (3, 4)
    slope = jax.jvp(observed, (0.12,), (1.0,))[1]
    difference = (observed(0.12 + 1e-5) - observed(0.12 - 1e-5)) / 2e-5
    assert jnp.allclose(slope, difference, rtol=1e-5, atol=1e-5 * jnp.abs(slope).max())
    batch = jax.vmap(observed)(jnp.array([0.12, 0.1]))
    assert batch.shape == (2, 3, 4) and jnp.allclose(batch[0], found, rtol=1e-9)


def test_without_an_indicator_frames_are_the_trace():
    trace = np.random.default_rng(1).normal(0.0, 1.0, (100, 3))
    assert np.array_equal(Imaging(VALUES, 200.0).observe(trace, 1.0), trace[:100:5])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"values": VALUES[:, 0]}, "must be numbers [frame, site]"),
        ({"values": VALUES[:0]}, "at least one each"),
        ({"values": VALUES + np.diag([np.nan, 0.0, 0.0])[[0, *[1] * 19]]}, "not finite in 1 places"),
        ({"rate": 0.0}, "must be positive"),
        ({"kind": "sodium"}, "must be 'calcium' or 'voltage'"),
        ({"sites": ("a",)}, "1 names of sites, but values of 3"),
        ({"positions": np.zeros((2, 3))}, "must have the shape [3, 3], not [2, 3]"),
        ({"start": -1.0}, "is negative"),
        ({"indicator": 100.0}, "Indicator(rise, decay)"),
    ],
)
def test_wrong_fields(fields, says):
    raises(lambda: Imaging(**({"values": VALUES, "rate": 50.0} | fields)), says, kind=RecordingError)


def test_wrong_sites_and_traces():
    x = Imaging(VALUES, 50.0)
    raises(lambda: x.of_sites(["d"]), "has no site 'd'", "site 0")
    raises(lambda: x.of_sites([3]), "has sites 0 to 2")
    raises(lambda: x.of_sites([]), "has sites 0 to 2")
    raises(lambda: x.observe(np.zeros((100, 3)), 1.0), "ends before frame 19 at 380 ms")


def test_text(tmp_path):
    path = tmp_path / "dff.csv"
    rows = [",".join(map(str, (k / 30.0, *row))) for k, row in enumerate(VALUES)]
    path.write_text("t_s,soma,dendrite 1,dendrite 2\n" + "\n".join(rows) + "\n")
    x = read_imaging(path, indicator=Indicator(5.0, 100.0))
    assert x.rate == pytest.approx(30.0) and x.sites == ("soma", "dendrite 1", "dendrite 2")
    assert np.allclose(x.values, VALUES) and (x.kind, x.unit, x.name) == ("calcium", "dF/F", "dff.csv")
    path.write_text("t_ms,v_1_V,v_2_V\n" + "\n".join(f"{k},{-0.07},{-0.06}" for k in range(5)) + "\n")
    y = read_imaging(path, exposure=0.5)
    assert (y.kind, y.unit, y.rate, y.exposure) == ("voltage", "mV", 1000.0, 0.5)
    assert np.allclose(y.values[0], [-70.0, -60.0])


def test_arrays(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, values=VALUES, rate_Hz=30.0, sites=["a", "b", "c"], positions_um=np.eye(3))
    x = read_imaging(path)
    assert (x.rate, x.sites) == (30.0, ("a", "b", "c")) and np.array_equal(x.positions, np.eye(3))
    np.savez(path, dff=VALUES, t_ms=100.0 + 20.0 * np.arange(20))
    assert (read_imaging(path).rate, read_imaging(path).start) == (50.0, 100.0)
    np.savez(path, dff=VALUES)
    raises(lambda: read_imaging(path), "neither times nor a frame rate", "rate=30.0")
    assert read_imaging(path, rate=7.5).rate == 7.5


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"rate_Hz": 30.0}, "expected one array [frame, site]"),
        ({"a": VALUES, "b": VALUES, "rate_Hz": 30.0}, "expected one array [frame, site]"),
        ({"a": VALUES, "rate_Hz": -30.0}, "must be positive"),
        ({"a": VALUES, "rate": 30.0}, "'rate' has no unit"),
        ({"a": VALUES, "t_ms": np.arange(5.0)}, "5 times for 20 frames"),
        ({"a": VALUES, "t_ms": np.arange(20.0) ** 2}, "not sampled evenly"),
        ({"a": VALUES, "rate_Hz": 1.0, "sites": np.array(["x"])}, "1 names of sites"),
    ],
)
def test_arrays_that_do_not_fit(arrays, says, tmp_path):
    np.savez(tmp_path / "x.npz", **arrays)
    raises(lambda: read_imaging(tmp_path / "x.npz"), says)


def test_text_that_does_not_fit(tmp_path):
    path = tmp_path / "x.csv"
    for content, says in (
        ("t_s\n0\n1\n", "no column of a site"),
        ("t_s,a,b\n0,1,2\n1,2,\n2,3,\n", "have 1 to 3 frames"),
        ("t_s,v_1_mV,v_2_V\n0,1,2\n1,2,3\n", "several units, V, mV"),
    ):
        path.write_text(content)
        raises(lambda: read_imaging(path), says)
    raises(lambda: read_imaging(tmp_path / "x.tif"), "cannot read")
    (tmp_path / "x.mat").write_text("")
    raises(lambda: read_imaging(tmp_path / "x.mat"), "suffix must be one of .nwb")


@pytest.mark.filterwarnings(
    "ignore::UserWarning:pynwb", "ignore::UserWarning:hdmf", "ignore::DeprecationWarning"
)
def test_nwb(tmp_path):
    pynwb = pytest.importorskip("pynwb")
    from datetime import UTC, datetime

    from pynwb import ophys

    nwb = pynwb.NWBFile("cells", "1", datetime(2024, 1, 1, tzinfo=UTC))
    channel = ophys.OpticalChannel(name="green", description="x", emission_lambda=510.0)
    plane = nwb.create_imaging_plane(
        name="plane", optical_channel=channel, description="x", device=nwb.create_device(name="scope"),
        excitation_lambda=920.0, indicator="GCaMP6s", location="V1",
    )  # fmt: skip
    module = nwb.create_processing_module(name="ophys", description="x")
    segmentation = ophys.ImageSegmentation()
    module.add(segmentation)
    cells = segmentation.create_plane_segmentation(name="cells", description="x", imaging_plane=plane)
    for k in range(3):
        cells.add_roi(pixel_mask=[(k, k, 1.0)])
    rois = cells.create_roi_table_region(region=[0, 1, 2], description="all")
    traces = {"a": VALUES, "b": 2 * VALUES}
    for name, data in traces.items():
        series = ophys.RoiResponseSeries(name=name, data=data, rois=rois, unit="n.a.", rate=30.0)
        module.add(ophys.DfOverF(name=f"of {name}", roi_response_series=series))
    path = tmp_path / "x.nwb"
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(nwb)
    raises(lambda: read_imaging(path), "has 2 series, 'a', 'b'", "series='a'")
    x = read_imaging(path, series="b")
    assert np.allclose(x.values, 2 * VALUES) and x.rate == pytest.approx(30.0, rel=1e-6)
    raises(lambda: read_imaging(path, series="c"), "no series 'c'", "'a', 'b'")
