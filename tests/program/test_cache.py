"""The kernels kept on disk: broken, cut off, unwritable, written by several at once, they cost time but no result."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cajax.program import compiled, executor

pytestmark = pytest.mark.skipif(executor.missing() is not None, reason="programs cannot be compiled here")

TEXT = "define void @k(ptr noalias %table, i64 %begin, i64 %end) nounwind {{\n  ret void\n}}\n; {}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(compiled.CACHE_VARIABLE, str(tmp_path))
    return tmp_path / "kernels"


def refuse(text: str) -> bytes:
    raise AssertionError("it was compiled again")


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_kept_and_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = compiled._object(TEXT.format(1))
    monkeypatch.setattr(compiled, "_built", refuse)
    assert compiled._object(TEXT.format(1)) == code
    assert only_file(folder).suffix == ".o"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: b"",
        lambda x: x[:10],
        lambda x: x[: len(x) // 2],
        lambda x: x[:-1],
        lambda x: x + b"\0",
        lambda x: bytes([x[0] ^ 1]) + x[1:],
        lambda x: x[:100] + bytes([x[100] ^ 0x40]) + x[101:],
        lambda x: b"\0" * len(x),
    ],
)
def test_broken_file_is_written_anew(folder: Path, spoil: object) -> None:
    code = compiled._object(TEXT.format(2))
    path = only_file(folder)
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))  # pyright: ignore
    assert compiled._object(TEXT.format(2)) == code
    assert only_file(folder).read_bytes() == whole


def test_folder_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    for place in (file, file / "deeper", Path(os.devnull)):
        monkeypatch.setattr(compiled, "_folder", lambda place=place: place / "kernels")
        assert compiled._object(TEXT.format(3))


def test_folder_in_the_place_of_a_file(folder: Path) -> None:
    code = compiled._object(TEXT.format(4))
    path = only_file(folder)
    path.unlink()
    path.mkdir()
    assert compiled._object(TEXT.format(4)) == code
    assert [p.name for p in folder.iterdir()] == [path.name]


def test_full_disk_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiled.os, "replace", full)
    assert compiled._object(TEXT.format(5))
    assert not list(folder.iterdir())


def test_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled.CACHE_VARIABLE, "")
    assert compiled._folder() is None and compiled._object(TEXT.format(6))
    monkeypatch.delenv(compiled.CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compiled._folder() == tmp_path / "cajax" / "kernels"


def test_other_text_or_processor_is_another_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled._object(TEXT.format(7))
    compiled._object(TEXT.format(8))
    assert len(list(folder.iterdir())) == 2
    name, features = compiled._target()
    monkeypatch.setattr(compiled, "_target", lambda: (name, features + ",-avx512f"))
    compiled._object(TEXT.format(8))
    monkeypatch.setattr(compiled, "VERSION", compiled.VERSION + 1)
    compiled._object(TEXT.format(8))
    assert len(list(folder.iterdir())) == 4


def test_several_processes_at_once(folder: Path) -> None:
    script = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from cajax.program import compiled\n"
        "import hashlib\n"
        f"codes = [compiled._object({TEXT!r}.format(100 + k)) for k in range(12)]\n"
        "print(hashlib.md5(b''.join(codes)).hexdigest())"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    found = {child.communicate()[0] for child in children}
    assert all(child.returncode == 0 for child in children) and len(found) == 1
    files = sorted(folder.iterdir())
    assert len(files) == 12 and all(p.suffix == ".o" and compiled._read(p) for p in files)
