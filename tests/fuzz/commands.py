"""Command lines that make no sense, with odd files, streams and surroundings. Each works, or is refused in one line.

    python tests/fuzz/commands.py --seed 0 --count 500 --seconds 1800

A command runs in a copy (a fork) of a warm process, as a user would run it; trainings are not started: commands that
would begin one stop at its door.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script

from cajax.base.errors import StoreError
from tests.fuzz.mutants import bytes_mutant
from tests.fuzz.pool import Try, main
from tests.report.lines import Lines, begin

SWC = "1 1 0 0 0 5 -1\n2 3 5 0 0 1 1\n3 3 50 0 0 1 2\n"
NAMES = (
    "cell.swc", "[bold]x[.swc", "[].swc", "µ.swc", "\udcff.swc", "a\nb.swc", "-x.swc", "x" * 250 + ".swc", "x" * 5000,
    "$(id).swc", " .swc", "[/red].swc", "model.npz", "[red]model.npz", "bad.npz", "empty.swc", "pipe.swc", "zero.swc",
    "full.npz", "loop.swc", "folder", "missing", "missing/deeper/x.swc", "cell.swc/x", "runs", "runs/lines-001",
    "runs/[bold]-001", "runs/bad-001", ".", "..", "", "/", "/dev/null", "/proc/self/mem", "/dev/stdin",
)  # fmt: skip
NUMBERS = (
    "0",
    "1",
    "-1",
    "2",
    "3.5",
    "1e30",
    "9" * 400,
    "nan",
    "inf",
    "٣",
    "0x10",
    "",
    " ",
    "1_0",
    "x",
    "[bold]",
    "4294967296",
)
TASKS = ("digits", "mnist", "match", "evidence", "dendrite", "recall", "dogits", "[bold]", "", "--help")
OPTIONS = (
    "--epochs",
    "--hidden",
    "--seed",
    "--cores",
    "--runs",
    "--resume",
    "--data",
    "--no-controls",
    "--capacity",
    "--bogus",
    "--help",
    "-x",
    "--",
)
COMMANDS = ("info", "runs", "report", "units", "train", "trian", "", "--version", "--help")


MODEL = """
import sys, cajax as cx
cell = cx.Cell(cx.cylinder(20, 5)).paint("all", leak=cx.mech.Leak())
cx.save(sys.argv[1], cell.discretize(cx.PerBranch(1)))
"""


@cache
def model() -> bytes:
    """Return the file of a model, made in another process: a fork cannot use JAX once its parent has."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        subprocess.run([sys.executable, "-c", MODEL, str(path)], check=True)
        return path.read_bytes()


def furnish(folder: Path, random: random.Random) -> None:
    """Put files of every kind into a folder."""
    for name in NAMES[:7]:
        (folder / name).write_text(SWC)
    for name in ("cell.swc/x", "bad.npz"):
        with contextlib.suppress(OSError):
            (folder / name).write_bytes(bytes_mutant(b"PK\x03\x04" + SWC.encode(), random))
    (folder / "empty.swc").write_bytes(b"")
    os.mkfifo(folder / "pipe.swc")
    for name, target in (("zero.swc", "/dev/zero"), ("full.npz", "/dev/full"), ("loop.swc", "loop.swc")):
        (folder / name).symlink_to(target)
    (folder / "folder").mkdir()
    for name in ("model.npz", "[red]model.npz"):
        (folder / name).write_bytes(model())
    for name in ("lines-001", "[bold]-001", "bad-001"):
        (folder / "runs" / name).mkdir(parents=True)
    begin(folder / "runs" / "lines-001", Lines())
    record = (folder / "runs" / "lines-001" / "run.json").read_bytes()
    (folder / "runs" / "[bold]-001" / "run.json").write_bytes(record)
    (folder / "runs" / "bad-001" / "run.json").write_bytes(bytes_mutant(record, random))


def command(random: random.Random) -> list[str]:
    """Return the words of a command."""
    first = random.choice(COMMANDS)
    if first == "train" or random.random() < 0.3:
        words = ["train", random.choice(TASKS)]
        for _ in range(random.randrange(4)):
            option = random.choice(OPTIONS)
            value = random.choice(NAMES if option in ("--runs", "--resume", "--data") else NUMBERS)
            words += (
                [option]
                if option.startswith("--no")
                else random.choice(([option, value], [f"{option}={value}"], [option]))
            )
        return [w for w in words if w or random.random() < 0.5]
    words = [first, *random.choices(NAMES, k=random.choice((0, 1, 1, 1, 2, 3)))]
    return [w for w in words if w or random.random() < 0.5]


def in_a_fork(words: Sequence[str], folder: Path, random: random.Random) -> tuple[int, str, str]:
    """Run a command in a fork; return its status and what it wrote."""
    out, err = folder.parent / f"{folder.name}.out", folder.parent / f"{folder.name}.err"
    stdout = random.choice((str(out), str(out), str(out), "/dev/full", "closed"))
    ascii_only, home = random.random() < 0.3, random.random() < 0.8
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _child(words, folder, (stdout, str(err)), ascii_only, home)
    _, status = os.waitpid(pid, 0)
    code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    texts = [path.read_text(errors="replace") if path.exists() else "" for path in (out, err)]
    for path in (out, err):
        path.unlink(missing_ok=True)
    return code, texts[0], texts[1]


def _child(words: Sequence[str], folder: Path, paths: tuple[str, str], ascii_only: bool, home: bool) -> None:
    """Be the command, and end."""
    from cajax import jobs, tasks
    from cajax.cli import commands

    signal.alarm(60)
    os.chdir(folder)
    os.environ.update(HOME=str(folder), XDG_CACHE_HOME="")
    if not home:
        del os.environ["HOME"]
    for number, path in enumerate(paths, 1):
        if path == "closed":
            read, write = os.pipe()
            os.close(read)
        else:
            write = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(write, number)
    encoding = "ascii" if ascii_only else "utf-8"
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115

    def door(*_: Any, **__: Any) -> Any:
        raise StoreError("a training would begin here; take another command")

    commands._devices = lambda count: None
    jobs.run = jobs.resume = tasks.run = tasks.resume = door
    sys.argv = ["cajax", *words]
    code = 70
    try:
        commands.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 71
    except BaseException:
        import traceback

        traceback.print_exc()
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def attempt(random: random.Random, folder: Path) -> str:
    """Run one command among odd files; anything but a result or one line is an error."""
    place = folder / "place"
    place.mkdir()
    furnish(place, random)
    words = command(random)
    code, out, err = in_a_fork(words, place, random)
    about = f"{words!r:.200} → {code}"
    lines = err.strip().splitlines()
    if "Traceback" in err or "Exception ignored" in err or code < 0 or code >= 70:
        raise AssertionError(f"{about}: {err.strip()[-300:]}")
    if (
        code in (1, 2)
        and not (len(lines) == 1 and lines[0].startswith("cajax: "))
        and (lines or (code == 2 and "Usage" not in out))
    ):
        raise AssertionError(f"{about}: {len(lines)} lines, {err[:300]}")
    if code == 0 and lines:
        raise AssertionError(f"{about}: noise {err[:300]}")
    if code:
        raise StoreError(f"{about}: {lines[0] if lines else ''}".replace("\n", " "))
    return about


def warm() -> Try:
    """Return `attempt`, ready to run at once: what commands import is there."""
    import cajax.report
    import cajax.tasks  # noqa: F401

    model()
    return attempt


if __name__ == "__main__":
    main(__file__, warm)
