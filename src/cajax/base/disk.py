"""Files on disk: written whole or not at all; JSON of plain values, arrays as .npz."""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .errors import StoreError


def write_json(path: str | Path, data: Any) -> Path:
    """Write `data` (plain values, arrays, paths) as JSON; at every moment the old or the new file is whole.

    Raises `StoreError` when the file cannot be written.
    """
    text = json.dumps(plain(data), indent=1, ensure_ascii=False)
    return write_whole(path, f"{text}\n".encode(), "choose a folder that exists and is yours")


def write_whole(path: str | Path, content: bytes, cure: str) -> Path:
    """Write a file; at every moment the old or the new one is whole. Raises `StoreError` that ends with `cure`."""
    path = Path(path)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {error.strerror}; {cure}") from error
    return path


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays as .npz; at every moment the old or the new file is whole.

    Raises `StoreError` when the file cannot be written.
    """
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # pyright: ignore[reportArgumentType]
    return write_whole(path, content.getvalue(), "make room and resume the run")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; `StoreError` when it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(f"{path} is not JSON ({error}); it is damaged or another kind of file") from error


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
