import json
import os
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from cajax.base.disk import plain, read_json
from cajax.base.errors import StoreError
from cajax.train import data_hash, new_run, record, write_json


def test_runs_are_numbered_and_never_overwritten(tmp_path):
    root = tmp_path / "deep" / "runs"
    first = new_run(root, "digits")
    (first / "x").write_text("kept")
    assert [new_run(root, "digits").name for _ in range(2)] == ["digits-002", "digits-003"]
    assert new_run(root, "match").name == "match-001"
    assert (first / "x").read_text() == "kept"
    (root / "digits-041").mkdir()
    assert new_run(root, "digits").name == "digits-042"


@pytest.mark.parametrize("name", ["", "a/b", ".."])
def test_a_name_that_is_a_path_is_refused(tmp_path, name):
    with pytest.raises(StoreError, match="not a name"):
        new_run(tmp_path, name)


def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(StoreError, match="choose another root"):
        new_run(tmp_path / "runs", "x")


def test_json_takes_arrays_and_paths_and_is_replaced_whole(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"old": 1})
    write_json(path, {"a": np.arange(3), "b": jnp.asarray(0.1), "c": (tmp_path, None), "µ": np.float32(0.5)})
    assert read_json(path) == {"a": [0, 1, 2], "b": 0.1, "c": [str(tmp_path), None], "µ": 0.5}
    assert os.listdir(tmp_path) == ["x.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_json(tmp_path / "x.json", [1])

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match="No space left"):
        write_json(path, [2])
    assert read_json(path) == [1]
    assert os.listdir(tmp_path) == ["x.json"]


def test_what_json_cannot_hold_is_refused(tmp_path):
    with pytest.raises(StoreError, match="cannot keep a function"):
        write_json(tmp_path / "x.json", {"f": test_what_json_cannot_hold_is_refused})
    assert plain({1: {2}}) == {"1": [2]}


def test_damaged_and_missing_json_name_the_file(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(StoreError, match=r"x\.json is not JSON"):
        read_json(tmp_path / "x.json")
    with pytest.raises(StoreError, match=r"y\.json"):
        read_json(tmp_path / "y.json")


def test_the_record_says_what_ran_on_what_with_what(tmp_path):
    path = record(tmp_path, seed=7, command=["cajax", "train", "a b"], data_hash="sha256:0", note="x")
    entry = json.loads(path.read_text())
    assert path.name == "run.json"
    assert entry["command"] == "cajax train 'a b'"
    assert (entry["seed"], entry["data"], entry["note"]) == (7, "sha256:0", "x")
    assert entry["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"cajax", "jax", "numpy"} <= entry["versions"].keys()
    assert entry["machine"].keys() == {"platform", "cpu_count", "cpu"}


def test_a_second_record_keeps_the_first(tmp_path):
    for seed in (1, 2, 3):
        record(tmp_path, seed=seed)
    entry = read_json(tmp_path / "run.json")
    assert [entry["seed"], *(later["seed"] for later in entry["later"])] == [1, 2, 3]
    with pytest.raises(StoreError, match=r"run\.json"):
        record(tmp_path / "absent")


def test_the_hash_depends_on_content_type_shape_and_order_only():
    x = np.arange(6.0).reshape(2, 3)
    assert (
        data_hash(x)
        == data_hash(np.asfortranarray(x))
        == data_hash(jnp.asarray(x))
        == data_hash(x.astype(">f8"))
    )
    others = [x + 1e-15 * (x == 1), x.astype(np.float32), x.reshape(3, 2), x.ravel()]
    hashes = [data_hash(x), data_hash(x, x), data_hash(), *map(data_hash, others)]
    assert len(set(hashes)) == len(hashes)
    assert data_hash(x, x[0]) != data_hash(x[0], x)
    assert data_hash(np.array(["a"])).startswith("sha256:")
    with pytest.raises(StoreError):
        data_hash(np.array([object()]))
