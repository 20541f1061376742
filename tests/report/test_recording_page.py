"""The page of `cajax fit`: what it says and shows, what it says of parts that are missing, its line among the runs."""

import re
import shutil

import numpy as np
import pytest

from cajax.base.archive import read_arrays
from cajax.base.disk import read_json, write_arrays, write_json
from cajax.base.lock import claimed
from cajax.base.show import text_of
from cajax.report import compare, read_run, report, runs_table

from ..helpers import raises
from . import test_browser
from .fitted import begin, finish, search


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = begin(tmp_path_factory.mktemp("runs") / "fit-001")
    search(folder)
    finish(folder)
    return folder


@pytest.fixture(scope="module")
def page(run):
    return report(run).read_text(encoding="utf-8")


@pytest.fixture
def copy(run, tmp_path):
    """A copy of the folder, to be damaged."""
    return shutil.copytree(run, tmp_path / "fit-002")


def text(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def test_it_says_how_good_the_model_is(page):
    said = text(page)
    assert "Within 3 SD of the data" in said and "3 of 4 in fitted sweeps, 0 of 2 in held-out sweeps" in said
    assert "12 different models are accepted: all within 5 SD" in said
    assert "score, held out 0.61" in said and "30,000" in said and "10.0 min" in said
    assert re.findall(r'<section id="([^"]+)"', page) == [
        "traces", "features", "currents", "parameters", "sure", "search", "read", "made",
    ]  # fmt: skip


def test_every_picture_is_there_with_words(page):
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', page)
    assert len(labels) == len(set(labels)) == page.count("<figcaption>") == 10
    for words in (
        "2 fitted sweeps", "1 held-out", "first spike", "z-scores of 2", "Spikes per second", "Currents",
        "7 parameters between", "Standard deviations of 7", "of 12 models", "Score against time",
    ):  # fmt: skip
        assert any(words in label for label in labels), words
    assert "could not be made" not in page and "class=fault" not in page
    assert "$" not in page  # no formulas: text stays text


def test_tables_tell_features_currents_parameters_and_sweeps(page):
    said = text(page)
    assert "sweep 3 held out" in said and "AP_amplitude mV −0.4 9.6 +4.0 14 +250.0 missing" in said
    assert "Spikecount 2 10 ± 1 12 +2.0 9 … 11" in said
    assert "AP_amplitude mV 3 held out 10 ± 1 missing +250.0" in said
    assert 'class="z2">+4.0' in page and 'class="z3">−7.5' in page and 'class="z0">+0.1' in page
    assert "k +0.9 –" in said and "na −1.2 −0.01" in said
    assert "soma.na.g S/cm²" in said and "Ω·cm" in said
    assert "window: 50 to 450 ms" in said and "model: no axon" in said


def test_what_comes_from_files_is_escaped(page):
    assert (
        "<b>cell</b>" not in page
        and "<i>step</i>" not in page
        and "<i>a</i>" not in page
        and "<u>time</u>" not in page
    )
    assert "&lt;b&gt;cell&lt;/b&gt; &amp; &quot;co&quot;.npz" in page
    assert "://" not in page


def test_it_is_listed_and_compared(run, copy):
    found = read_run(run)
    assert (found.state, found.size, found.steps, found.figure) == ("finished", 7, 30000, 0.42)
    assert "score 0.42" in text_of(runs_table(run.parent), 100)
    assert "held out sweeps: score" in text_of(compare(run, copy), 120)


def test_a_search_that_goes_on_and_one_that_was_stopped(tmp_path):
    folder = begin(tmp_path / "fit-001")
    assert "not finished (interrupted)" in text(report(folder).read_text())
    search(folder)
    assert read_run(folder).state == "interrupted"
    with claimed(folder):
        assert read_run(folder).state == "searching"
        said = text(report(folder).read_text())
    best = read_arrays(folder / "search" / "search.npz")["scores"].min()
    assert "not finished (searching)" in said and f"The best score so far is {best:.4g}" in said
    assert read_run(folder).figure == best and read_run(folder).steps == 30000
    assert (
        "How the search went" in said and "What was read" in said and "No model has been judged yet" in said
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "setup.json",
        "results.json",
        "traces.npz",
        "currents.npz",
        "population.npz",
        "spectrum.npz",
        "stages.json",
    ],
)
def test_a_part_that_is_missing_or_damaged_leaves_the_others(copy, name):
    whole = report(copy).read_text()
    (copy / name).write_bytes(b"{nonsense")
    damaged = report(copy).read_text()
    assert "How it was made" in damaged and damaged != whole
    assert ("class=fault" in damaged) == (name != "stages.json")
    (copy / name).unlink()
    assert "How it was made" in report(copy).read_text()


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("traces.npz", "best_mV", np.zeros((2, 5))),
        ("traces.npz", "sweep", np.array(["a", "b", "c"])),
        ("currents.npz", "i_nA", np.zeros((3, 4000))),
        ("population.npz", "accepted", np.ones(3, bool)),
        ("spectrum.npz", "directions", np.zeros((7, 6))),
        ("search/search.npz", "marks", np.zeros((3, 2))),
    ],
)
def test_arrays_that_do_not_fit_are_said_to_be_damaged(copy, name, key, value):
    write_arrays(copy / name, {**read_arrays(copy / name), key: value})
    damaged = report(copy).read_text()
    assert "class=fault" in damaged and "How it was made" in damaged


@pytest.mark.parametrize("value", [None, 3, [], {}, [{"name": 3}], "text"], ids=str)
def test_figures_of_another_kind_are_left_out(copy, value):
    results = read_json(copy / "results.json")
    assert len(results) == 10
    write_json(copy / "results.json", dict.fromkeys(results, value))
    assert "How it was made" in report(copy).read_text()


def test_models_without_a_spike_or_a_population(copy):
    traces = read_arrays(copy / "traces.npz")
    traces.pop("others_mV")
    write_arrays(copy / "traces.npz", {**traces, "recorded_mV": np.full_like(traces["recorded_mV"], -70.0)})
    found = read_arrays(copy / "currents.npz")
    write_arrays(copy / "currents.npz", {**found, "peaks": np.array([0])[:1] + 10**6})
    results = read_json(copy / "results.json")
    results["population"] = {"sd": None, "count": 0, "shown": 0}
    write_json(copy / "results.json", results)
    said = text(report(copy).read_text())
    assert "No model is accepted" in said and "The model does not spike here" in said
    assert "The first spike" not in said


def test_a_folder_that_is_no_run(tmp_path):
    raises(lambda: report(tmp_path), "not a run folder")


@pytest.mark.skipif(test_browser.CHROMIUM is None, reason="needs Chromium to open the page")
@pytest.mark.parametrize("width", [1000, 400])
def test_texts_are_apart_and_legible(page, tmp_path, width):
    found = test_browser.measured(page, tmp_path, f"--window-size={width},2000")
    assert found["loaded"] == [] and found["width"] <= max(width, 500)
    for picture in found["pictures"]:
        left, top, right, bottom = picture["box"]
        assert right - left > 250 and bottom - top > 50, picture["name"]
        assert picture["smallest"] >= 8.0, picture["name"]
        assert not test_browser.overlapping(picture["texts"]), picture["name"]
        outside = [
            t for t, *b in picture["texts"] if b[0] < left - 4 or b[2] > right + 4 or b[3] > bottom + 4
        ]
        assert not outside, (picture["name"], outside)
