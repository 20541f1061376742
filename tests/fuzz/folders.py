"""Spoiled run folders, of a task and of a plain fit, read by everything that reads run folders."""

import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optax

import cajax as cx
from cajax.base.archive import read_arrays
from cajax.base.errors import CajaxError
from cajax.base.show import text_of
from cajax.jobs.folder import load_run, rebuilt
from cajax.report import compare, read_run, report, runs_table
from tests.fuzz.mutants import array_mutant, bytes_mutant, json_mutant, lying_header, write_npz
from tests.report.lines import Lines, finish

SHOWN, SIMULATED = 0.3, 0.02
"""Shares of the folders that get a page, and one whose trials are simulated again: that takes seconds."""


@cache
def originals() -> tuple[Path, ...]:
    """Return a folder that a task leaves, and one that a plain fit leaves; they go with the process."""
    root = Path(tempfile.mkdtemp())
    for name in ("lines-001", "fit-001"):
        (root / name).mkdir()
    finish(root / "lines-001", Lines())
    model = cx.Cell(cx.cylinder(20, 5)).paint("all", leak=cx.mech.Leak()).discretize(cx.PerBranch(1))
    fitted(model, root / "fit-001")
    return root / "lines-001", root / "fit-001"


def fitted(model: cx.Model, folder: Path) -> None:
    """Fit two parameters for three steps in a folder, or go on there."""
    free = cx.Free({"all.leak.g": cx.positive(), "all.cm": cx.bounded(0.5, 2.0)})

    def loss(m: Any) -> Any:
        return (1e4 * m.params["all.leak.g"] - 1.0) ** 2 + m.params["all.cm"]

    cx.fit(loss, model, free, optax.adam(1e-2), 3, run=folder, progress=False)


def spoil(folder: Path, random: random.Random) -> str:
    """Spoil one file of a folder; return which."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    path, how = random.choice(files), random.random()
    if how < 0.04:
        path.unlink()
        (path.mkdir, lambda: path.symlink_to(path.name), lambda: os.mkfifo(path), lambda: None)[
            random.randrange(4)
        ]()
    elif path.suffix == ".npz" and how < 0.5:
        try:
            arrays: dict[str, Any] = read_arrays(path)
        except CajaxError:
            return "nothing"
        name = random.choice(sorted(arrays))
        if name == "structure":
            text, _ = json_mutant(json.loads(str(arrays[name])), random)
            arrays[name] = np.array(text)
        else:
            arrays[name] = array_mutant(arrays[name], random)
        write_npz(path, arrays)
    elif path.suffix == ".npz" and how < 0.55:
        lying_header(path, random)
    elif path.suffix == ".npz" and how < 0.65:
        path.write_bytes(random.choice([p for p in files if p.suffix == ".npz"]).read_bytes())
    elif how < 0.9 and (data := known(path)) is not None:
        path.write_text(json_mutant(data, random)[0])
    else:
        path.write_bytes(bytes_mutant(path.read_bytes(), random))
    return str(path.relative_to(folder))


def known(path: Path) -> Any:
    """Return the JSON of a file, None where it has none, or has been spoiled already."""
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    return data if data and isinstance(data, dict | list) else None


def attempt(random: random.Random, folder: Path) -> str:
    """Spoil a run folder once or twice, then list, compare, show and resume it."""
    original = random.choice(originals())
    run = folder / original.name
    shutil.copytree(original, run)
    about = ", ".join(
        spoil(run, random) for _ in range(random.choice((1, 1, 1, 3))) if any(run.rglob("*.json"))
    )
    calls: list[Callable[[], Any]] = [
        lambda: text_of(runs_table(folder)),
        lambda: text_of(compare(run, original)),
        lambda: read_run(run).state,
    ]
    if original.name.startswith("lines"):
        calls.append(lambda: rebuilt(Lines, load_run(run), run))
    elif random.random() < 0.5:
        model = cx.load(originals()[1] / "before.npz")
        calls.append(lambda: fitted(model, run))
    chance = random.random()
    if chance < SHOWN:
        calls.append(lambda: report(run, Lines() if chance < SIMULATED and "lines" in run.name else None))
    refused = [error for call in calls if (error := refusal(call)) is not None]
    if refused:
        raise next((error for error in refused if "\n" in str(error)), refused[0])
    return about


def refusal(call: Callable[[], Any]) -> CajaxError | None:
    """Return what refused a call, None where nothing did."""
    try:
        call()
    except CajaxError as error:
        return error
    return None
