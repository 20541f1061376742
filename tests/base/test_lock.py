"""One process at a time in a folder: who has it is named, and nothing else is touched."""

import json
import os

import pytest

from cajax.base.lock import NAME, claimed, holder

from ..helpers import raises


def take(folder):
    with claimed(folder):
        pass


def test_a_folder_is_claimed_once(tmp_path):
    assert holder(tmp_path) is None
    with claimed(tmp_path / "run"):
        said = holder(tmp_path / "run")
        assert said is not None and f"process {os.getpid()} on " in said
        assert json.loads((tmp_path / "run" / NAME).read_text()).keys() == {"pid", "host", "since"}
        raises(
            lambda: take(tmp_path / "run"),
            "is in use by process",
            str(os.getpid()),
            "choose another run folder",
        )
    assert holder(tmp_path / "run") is None and not os.listdir(tmp_path / "run")
    take(tmp_path / "run")


def test_it_is_free_after_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), claimed(tmp_path):
        raise KeyboardInterrupt
    take(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[[[[", b'{"pid": "x", "host": 3, "since": null}', b"\xff" * 2000]
)
def test_a_spoiled_lock_says_less(tmp_path, content):
    with claimed(tmp_path):
        (tmp_path / NAME).write_bytes(content)
        assert holder(tmp_path) == "another process"
        raises(lambda: take(tmp_path), "another process")


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "precious").write_text("kept")
    (tmp_path / NAME).symlink_to(tmp_path / "precious")
    raises(lambda: take(tmp_path), "cannot write into")
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_place_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    raises(lambda: take(tmp_path / "file"), "cannot write into", "choose a run folder")
    raises(lambda: take(tmp_path / ("x" * 300)), "File name too long")
