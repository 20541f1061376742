"""Files on disk: written whole or not at all, read only where they are files; JSON of plain values, arrays as .npz."""

import contextlib
import io
import json
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

import numpy as np

from .errors import StoreError

JSON_SIZE = 2**28
"""No JSON of ours has more bytes: a history of a million steps has a third of it."""
DEPTH = 250
"""No JSON of ours is nested more deeply; readers may recurse over it."""
LARGE = 2**30
"""Bytes of arrays above which an archive is written without compression: no honest one looks like a bomb."""


def write_json(path: str | Path, data: Any) -> Path:
    """Write `data` (plain values, arrays, paths) as JSON; at every moment the old or the new file is whole.

    Raises `StoreError` when the file cannot be written.
    """
    text = json.dumps(plain(data), indent=1, ensure_ascii=False)
    # Names of files may hold bytes that are no text; as escapes they are valid JSON.
    content = f"{text}\n".encode(errors="backslashreplace")
    return write_whole(path, content, "choose a folder that exists and is yours")


def write_whole(path: str | Path, content: bytes, cure: str) -> Path:
    """Write a file; at every moment the old or the new one is whole. Raises `StoreError` that ends with `cure`."""
    path = Path(path)
    scratch = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        scratch.unlink(missing_ok=True)
        with scratch.open("xb") as file:  # never through a link that somebody has put there
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError, ValueError):
            scratch.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {reason(error)}; {cure}") from error
    return path


def write_arrays(
    path: str | Path, arrays: Mapping[str, np.ndarray], cure: str = "make room and go on with the run"
) -> Path:
    """Write arrays as .npz; at every moment the old or the new file is whole.

    Raises `StoreError` when the file cannot be written, or for an array of Python objects.
    """
    found = {name: np.asarray(x) for name, x in arrays.items()}
    for name, x in found.items():
        if x.dtype.kind not in "biufU":
            raise StoreError(
                f"cannot write '{name}' into {path}: it has dtype {x.dtype}; give numbers or text"
            )
    content = io.BytesIO()
    kind = zipfile.ZIP_STORED if sum(x.nbytes for x in found.values()) > LARGE else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(content, "w", kind) as archive:
        for name, x in found.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, x, allow_pickle=False)
    return write_whole(path, content.getvalue(), cure)


def read_json(path: str | Path) -> Any:
    """Read a JSON file; `StoreError` when it is missing, no regular file, damaged, or nested or large beyond reason."""
    return parsed(read_whole(path, JSON_SIZE), str(path))


def parsed(content: bytes | str, where: str) -> Any:
    """Return what JSON text holds; `StoreError` begins with `where` and says what is wrong with it."""
    try:
        text = content if isinstance(content, str) else content.decode()
        data = json.loads(text, parse_int=_whole)
        if depth(data) <= DEPTH:
            return data
        raise RecursionError
    except RecursionError:
        raise StoreError(f"{where} is nested too deeply; it is damaged or another kind of file") from None
    except ValueError as error:
        raise StoreError(f"{where} is not JSON ({error}); it is damaged or another kind of file") from None


def depth(data: Any) -> int:
    """Return how deeply lists and dictionaries are nested, however deep."""
    deepest, level = 0, [data]
    while level:
        containers = [x for x in level if isinstance(x, dict | list)]
        level = [item for x in containers for item in (x.values() if isinstance(x, dict) else x)]
        deepest += bool(containers)
    return deepest


def _whole(text: str) -> int:
    """Return a whole number; seeds may have 128 bits, nothing has more."""
    if len(text) > 40:
        raise ValueError(f"a whole number of {len(text)} digits")
    return int(text)


def read_whole(path: str | Path, most: int) -> bytes:
    """Return the content of a regular file of at most `most` bytes; `StoreError` for anything else."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise StoreError(f"{path} has {size:,} bytes, more than {most:,}; it is another kind of file")
        try:
            return file.read(most + 1)
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}; check the disk") from error


def open_file(path: str | Path) -> BinaryIO:
    """Open a regular file to read; `StoreError` for what is missing, a folder, a device or a pipe, or not allowed."""
    try:
        # A pipe would block until somebody writes, a device may never end: look before reading.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot read {path}: {reason(error)}; check the path") from error
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        what = "a folder" if stat.S_ISDIR(kind) else "a device or a pipe"
        raise StoreError(f"cannot read {path}: it is {what}; give a file")
    return os.fdopen(descriptor, "rb")


def is_file(path: str | Path) -> bool:
    """Whether there is a regular file; `StoreError` where that cannot be known, as in a folder that is not yours."""
    return _is(path, stat.S_ISREG)


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder; `StoreError` where that cannot be known."""
    return _is(path, stat.S_ISDIR)


def _is(path: str | Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot look at {path}: {reason(error)}; check the path") from error


def reason(error: Exception) -> str:
    """Return what the system said, without the number and the name of the file."""
    return getattr(error, "strerror", None) or str(error)


@runtime_checkable
class _Array(Protocol):
    """What NumPy can make an array of."""

    def __array__(self) -> Any: ...


def plain(data: Any) -> Any:
    """Turn arrays, tuples, paths and mappings into what JSON holds: numbers, text, lists and dictionaries."""
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if isinstance(data, dict):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple | set | frozenset):
        return [plain(value) for value in data]
    if isinstance(data, os.PathLike):
        return os.fspath(data)
    if isinstance(data, _Array):
        return np.asarray(data).tolist()
    raise StoreError(
        f"cannot keep a {type(data).__name__} as JSON; give numbers, text, arrays, lists or dictionaries"
    )
