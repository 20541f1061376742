"""The record of a job: what was changed in it since is refused by its key, before anything goes on."""

import pytest

from cajax.jobs.folder import load_run, rebuilt, start
from cajax.tasks import Digits
from cajax.train import read_json, write_json

from ..helpers import raises


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    return start(Digits(epochs=2), tmp_path_factory.mktemp("runs"))


def test_the_job_comes_back_from_its_record(begun):
    assert rebuilt(Digits, load_run(begun), begun) == Digits(epochs=2)


CHANGES = {
    "settings.epochs": 3, "settings.hidden": 10**30, "settings": [], "task": 3, "data": None, "seed": -1, "later": 3,
    "versions": {"jax": 1}, "machine": "x", "command": {}, "settings_hash": 7,
}  # fmt: skip


@pytest.mark.parametrize("key", CHANGES)
def test_changes_are_refused_by_their_key(begun, tmp_path, key):
    entry = read_json(begun / "run.json")
    outer, _, inner = key.partition(".")
    if inner:
        entry[outer][inner] = CHANGES[key]
    else:
        entry[outer] = CHANGES[key]
    write_json(tmp_path / "run.json", entry)
    raises(lambda: load_run(tmp_path), "run.json", outer.removesuffix("_hash"))


@pytest.mark.parametrize("value", ["3", None, 2.5, True, [1], 10**39])
def test_settings_of_another_type_are_refused_without_a_hash_too(begun, value):
    entry = load_run(begun)
    changed = {**entry, "settings": {**entry["settings"], "epochs": value}}
    raises(lambda: rebuilt(Digits, changed, begun), "settings.epochs is ", "start a new run")
