"""Reading a run folder, of a job or a plain fit: what is missing or damaged is said in words, the rest is used."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from ..base.disk import is_file, read_json, reason
from ..base.errors import StoreError
from ..base.lock import holder
from ..base.schema import conformed, salvaged
from ..jobs import Classified, Figure
from ..jobs.contents import Capacity, Check, Control, Inside, Metrics, Test
from ..train import History
from ..train.fitted import PARAMETERS, read_parameters
from ..train.history import MOST_STEPS
from ..train.store import Record, salvaged_record
from ..train.table import ParameterTable
from .recording_state import is_study, so_far


@final
@dataclass(frozen=True)
class StageRun:
    """One stage of a training: its history (None while there is none) and its checks on the way."""

    name: str
    history: History | None
    checks: tuple[Check, ...] = ()
    kept: int = 0

    @property
    def steps(self) -> int:
        """How many steps are known to be made."""
        return self.history.steps if self.history else max([self.kept, *(c["step"] for c in self.checks)])


@final
@dataclass(frozen=True)
class Run:
    """All that a run folder holds in words and numbers; parts that are not there are empty.

    `faults` says in words what is there but cannot be read.
    """

    folder: Path
    record: Record
    stages: tuple[StageRun, ...] = ()
    metrics: Metrics = field(default_factory=Metrics)
    controls: tuple[Control, ...] = ()
    inside: Inside = field(default_factory=Inside)
    capacity: Capacity = field(default_factory=Capacity)
    parameters: ParameterTable | None = None
    tested: bool = False
    faults: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """The name of the job."""
        unknown = "fit" if self.plain else "unknown"
        return str(self.record.get("task") or self.metrics.get("task") or unknown)

    @property
    def plain(self) -> bool:
        """Whether this is a plain fit: a loss that was reduced, without trials and tests."""
        return self.record.get("kind") == "fit" or not self.record.get("task")

    @property
    def headline(self) -> Figure:
        """The figure that stands for all: what the record says, else the loss of a fit, else what jobs had at first."""
        score = self.record.get("score")
        named = Figure.read(score.get("headline")) if isinstance(score, dict) else None
        return named or (Figure("loss") if self.plain else Classified(()).headline)

    @property
    def loss_figure(self) -> Figure:
        """How the loss is written."""
        score = self.record.get("score")
        named = Figure.read(score.get("loss")) if isinstance(score, dict) else None
        return named or (Figure("loss") if self.plain else Classified(()).loss_figure)

    @property
    def tests(self) -> dict[str, Test]:
        """Name → figures of a test; the first one has the figure of the job."""
        return self.metrics.get("tests", {})

    @property
    def figure(self) -> float | None:
        """The headline figure of the first test; the last loss of a plain fit."""
        if self.plain:
            losses = [x for stage in self.stages if stage.history for x in stage.history.losses[-1:]]
            return number(losses[-1]) if losses else None
        return self.value(next(iter(self.tests.values()), {}))

    def value(self, figures: Any) -> float | None:
        """Return the headline figure among the figures of a test."""
        return number(figures.get(self.headline.name)) if isinstance(figures, dict) else None

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return sum(stage.steps for stage in self.stages) or int(number(self.metrics.get("steps")) or 0)

    @property
    def seconds(self) -> float | None:
        """The time (s) spent in the steps."""
        known = number(self.metrics.get("seconds"))
        spent = sum(sum(s.history.seconds) for s in self.stages if s.history)
        return known if known is not None else spent or None

    @property
    def size(self) -> int | None:
        """How many numbers were trained."""
        known = self.metrics.get("parameters")
        if known is None and self.parameters is not None:
            return self.parameters.count
        return known if isinstance(known, int) else None

    @property
    def state(self) -> str:
        """Return "finished", "interrupted", "diverged", "training" or, of a study, "searching"."""
        last = next((s.history.stopped for s in reversed(self.stages) if s.history), "")
        if last in ("diverged", "interrupted"):
            return last
        if is_study(self.record) and not self.tested:
            return "searching" if holder(self.folder) is not None else "interrupted"
        if self.tested or (self.plain and last in ("finished", "enough", "callback")):
            return "finished"
        return "training" if _is_written(self.folder) else "interrupted"


DRAWN = 1e100
"""What is larger cannot be drawn, and counts as no number."""


def number(x: Any) -> float | None:
    """Return `x` as a finite number, or None."""
    if isinstance(x, bool) or not isinstance(x, int | float):
        return None
    return float(x) if abs(x) <= DRAWN else None


def _is_written(folder: Path, within: float = 300.0) -> bool:
    """Whether a process works there, or something in the folder changed in the last `within` seconds."""
    times = [modified(p) for p in [folder, *_walk(folder)]]
    return holder(folder) is not None or time.time() - max(times, default=0.0) < within


def modified(path: Path) -> float:
    """Return when a file was changed, 0 where that is not to be known."""
    try:
        return path.stat().st_mtime
    except (OSError, ValueError):
        return 0.0


def _walk(folder: Path) -> Iterator[Path]:
    for pattern in ("*", "stages/*/*", "stages/*/checkpoints/*"):
        with contextlib.suppress(OSError):  # a folder that is not ours to look into
            yield from folder.glob(pattern)


def read_run(folder: str | Path) -> Run:
    """Read what a run folder holds; `StoreError` for a folder that is none or whose record cannot be read."""
    folder = Path(folder)
    faults: list[str] = []
    record = salvaged_record(folder, faults)
    stages = tuple(_stages(folder, faults))
    parts = {kind: _part(folder / name, kind, faults) for kind, name in _PARTS.items()}
    controls = tuple(_list(folder / "controls.json", Control, faults))
    tested = _there(folder / "metrics.json", faults)
    if is_study(record) and not tested:
        parts[Metrics] = so_far(folder, faults)
    return Run(
        folder, record, stages, parts[Metrics], controls, parts[Inside], parts[Capacity], _parameters(folder, faults),
        tested, tuple(faults),
    )  # fmt: skip


_PARTS: dict[Any, str] = {Metrics: "metrics.json", Inside: "inside.json", Capacity: "capacity.json"}


def _there(path: Path, faults: list[str]) -> bool:
    """Whether a file is there; a place that cannot be looked at is a fault."""
    try:
        return is_file(path)
    except StoreError as error:
        faults.append(str(error))
        return False


def _content(path: Path, kind: type, faults: list[str]) -> Any:
    """Return the content of a JSON file, or an empty one where it is missing or not of this kind."""
    if not _there(path, faults):
        return kind()
    try:
        found = read_json(path)
    except StoreError as error:
        faults.append(str(error))
        return kind()
    if isinstance(found, kind):
        return found
    faults.append(f"{path.name} holds a {type(found).__name__}, not a {kind.__name__}")
    return kind()


def _part(path: Path, kind: Any, faults: list[str]) -> Any:
    """Return those entries of a JSON file that are as `kind` has them."""
    found = _content(path, dict, faults)
    return salvaged(found, kind, f"{path.name}: ", faults)


def _list(path: Path, kind: Any, faults: list[str]) -> Iterator[Any]:
    """Return the entries of a JSON list that are as `kind` has them."""
    for k, entry in enumerate(_content(path, list, faults)):
        try:
            yield conformed(entry, kind, f"{path.name}: [{k}]")
        except StoreError as error:
            faults.append(str(error))


def _parameters(folder: Path, faults: list[str]) -> ParameterTable | None:
    if not _there(folder / PARAMETERS, faults):
        return None
    try:
        return read_parameters(folder)
    except StoreError as error:
        faults.append(str(error))
        return None


def entries(place: Path, faults: list[str]) -> list[Path]:
    """Return what is in a folder, by name; nothing where there is none, or where it cannot be looked at."""
    try:
        return sorted(place.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        faults.append(f"cannot look into {place}: {reason(error)}")
        return []


def number_of(name: str) -> int | None:
    """Return the number that a name is, None for any other name."""
    return int(name) if name.isascii() and name.isdecimal() and len(name) < 10 else None


def _stages(folder: Path, faults: list[str]) -> Iterator[StageRun]:
    def order(place: Path) -> tuple[int, str]:
        return (number_of(place.name.split("-")[0]) or 0, place.name)

    if _there(folder / "history.json", faults) or entries(folder / "checkpoints", faults):  # of a plain fit
        yield _stage(folder, "fit", faults)
    for place in sorted(filter(os.path.isdir, entries(folder / "stages", faults)), key=order):
        yield _stage(place, place.name.split("-", 1)[-1], faults)


def _stage(place: Path, name: str, faults: list[str]) -> StageRun:
    kept = [number_of(p.name) or 0 for p in entries(place / "checkpoints", faults)]
    checks = tuple(_list(place / "checks.json", Check, faults))
    known = max((n for n in kept if n <= MOST_STEPS), default=0)
    return StageRun(name, _history(place / "history.json", faults), checks, known)


def _history(path: Path, faults: list[str]) -> History | None:
    found = _content(path, dict, faults)
    if not found:
        return None
    try:
        return History.from_json(found)
    except StoreError as error:
        faults.append(f"{path.parent.name}/{path.name} is not the history of a fit: {_inner(error)}")
        return None


def _inner(error: StoreError) -> str:
    """Return what is in brackets in an error of `History.from_json`."""
    return str(error).partition("(")[2].rpartition(")")[0]
