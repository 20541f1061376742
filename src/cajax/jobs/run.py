"""A whole run of a job in one folder: training, tests, a look inside, controls; an interrupted run goes on in it."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..base.disk import is_file, write_json
from ..base.errors import Interrupted
from ..base.lock import claimed
from ..train.hosts import alone, follows
from .contents import Control, Result, read_as
from .controls import controls
from .folder import keep_models, load_run, rebuilt, require_devices, resumed, start
from .job import Job, Say
from .learn import Learned, learn, test
from .team import follow, lead, order, over, told

Done = Callable[[Path], None]
"""What is to be done whenever a run folder has new figures, such as writing its report."""


def run(
    job: Job[Any], runs: str | Path = Path("runs"), every_control: bool = False, done: Done | None = None
) -> Path | None:
    """Train, test, compare and dissect a job in a new folder of `runs`; return the folder, None when interrupted.

    With `every_control` the controls that are other versions of the job itself are trained as well, last, for each
    takes as long as the job. `done(folder)` is called when the figures of the job are there, again after these
    controls, and where the run is interrupted.

    Within `train.joined` all hosts make the same call; hosts that another one leads help it to train, and return its
    folder, which is not theirs.
    """
    require_devices(job)
    if follows():
        return follow(type(job), job)
    lead(job)
    folder = start(job, Path(runs))
    with claimed(folder):
        return _go(job, folder, every_control, done)


def resume(
    job: Job[Any], folder: str | Path, every_control: bool = False, done: Done | None = None
) -> Path | None:
    """Go on with a run of this kind of job where it ended, with the settings of its folder; what is done stays.

    Raises `StoreError` for a folder of another job, version or data, or one that another process works in. Of several
    hosts only host 0 needs the folder.
    """
    if follows():
        return follow(type(job))
    folder = Path(folder)
    job = rebuilt(type(job), load_run(folder), folder)
    require_devices(job)
    with claimed(folder):
        resumed(job, folder)
        lead(job)
        return _go(job, folder, every_control, done)


def _go(job: Job[Any], folder: Path, every_control: bool, done: Done | None) -> Path | None:
    from rich.console import Console

    console = Console()

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    say(f"run folder: {folder}")
    told(job.again(folder, every_control))
    begin = time.perf_counter()
    try:
        order("")
        learned = learn(job, folder, say)
        metrics = _kept(folder / "metrics.json", Result, lambda: _tested(job, learned, folder))
        others = controls(job, learned, folder, say, all_of_them=False)
        with alone():
            inspect = partial(job.inspect, learned.before, learned.after, folder, say)
            _kept(folder / "inside.json", dict, inspect)
        _told(job, metrics, others, folder, say, begin, done)
        if every_control and any(name not in _names(others) for name in job.versions()):
            others = controls(job, learned, folder, say)
            _told(job, metrics, others, folder, say, begin, done)
    except Interrupted:
        if done is not None:
            done(folder)
        say(f"go on with: {job.again(folder, every_control)}")
        over(None)
        return None
    over(folder)
    return folder


def _told(
    job: Job[Any],
    metrics: Result,
    others: list[Control],
    folder: Path,
    say: Say,
    begin: float,
    done: Done | None,
) -> None:
    """Print all figures that there are, and have done what is to be done with them."""
    summary(job, metrics, others, say)
    if left := [name for name in job.versions() if name not in _names(others)]:
        say(f"not trained: {', '.join(left)}; these controls follow with: {job.again(folder, True)}")
    say(f"{time.perf_counter() - begin:.0f} s; figures and models are in {folder}")
    if done is not None:
        done(folder)


def _names(others: list[Control]) -> set[str]:
    return {entry["name"] for entry in others}


def _kept(path: Path, kind: Any, make: Callable[[], Any]) -> Any:
    """Return what a JSON file holds, which is as `kind` has it; where there is none, make it first."""
    if not is_file(path):
        write_json(path, make())
    return read_as(path, kind)


def _tested(job: Job[Any], learned: Learned, folder: Path) -> dict[str, Any]:
    keep_models(learned.before, learned.after, folder)
    return test(job, learned, folder)


def summary(job: Job[Any], metrics: Result, others: list[Control], say: Say) -> None:
    """Print the figures of a run and of its controls side by side."""
    headline, tests = job.score.headline, list(metrics["tests"])
    width = max(24, *(len(name) + 2 for name in tests))
    say(f"\n{metrics['title']}" + (f"; published: {metrics['published']}" if metrics["published"] else ""))
    say(f"{'':28s}{'parameters':>12s}{'seconds':>10s}" + "".join(f"{name:>{width}s}" for name in tests))

    def line(name: str, parameters: int | None, seconds: float | None, figures: Mapping[str, Any]) -> None:
        values = "".join(f"{headline.text(figures.get(test), 2):>{width}s}" for test in tests)
        size, time = (f"{parameters:,}" if parameters else "–"), (f"{seconds:.0f}" if seconds else "–")
        say(f"{name:28s}{size:>12s}{time:>10s}{values}")

    own = {name: figures.get(headline.name) for name, figures in metrics["tests"].items()}
    line("network of neurons", metrics["parameters"], metrics["seconds"], own)
    for entry in others:
        line(entry["name"], entry.get("parameters"), entry.get("seconds"), entry["tests"])
    for name, figures in metrics["tests"].items():
        known = (headline.name, "loss", "trials")
        more = {k: v for k, v in figures.items() if k not in known and isinstance(v, int | float)}
        if more:
            say(f"  {name}: " + ", ".join(f"{key} {value:.4g}" for key, value in more.items()))
