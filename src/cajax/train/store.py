"""Run folders: a fresh folder per run, and the record of what was run, on what, with what."""

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ..base.disk import read_json, write_json
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


def read_record(run: str | Path) -> dict[str, Any]:
    """Return what `record` wrote into the folder `run`; `StoreError` for a folder that is not of a run."""
    path = Path(run) / RECORD
    if not path.is_file():
        raise StoreError(
            f"{run} is not a run folder (it has no {RECORD}); give one that 'cajax train' or cajax.fit made"
        )
    entry = read_json(path)
    if not isinstance(entry, dict) or not isinstance(entry.get("settings", {}), dict):
        raise StoreError(
            f"{path} is not the record of a run; give a folder that 'cajax train' or cajax.fit made"
        )
    return entry


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
