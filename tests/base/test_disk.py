"""Files on disk: arrays come back as they were; a file that cannot be written leaves nothing behind."""

import numpy as np

from cajax.base.disk import write_arrays

from ..helpers import raises


def test_arrays_come_back(tmp_path):
    arrays = {"a b/c": np.arange(6.0).reshape(2, 3), "n": np.int32(3)}
    path = write_arrays(tmp_path / "x.npz", arrays)
    with np.load(path) as kept:
        assert set(kept) == set(arrays) and kept["n"] == 3
        np.testing.assert_array_equal(kept["a b/c"], arrays["a b/c"])


def test_what_cannot_be_written_is_one_line(tmp_path):
    raises(
        lambda: write_arrays(tmp_path / "absent" / "x.npz", {"a": np.zeros(1)}), "cannot write", "make room"
    )
    assert not list(tmp_path.iterdir())
