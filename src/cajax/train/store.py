"""Run folders: a fresh folder per run, atomic JSON, and the record of what was run, on what, with what."""

import hashlib
import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import StoreError

RECORD = "run.json"


def new_run(root: str | Path = "runs", name: str = "run") -> Path:
    """Create and return an empty folder `root/name-001`, or with the next number; nothing is overwritten.

    Raises `StoreError` when the folder cannot be made.
    """
    if name in ("", "..") or Path(name).name != name:
        raise StoreError(
            f"'{name}' is not a name for a run folder; give one word without a path, and the path as root"
        )
    root = Path(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        taken = [p.name.removeprefix(f"{name}-") for p in root.glob("*") if p.name.startswith(f"{name}-")]
        number = max((int(n) for n in taken if n.isdecimal()), default=0) + 1
        while True:
            folder = root / f"{name}-{number:03d}"
            try:
                folder.mkdir()
                return folder
            except FileExistsError:  # another process took the number in the meantime
                number += 1
    except OSError as error:
        raise StoreError(
            f"cannot make a run folder in {root}: {error.strerror}; choose another root"
        ) from error


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


def read_json(path: str | Path) -> Any:
    """Read a JSON file; `StoreError` when it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(f"{path} is not JSON ({error}); it is damaged or another kind of file") from error


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
    if isinstance(data, np.ndarray | np.generic) or hasattr(data, "__array__"):
        return np.asarray(data).tolist()
    raise StoreError(
        f"cannot keep a {type(data).__name__} as JSON; give numbers, text, arrays, lists or dictionaries"
    )


def data_hash(*arrays: Any) -> str:
    """Return "sha256:…" over the types, shapes and bytes of arrays: equal data, equal hash, on any machine."""
    digest = hashlib.sha256()
    for array in arrays:
        array = np.asarray(array)
        if array.dtype.hasobject:
            raise StoreError(
                "data_hash takes arrays of numbers or text, not of Python objects; convert them first"
            )
        array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(
            array.shape
        )
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return f"sha256:{digest.hexdigest()}"


def record(
    run: str | Path,
    *,
    seed: int | None = None,
    command: str | Sequence[str] | None = None,
    data_hash: str | None = None,
    **more: Any,
) -> Path:
    """Write `run.json` into the folder `run`: versions, command, machine, seed, data hash and `more`.

    The first record of a folder stays; later ones (a resumed run) are appended under "later". Returns the
    path.
    Raises `StoreError` when the folder is missing.
    """
    command = sys.argv if command is None else command
    entry = {
        "command": command if isinstance(command, str) else shlex.join(command),
        "seed": seed,
        "data": data_hash,
        "versions": versions(),
        "machine": machine(),
        **more,
    }
    path = Path(run) / RECORD
    if path.exists():
        first = read_json(path)
        first["later"] = [*first.get("later", []), entry]
        entry = first
    return write_json(path, entry)


def versions() -> dict[str, str]:
    """Return the versions of Python, Cajax and the libraries that decide its numbers."""
    found = {"python": platform.python_version()}
    for package in ("cajax", "jax", "jaxlib", "numpy", "equinox", "optax"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def machine() -> dict[str, Any]:
    """Return the platform, the number of processors and the processor's model; no name of the host."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model
        )
    system = f"{platform.system()} {platform.machine()}"
    return {"platform": system, "cpu_count": os.cpu_count(), "cpu": model or "unknown"}
