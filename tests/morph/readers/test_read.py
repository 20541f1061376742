"""Reading by suffix, HDF5 through MorphIO, and files that are not there."""

import time
from pathlib import Path

import numpy as np
import pytest

from cajax.base.errors import MorphologyError
from cajax.morph import PerBranch, discretize, read_morphology

ASC = """("CellBody" (CellBody) (9 0 0 0) (6 6 0 0) (0 9 0 0) (-9 0 0 0) (0 -9 0 0))
( (Dendrite) (0 5 0 2) (0 30 0 2) ( (0 40 0 1) (9 50 0 1) Normal | (0 30 0 1) (-9 50 0 1) Normal ) )
( (Apical) (0 -5 0 2) (0 -30 0 2) Normal )
"""


def test_h5_equals_asc(tmp_path: Path):
    morphio = pytest.importorskip("morphio")
    path = tmp_path / "cell.asc"
    path.write_text(ASC)
    morphio.mut.Morphology(str(path)).write(str(tmp_path / "cell.h5"))
    a, b = read_morphology(path), read_morphology(tmp_path / "cell.h5")
    assert a.tags == b.tags
    np.testing.assert_array_equal(a.parent, b.parent)
    np.testing.assert_array_equal(a.attach, b.attach)
    np.testing.assert_allclose(a.lengths, b.lengths, rtol=1e-6)
    np.testing.assert_allclose(a.areas, b.areas, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.swc", "no file '.*nowhere.swc'; check the path"),
        ("cell.obj", "cannot read '.*cell.obj': the suffix must be one of .swc, .asc, .h5"),
        ("cell", "the suffix must be one of"),
    ],
)
def test_wrong_paths(tmp_path: Path, name: str, message: str):
    with pytest.raises(MorphologyError, match=message):
        read_morphology(tmp_path / name)


def test_a_folder_is_no_file(tmp_path: Path):
    (tmp_path / "x.swc").mkdir()
    with pytest.raises(MorphologyError, match="is a folder"):
        read_morphology(str(tmp_path / "x.swc"))


def test_h5_that_is_none(tmp_path: Path):
    pytest.importorskip("morphio")
    (tmp_path / "x.h5").write_text("not HDF5")
    with pytest.raises(MorphologyError, match=r"x.h5 is not a morphology in HDF5") as error:
        read_morphology(tmp_path / "x.h5")
    assert "\n" not in str(error.value)


def test_suffix_in_capitals(tmp_path: Path):
    (tmp_path / "A.SWC").write_text("1 1 0 0 0 5 -1\n")
    assert read_morphology(tmp_path / "A.SWC").tags == ("soma",)


@pytest.mark.parametrize(("name", "limit"), [("morph_ca1_n120.swc", 0.15), ("n140.swc", 0.5)])
def test_reading_is_quick(shared: Path, name: str, limit: float):
    def seconds() -> float:
        start = time.process_time()
        discretize(read_morphology(shared / "morphologies" / "ca1" / name), PerBranch(4), 100.0, 1.0)
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < limit
