"""Named columns of text and arrays: how names are read, several sweeps, times, and what is wrong with a table."""

import warnings

import numpy as np
import pytest

from cajax.base.errors import CajaxWarning
from cajax.fitting.recordings import RecordingError, read_recording
from cajax.fitting.recordings.readers.tables import named
from tests.helpers import raises

T = np.arange(400) * 0.5
I = 0.1 * ((T >= 50.0) & (T < 150.0))
V = -70.0 + 100.0 * I


@pytest.mark.parametrize(
    ("name", "role", "label", "unit"),
    [
        ("v_mV", "v", "", "mV"), ("V_2_mV", "v", "2", "mV"), ("v2 (mV)", "v", "2", "mV"), ("Vm [V]", "v", "", "V"),
        ("voltage mV", "v", "", "mV"), ("membrane_potential_mV", "v", "", "mV"), ("i_pA", "i", "", "pA"),
        ("i_uA", "i", "", "uA"), ("current_a_nA", "i", "a", "nA"), ("I (µA)", "i", "", "µA"), ("t_s", "t", "", "s"),
        ("time (ms)", "t", "", "ms"), ("dt_ms", "dt", "", "ms"), ("rate_Hz", "rate", "", "Hz"),
        ("t_on_ms", "on", "", "ms"), ("stim_off_s", "off", "", "s"), ("v", "v", "", ""), ("v_1", "v", "1", ""),
        ("volts", "", "", ""), ("id_mV", "", "", "mV"), ("i (arb)", "i", "", "arb"), ("", "", "", ""),
    ],
)  # fmt: skip
def test_names(name, role, label, unit):
    assert named(name, [0.0])[:4] == (name, role, label, unit)


@pytest.fixture
def text(tmp_path):
    def text(content, name="cell.csv"):
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path / name

    return text


@pytest.fixture
def arrays(tmp_path):
    def arrays(**content):
        np.savez(tmp_path / "cell.npz", **content)
        return tmp_path / "cell.npz"

    return arrays


def lines(*columns, mark=","):
    return "\n".join(mark.join(f"{x:.10g}" for x in row) for row in zip(*columns, strict=True)) + "\n"


@pytest.mark.parametrize(("mark", "suffix"), [(",", ".csv"), (";", ".csv"), ("\t", ".tsv"), (", ", ".txt")])
def test_text_of_any_separator(text, mark, suffix):
    head = mark.join(["t_ms", "v_mV", '"i_nA"'])
    path = text(f"\ufeff# rig 3\n{head}\n# begins\n{lines(T, V, I, mark=mark)}\n", f"cell{suffix}")
    (sweep,) = read_recording(path, strict=True)
    assert np.allclose(sweep.v, V) and np.allclose(sweep.i, I, atol=1e-12)
    assert (sweep.dt, sweep.on, sweep.off, sweep.kind) == (0.5, 50.0, 150.0, "step")


def test_several_sweeps_as_columns(text):
    path = text(
        f"t_s,v_1_mV,v_10_mV,v_2_mV,i_1_pA,i_2_pA,i_10_pA\n{lines(T / 1e3, V, V, V, *(I * k for k in (1e3, 2e3, 3e3)))}"
    )
    recording = read_recording(path)
    assert [(s.name, round(s.amplitude, 9)) for s in recording] == [
        ("sweep 1", 0.1),
        ("sweep 2", 0.2),
        ("sweep 10", 0.3),
    ]
    shared = read_recording(text(f"t_s,v_1_mV,v_2_mV,i_pA\n{lines(T / 1e3, V, V - 1, I * 1e3)}"))
    assert [round(s.amplitude, 9) for s in shared] == [0.1, 0.1] and shared[1].v[0] == -71.0


def test_several_sweeps_as_rows_of_an_array(arrays):
    path = arrays(v_mV=np.stack([V, V - 1.0]), i_nA=np.stack([I, 2 * I]), dt_ms=0.5, t_on_ms=[50.0, 60.0])
    one, two = read_recording(path)
    assert (one.on, two.on, two.off) == (50.0, 60.0, 150.0) and np.array_equal(two.i, 2 * I)
    turned = arrays(v_mV=np.stack([V, V - 1.0]).T, i_nA=I, t_ms=T)
    assert [len(s.v) for s in read_recording(turned)] == [400, 400]


def test_times_may_begin_anywhere_and_be_rounded(arrays):
    (sweep,) = read_recording(arrays(v_mV=V, i_nA=I, t_ms=T + 1000.0, t_on_ms=1050.0, t_off_ms=1150.0))
    assert (sweep.on, sweep.off, sweep.t[0]) == (50.0, 150.0, 0.0)
    t = np.round(np.arange(400) * 0.025, 2)
    found = read_recording(arrays(v_mV=V, i_nA=I, t_ms=t))
    assert found[0].dt == 0.025 and "rounded" in found.report.approximated[0]


def test_the_sampling_step_may_be_a_rate_or_given(arrays):
    assert read_recording(arrays(v_mV=V, i_nA=I, rate_kHz=2.0))[0].dt == 0.5
    assert read_recording(arrays(v_mV=V, i_nA=I), dt="500 us")[0].dt == 0.5
    raises(lambda: read_recording(arrays(v_mV=V, i_nA=I)), "has no times", "dt=0.1", kind=RecordingError)


def test_a_current_that_the_file_lacks_is_given(arrays):
    path = arrays(v_mV=np.stack([V, V]), dt_ms=0.5)
    raises(lambda: read_recording(path), "has no current", "current=[…]")
    assert [round(s.amplitude, 9) for s in read_recording(path, current=np.stack([I, 3 * I]))] == [0.1, 0.3]
    assert [round(s.amplitude, 9) for s in read_recording(path, current=I)] == [0.1, 0.1]
    raises(lambda: read_recording(path, current=np.stack([I] * 3)), "has 2 sweeps, 'current' 3")


def test_voltage_clamp_is_said(arrays):
    (sweep,) = read_recording(arrays(v_mV=V, i_nA=I + 0.01 * np.sin(T), dt_ms=0.5), mode="voltage")
    assert (sweep.mode, sweep.kind, sweep.amplitude, sweep.holding) == ("voltage", "step", 10.0, -70.0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"i_nA": I, "dt_ms": 0.5}, "has no voltage among 'i_nA', 'dt_ms'"),
        ({"v_mV": V.astype(str), "i_nA": I, "dt_ms": 0.5}, "expected numbers"),
        ({"v_mV": V[None, None], "i_nA": I, "dt_ms": 0.5}, "expected numbers [sample]"),
        ({"v_mV": V, "i_nA": I, "dt_ms": [0.5, 0.6]}, "'dt_ms' must be one positive number"),
        ({"v_mV": V, "i_nA": I, "dt_ms": 0.0}, "'dt_ms' must be one positive number"),
        ({"v_mV": V, "i_nA": I, "dt_V": 0.5}, "no time"),
        ({"v_mV": V, "i_nA": I, "t_ms": T[::-1]}, "not sampled evenly"),
        ({"v_mV": V, "i_nA": I, "t_ms": T**1.1}, "not sampled evenly"),
        ({"v_mV": V, "i_nA": I, "t_ms": T[:-1]}, "has 399 times, 'v_mV' 400 samples"),
        ({"v_mV": V, "i_nA": I, "t_ms": T * np.nan}, "not finite"),
        ({"v_1_mV": V, "v_2_mV": V, "i_3_nA": I, "dt_ms": 0.5}, "no one current belongs to 'v_1_mV'"),
        ({"v_mV": V, "i_nA": I, "dt_ms": 0.5, "t_on_ms": [1.0, 2.0]}, "one for each of 1 sweeps"),
        ({"v_mV": np.zeros((3, 400)), "i_nA": np.zeros((2, 400)), "dt_ms": 0.5}, "has 3 sweeps, 'i_nA' 2"),
    ],
)
def test_arrays_that_do_not_fit(content, says, arrays):
    raises(lambda: read_recording(arrays(**content)), says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("t_ms,v_mV,i_nA\n", "no numbers"),
        ("0,1,2\n1,2,3\n", "line 1 holds numbers, not names"),
        ("t_ms,v_mV,i_nA\n0,1,2\n1,2\n", "line 3 has 2 columns, the first line 3"),
        ("t_ms,v_mV,i_nA\n0,1,2\n1,x,3\n", "line 3: 'x' in column 'v_mV' is no number"),
        ("t_ms,v_mV,v_mV\n0,1,2\n", "two columns 'v_mV'"),
        ("a,b\n0,1\n", "has no voltage among 'a', 'b'"),
        ("t_ms,v_mV,i_nA\n0,1,0\n1,,0\n2,3,0\n", "not finite in 1 of 3"),
        ("t_ms,v_mV,i_nA\n0,1,0\n1,2,0\n2,,0\n", "'t_ms' has 3 times, 'v_mV' 2 samples"),
        (",".join(f"c{k}" for k in range(20_000)) + "\n1\n", "20,000 columns"),
        ("t_ms,v_mV,i_nA\n0,1,0\n", "has 1 times"),
    ],
)
def test_text_that_is_no_table(content, says, text):
    raises(lambda: read_recording(text(content)), says)


def test_odd_arrays_are_refused_in_one_line(arrays):
    chance = np.random.default_rng(0)
    names = ("v_mV", "i_nA", "t_ms", "dt_ms", "v", "i_pA", "t_on_ms", "rate_Hz", "v_1_mV", "x")
    odd = (
        np.array(np.nan), np.zeros(0), np.zeros((0, 3)), np.zeros((3, 0)), np.array("x"), np.array([True, False]),
        np.zeros(3, complex), np.full(10, 1e300), np.arange(10), -np.arange(10.0), np.zeros((2, 3, 4)), np.array(0.5),
        np.full(10, np.inf), np.array([b"a"]).astype("S1"), np.uint8(3),
    )  # fmt: skip
    outcomes = set()
    for _ in range(300):
        content = {"v_mV": V[:10], "i_nA": I[:10], "dt_ms": np.array(0.5)}
        for _ in range(chance.integers(1, 4)):
            content[str(chance.choice(names))] = odd[chance.integers(len(odd))]
        if chance.random() < 0.3:
            content.pop(str(chance.choice(list(content))))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CajaxWarning)  # of several sweeps one may be left out
                read_recording(arrays(**content))
            outcomes.add("read")
        except RecordingError as error:
            assert "\n" not in str(error)
            outcomes.add("refused")
        except Exception as error:
            assert type(error).__name__ == "StoreError", content  # what is no number in an archive
    assert outcomes == {"read", "refused"}
