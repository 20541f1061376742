"""A whole run of a task in one folder: training, tests, controls, a look inside; an interrupted run goes on in it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..analysis import inside
from ..jobs.controls import controls, perceptron
from ..jobs.learn import (
    Interrupted,
    Learned,
    Say,
    keep_models,
    learn,
    load_run,
    rebuilt,
    require_devices,
    resumed,
    start,
    test,
)
from ..train import read_json, write_json
from .catalogue import task_of
from .task import Task


def run(task: Task, runs: Path = Path("runs"), every_control: bool = True) -> Path | None:
    """Train, test, compare and dissect a task in a new folder of `runs`; return the folder, None when interrupted."""
    require_devices(task)
    return _go(task, start(task, runs), every_control)


def resume(folder: Path, every_control: bool = True, task: Task | None = None) -> Path | None:
    """Go on with a run where it ended; what is done is not done again. Give `task` when it is one of your own."""
    task = task_of(folder) if task is None else rebuilt(type(task), load_run(folder), folder)
    require_devices(task)
    resumed(task, folder)
    return _go(task, folder, every_control)


def _go(task: Task, folder: Path, every_control: bool) -> Path | None:
    from rich.console import Console

    console = Console()

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False)

    say(f"run folder: {folder}")
    begin = time.perf_counter()
    try:
        learned = learn(task, folder, say)
        metrics = _kept(folder / "metrics.json", lambda: _tested(task, learned, folder))
        others = controls(task, learned, folder, say, every_control)
        _kept(folder / "inside.json", lambda: _dissected(task, learned, folder, say))
    except Interrupted:
        say(f"go on with: cajax train {task.name} --resume {folder}")
        return None
    summary(metrics, others, say)
    say(f"{time.perf_counter() - begin:.0f} s; figures and models are in {folder}")
    return folder


def _kept(path: Path, make: Callable[[], Any]) -> Any:
    """Return what a JSON file holds; where there is none, make it first."""
    if not path.is_file():
        write_json(path, make())
    return read_json(path)


def _tested(task: Task, learned: Learned, folder: Path) -> dict[str, Any]:
    keep_models(learned, folder)
    return test(task, learned, folder)


def _dissected(task: Task, learned: Learned, folder: Path, say: Say) -> dict[str, Any]:
    rival = perceptron(task, folder) if task.attacked else None
    return inside(task, learned.before, learned.after, say, rivals={} if rival is None else {"MLP": rival})


def summary(metrics: dict[str, Any], others: list[dict[str, Any]], say: Say) -> None:
    """Print the figures of a run and of its controls side by side."""
    tests = list(metrics["tests"])
    width = max(24, *(len(name) + 2 for name in tests))
    say(f"\n{metrics['title']}" + (f"; published: {metrics['published']}" if metrics["published"] else ""))
    say(f"{'':28s}{'parameters':>12s}{'seconds':>10s}" + "".join(f"{name:>{width}s}" for name in tests))

    def line(name: str, parameters: int, seconds: float, accuracy: dict[str, float]) -> None:
        shares = "".join(f"{accuracy[t]:>{width}.2%}" if t in accuracy else f"{'—':>{width}s}" for t in tests)
        say(f"{name:28s}{parameters:>12,}{seconds:>10.0f}{shares}")

    line(
        "network of neurons",
        metrics["parameters"],
        metrics["seconds"],
        {name: found["accuracy"] for name, found in metrics["tests"].items()},
    )
    for entry in others:
        line(entry["name"], entry["parameters"], entry["seconds"], entry["tests"])
    for name, found in metrics["tests"].items():
        extra = {k: v for k, v in found.items() if k not in ("accuracy", "loss", "trials", "confusion")}
        if extra:
            say(f"  {name}: " + ", ".join(f"{key} {value:.4g}" for key, value in extra.items()))
