"""Run folders: a fresh folder per run, and the record of what was run, on what, with what."""

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, TypedDict, final

from ..base.disk import is_file, read_json, reason, write_json
from ..base.errors import StoreError
from ..base.schema import Within, conformed, salvaged

RECORD = "run.json"


@final
class Record(TypedDict, total=False):
    """What `run.json` holds: what was run, on what, with what; `later` has the same of every time it went on."""

    command: str | None
    seed: Annotated[int, Within(0)] | None
    data: str | None
    versions: dict[str, str]
    machine: dict[str, str | int | None]
    kind: str
    task: str
    settings: dict[str, Any]
    score: dict[str, Any]
    later: list[dict[str, Any]]


def new_run(root: str | Path = "runs", name: str = "run") -> Path:
    """Create and return an empty folder `root/name-001`, or with the next number; nothing is overwritten.

    Raises `StoreError` when the folder cannot be made.
    """
    if name in ("", "..") or Path(name).name != name or not name.isprintable():
        raise StoreError(
            f"'{name}' is not a name for a run folder; give one word without a path, and the path as root"
        )
    root = Path(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        taken = [p.name.removeprefix(f"{name}-") for p in root.glob("*") if p.name.startswith(f"{name}-")]
        number = max((int(n) for n in taken if n.isascii() and n.isdecimal() and len(n) < 10), default=0) + 1
        while True:
            folder = root / f"{name}-{number:03d}"
            try:
                folder.mkdir()
                return folder
            except FileExistsError:  # another process took the number in the meantime
                number += 1
    except (OSError, ValueError) as error:
        raise StoreError(
            f"cannot make a run folder in {root}: {reason(error)}; choose another root"
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
    if is_file(path):
        first = read_record(run)
        entry = {**first, "later": [*(first.get("later") or []), entry]}
    return write_json(path, entry)


def read_record(run: str | Path) -> Record:
    """Return what `record` wrote into the folder `run`; `StoreError` for a folder that is not of a run.

    It names the key that is not as it should be.
    """
    path = require_run(run)
    try:
        return conformed(read_json(path), Record, f"{path}: ")
    except StoreError as error:
        raise StoreError(f"{error}; {_OTHER}") from None


def salvaged_record(run: str | Path, faults: list[str]) -> Record:
    """Return what can be used of the record of a run; what is wrong with the rest is added to `faults`."""
    path = require_run(run)
    entry = read_json(path)
    if not isinstance(entry, dict) or not isinstance(entry.get("settings", {}), dict):
        raise StoreError(f"{path} is not the record of a run; {_OTHER}")
    found: Any = salvaged(entry, Record, f"{RECORD}: ", faults)
    return found


_OTHER = "give a folder that 'cajax train', 'cajax fit' or cajax.fit made"


def require_run(run: str | Path) -> Path:
    """Return the path of the record of a run; `StoreError` for a folder that has none."""
    path = Path(run) / RECORD
    if not is_file(path):
        raise StoreError(
            f"{run} is not a run folder (it has no {RECORD}); {_OTHER.replace('a folder', 'one')}"
        )
    return path


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
