"""One process at a time in a run folder: a lock that the system releases when its holder ends, however it ends."""

import contextlib
import json
import os
import platform
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict, final

from .disk import parsed, reason
from .errors import StoreError
from .schema import conformed

try:
    import fcntl
except ImportError:  # systems without it have no such locks
    fcntl: Any = None

NAME = ".lock"


@final
class Holder(TypedDict):
    """Who works in a folder: `since` is local time."""

    pid: int
    host: str
    since: str


PATIENCE = 0.2
"""Seconds for which a lock is asked for again: somebody may just be looking who has it."""


@contextlib.contextmanager
def claimed(folder: str | Path) -> Iterator[None]:
    """Keep a folder, made if need be, to this process; `StoreError` names the one that has it already."""
    folder = Path(folder)
    descriptor = _claim(folder)
    try:
        _sign(descriptor)
        yield
    finally:
        # Before the lock is released: who waits for it looks afterwards whether its file is still the one there.
        with contextlib.suppress(OSError):
            os.unlink(folder / NAME)
        os.close(descriptor)


def _claim(folder: Path) -> int:
    """Return the open and locked file of a folder."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / NAME, _FLAGS | os.O_CREAT, 0o666)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"cannot write into {folder}: {reason(error)}; choose a run folder that is yours"
            ) from error
        if _taken(descriptor) and _is_there(descriptor, folder / NAME):
            return descriptor
        said = _said(descriptor)
        os.close(descriptor)
        if time.monotonic() > end:
            raise StoreError(
                f"{folder} is in use by {said}; wait for it, stop it, or choose another run folder"
            )
        time.sleep(PATIENCE / 10)


def holder(folder: str | Path) -> str | None:
    """Return who works in a folder, in words; None where nobody does, or where that is not to be known."""
    try:
        descriptor = os.open(Path(folder) / NAME, _FLAGS)
    except (OSError, ValueError):
        return None
    try:
        return None if _taken(descriptor) else _said(descriptor)
    finally:
        os.close(descriptor)


_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def _is_there(descriptor: int, path: Path) -> bool:
    """Whether an open file is a regular one and still the one at its path."""
    mine = os.fstat(descriptor)
    try:
        return stat.S_ISREG(mine.st_mode) and os.path.samestat(mine, os.lstat(path))
    except OSError:
        return False


def _taken(descriptor: int) -> bool:
    """Take the lock of an open file; whether that was possible."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _sign(descriptor: int) -> None:
    """Write into the lock who has it; where the disk is full it stays unsaid."""
    entry: Holder = {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(entry).encode(), 0)


def _said(descriptor: int) -> str:
    try:
        entry = conformed(parsed(os.pread(descriptor, 1000, 0), NAME), Holder, NAME)
    except (OSError, StoreError):
        return "another process"
    return f"process {entry['pid']} on {entry['host']!a} since {entry['since']!a}".replace("'", "")
