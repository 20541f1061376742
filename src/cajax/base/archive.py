"""Archives of arrays (.npz): every size is checked before memory is taken, and nothing in one is run.

NumPy's own reader takes what the header of an array claims, and unpickles where it is allowed to; this one knows
numbers, truth values and text only.
"""

import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from .disk import LARGE, open_file
from .errors import StoreError

MEMBERS = 100_000
"""An archive holds at most so many arrays."""
RATIO = 200
"""What unpacks to more than `LARGE` and so many times its size is refused."""

_HEADER = re.compile(
    rb"\{'descr': '([<>|=][biufU]\d{1,9})', 'fortran_order': (False|True), 'shape': \(([\d, ]{0,400})\), \} *\n"
)
_MAGIC = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4, b"\x93NUMPY\x03\x00": 4}
_LONGEST = 4096


@final
class _Entry(NamedTuple):
    """One array of an archive, as its header says."""

    info: zipfile.ZipInfo
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    start: int


def read_arrays(path: str | Path, what: str = "an archive of arrays") -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by name, in the byte order of this machine; `what` it should be, for errors.

    Raises `StoreError` for a file that cannot be read, is no archive, is damaged, holds anything but numbers, truth
    values and text, or would unpack to more than the memory that there is.
    """
    with open_file(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                entries = _entries(archive, path)
                _check_size(entries, os.fstat(file.fileno()).st_size, path)
                return {name: _read(archive, entry, f"{path}: {name}") for name, entry in entries.items()}
        except StoreError:
            raise
        except Exception as error:
            # `zipfile` and `zlib` raise a dozen kinds of exceptions for damaged bytes, and list them nowhere.
            raise StoreError(
                f"{path} is not {what}, or is damaged ({_line(error)}); make it again or restore a copy"
            ) from None


def _line(error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {text[:80]}" if text else type(error).__name__


def _entries(archive: zipfile.ZipFile, path: str | Path) -> dict[str, _Entry]:
    infos = archive.infolist()
    if len(infos) > MEMBERS:
        raise StoreError(
            f"{path} holds {len(infos):,} arrays, more than {MEMBERS:,}; it was not written by Cajax"
        )
    found: dict[str, _Entry] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in found:
            what = "there twice" if name in found else "not an array"
            raise StoreError(f"{path}: {info.filename[:40]!a} is {what}; make the file again")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise StoreError(f"{path}: {name} is encrypted or packed in an unknown way; make the file again")
        found[name] = _entry(archive, info, f"{path}: {name}")
    return found


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> _Entry:
    """Read the header of an array, and check what it claims against the size of the member."""
    with archive.open(info) as member:
        magic = member.read(8)
        if magic not in _MAGIC:
            raise StoreError(f"{where} is not an array in NumPy's format; make the file again")
        width = _MAGIC[magic]
        length = int.from_bytes(member.read(width), "little")
        header = member.read(length) if length <= _LONGEST else b""
    match = _HEADER.fullmatch(header)
    if match is None:
        raise StoreError(
            f"{where} has a header that is damaged or asks for more than numbers and text; make the file again"
        )
    dtype, shape = np.dtype(match[1].decode()), tuple(int(n) for n in match[3].split(b",") if n.strip())
    start, size = 8 + width + length, dtype.itemsize
    for n in shape:
        size *= n
    if len(shape) > 32 or size != info.file_size - start:
        raise StoreError(
            f"{where} claims {amount(size)} for {dtype}{list(shape)} but holds {amount(info.file_size - start)};"
            " it is damaged: make the file again"
        )
    return _Entry(info, dtype, shape, match[2] == b"True", start)


def _check_size(entries: Mapping[str, _Entry], packed: int, path: str | Path) -> None:
    size = sum(entry.info.file_size for entry in entries.values())
    if size > LARGE and size > RATIO * packed:
        raise StoreError(
            f"{path} would unpack from {amount(packed)} to {amount(size)}: a bomb, not data; take another file"
        )
    if size > (room := memory()):
        raise StoreError(
            f"{path} unpacks to {amount(size)}, and this machine has {amount(room)}; take a larger one"
        )


def _read(archive: zipfile.ZipFile, entry: _Entry, where: str) -> np.ndarray:
    with archive.open(entry.info) as member:
        member.read(entry.start)
        content = member.read()
    x = np.frombuffer(content, entry.dtype)
    if entry.dtype.kind == "U":
        codes = np.frombuffer(content, entry.dtype.byteorder.replace("|", "=") + "u4")
        if codes.size and codes.max() > 0x10FFFF:
            raise StoreError(f"{where} holds what is not text; it is damaged: make the file again")
    if entry.dtype.kind == "b" and np.frombuffer(content, "u1").max(initial=0) > 1:
        raise StoreError(f"{where} holds what is neither true nor false; it is damaged: make the file again")
    x = x.reshape(entry.shape, order="F" if entry.fortran else "C")
    return x.astype(entry.dtype.newbyteorder("="))


def memory() -> int:
    """Return the bytes of memory of this machine."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return 2**36


def amount(size: float) -> str:
    """Return a number of bytes in words: "3.2 MiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB" if size < 1e6 else "far more than there is"
