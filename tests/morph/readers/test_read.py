"""Reading by suffix, and files that are not there, not files, or too much."""

import os
import time
from pathlib import Path

import pytest

from cajax.base.errors import MorphologyError
from cajax.morph import PerBranch, discretize, read_morphology


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


@pytest.mark.parametrize("suffix", [".swc", ".asc", ".h5"])
def test_pipes_and_devices_are_no_files(tmp_path: Path, suffix: str):
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(
            MorphologyError, match=r"is no regular file \(a pipe or a device\); copy it to one"
        ):
            read_morphology(tmp_path / f"{name}{suffix}")


@pytest.mark.parametrize("suffix", [".swc", ".asc", ".h5"])
def test_huge_files_are_refused_unread(tmp_path: Path, suffix: str):
    path = tmp_path / f"huge{suffix}"
    with path.open("wb") as file:
        file.truncate(10**12)  # takes no room on the disk
    with pytest.raises(MorphologyError, match="would take 1,000,000,000,000 bytes, at most 40,000,000"):
        read_morphology(path)


@pytest.mark.parametrize("path", [3, None, ["a.swc"], "a\0b.swc", "x" * 5000 + ".swc", b"a.swc"])
def test_what_is_no_path(path):
    with pytest.raises(MorphologyError) as error:
        read_morphology(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize("suffix", [".swc", ".asc", ".h5"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe1\0 \0",
        b"\r\r\r",
        b"(" * 10**6,
        b"(" * 10**7,
        b"\n" * 10**7,
        b"1 " * 10**6,
    ],
)
def test_content_of_another_kind(tmp_path: Path, suffix: str, content: bytes):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(MorphologyError) as error:
        read_morphology(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


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
