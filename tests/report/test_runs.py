"""The list of runs and the comparison of two: right for good folders, without a traceback for bad ones."""

import shutil

import pytest

from cajax.base.show import text_of
from cajax.report import compare, read_run, runs_table
from cajax.report.compare import differences, figures
from cajax.train import read_json, write_json

from ..helpers import raises
from .lines import Lines, begin


@pytest.fixture
def root(run, tmp_path):
    """A finished run, one that trains, a foreign folder, two damaged ones, a file and a hidden folder."""
    shutil.copytree(run, tmp_path / "lines-001")
    for name in ("lines-002", "broken-001", "broken-002", "holidays", ".cache"):
        (tmp_path / name).mkdir()
    begin(tmp_path / "lines-002", Lines())
    (tmp_path / "broken-001" / "run.json").write_text("{")
    write_json(tmp_path / "broken-002" / "run.json", {"task": "x", "settings": {}, "later": 3})
    write_json(tmp_path / "broken-002" / "metrics.json", {"tests": 3, "seconds": "x", "parameters": {}})
    (tmp_path / "notes.txt").write_text("")
    return tmp_path


def test_runs_are_listed_with_their_figures(root):
    lines = text_of(runs_table(root)).splitlines()
    rows = {line.split()[0]: line for line in lines if line.strip()}
    assert "91.67 %" in rows["lines-001"] and "finished" in rows["lines-001"] and "18 s" in rows["lines-001"]
    assert max(map(len, lines)) <= 80
    assert "training" in rows["lines-002"] and "–" in rows["lines-002"]
    assert "damaged" in rows["broken-001"] and "finished" in rows["broken-002"]
    assert "not a run" in rows["holidays"]
    assert not {"notes.txt", ".cache"} & rows.keys()


def test_a_root_without_runs(tmp_path):
    raises(lambda: runs_table(tmp_path / "absent"), "there is no folder", "cajax train")
    assert "no runs in" in text_of(runs_table(tmp_path))


def test_what_differs_is_told_with_the_figures(root):
    other = root / "lines-003"
    shutil.copytree(root / "lines-001", other)
    record = read_json(other / "run.json")
    record["settings"]["batch"] = 12
    record["versions"]["jax"] = "9.9"
    record["data"] = "sha256:1"
    write_json(other / "run.json", record)
    metrics = read_json(other / "metrics.json")
    metrics["tests"]["all lines"]["accuracy"] = 0.99
    write_json(other / "metrics.json", metrics)
    a, b = read_run(root / "lines-001"), read_run(other)
    told = {what: (x, y) for what, x, y in differences(a, b)}
    assert told.keys() == {"hash of the data", "batch", "versions: jax"} and told["batch"] == ("6", "12")
    assert ("all lines: accuracy", "91.67 %", "99.00 %", 1) in figures(a, b)
    assert ("control linear", "90.00 %", "90.00 %", -1) in figures(a, b)
    text = text_of(compare(root / "lines-001", other))
    assert "lines-003" in text and "batch" in text and "99.00 %" in text


def test_a_run_compared_with_itself_and_with_an_unfinished_one(root):
    assert "same settings, versions, data and machine" in text_of(
        compare(root / "lines-001", root / "lines-001")
    )
    assert "training" in text_of(compare(root / "lines-001", root / "lines-002"))
    raises(lambda: compare(root / "lines-001", root / "holidays"), "is not a run folder")
