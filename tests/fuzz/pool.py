"""Hostile inputs by the thousand, each under a time limit in a warm child process, so that crashes and hangs count.

A script of this folder defines a `Job`: it makes input number `n` from the seed alone and tries it. `main` runs it:

    python tests/fuzz/files.py --seed 0 --count 2000 --seconds 600
"""

import argparse
import contextlib
import json
import os
import random
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LIMIT = 10.0
"""Seconds of processor time for one input."""
WAIT = 60.0
"""Seconds for one input, on a machine that is busy with other things."""
START = 180.0
"""Seconds for a child to get warm."""

KINDS = ("fine", "refused", "raw", "noise", "crash", "hang")
GOOD = ("fine", "refused")

Try = Callable[[random.Random, Path], str]
"""Makes an input from random numbers in an empty folder and tries it; returns what it was in a few words."""


def outcome(attempt: Try, seed: int, number: int) -> tuple[str, str]:
    """Return how input `number` ended, and why; what is printed meanwhile is noise."""
    from cajax.base.errors import CajaxError

    about = ""
    with tempfile.TemporaryDirectory() as folder, printed() as noise:
        try:
            about = attempt(random.Random(f"{seed}/{number}"), Path(folder)) or ""
            kind = "fine"
        except CajaxError as error:
            lines = str(error).splitlines()
            kind, about = ("refused" if len(lines) == 1 else "raw"), " / ".join(lines)
        except Exception as error:
            kind, about = "raw", f"{type(error).__name__}: {error} ({where(error)})"
    if kind in GOOD and noise:
        return "noise", noise[0]
    return kind, about


def where(error: BaseException) -> str:
    """Return the last place of ours in a traceback."""
    trace, last = error.__traceback__, "?"
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if "cajax" in name:
            last = f"{Path(name).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return last


@contextlib.contextmanager
def printed() -> Iterator[list[str]]:
    """Catch what is written to standard output and error, by libraries in C too; it is in the list afterwards."""
    found: list[str] = []
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield found
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            for descriptor in kept:
                os.close(descriptor)
            file.seek(0)
            text = file.read().decode(errors="replace").strip()
            if text:
                found.append(text[:300])


class Child:
    """A process that tries one input after the other."""

    def __init__(self, script: str, seed: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, script, "--child", "--seed", str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1,
        )  # fmt: skip
        self.number: int | None = None
        self.due = time.monotonic() + START

    def ask(self, number: int) -> None:
        assert self.process.stdin is not None
        self.number, self.due = number, time.monotonic() + LIMIT
        self.last, self.used = time.monotonic() + WAIT, spent(self.process.pid)
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{number}\n")

    def is_stuck(self) -> bool:
        """Whether an input takes longer than is allowed."""
        now = time.monotonic()
        if self.number is None or now < self.due:
            return now > self.due
        used = spent(self.process.pid)
        return now > self.last or used is None or self.used is None or used - self.used > LIMIT

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def spent(pid: int) -> float | None:
    """Return the processor time of a process in seconds, None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve(attempt: Try, seed: int) -> None:
    """Be a child: read numbers, write how each input ended."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    out.write(json.dumps(["ready", ""]) + "\n")
    for line in sys.stdin:
        out.write(json.dumps(outcome(attempt, seed, int(line))) + "\n")


def tried(
    script: str, seed: int, count: int, seconds: float, children: int
) -> Iterator[tuple[int, str, str]]:
    """Yield (number, kind, about) of up to `count` inputs, as many as `seconds` allow."""
    numbers, end = iter(range(count)), time.monotonic() + seconds
    selector, busy = selectors.DefaultSelector(), set()

    def start() -> None:
        child = Child(script, seed)
        busy.add(child)
        selector.register(child.process.stdout, selectors.EVENT_READ, child)  # pyright: ignore[reportArgumentType]

    def stop(child: Child) -> None:
        selector.unregister(child.process.stdout)  # pyright: ignore[reportArgumentType]
        child.end()
        busy.discard(child)

    for _ in range(children):
        start()
    while busy:
        for key, _ in selector.select(timeout=0.5):
            child = key.data
            line = child.process.stdout.readline()
            if not line:
                if child.number is None:
                    raise SystemExit(f"{script} cannot start; run it with --child to see why")
                yield child.number, "crash", f"exit status {child.process.wait()}"
            elif child.number is not None:
                yield (child.number, *json.loads(line))
            following = next(numbers, None) if time.monotonic() < end else None
            if following is None:
                stop(child)
            elif not line:
                stop(child)
                start()
                numbers = iter([following, *numbers])
            else:
                child.ask(following)
        for child in [c for c in busy if c.is_stuck()]:
            if child.number is not None:
                yield child.number, "hang", f"over {LIMIT:.0f} s"
            stop(child)
            start()


def main(script: str, attempt: Callable[[], Try]) -> None:
    """Run a script of this folder from the command line; exit status 1 where anything is not as it should be."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--children", type=int, default=2)
    parser.add_argument("--only", type=int, help="try this input alone, in this process")
    parser.add_argument("--verbose", action="store_true", help="say how every input ended")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given: Any = parser.parse_args()
    if given.child:
        serve(attempt(), given.seed)
        return
    if given.only is not None:
        print(*outcome(attempt(), given.seed, given.only))
        return
    counts, begin = Counter(), time.monotonic()
    for number, kind, about in tried(script, given.seed, given.count, given.seconds, given.children):
        counts[kind] += 1
        if given.verbose or kind not in GOOD:
            print(f"{kind:8s} --seed {given.seed} --only {number}: {about[:400]}", flush=True)
    total = sum(counts.values())
    print(
        f"{total} inputs in {time.monotonic() - begin:.0f} s: " + ", ".join(f"{counts[k]} {k}" for k in KINDS)
    )
    raise SystemExit(any(counts[k] for k in KINDS if k not in GOOD) or not total)
