"""Reading run folders: what state a run is in, and what is said of damaged parts."""

import os
import shutil

import pytest

from cajax.report import read_run
from cajax.report.folder import number
from cajax.train import History, read_json, write_json

from ..helpers import raises
from .lines import Lines, begin, finish


def test_a_whole_run(run):
    found = read_run(run)
    assert (found.task, found.state, found.steps, found.seconds) == ("lines", "finished", 50, 17.9)
    assert found.figure == pytest.approx(22 / 24)
    assert [s.name for s in found.stages] == ["bright", "dim"] and len(found.stages[0].checks) == 3
    assert found.faults == ()


def test_stages_come_in_the_order_of_their_numbers(tmp_path):
    write_json(tmp_path / "run.json", {"task": "x", "settings": {}})
    for name in ("10-last", "2-middle-one", "1-first"):
        (tmp_path / "stages" / name).mkdir(parents=True)
    assert [s.name for s in read_run(tmp_path).stages] == ["first", "middle-one", "last"]


def test_the_state_of_a_run_that_has_not_ended(tmp_path):
    begin(tmp_path, Lines())
    assert read_run(tmp_path).state == "training"  # its files are new
    for path in [*tmp_path.rglob("*"), tmp_path]:
        os.utime(path, (1e9, 1e9))
    assert read_run(tmp_path).state == "interrupted"
    place = tmp_path / "stages" / "1-bright" / "history.json"
    for ended in ("diverged", "interrupted"):
        History([1.0], [1.0], [1.0], [], [], ended).to_json(place)
        assert read_run(tmp_path).state == ended
    place.unlink()
    assert read_run(tmp_path).steps == 30  # as the checkpoint says


def test_damaged_parts_are_left_out_and_named(tmp_path):
    finish(tmp_path, Lines())
    (tmp_path / "metrics.json").write_text('{"tests": ')
    (tmp_path / "inside.json").write_text("[]")
    write_json(
        tmp_path / "stages" / "1-bright" / "checks.json",
        [{"step": "x"}, 3, {"step": 1, "seconds": 1, "accuracy": 1}],
    )
    found = read_run(tmp_path)
    assert found.metrics == {} and found.inside == {} and found.figure is None
    said = "; ".join(found.faults)
    assert (
        len(found.faults) == 4 and "metrics.json is not JSON" in said and "inside.json holds a list" in said
    )
    assert "checks.json: [0].step is 'x', not a whole number" in said or "[0].seconds is missing" in said
    assert "checks.json: [1] is 3, not a dictionary" in said
    assert len(found.stages[0].checks) == 1


def test_what_is_no_run_is_refused(tmp_path):
    raises(lambda: read_run(tmp_path / "absent"), "is not a run folder")
    write_json(tmp_path / "run.json", {"settings": 3})
    raises(lambda: read_run(tmp_path), "not the record of a run")


def test_a_folder_from_before_scores_were_recorded_is_read(tmp_path, run):
    shutil.copytree(run, tmp_path / "old")
    record = read_json(tmp_path / "old" / "run.json")
    del record["score"]
    write_json(tmp_path / "old" / "run.json", record)
    old = read_run(tmp_path / "old")
    assert old.figure == read_run(run).figure and old.headline.name == "accuracy" and not old.plain


def test_numbers_are_finite_numbers():
    assert [number(x) for x in (1, 0.5, True, None, "1", float("nan"), float("inf"))] == [
        1.0,
        0.5,
        *[None] * 5,
    ]
