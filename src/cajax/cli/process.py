"""The process around a command: streams that take any text, SIGTERM as soft as Ctrl-C, errors in one line."""

import codecs
import contextlib
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

PLAIN = {
    "µ": "u", "μ": "u", "Ω": "Ohm", "°": "deg", "²": "2", "³": "3", "·": "*", "×": "x", "−": "-", "–": "-", "…": "...",
    "→": "->", "′": "'", "≥": ">=", "≤": "<=", "Δ": "d",
}  # fmt: skip
"""What stands for a sign that a stream cannot write."""

LONGEST = 600
"""Of longer lines the middle is left out: names may have thousands of letters."""


def _spelt(error: UnicodeError) -> tuple[str, int]:
    """Spell the signs that an encoding lacks; what has no spelling, such as bytes in a file's name, is escaped."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in signs), error.end


def ready_streams() -> None:
    """Let standard output and error take any text, whatever their encoding."""
    codecs.register_error("cajax", _spelt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="cajax")


def quiet_threads() -> None:
    """Let threads of libraries fail in silence: what fails there comes back as an error of ours."""
    shown = sys.excepthook

    def hook(kind: Any, error: Any, trace: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            shown(kind, error, trace)

    sys.excepthook = hook


@contextlib.contextmanager
def soft_termination() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does: a training finishes its step and saves it."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGTERM, stop) if main else None
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGTERM, previous)


def said(text: str) -> None:
    """Write one line to standard error, whatever is in the text; where that is closed or full, nothing."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]}…{line[-LONGEST // 2 :]}"
    with contextlib.suppress(OSError, ValueError):
        print(f"cajax: {line}", file=sys.stderr, flush=True)


def flushed(code: int) -> int:
    """Write out what is left on standard output and return the exit status, 1 where that is closed or full."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except (OSError, ValueError) as error:
        if not code:  # else it has been said what is wrong
            failed(error)
        # Python flushes again at its end, and would complain.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
        return code or 1


def failed(error: OSError | ValueError) -> None:
    """Say why the system refused something; a reader that has gone away needs no word."""
    if getattr(error, "errno", None) == errno.EPIPE:
        return
    name = getattr(error, "filename", None)
    what = f"cannot use {os.fsdecode(name)}" if isinstance(name, str | bytes) else "cannot write the output"
    reason = getattr(error, "strerror", None) or str(error)
    said(f"{what}: {reason}; check the path, the disk and who may use them")


def cache() -> Path | None:
    """Return the folder that keeps compiled programs, None where there is no place to write."""
    try:
        root = os.environ.get("XDG_CACHE_HOME")
        folder = (Path(root) if root else Path.home() / ".cache") / "cajax" / "xla"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError, ValueError):  # no home, or not ours to write in
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None
